"""A frozen encoder from elsewhere: an ONNX model that hears one window of audio at a time and answers with a
vector.

An ONNX file holds operators that the runtime knows, and their weights: no code comes with it. Files that need
more than that, operators of their own or weights in further files, are refused.
"""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from soundkin.config import Config
from soundkin.errors import UsageError
from soundkin.features.decode import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from soundkin.features.log_mel import FrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.shapes import Float32, typechecked
from soundkin.units import frames_to_seconds, samples_to_seconds, seconds_to_frames, seconds_to_samples

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class OnnxInput(Config):
    """What the model is given: float32 waveforms [1, samples], or our log-mels [1, mels, frames].

    It hears windows of one length; the last one is aligned to the end of the track, and a shorter track is
    repeated until it fills one. Its answer is a vector [1, size], or [1, frames, size], of which the mean is
    taken.
    """

    input: Literal["waveform", "log_mel"] = "waveform"
    sample_rate_hz: int = Field(16_000, ge=LOWEST_RATE_HZ, le=HIGHEST_RATE_HZ, description="of the waveform")
    downmix: Literal["uncancelled", "mean"] = Field(
        "uncancelled",
        description="the waveform: the mean over the channels, but the loudest one where that cancels",
    )
    keep_silence: bool = Field(False, description="whether windows of the waveform that are silent count too")
    log_mel: FrontEnd = Field(
        FrontEnd(), description="how log-mels are made, with a sample rate of their own"
    )
    window_seconds: PositiveFloat = 10.0
    hop_seconds: PositiveFloat = Field(10.0, description="from the start of one window to that of the next")
    output: str | None = Field(None, description="which output, for a model that has several")

    BEFORE_STATED: ClassVar[dict[str, object]] = {"downmix": "mean", "keep_silence": True}
    """What holds for models of a time when these settings did not exist."""

    @property
    def windows(self) -> PatchConfig:
        """Window and hop in samples of the waveform, or in frames of the log-mel."""
        window, hop = (self._length(seconds) for seconds in (self.window_seconds, self.hop_seconds))
        return PatchConfig(frames=window, hop_frames=hop)

    def start_seconds(self, start: int) -> float:
        """Where the window begins that starts at this sample, or at this frame."""
        if self.input == "waveform":
            return samples_to_seconds(start, self.sample_rate_hz)
        return frames_to_seconds(start, self.log_mel.sample_rate_hz, self.log_mel.hop_samples)

    def _length(self, seconds: float) -> int:
        if self.input == "waveform":
            return max(1, seconds_to_samples(seconds, self.sample_rate_hz))
        return seconds_to_frames(seconds, self.log_mel.sample_rate_hz, self.log_mel.hop_samples)


class OnnxEncoder:
    """Computes the vectors of windows: one thread, one window at a time, so that equal windows give equal
    vectors.

    Raises:
        UsageError: the file cannot be read, is not the one of this `sha256`, or does not take the input
            described.
    """

    def __init__(self, path: Path, settings: OnnxInput, expected_sha256: str | None = None) -> None:
        self.path = path
        self.settings = settings
        self.sha256, self._session = _open(path, expected_sha256)
        self._input = self._checked_input()
        self._output = self._chosen_output()

    @typechecked
    def __call__(self, window: Float32[Tensor, "length channels"]) -> Float32[Tensor, " size"]:
        """The vector of one window: samples [length, 1], or log-mel frames [length, mels]."""
        given = window[:, 0] if self.settings.input == "waveform" else window.T
        try:
            [answer] = self._session.run(
                [self._output], {self._input: np.ascontiguousarray(given.numpy()[None])}
            )
        except Exception as error:  # the library raises nothing narrower
            raise self._refused(
                f"it fails ({_first_line(error)})", "Check the window and the input in features.onnx"
            ) from error
        if answer.dtype.kind != "f" or answer.ndim not in (2, 3) or len(answer) != 1 or not answer.size:
            raise self._refused(
                f"its output {self._output} is {answer.dtype}{list(answer.shape)}, where [1, size] or [1, frames, "
                "size] is needed",
                "Name another with features.onnx.output, or export it so",
            )
        vectors = torch.from_numpy(answer[0].astype(np.float32))
        return vectors if vectors.ndim == 1 else vectors.mean(0)

    def size(self) -> int:
        """Numbers in a vector, found by hearing a tone."""
        channels = 1 if self.settings.input == "waveform" else self.settings.log_mel.bands
        tone = torch.sin(torch.arange(self.settings.windows.frames, dtype=torch.float32) * 0.1)
        return len(self(tone[:, None].expand(-1, channels)))

    def _checked_input(self) -> str:
        inputs = self._session.get_inputs()
        wanted = self._wanted_shape()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not _fits(inputs[0].shape, wanted):
            found = ", ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs)
            raise self._refused(
                f"it takes {found}, and is to be given one float32 array {wanted} ({self.settings.input})",
                "Set features.onnx.input, its sample rate and window_seconds to what it takes, or export it so",
            )
        return str(inputs[0].name)

    def _wanted_shape(self) -> list[int]:
        length = self.settings.windows.frames
        return [1, length] if self.settings.input == "waveform" else [1, self.settings.log_mel.bands, length]

    def _chosen_output(self) -> str:
        names = [output.name for output in self._session.get_outputs()]
        wanted = self.settings.output or (names[0] if len(names) == 1 else None)
        if wanted not in names:
            raise self._refused(
                f"it has the outputs {', '.join(names)}, and not {wanted}"
                if wanted
                else f"it has several outputs: {', '.join(names)}",
                "Choose one with features.onnx.output=NAME",
            )
        return str(wanted)

    def _refused(self, problem: str, mend: str) -> UsageError:
        return UsageError(f"ONNX model {self.path}: {problem}. {mend}.")


@lru_cache(maxsize=2)
def open_encoder(path: Path, settings: OnnxInput, expected_sha256: str) -> OnnxEncoder:
    """The encoder, opened once a process."""
    return OnnxEncoder(path, settings, expected_sha256)


def _open(path: Path, expected_sha256: str | None) -> "tuple[str, InferenceSession]":
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            f"{path} needs onnxruntime, and it is not installed: pip install onnxruntime"
        ) from error
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"ONNX model {path} cannot be read: {error.strerror}. Name where it is.") from error
    found = sha256(content).hexdigest()
    if expected_sha256 not in (None, found):
        raise UsageError(
            f"ONNX model {path} is not the file that it was (SHA-256 {found}). Put that one back."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what is wrong comes as an exception too
    try:  # from memory: a file named in the model is not opened
        return found, onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises nothing narrower
        raise UsageError(
            f"{path} is not an ONNX model that can be run ({_first_line(error)}). Export it as one file, weights "
            "included, with the operators of ONNX alone."
        ) from error


def _fits(shape: list[Any], wanted: list[int]) -> bool:
    """Whether a shape, in which open axes are names or None, takes an array of the wanted one."""
    return len(shape) == len(wanted) and all(
        one == other for one, other in zip(shape, wanted, strict=True) if isinstance(one, int)
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
