"""Patch pooling: the patch vectors of one track become its track vector. A new way is one class and one line below."""

import torch
from torch import Tensor, nn

from soundkin.shapes import Float, typechecked


class MeanPooling(nn.Module):
    """The mean of the patch vectors, as whole-track averaging in van den Oord et al. (2013)."""

    @typechecked
    def forward(self, patch_vectors: Float[Tensor, "patches embedding"]) -> Float[Tensor, " embedding"]:
        """Patch vectors in order of time to one track vector."""
        return torch.mean(patch_vectors, dim=0)


PATCH_POOLINGS: dict[str, type[nn.Module]] = {"mean": MeanPooling}
