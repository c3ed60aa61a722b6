"""A sound whose vector every bundle states, to notice code that computes another vector than at training.

Hashes tell that weights and settings are the same; only the vector tells that the computation is.
"""

from collections.abc import Sequence

import numpy as np
import torch

from soundkin.features.frontends.interface import FrontEnd
from soundkin.features.patches import PatchConfig, tile
from soundkin.models import TrackNetwork
from soundkin.shapes import Float32

# Another processor rounds differently by some 1e-6; another computation differs by far more.
TOLERANCE = 1e-3


@torch.inference_mode()
def reference_vector(
    front_end: FrontEnd, patch: PatchConfig, network: TrackNetwork
) -> Float32[np.ndarray, " embedding"]:
    """Vector of one patch of the reference sound."""
    frames = tile(front_end.reference_frames(), patch.frames)
    vector: np.ndarray = network(frames.T[None], torch.tensor([1]))[0].numpy()
    return vector


def embeds_alike(vector: Float32[np.ndarray, " embedding"], stated: Sequence[float]) -> bool:
    """Whether `stated` is the same vector but for rounding."""
    if len(stated) != len(vector):
        return False
    return bool(np.linalg.norm(vector - np.array(stated)) <= TOLERANCE * np.linalg.norm(vector))
