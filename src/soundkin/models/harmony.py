"""Harmony: what a patch's chroma says whatever key it is in.

A filter of one octave is moved through all transpositions; how well it fits at best, and on average, is the
same for a piece and for the piece a third higher. So a minor key is learnt once, and not once for every
tonic. After A. Elowsson, A. Friberg, "Modeling Music Modality with a Key-Class Invariant Pitch Chroma CNN"
(2019).
"""

import torch
from torch import Tensor, nn

from soundkin.shapes import Float, typechecked


class HarmonyLevel(nn.Module):
    """Chroma of a patch to `size` numbers that no transposition by whole bands changes."""

    def __init__(self, chroma_bands: int, filters: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, filters, chroma_bands)
        self.size = 2 * filters

    @typechecked
    def forward(self, chroma: Float[Tensor, "batch chroma frames"]) -> Float[Tensor, "batch heard"]:
        """Maximum and mean over the transpositions of each filter's answer to the mean chroma."""
        profile = chroma.mean(dim=2)
        profile = profile - profile.mean(dim=1, keepdim=True)
        profile = (
            profile / (profile.square().mean(dim=1, keepdim=True) + 1e-4).sqrt()
        )  # louder is not other harmony
        octave_twice = torch.cat([profile, profile[:, :-1]], dim=1)
        answers = self.conv(octave_twice[:, None]).relu()
        return torch.cat([answers.amax(dim=2), answers.mean(dim=2)], dim=1)
