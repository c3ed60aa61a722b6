"""Examples: excerpts of tracks with what teachers say of them, for tasks that are trained on examples.

A teacher in the loop is asked ahead of the trainer, by worker processes, about excerpts made of the training
tracks (`features/mixtures.py`). What it says is kept in a folder of shards (safetensors):

    train-00000.safetensors ...    of training tracks        valid-00000.safetensors ...    of held-out ones
        clean [examples, frames, bands]    worse [examples, copies, frames, bands], float16
        answers [examples, answers]        groups [examples]: number of the artist

A shard depends on its number, the tracks, the settings and the teachers alone, and its folder is named by
them: a killed run goes on from what is there. Each epoch sees a window of the shards: later epochs wait for
new ones, and let go of the oldest.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from soundkin.config import Config
from soundkin.errors import AudioError, CatalogError, SoundkinError
from soundkin.features.decode import AudioStream, read_waveform
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.mixtures import MixtureConfig, mixture, worse_for_student
from soundkin.features.teachers import OnnxTeacher
from soundkin.files import explaining_output, replacing, sha256_of, sha256_of_text
from soundkin.parallel import InBackground
from soundkin.progress import progress_bar
from soundkin.shapes import Float, Int

PER_SHARD = 256
TRACKS_PER_SHARD = 24  # decoded for a shard: each is in about ten of its examples
TRIES = 200  # tracks tried for a shard before giving up
TRAIN, VALID = "train", "valid"
WAIT_SECONDS = 0.2

logger = logging.getLogger(__name__)


class ExampleConfig(Config):
    """Examples that teachers in the loop are asked about."""

    folder: Path | None = Field(None, description="default: `examples` next to the run's folder")
    first: PositiveInt = Field(2_048, description="made before training begins")
    seen: PositiveFloat = Field(
        10.0, description="times that an example is seen, about: sets how many are made"
    )
    kept: PositiveInt = Field(20_000, description="the oldest go where there would be more")
    held_out: NonNegativeInt = Field(512, description="made of held-out tracks, to measure agreement by")
    workers: PositiveInt = Field(1, description="processes that make them beside the trainer")
    evenly: str = Field("artist", description="column whose values are drawn evenly, as artist or collection")
    worse_share: float = Field(0.35, ge=0.0, le=1.0, description="that the student hears distorted")
    worse_copies: NonNegativeInt = Field(2, description="distorted copies of each example")
    mixture: MixtureConfig = MixtureConfig()


class AnsweredExamples(NamedTuple):
    """`log_mel` [examples, frames, bands], what teachers answer [examples, answers] (NaN: nothing), and the
    number of the artist of each [examples].
    """

    log_mel: Float[np.ndarray, "examples frames bands"]
    answers: Float[np.ndarray, "examples answers"]
    groups: Int[np.ndarray, " examples"]


AnsweredExample = tuple[np.ndarray, np.ndarray, int]  # of `AnsweredExamples`, one


def joined(
    parts: Sequence[tuple[Any, Any, Any]], join: Callable[[Sequence[Any]], np.ndarray]
) -> AnsweredExamples:
    """Examples one by one (`join=np.stack`) or many (`np.concatenate`), together."""
    return AnsweredExamples(*(join(part) for part in zip(*parts, strict=True)))


@dataclass(frozen=True)
class ExampleMaker:
    """Makes shards of one split: excerpts of the tracks at `paths`, drawn evenly over `strata`."""

    folder: Path
    split: str
    paths: Sequence[Path]
    strata: Sequence[int]
    groups: Sequence[int]
    front_end: LogMelFrontEnd
    patch_frames: int
    teachers: Sequence[OnnxTeacher]
    settings: ExampleConfig
    seconds: float  # of a track that are read
    random_seed: int

    @property
    def samples(self) -> int:
        """Length of an excerpt: what a patch covers."""
        return (self.patch_frames - 1) * self.front_end.hop_samples + self.front_end.window_samples

    def path(self, number: int) -> Path:
        """Of shard `number`."""
        return self.folder / f"{self.split}-{number:05d}.safetensors"

    def make(self, number: int) -> None:
        """Write shard `number`, if it is not there."""
        if self.path(number).exists():
            return
        began = time.perf_counter()
        os.nice(max(0, 5 - os.nice(0)))  # the trainer goes first
        rng = np.random.default_rng([self.random_seed, self.split == VALID, number])
        rows, tracks = self._read_tracks(rng)
        waveforms: list[np.ndarray] = []
        log_mels: list[np.ndarray] = []
        worse, groups = [], []
        for turn in range(4 * PER_SHARD):
            if len(waveforms) == PER_SHARD:
                break
            first = turn % len(tracks)
            rate_hz = self.front_end.sample_rate_hz
            excerpt = mixture(tracks, first, self.samples, rate_hz, self.settings.mixture, rng)
            copies = [worse_for_student(excerpt, rate_hz, rng) for _ in range(self.settings.worse_copies)]
            blocks = [self._frames(*heard) for heard in ((excerpt, rate_hz), *copies)]
            frames = [block for block in blocks if block is not None]
            if len(frames) == len(blocks):  # silence makes no example
                waveforms.append(excerpt)
                log_mels.append(frames[0])
                worse.append(frames[1:])
                groups.append(self.groups[rows[first]])
        if not waveforms:
            raise SoundkinError("the tracks hold nothing but silence: no example can be made of them.")
        asked = time.perf_counter()
        heard = np.stack(waveforms)
        answers = [
            part for teacher in self.teachers for part in teacher(heard, self.front_end.sample_rate_hz)
        ]
        done = time.perf_counter()
        shape = (len(waveforms), self.settings.worse_copies, *np.shape(log_mels[0]))
        arrays = {
            "clean": np.stack(log_mels),
            "worse": np.asarray(worse, np.float16).reshape(shape),
            "answers": np.concatenate(answers, axis=1).astype(np.float16),
            "groups": np.asarray(groups, np.int64),
        }
        cost = {"seconds": f"{done - began:.3f}", "teacher_seconds": f"{done - asked:.3f}"}
        with replacing(self.path(number)) as file:
            file.write(safetensors.numpy.save(arrays, cost))

    def _read_tracks(self, rng: np.random.Generator) -> tuple[list[int], list[np.ndarray]]:
        """Rows of tracks drawn evenly over the strata, and their samples."""
        strata = np.asarray(self.strata)
        kinds = np.unique(strata)
        rows: list[int] = []
        tracks: list[np.ndarray] = []
        for _ in range(TRIES):
            row = int(rng.choice(np.flatnonzero(strata == rng.choice(kinds))))
            try:
                waveform = read_waveform(self.paths[row], self.front_end.sample_rate_hz, self.seconds)
            except AudioError:
                continue  # it is listed among the skipped already
            rows.append(row)
            tracks.append(waveform.samples)
            if len(tracks) == TRACKS_PER_SHARD:
                break
        if not tracks:
            raise CatalogError("no track can be decoded: no example can be made.")
        return rows, tracks

    def _frames(self, samples: np.ndarray, rate_hz: int) -> Float[np.ndarray, "frames bands"] | None:
        """The frames of a patch, float16; None for silence."""
        if not np.abs(samples).max() > 1e-6:
            return None
        stream = AudioStream.from_array(samples[:, None], rate_hz, "an example")
        frames = torch.cat(list(self.front_end.stream_audio(stream))).numpy()
        if len(frames) < self.patch_frames:  # silence was left out
            frames = np.resize(frames, (self.patch_frames, frames.shape[1]))
        return frames[: self.patch_frames].astype(np.float16)


def example_folder(
    folder: Path, maker_settings: Any, teachers: Sequence[OnnxTeacher], paths: Sequence[Path]
) -> Path:
    """The folder of the examples of these settings, teachers and tracks, in `folder`."""
    said = [maker_settings, [sha256_of(teacher.path) for teacher in teachers], [path.name for path in paths]]
    return folder / sha256_of_text(json.dumps(said, sort_keys=True, default=str))[:16]


@dataclass
class MadeExamples:
    """The examples that teachers in the loop answer; `maker` makes those of training, beside this process."""

    maker: ExampleMaker
    held_out_maker: ExampleMaker | None
    examples_per_epoch: int
    epochs: int
    _background: InBackground | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._open = lru_cache(maxsize=None)(_Shard)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_open", "_background")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_background": None})
        self._open = lru_cache(maxsize=None)(_Shard)

    def window(self, epoch: int) -> range:
        """The shards of an epoch."""
        settings = self.maker.settings
        new = self.examples_per_epoch * epoch / settings.seen
        stop = -(-settings.first // PER_SHARD) + int(new / PER_SHARD)
        return range(max(0, stop - max(1, settings.kept // PER_SHARD)), stop)

    def start(self, epoch: int = 0, making: bool = True) -> None:
        """Make what is needed from `epoch` on, in order, or let another process do so; return when the first
        epoch's is there.
        """
        folder, workers = self.maker.folder, self.maker.settings.workers
        with explaining_output(folder):
            folder.mkdir(parents=True, exist_ok=True)
        held_out = range(-(-self.maker.settings.held_out // PER_SHARD)) if self.held_out_maker else range(0)
        last = self.window(max(0, self.epochs - 1)).stop
        makers = {maker.split: maker for maker in (self.maker, self.held_out_maker) if maker}
        first = [(VALID, number) for number in held_out]
        first += [(TRAIN, number) for number in self.window(epoch)]
        later = [(TRAIN, number) for number in range(self.window(epoch).stop, last)]
        missing = [job for job in (*first, *later) if not makers[job[0]].path(job[1]).exists()]
        if making:
            self._failure.unlink(missing_ok=True)
            self._background = InBackground(partial(_make, makers), missing, workers, self._failure)
        with progress_bar(None, "Asking teachers", len(first), unit="shard") as bar:
            for split, number in first:
                self._shard(makers[split], number)
                bar.update()
        self._log_cost(self.window(epoch))

    def stop(self) -> None:
        """Stop making examples."""
        if self._background:
            self._background.stop()

    def forget_before(self, epoch: int) -> None:
        """Delete the shards that no epoch from this one on sees."""
        for number in range(self.window(epoch).start):
            self.maker.path(number).unlink(missing_ok=True)

    def draw(
        self, epoch: int, step: int, count: int, rng: np.random.Generator, own: slice = slice(None)
    ) -> list[AnsweredExample]:
        """The `own` ones of a step's `count` examples: each once before any comes again; some distorted."""
        window, settings = self.window(epoch), self.maker.settings
        order = _order(self.maker.random_seed, epoch, len(window) * PER_SHARD)
        places = order[np.arange(step * count, (step + 1) * count) % len(order)]
        copies: list[int | None] = []
        for _ in places:  # drawn for all ranks' examples, so that each rank knows its own
            worse = settings.worse_copies and rng.random() < settings.worse_share
            copies.append(int(rng.integers(settings.worse_copies)) if worse else None)
        parts = []
        for place, copy in zip(places[own].tolist(), copies[own], strict=True):
            shard = self._shard(self.maker, window.start + place // PER_SHARD)
            parts.append(shard.example(place % PER_SHARD % shard.count, copy))
        return parts

    def held_out(self) -> AnsweredExamples | None:
        """All examples of held-out tracks, clean."""
        if self.held_out_maker is None:
            return None
        shards = [
            self._shard(self.held_out_maker, number)
            for number in range(-(-self.maker.settings.held_out // PER_SHARD))
        ]
        parts = [shard.all() for shard in shards]
        return joined(parts, np.concatenate) if parts else None

    @property
    def _failure(self) -> Path:
        return self.maker.folder / "failed.txt"

    def _shard(self, maker: ExampleMaker, number: int) -> "_Shard":
        """Shard `number`, waited for; SoundkinError if making it failed."""
        path = maker.path(number)
        while not path.exists():
            if self._failure.exists():
                raise SoundkinError(f"no more examples: {self._failure.read_text(encoding='utf-8').strip()}")
            time.sleep(WAIT_SECONDS)
        return self._open(path)

    def _log_cost(self, window: range) -> None:
        costs = [self._shard(self.maker, number).cost for number in window]
        count = sum(cost[0] for cost in costs)
        each, teachers = (1000 * sum(cost[part] for cost in costs) / count for part in (1, 2))
        logger.info(
            "examples: %d to begin with, %.0f ms of work each, %.0f of them the teachers'; up to %d more",
            count, each, teachers, (self.window(max(0, self.epochs - 1)).stop - window.stop) * PER_SHARD,
        )  # fmt: skip


def _make(makers: Mapping[str, ExampleMaker], job: tuple[str, int]) -> None:
    split, number = job
    makers[split].make(number)


@lru_cache(maxsize=2)
def _order(random_seed: int, epoch: int, count: int) -> Int[np.ndarray, " count"]:
    return np.random.default_rng([random_seed, epoch]).permutation(count)


class _Shard:
    """An open shard."""

    def __init__(self, path: Path) -> None:
        try:
            file: Any = safetensors.safe_open(path, "numpy")  # it has no types
            self.answers, self._groups = file.get_tensor("answers"), file.get_tensor("groups")
        except (safetensors.SafetensorError, OSError) as error:
            raise SoundkinError(f"{path} is damaged ({error}). Delete it, and run again.") from error
        self._clean, self._worse = file.get_slice("clean"), file.get_slice("worse")
        self._cost = file.metadata() or {}
        self.count = len(self.answers)

    @property
    def cost(self) -> tuple[int, float, float]:
        """Examples, seconds to make them, and the teachers' part of these."""
        seconds, teachers = (float(self._cost.get(key, 0)) for key in ("seconds", "teacher_seconds"))
        return self.count, seconds, teachers

    def example(self, row: int, copy: int | None) -> AnsweredExample:
        """Frames, clean or of a distorted copy, answers and artist of one example."""
        frames = self._clean[row] if copy is None else self._worse[row, copy]
        return frames, self.answers[row], int(self._groups[row])

    def all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Clean frames, answers and artists of all examples."""
        return self._clean[:], self.answers, self._groups
