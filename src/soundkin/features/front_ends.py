"""The one door to frames, whichever front end makes them: log-mels of ours, or frozen features from
elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator
from torch import Tensor

from soundkin.config import validate
from soundkin.errors import UsageError
from soundkin.features.decode import AudioStream, audio_hash, open_audio
from soundkin.features.external import ExternalFrontEnd, OnnxStream, stream_table
from soundkin.features.log_mel import FrontEnd, LogMelStream
from soundkin.features.onnx_model import OnnxInput
from soundkin.features.vector_table import TableTrack
from soundkin.shapes import Float32


def _validated(values: Any) -> Any:
    """Choose by the key that only an external front end has, so that complaints are about the one that is
    meant.
    """
    return values if isinstance(values, ExternalFrontEnd) else _kind(values).model_validate(values)


def _kind(values: Any) -> type[FrontEnd] | type[ExternalFrontEnd]:
    return ExternalFrontEnd if isinstance(values, Mapping) and "path" in values else FrontEnd


AnyFrontEnd = Annotated[FrontEnd | ExternalFrontEnd, BeforeValidator(_validated)]

# What a front end hears: an audio file, or a track of its table.
TrackInput = Path | TableTrack


class FrameStream(Protocol):
    """Frames of a track, block by block, once; what else there is to know is complete after."""

    @property
    def name(self) -> str:
        """What is heard, for messages."""

    @property
    def duration_seconds(self) -> float:
        """Length of what has been heard; NaN where it cannot be known."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is off with it, if anything."""

    def start_seconds(self, frame: int) -> float:
        """Where a frame begins that was yielded already."""

    def __iter__(self) -> Iterator[Float32[Tensor, "frames mels"]]:
        """Yield blocks of frames."""


def validate_front_end(values: Mapping[str, Any], where: str = "") -> FrontEnd | ExternalFrontEnd:
    """The front end that a plain mapping describes; raises as `validate` does."""
    if _kind(values) is ExternalFrontEnd:
        return validate(ExternalFrontEnd, values, where)
    return validate(FrontEnd, values, where)


def stored_front_end(values: Mapping[str, Any], where: str = "") -> FrontEnd | ExternalFrontEnd:
    """The front end that a model was trained with, as its bundle states it; raises as `validate` does.

    What a bundle does not state is as it was before there was a setting for it.
    """
    if _kind(values) is FrontEnd:
        return validate_front_end({**FrontEnd.BEFORE_STATED, **values}, where)
    onnx = values.get("onnx")
    if isinstance(onnx, Mapping):
        log_mel = {**FrontEnd.BEFORE_STATED, **onnx.get("log_mel", {})}
        values = {**values, "onnx": {**OnnxInput.BEFORE_STATED, **onnx, "log_mel": log_mel}}
    return validate_front_end(values, where)


def settings_of(front_end: AnyFrontEnd) -> dict[str, Any]:
    """What frames depend on, as plain JSON."""
    return (
        front_end.settings() if isinstance(front_end, ExternalFrontEnd) else front_end.model_dump(mode="json")
    )


def identified(front_end: AnyFrontEnd) -> FrontEnd | ExternalFrontEnd:
    """The front end, knowing its file if it has one; raises as `ExternalFrontEnd.identified` does."""
    return front_end.identified() if isinstance(front_end, ExternalFrontEnd) else front_end


def takes_audio(front_end: AnyFrontEnd) -> bool:
    """Whether it can hear a file, rather than look up a track."""
    return not (isinstance(front_end, ExternalFrontEnd) and front_end.is_table)


def track_inputs(front_end: AnyFrontEnd, paths: Sequence[Path], track_ids: Sequence[str]) -> list[TrackInput]:
    """What the front end hears of tracks with these files and ids."""
    return list(paths) if takes_audio(front_end) else [TableTrack(track_id) for track_id in track_ids]


def input_hash(sound: TrackInput, front_end: AnyFrontEnd) -> str:
    """32 hex digits of what is heard: of the file's bytes, or of the track's vectors.

    Raises:
        AudioError: the file cannot be read, or the track is not in the table.
    """
    if isinstance(sound, TableTrack):
        return _table(front_end).track(sound).content_hash()
    return audio_hash(sound)


def stream_frames(sound: TrackInput, front_end: AnyFrontEnd, seconds: float | None = None) -> FrameStream:
    """Frames of a track, or of its first `seconds`; memory does not grow with its length.

    Raises:
        AudioError: the file or the track's vectors cannot be used.
        UsageError: an audio file, and this front end looks tracks up.
    """
    if isinstance(sound, TableTrack):
        return stream_table(sound, _table(front_end), seconds)
    if not takes_audio(front_end):
        raise _deaf(sound, front_end)
    return frames_of_audio(open_audio(sound, seconds), front_end)


def frames_of_audio(audio: AudioStream, front_end: AnyFrontEnd) -> FrameStream:
    """Frames of audio that is open already; raises UsageError as `stream_frames` does."""
    if isinstance(front_end, FrontEnd):
        return LogMelStream(audio, front_end)
    if front_end.is_table:
        raise _deaf(audio.path, front_end)
    return OnnxStream(audio, front_end)


def _table(front_end: AnyFrontEnd) -> ExternalFrontEnd:
    assert isinstance(front_end, ExternalFrontEnd) and front_end.is_table
    return front_end


def _deaf(path: Path, front_end: AnyFrontEnd) -> UsageError:
    made_by = getattr(front_end, "name", "") or "another encoder"
    return UsageError(
        f"{path}: this model learnt from a table of vectors by {made_by} and cannot hear audio. Name a track_id "
        "instead; or add the track's vector to the table and embed the catalog again; or train with the encoder "
        "itself, as features=external features.path=ENCODER.onnx"
    )
