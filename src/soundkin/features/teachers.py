"""Teachers: other encoders whose answers about stretches of audio a network learns to give.

A teacher answers with a vector and, where it has them, probabilities of tags. It is asked in the loop of
training (`OnnxTeacher`, an ONNX file that takes a waveform) or was asked before (`StoredTeacher`, a table).
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import soxr

from soundkin.errors import UsageError
from soundkin.features.frontends.onnx_encoder import onnx_session
from soundkin.features.frontends.vector_table import SUFFIXES, TAGS, VectorTable, read_table
from soundkin.shapes import Float, Float32, typechecked

VECTOR = "vector"  # with TAGS, the outputs of an ONNX teacher


@dataclass(frozen=True)
class OnnxTeacher:
    """An ONNX file from waveforms [batch, samples] of one length to `vector` and, if it has it,
    `tag_probabilities`.

    Its metadata state `sample_rate_hz`; `name`, `licence` and `citation` go to the model card.
    """

    path: Path

    @cached_property
    def _session(self) -> Any:
        return onnx_session(self.path)[1]

    @cached_property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    @cached_property
    def sample_rate_hz(self) -> int:
        """Of the waveforms it takes."""
        try:
            return int(self.metadata["sample_rate_hz"])
        except (KeyError, ValueError) as error:
            raise self._refused(
                "its metadata state no sample_rate_hz",
                "Add it with onnx: model.metadata_props.add(key='sample_rate_hz', value='16000')",
            ) from error

    @cached_property
    def samples(self) -> int:
        """Length of the waveforms it takes."""
        [shape] = [given.shape for given in self._session.get_inputs()][:1]
        if len(self._session.get_inputs()) != 1 or len(shape) != 2 or not isinstance(shape[1], int):
            raise self._refused(
                f"its input is {shape}, where one input [batch, samples] of a fixed length is needed",
                "Export it so",
            )
        return int(shape[1])

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """Numbers in a vector, and how many tags (0: none), by asking about a tone."""
        tone = np.sin(np.arange(self.samples, dtype=np.float32) * 0.1)[None]
        vectors, tags = self._run(tone)
        return vectors.shape[1], tags.shape[1]

    @typechecked
    def __call__(
        self, waveforms: Float32[np.ndarray, "batch samples"], sample_rate_hz: int
    ) -> tuple[Float32[np.ndarray, "batch size"], Float32[np.ndarray, "batch tags"]]:
        """Vectors and tag probabilities of the first `samples` of each waveform, one at a time.

        Waveforms that are shorter are repeated from their beginning.
        """
        answers = [self._run(self._fitted(waveform, sample_rate_hz)[None]) for waveform in waveforms]
        vectors, tags = (np.concatenate(parts) for parts in zip(*answers, strict=True))
        return vectors, tags

    def _fitted(self, waveform: np.ndarray, sample_rate_hz: int) -> Float32[np.ndarray, " samples"]:
        if sample_rate_hz != self.sample_rate_hz:
            waveform = soxr.resample(waveform, sample_rate_hz, self.sample_rate_hz)
        if len(waveform) < self.samples:
            waveform = np.resize(waveform, self.samples)
        return np.ascontiguousarray(waveform[: self.samples], np.float32)

    def _run(self, waveforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        names = [output.name for output in self._session.get_outputs()]
        if VECTOR not in names:
            raise self._refused(
                f"it has the outputs {', '.join(names)}, and none is called {VECTOR}", "Rename the output"
            )
        wanted = [name for name in (VECTOR, TAGS) if name in names]
        [given] = self._session.get_inputs()
        try:
            answers = self._session.run(wanted, {given.name: waveforms})
        except Exception as error:  # the library raises nothing narrower
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise self._refused(
                f"it fails on {list(waveforms.shape)} samples ({reason})", "Export it again"
            ) from error
        vectors = answers[0]
        if vectors.ndim != 2 or vectors.dtype.kind != "f" or not np.isfinite(vectors).all():
            what = f"{vectors.dtype}{list(vectors.shape)}"
            raise self._refused(
                f"its vector is {what}, where finite floats [batch, size] are needed", "Export it so"
            )
        tags = answers[1] if len(answers) > 1 else np.zeros((len(vectors), 0), np.float32)
        if tags.ndim != 2 or (tags.size and not ((tags >= 0) & (tags <= 1)).all()):
            raise self._refused(f"its {TAGS} are not in [0, 1]", "Export them behind a sigmoid")
        return vectors.astype(np.float32), tags.astype(np.float32)

    def _refused(self, problem: str, hint: str) -> UsageError:
        return UsageError(f"teacher {self.path}: {problem}. {hint}.")

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}  # a session does not travel to a worker


@dataclass(frozen=True)
class StoredTeacher:
    """A table of answers: `track_id, start_seconds, vector[, tag_probabilities]` as .npz, .parquet or a
    folder of Parquet files, or an embeddings folder made with `embed --patches`.

    Each row is about `stretch_seconds` of audio from `start_seconds` on: the usual distance between two rows
    of a track, if not stated.
    """

    path: Path
    stretch_seconds: float | None = None

    @cached_property
    def _table(self) -> VectorTable:
        patches = self.path / "patches"
        table = read_table(patches if patches.is_dir() else self.path, tags=True)
        bad = ~np.isfinite(table.vectors).all(axis=1)
        if bad.any():
            self._refuse_row(table, int(bad.argmax()), "its vector is not finite")
        same_track, gaps = _gaps(table)
        twice = same_track & (gaps == 0)
        if twice.any():
            row = int(table.rows_by_track[0][1:][twice][0])
            self._refuse_row(table, row, "another row has its track and start_seconds")
        return table

    def _refuse_row(self, table: VectorTable, row: int, problem: str) -> NoReturn:
        place = f"row {row} (the first is row 0), track_id={table.track_ids[row]}"
        place += f" at {table.start_seconds[row]:g} s"
        raise UsageError(f"teacher {self.path}, {place}: {problem}. Correct it, or delete the row.")

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """Numbers in a vector, and how many tags (0: none)."""
        return self._table.size, 0 if self._table.tags is None else self._table.tags.shape[1]

    @property
    def metadata(self) -> dict[str, str]:
        """A table says nothing of itself."""
        return {}

    @cached_property
    def seconds(self) -> float:
        """Length of the stretch that a row is about."""
        if self.stretch_seconds:
            return self.stretch_seconds
        same_track, gaps = _gaps(self._table)
        gaps = gaps[same_track]
        if not len(gaps):
            raise UsageError(
                f"teacher {self.path}: each track has one row, and nothing says how much of the track it is "
                "about. Give task.distill.stretch_seconds, in seconds."
            )
        values, counts = np.unique(gaps.round(3), return_counts=True)
        return float(values[counts.argmax()])

    def track_ids(self) -> set[str]:
        """The tracks that have answers."""
        return set(self._table.track_ids)

    @lru_cache(maxsize=100_000)  # noqa: B019  one teacher lives as long as a run
    def track(self, track_id: str) -> tuple[Float32[np.ndarray, "rows answer"], Float[np.ndarray, " rows"]]:
        """The answers about a track, vector and tags side by side, in order of time, and their starts (s)."""
        order, runs = self._table.rows_by_track
        rows = order[slice(*runs[track_id])]
        tags = np.zeros((len(rows), 0)) if self._table.tags is None else self._table.tags[rows]
        answers = np.concatenate([self._table.vectors[rows], tags], axis=1).astype(np.float32)
        return answers, self._table.start_seconds[rows]

    @typechecked
    def answers(self, track_id: str, start_seconds: float, seconds: float) -> Float32[np.ndarray, " answer"]:
        """What it says of a patch: the mean of its answers, weighted by the time that each has in the patch.

        NaN where half of the patch or more is not covered.
        """
        answers, starts = self.track(track_id)
        overlap = np.minimum(starts + self.seconds, start_seconds + seconds) - np.maximum(
            starts, start_seconds
        )
        weight = np.maximum(overlap, 0.0)
        if weight.sum() < 0.5 * min(seconds, self.seconds):
            return np.full(answers.shape[1], np.nan, np.float32)
        return np.asarray(weight @ answers / weight.sum(), np.float32)


def _gaps(table: VectorTable) -> tuple[np.ndarray, np.ndarray]:
    """From each row to the next, by track and time: whether they are of one track; seconds between them."""
    order = table.rows_by_track[0]
    ids = np.asarray(table.track_ids)[order]
    return ids[1:] == ids[:-1], np.diff(table.start_seconds[order])


Teacher = OnnxTeacher | StoredTeacher


def open_teacher(path: Path, stretch_seconds: float | None = None) -> Teacher:
    """The teacher at `path`, checked; UsageError with what is wrong with it."""
    if path.suffix == ".onnx":
        onnx = OnnxTeacher(path)
        _ = onnx.sample_rate_hz, onnx.sizes
        return onnx
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"teacher {path}: it ends in {path.suffix}. Give an .onnx that takes a waveform, or its stored "
            "answers: an .npz, a .parquet or an embeddings folder with patches."
        )
    stored = StoredTeacher(path, stretch_seconds)
    _ = stored.sizes, stored.seconds
    return stored
