"""Frozen features in place of our log-mels: frames that are vectors of an encoder from elsewhere, [frames,
size].

They come out of a table (`vector_table`), or of an ONNX model that is run here (`onnx_model`); the path's
ending says which. What hears them, patches and network and tasks, cannot tell them from log-mel frames.
"""

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor

from soundkin.config import Config
from soundkin.errors import AudioError, ConfigError
from soundkin.features.decode import SILENT_POWER
from soundkin.features.log_mel import LogMelStream, OfAudio
from soundkin.features.onnx_model import OnnxEncoder, OnnxInput, open_encoder
from soundkin.features.patches import stream_patches
from soundkin.features.resampling import resample
from soundkin.features.vector_table import (
    LARGEST,
    SUFFIXES,
    TableTrack,
    TrackVectors,
    read_table,
    sha256_of_table,
)
from soundkin.files import sha256_of_text
from soundkin.shapes import Float32

logger = logging.getLogger(__name__)

BLOCK_FRAMES = 256


class ExternalFrontEnd(Config):
    """Where frozen features come from.

    `sha256` and `size` tell the file; training fills them in, and refuses another file where they are given.
    """

    path: Path = Field(
        description=".npz, .parquet or a folder of them: vectors by track_id; .onnx: a model to run"
    )
    name: str = Field("", description="what made the vectors, for the model card")
    licence: str = Field("", description="under which it may be used, for the model card")
    onnx: OnnxInput = Field(OnnxInput(), description="what an ONNX model hears")
    sha256: str | None = None
    size: PositiveInt | None = Field(None, description="numbers in a vector")

    @field_validator("path")
    @classmethod
    def _known_kind(cls, path: Path) -> Path:
        if path.suffix not in (*SUFFIXES, ".onnx"):
            raise ValueError(
                f"it ends in {path.suffix}; give a table (.npz, .parquet, a folder of .parquet) or .onnx"
            )
        return path

    @property
    def is_table(self) -> bool:
        """Whether vectors are looked up by track_id, so that no audio is heard."""
        return self.path.suffix != ".onnx"

    @property
    def mel_bands(self) -> int:
        """Numbers in a frame, which is what the network takes for mel bands."""
        assert self.size is not None, "identified() was to be called first"
        return self.size

    @property
    def chroma_bands(self) -> int:
        """None of its numbers are chroma."""
        return 0

    @property
    def bands(self) -> int:
        """Numbers in a frame."""
        return self.mel_bands

    @property
    def file_name(self) -> str:
        """What the file is called in a model bundle."""
        return f"external{self.path.suffix}"

    def settings(self) -> dict[str, Any]:
        """What frames depend on, as plain JSON: the file's content, and how it is used."""
        used = {"sha256", "size"} if self.is_table else {"sha256", "size", "onnx"}
        return {"path": self.file_name, **self.model_dump(mode="json", include=used)}

    def content_hash(self) -> str:
        """Sixteen hex digits that change when any frame may."""
        return sha256_of_text(json.dumps(self.settings(), sort_keys=True))[:16]

    def identified(self) -> Self:
        """The same front end, with `sha256` and `size` as its file has them.

        Raises:
            UsageError: the file is missing or cannot be used. ConfigError: it is not the one that was
                described.
        """
        path = self.path.absolute()
        if self.is_table:
            sha256, size = sha256_of_table(path), read_table(path).size
        else:
            encoder = OnnxEncoder(path, self.onnx)
            sha256, size = encoder.sha256, encoder.size()
        for key, stated, found in (("sha256", self.sha256, sha256), ("size", self.size, size)):
            if stated not in (None, found):
                raise ConfigError(
                    f"config features.{key}={stated}: {path} has {found}. Name that file, or leave it out."
                )
        return self.model_copy(update={"path": path, "sha256": sha256, "size": size})

    def warn_of_another_table(self) -> None:
        """Warn where the table is not the one of `sha256`: a grown one is welcome, another encoder's is not."""
        if self.is_table and sha256_of_table(self.path) != self.sha256:
            logger.warning(
                "%s is not the table that the model learnt from. That is right if the same encoder made its vectors; "
                "else what the model makes of them means nothing.",
                self.path,
            )

    def encoder(self) -> OnnxEncoder:
        """The ONNX model, ready to run."""
        assert self.sha256 is not None, "identified() was to be called first"
        return open_encoder(self.path, self.onnx, self.sha256)

    def track(self, track: TableTrack) -> TrackVectors:
        """A track's rows in the table.

        Raises:
            UsageError: the table cannot be read, or its vectors have another size.
            AudioError: the track is not in it, or its vectors are no numbers.
        """
        table = read_table(self.path)
        if table.size != self.bands:
            raise ConfigError(
                f"{self.path} has vectors of {table.size} numbers, and the model learnt from vectors of "
                f"{self.bands}. Name a table of the same encoder."
            )
        return table.track(track.track_id)


