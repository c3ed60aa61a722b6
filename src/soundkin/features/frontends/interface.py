"""What a front end is: settings that travel with the model, and how they turn a track into frames."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from soundkin.config import Config
from soundkin.features.decode import AudioStream, audio_hash, open_audio
from soundkin.features.remote_audio import RemoteFile
from soundkin.files import sha256_of_text
from soundkin.shapes import Float32


@dataclass(frozen=True)
class TableTrack:
    """A track that is looked up in a table of vectors by its id, instead of by its audio."""

    track_id: str

    def __str__(self) -> str:
        return f"track_id={self.track_id}"


TrackInput = Path | RemoteFile | TableTrack


@dataclass
class FrameStream:
    """Frames of a track in blocks, to be read once; duration and warnings are complete afterwards.

    `name` is for messages; `start_seconds` gives the start in the track of a frame that was yielded already.
    """

    name: str
    blocks: Iterable[Float32[Tensor, "frames bands"]]
    start_seconds: Callable[[int], float]
    audio: AudioStream | None = None

    def __iter__(self) -> Iterator[Float32[Tensor, "frames bands"]]:
        return iter(self.blocks)

    @property
    def duration_seconds(self) -> float:
        """Length of the audio read so far; NaN without audio."""
        return self.audio.duration_seconds if self.audio else float("nan")

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems with the file, if any."""
        return tuple(self.audio.warnings) if self.audio else ()


class FrontEnd(Config, ABC):
    """Settings that make frames of a track; frames of two tracks compare only under equal settings."""

    makes_log_mels: ClassVar[bool] = False
    takes_audio: ClassVar[bool] = True  # rather than a track's id

    if TYPE_CHECKING:  # fields of some front ends, properties of others

        @property
        def mel_bands(self) -> int:
            """Numbers in a frame that the network takes for mel bands."""

        @property
        def chroma_bands(self) -> int:
            """Numbers in a frame after those."""

    @property
    def bands(self) -> int:
        """Numbers in a frame: mel bands, then chroma."""
        return self.mel_bands + self.chroma_bands

    @property
    def frames_per_second(self) -> float | None:
        """How many frames a second of sound has; None where they come at no fixed rate."""
        return None

    def settings(self) -> dict[str, Any]:
        """All that frames depend on, as plain JSON."""
        return self.model_dump(mode="json")

    def content_hash(self) -> str:
        """Sixteen hex digits that change when any frame may."""
        return sha256_of_text(json.dumps(self.settings(), sort_keys=True))[:16]

    @property
    def file_sha256(self) -> str | None:
        """SHA-256 of the file that frames come from; None without such a file."""
        return None

    def origin(self) -> dict[str, Any]:
        """Path, name and licence of another encoder's file; empty for our log-mels."""
        return {}

    def identified(self) -> Self:
        """The same front end with checksum and size of its file, if it has one, filled in or checked."""
        return self

    def model_file(self) -> bytes | None:
        """The encoder to keep in a model bundle, if there is one."""
        return None

    def warn_of_another_table(self) -> None:
        """Warn if the table of vectors has changed since training."""

    def track_inputs(self, paths: Sequence[Path | RemoteFile], track_ids: Sequence[str]) -> list[TrackInput]:
        """What `stream` takes, of tracks with these files and ids."""
        return list(paths)

    def input_hash(self, track: Any) -> str:
        """32 hex digits of the bytes of a file, or of a track's vectors; AudioError if unreadable."""
        return audio_hash(track)

    def stream(self, track: Any, seconds: float | None = None) -> FrameStream:
        """Frames of a track, or of its first `seconds`, in bounded memory.

        Raises AudioError if the track cannot be used, UsageError if it is a file and only ids are looked up.
        """
        return self.stream_audio(open_audio(track, seconds))

    def frames(self, track: Any, seconds: float | None = None) -> Float32[Tensor, "frames bands"]:
        """All frames at once; raises as `stream` does."""
        return torch.cat(list(self.stream(track, seconds)))

    @abstractmethod
    def stream_audio(self, audio: AudioStream) -> FrameStream:
        """Frames of an open file; UsageError if only ids are looked up."""

    @abstractmethod
    def reference_frames(self) -> Float32[Tensor, "frames bands"]:
        """Frames of a fixed sound, or fixed numbers, to notice code that computes something else."""
