"""Settings of frozen features: frames that are vectors of another encoder, from a table or an ONNX model."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from soundkin.config import Config
from soundkin.errors import ConfigError
from soundkin.features.decode import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from soundkin.features.frontends.interface import FrontEnd
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.units import frames_to_seconds, seconds_to_frames

LARGEST = 65_504.0  # of a number in a frame: the cache holds float16


class OnnxInput(Config):
    """What an ONNX model is given: float32 waveforms [1, samples], or our log-mels [1, mels, frames].

    Windows have one length; the last one is aligned to the end of the track, and a shorter track is repeated
    until it fills one. The output is a vector [1, size], or [1, frames, size], which is averaged over frames.
    """

    input: Literal["waveform", "log_mel"] = "waveform"
    sample_rate_hz: int = Field(16_000, ge=LOWEST_RATE_HZ, le=HIGHEST_RATE_HZ, description="of the waveform")
    downmix: Literal["uncancelled", "mean"] = Field(
        "uncancelled",
        description="the waveform: the mean over the channels, but the loudest one where that cancels",
    )
    keep_silence: bool = Field(False, description="whether windows of the waveform that are silent count too")
    log_mel: LogMelFrontEnd = Field(
        LogMelFrontEnd(), description="how log-mels are made, with a sample rate of their own"
    )
    window_seconds: PositiveFloat = 10.0
    hop_seconds: PositiveFloat = Field(10.0, description="from the start of one window to that of the next")
    output: str | None = Field(None, description="which output, for a model that has several")

    BEFORE_STATED: ClassVar[dict[str, object]] = {"downmix": "mean", "keep_silence": True}
    """Values for models from before these settings existed."""

    @property
    def windows(self) -> PatchConfig:
        """Window and hop in samples of the waveform, or in frames of the log-mel."""
        window, hop = (seconds_to_frames(it, *self._clock) for it in (self.window_seconds, self.hop_seconds))
        return PatchConfig(frames=window, hop_frames=hop)

    def start_seconds(self, start: int) -> float:
        """Start of the window at this sample, or at this frame."""
        return frames_to_seconds(start, *self._clock)

    @property
    def _clock(self) -> tuple[int, int]:
        """Sample rate in Hz, and samples a step."""
        if self.input == "waveform":
            return self.sample_rate_hz, 1
        return self.log_mel.sample_rate_hz, self.log_mel.hop_samples


class ExternalFrontEnd(FrontEnd):
    """Where frozen features come from.

    Training fills in `sha256` and `size`, and refuses another file where they are given.
    """

    path: Path = Field(
        description=".npz, .parquet or a folder of them: vectors by track_id; .onnx: a model to run"
    )
    name: str = Field("", description="what made the vectors, for the model card")
    licence: str = Field("", description="under which it may be used, for the model card")
    onnx: OnnxInput = Field(OnnxInput(), description="what an ONNX model is given")
    sha256: str | None = None
    size: PositiveInt | None = Field(None, description="numbers in a vector")

    chroma_bands: ClassVar[int] = 0
    SUFFIXES: ClassVar[tuple[str, ...]]
    DEPENDS_ON: ClassVar[set[str]]  # the fields that frames depend on

    @field_validator("path")
    @classmethod
    def _known_suffix(cls, path: Path) -> Path:
        if path.suffix not in cls.SUFFIXES:
            raise ValueError(
                f"it ends in {path.suffix}; give a table (.npz, .parquet, a folder of .parquet) or .onnx"
            )
        return path

    @property
    def mel_bands(self) -> int:
        """Numbers in a vector, which the network takes for mel bands."""
        assert self.size is not None, "identified() was to be called first"
        return self.size

    @property
    def file_sha256(self) -> str:
        """`sha256`; empty before it is filled in."""
        return self.sha256 or ""

    def settings(self) -> dict[str, Any]:
        """The content of the file and how it is used, not where it is."""
        used = self.model_dump(mode="json", include=self.DEPENDS_ON)
        return {"path": f"external{self.path.suffix}", **used}

    def origin(self) -> dict[str, Any]:
        """Path, name and licence."""
        return self.model_dump(mode="json", include={"path", "name", "licence"})

    def identified(self) -> Self:
        """The same with `sha256` and `size` of its file; ConfigError if others were stated."""
        path = self.path.absolute()
        sha256, size = self._sha256_and_size(path)
        for key, stated, actual in (("sha256", self.sha256, sha256), ("size", self.size, size)):
            if stated not in (None, actual):
                raise ConfigError(
                    f"config features.{key}={stated}: {path} has {actual}. Name that file, or leave it out."
                )
        return self.model_copy(update={"path": path, "sha256": sha256, "size": size})

    @abstractmethod
    def _sha256_and_size(self, path: Path) -> tuple[str, int]: ...