@dataclass
class TableStream:
    """A track's frames out of the table."""

    track: TableTrack
    found: TrackVectors
    duration_seconds: float = float("nan")  # a table does not say
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The track, for messages."""
        return str(self.track)

    def start_seconds(self, frame: int) -> float:
        """Where in the track a frame begins."""
        return float(self.found.start_seconds[frame])

    def __iter__(self) -> Iterator[Float32[Tensor, "frames size"]]:
        """Yield blocks of at most `BLOCK_FRAMES` frames."""
        yield from torch.split(torch.from_numpy(self.found.vectors), BLOCK_FRAMES)


def stream_table(track: TableTrack, front_end: ExternalFrontEnd, seconds: float | None = None) -> TableStream:
    """The frames of a track that begin within `seconds`, if given; at least one. Raises as `track` does."""
    found = front_end.track(track)
    if seconds is not None:
        heard = found.start_seconds < seconds
        heard[0] = True
        found = TrackVectors(found.vectors[heard], found.start_seconds[heard])
    return TableStream(track, found)


@dataclass
class OnnxStream(OfAudio):
    """A file's frames by an ONNX model, one by one, once; `duration_seconds` and `warnings` are complete
    after.
    """

    front_end: ExternalFrontEnd
    _starts: list[float] = field(default_factory=list)

    def start_seconds(self, frame: int) -> float:
        """Where in the file a frame begins that was yielded already."""
        return self._starts[frame]

    def __iter__(self) -> Iterator[Float32[Tensor, "frames size"]]:
        """Yield blocks of one frame.

        Raises:
            AudioError: the file has no sample at the model's rate, or the model answers with no numbers.
        """
        onnx = self.front_end.onnx
        log_mels = LogMelStream(self.audio, onnx.log_mel) if onnx.input == "log_mel" else None
        for first, frame in encode(self._waveform() if log_mels is None else log_mels, self.front_end):
            start = onnx.start_seconds(first) if log_mels is None else log_mels.start_seconds(first)
            if not bool((frame.abs() <= LARGEST).all()):
                raise AudioError(
                    f"{self.name}: the ONNX model answers at {start:.1f} s with numbers that are not finite or beyond "
                    f"{LARGEST:g}. Leave the file out, or use another model."
                )
            self._starts.append(start)
            yield frame[None]
        if not self._starts:
            raise AudioError(f"{self.name} is too short to be heard. Leave it out or replace it.")

    def _waveform(self) -> Iterator[Float32[Tensor, "samples 1"]]:
        onnx = self.front_end.onnx
        blocks = (parts[0] for parts in self.audio.parts()) if onnx.downmix == "mean" else iter(self.audio)
        for block in resample(blocks, self.audio.sample_rate_hz, onnx.sample_rate_hz):
            if len(block):
                yield torch.from_numpy(block)[:, None]


def encode(
    blocks: Iterable[Tensor], front_end: ExternalFrontEnd
) -> Iterator[tuple[int, Float32[Tensor, " size"]]]:
    """Yield `(first, vector)` of each window of what the model takes, [samples, 1] or [frames, mels]."""
    encoder, onnx = front_end.encoder(), front_end.onnx
    for first, window in without_silent_windows(stream_patches(blocks, onnx.windows), onnx):
        yield first, encoder(window)


def without_silent_windows(
    windows: Iterable[tuple[int, Tensor]], onnx: OnnxInput
) -> Iterator[tuple[int, Tensor]]:
    """Leave out windows of a waveform that are silent, but for the first where all are."""
    silent, sounding = None, False
    for first, window in windows:
        if (
            onnx.input == "waveform"
            and not onnx.keep_silence
            and float(window.square().mean()) < SILENT_POWER
        ):
            silent = silent or (first, window)
            continue
        sounding = True
        yield first, window
    if silent is not None and not sounding:
        yield silent
