"""A sound whose vector every bundle states, so that code which hears differently from the code that trained is noticed.

Hashes tell that weights and settings are the same; only listening tells that what is done with them still is.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from soundkin.features.log_mel import FrontEnd, LogMel
from soundkin.features.patches import PatchConfig, tile
from soundkin.shapes import Float32

# Another processor rounds differently by some 1e-6; another computation differs by far more.
TOLERANCE = 1e-3


@torch.inference_mode()
def reference_vector(front_end: FrontEnd, patch: PatchConfig, network: nn.Module) -> Float32[np.ndarray, " embedding"]:
    """Vector of one patch of a two-second sweep through the front end's range, rising in level to full scale."""
    seconds = torch.arange(2 * front_end.sample_rate_hz, dtype=torch.float64) / front_end.sample_rate_hz
    octaves = np.log2(front_end.high_hz / front_end.low_hz) / 2  # a second
    phase = 2 * np.pi * front_end.low_hz * (2 ** (octaves * seconds) - 1) / (octaves * np.log(2))
    waveform = (seconds / 2 * torch.sin(phase)).to(torch.float32)
    log_mel = tile(LogMel(front_end)(waveform), patch.frames)
    vector: np.ndarray = network(log_mel.T[None])[0].numpy()
    return vector


def hears_alike(vector: Float32[np.ndarray, " embedding"], stated: Sequence[float]) -> bool:
    """Whether `stated` is the same vector but for rounding."""
    if len(stated) != len(vector):
        return False
    return bool(np.linalg.norm(vector - np.array(stated)) <= TOLERANCE * np.linalg.norm(vector))
