"""A sound whose vector every bundle states, so that code which hears differently from the code that trained
is noticed.

Hashes tell that weights and settings are the same; only listening tells that what is done with them still is.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from soundkin.features.decode import AudioStream
from soundkin.features.decoders import Source
from soundkin.features.external import ExternalFrontEnd, encode
from soundkin.features.front_ends import AnyFrontEnd
from soundkin.features.log_mel import FrontEnd, LogMelStream
from soundkin.features.patches import PatchConfig, tile
from soundkin.models import TrackNetwork
from soundkin.shapes import Float32

# Another processor rounds differently by some 1e-6; another computation differs by far more.
TOLERANCE = 1e-3


@torch.inference_mode()
def reference_vector(
    front_end: AnyFrontEnd, patch: PatchConfig, network: TrackNetwork
) -> Float32[np.ndarray, " embedding"]:
    """Vector of one patch of the reference sound."""
    frames = tile(_reference_frames(front_end), patch.frames)
    vector: np.ndarray = network(frames.T[None], torch.tensor([1]))[0].numpy()
    return vector


def _reference_frames(front_end: AnyFrontEnd) -> Float32[Tensor, "frames mels"]:
    """Frames of the sweep; of a table, which holds no sound, numbers that look random and never change."""
    if isinstance(front_end, FrontEnd):
        sweep = _sweep(front_end.sample_rate_hz, front_end.low_hz, front_end.high_hz)
        return torch.cat(list(LogMelStream(_as_audio(sweep, front_end.sample_rate_hz), front_end)))
    if front_end.is_table:
        numbers = np.random.RandomState(0).standard_normal(
            (8, front_end.bands)
        )  # numpy never changes this one
        return torch.from_numpy(numbers.astype(np.float32))
    return _encoded_sweep(front_end)


def _encoded_sweep(front_end: ExternalFrontEnd) -> Float32[Tensor, "frames size"]:
    onnx = front_end.onnx
    if onnx.input == "log_mel":
        heard = _reference_frames(onnx.log_mel)
    else:
        heard = _sweep(onnx.sample_rate_hz, 30.0, onnx.sample_rate_hz * 0.45)[:, None]
    return torch.stack([vector for _, vector in encode([heard], front_end)])


def _as_audio(samples: Float32[Tensor, " samples"], sample_rate_hz: int) -> AudioStream:
    source = Source("none", sample_rate_hz, 1, len(samples), iter([samples[:, None].numpy()]))
    return AudioStream(Path("the reference sound"), sample_rate_hz, source)


def _sweep(sample_rate_hz: int, low_hz: float, high_hz: float) -> Float32[Tensor, " samples"]:
    """Two seconds through a range, rising in level to full scale."""
    seconds = torch.arange(2 * sample_rate_hz, dtype=torch.float64) / sample_rate_hz
    octaves = np.log2(high_hz / low_hz) / 2  # a second
    phase = 2 * np.pi * low_hz * (2 ** (octaves * seconds) - 1) / (octaves * np.log(2))
    return (seconds / 2 * torch.sin(phase)).to(torch.float32)


def embeds_alike(vector: Float32[np.ndarray, " embedding"], stated: Sequence[float]) -> bool:
    """Whether `stated` is the same vector but for rounding."""
    if len(stated) != len(vector):
        return False
    return bool(np.linalg.norm(vector - np.array(stated)) <= TOLERANCE * np.linalg.norm(vector))
