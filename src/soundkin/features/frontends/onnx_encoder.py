"""Frames by an ONNX model that turns one window of audio into a vector.

An ONNX file holds operators that the runtime knows, and their weights: no code comes with it. Files that need
more, operators of their own or weights in further files, are refused.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from soundkin.errors import AudioError, UsageError
from soundkin.extras import require
from soundkin.features.decode import SILENT_POWER, AudioStream
from soundkin.features.frontends.external import LARGEST, ExternalFrontEnd, OnnxInput
from soundkin.features.frontends.interface import FrameStream
from soundkin.features.frontends.log_mel import reference_sweep
from soundkin.features.patches import stream_patches
from soundkin.features.resampling import resample
from soundkin.shapes import Float32, typechecked

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class OnnxEncoder:
    """Computes vectors of windows, in one thread and singly, so that equal windows give equal vectors.

    Raises UsageError if the file cannot be read, has another SHA-256, or does not take the input described.
    """

    def __init__(self, path: Path, settings: OnnxInput, expected_sha256: str | None = None) -> None:
        self.path = path
        self.settings = settings
        self.sha256, self._session = onnx_session(path, expected_sha256)
        self._inputs = self._session.get_inputs()
        self._output = self._chosen_output()

    @typechecked
    def __call__(self, window: Float32[Tensor, "length channels"]) -> Float32[Tensor, " size"]:
        """The vector of one window: samples [length, 1], or log-mel frames [length, mels]."""
        array = np.ascontiguousarray(
            (window[:, 0] if self.settings.input == "waveform" else window.T).numpy()[None]
        )
        try:
            [answer] = self._session.run([self._output], {self._inputs[0].name: array})
        except Exception as error:  # the library raises nothing narrower
            takes = ", ".join(f"{given.name}: {given.type} {given.shape}" for given in self._inputs)
            raise self._refused(
                f"it takes {takes}, and fails on one float32 array {list(array.shape)} "
                f"({self.settings.input}): {_first_line(error)}",
                "Set features.onnx.input, its sample rate and window_seconds accordingly, or export it so",
            ) from error
        if answer.dtype.kind != "f" or answer.ndim not in (2, 3) or len(answer) != 1 or not answer.size:
            raise self._refused(
                f"its output {self._output} is {answer.dtype}{list(answer.shape)}, where [1, size] or "
                "[1, frames, size] is needed",
                "Name another with features.onnx.output, or export it so",
            )
        vectors = torch.from_numpy(answer[0].astype(np.float32))
        return vectors if vectors.ndim == 1 else vectors.mean(0)

    def size(self) -> int:
        """Numbers in a vector, by encoding a tone."""
        channels = 1 if self.settings.input == "waveform" else self.settings.log_mel.bands
        tone = torch.sin(torch.arange(self.settings.windows.frames, dtype=torch.float32) * 0.1)
        return len(self(tone[:, None].expand(-1, channels)))

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

    def _refused(self, problem: str, hint: str) -> UsageError:
        return UsageError(f"ONNX model {self.path}: {problem}. {hint}.")


_open_once = lru_cache(maxsize=2)(OnnxEncoder)  # once a process


def onnx_session(path: Path, expected_sha256: str | None = None) -> "tuple[str, InferenceSession]":
    """SHA-256 of an ONNX file, and the session that runs it in one thread; UsageError if it cannot be run."""
    require("onnx", str(path))
    import onnxruntime

    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"ONNX model {path} cannot be read: {error.strerror}. Name where it is.") from error
    actual = sha256(content).hexdigest()
    if expected_sha256 not in (None, actual):
        raise UsageError(
            f"ONNX model {path} is not the file that it was (SHA-256 {actual}). Put that one back."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what is wrong comes as an exception too
    try:  # from memory: a file named in the model is not opened
        return actual, onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises nothing narrower
        raise UsageError(
            f"{path} is not an ONNX model that can be run ({_first_line(error)}). Export it as one file, "
            "weights included, with the operators of ONNX alone."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


class OnnxFrontEnd(ExternalFrontEnd):
    """Frames are the vectors of windows by an ONNX model."""

    SUFFIXES: ClassVar[tuple[str, ...]] = (".onnx",)
    DEPENDS_ON: ClassVar[set[str]] = {"sha256", "size", "onnx"}

    def _sha256_and_size(self, path: Path) -> tuple[str, int]:
        encoder = OnnxEncoder(path, self.onnx)
        return encoder.sha256, encoder.size()

    def model_file(self) -> bytes:
        """The ONNX file; UsageError if it is not the one trained with."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be read: {error.strerror}. Put the ONNX model back."
            ) from error
        if sha256(content).hexdigest() != self.sha256:
            raise UsageError(f"{self.path} is not the model that was trained with. Put that one back.")
        return content

    def stream_audio(self, audio: AudioStream) -> FrameStream:
        """Vectors of the windows of an open file."""
        starts: list[float] = []
        return FrameStream(str(audio.path), self._vectors(audio, starts), starts.__getitem__, audio)

    def _vectors(self, audio: AudioStream, starts: list[float]) -> Iterator[Float32[Tensor, "1 size"]]:
        """Yield blocks of one frame, noting its start first."""
        log_mels = self.onnx.log_mel.stream_audio(audio) if self.onnx.input == "log_mel" else None
        for first, vector in self.encode(log_mels or self._waveform(audio)):
            start = log_mels.start_seconds(first) if log_mels else self.onnx.start_seconds(first)
            if not bool((vector.abs() <= LARGEST).all()):
                raise AudioError(
                    f"{audio.path}: the ONNX model answers at {start:.1f} s with numbers that are not finite "
                    f"or beyond {LARGEST:g}. Leave the file out, or use another model."
                )
            starts.append(start)
            yield vector[None]
        if not starts:
            raise AudioError(f"{audio.path} is too short to be encoded. Leave it out or replace it.")

    def _waveform(self, audio: AudioStream) -> Iterator[Float32[Tensor, "samples 1"]]:
        mean = self.onnx.downmix == "mean"
        blocks = (parts[0] for parts in audio.parts()) if mean else iter(audio)
        for block in resample(blocks, audio.sample_rate_hz, self.onnx.sample_rate_hz):
            if len(block):
                yield torch.from_numpy(block)[:, None]

    def encode(self, blocks: Iterable[Tensor]) -> Iterator[tuple[int, Float32[Tensor, " size"]]]:
        """Yield `(first, vector)` of each window of blocks [samples, 1] or [frames, mels].

        Without `keep_silence`, silent windows of a waveform are left out, or all but the first.
        """
        assert self.sha256 is not None, "identified() was to be called first"
        encoder = _open_once(self.path, self.onnx, self.sha256)
        leaves_silence_out = self.onnx.input == "waveform" and not self.onnx.keep_silence
        silent, sounding = None, False
        for first, window in stream_patches(blocks, self.onnx.windows):
            if leaves_silence_out and float(window.square().mean()) < SILENT_POWER:
                silent = silent or (first, window)
            else:
                sounding = True
                yield first, encoder(window)
        if silent is not None and not sounding:
            yield silent[0], encoder(silent[1])

    def reference_frames(self) -> Float32[Tensor, "frames size"]:
        """Vectors of the reference sweep."""
        if self.onnx.input == "log_mel":
            reference = self.onnx.log_mel.reference_frames()
        else:
            rate_hz = self.onnx.sample_rate_hz
            reference = reference_sweep(rate_hz, 30.0, rate_hz * 0.45)[:, None]
        return torch.stack([vector for _, vector in self.encode([reference])])
