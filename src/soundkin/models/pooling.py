"""Pooling: frames to a patch vector (over time), and patch vectors to a track vector (over patches).

Tracks of different lengths share a batch: `mask` [tracks, patches] says which patches are real, in order of
time from the first place on and at least one a track. What stands in the other places counts for nothing.
The learnt ways of patch pooling start as the mean.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from soundkin.shapes import Bool, Float, typechecked

TimePoolingName = Literal["mean", "max", "l2", "std", "change"]
PatchPoolingName = Literal["mean", "mean_std", "attention", "gru"]
SMALLEST_SQUARE = 1e-8  # keeps the gradient of a root finite where its argument is zero throughout


class TimePooling(nn.Module):
    """Statistics over time, concatenated in the order of `names`: mean, max and l2 after Dieleman (2014).

    `l2` is the L2 norm divided by sqrt(frames), so that longer patches have no larger values; `std` the
    standard deviation; `change` the mean absolute difference from frame to frame, 0 for a single frame.
    """

    def __init__(self, names: tuple[TimePoolingName, ...]) -> None:
        super().__init__()
        self.names = names

    @typechecked
    def forward(self, features: Float[Tensor, "batch features frames"]) -> Float[Tensor, "batch pooled"]:
        """Statistics of every feature; pooled = features x number of statistics."""
        return torch.cat([_STATISTICS[name](features) for name in self.names], dim=1)


def _change(features: Tensor) -> Tensor:
    if features.shape[2] < 2:
        return torch.zeros_like(features[:, :, 0])
    steps = features[:, :, 1:] - features[:, :, :-1]  # `diff`, which has no ONNX operator
    return steps.abs().mean(dim=2)


def _root_mean_square(features: Tensor) -> Tensor:
    return (features.square().mean(dim=2) + SMALLEST_SQUARE).sqrt()


_STATISTICS = {
    "mean": lambda features: features.mean(dim=2),
    "max": lambda features: features.amax(dim=2),
    "l2": _root_mean_square,
    # Ten times as fast as torch.var.
    "std": lambda features: _root_mean_square(features - features.mean(dim=2, keepdim=True)),
    "change": _change,
}


class PatchPooling(nn.Module):
    """Patch vectors to one vector a track; subclasses pool vectors that are zero in place of padding."""

    @typechecked
    def forward(
        self, patch_vectors: Float[Tensor, "tracks patches embedding"], mask: Bool[Tensor, "tracks patches"]
    ) -> Float[Tensor, "tracks embedding"]:
        """One vector a track."""
        return self._pool(_real(patch_vectors, mask), mask)

    def _pool(self, real: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError


class MeanPooling(PatchPooling):
    """The mean of the patch vectors, as whole-track averaging in van den Oord et al. (2013)."""

    def __init__(self, embedding_size: int) -> None:
        super().__init__()

    def _pool(self, real: Tensor, mask: Tensor) -> Tensor:
        return _mean(real, mask)


class MeanStdPooling(PatchPooling):
    """The mean, changed by a linear layer over the mean and the standard deviation of the patch vectors."""

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.change = _zeros(nn.Linear(2 * embedding_size, embedding_size))

    def _pool(self, real: Tensor, mask: Tensor) -> Tensor:
        mean = _mean(real, mask)
        variance = _mean(_real((real - mean[:, None]).square(), mask), mask)
        deviation = (variance + SMALLEST_SQUARE).sqrt()
        changed: Tensor = mean + self.change(torch.cat([mean, deviation], dim=1))
        return changed


class AttentionPooling(PatchPooling):
    """A mean weighted by learnt scores.

    M. Ilse, J. Tomczak, M. Welling, "Attention-based Deep Multiple Instance Learning" (2018), gated.
    """

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.content = nn.Linear(embedding_size, embedding_size)
        self.gate = nn.Linear(embedding_size, embedding_size)
        self.score = _zeros(nn.Linear(embedding_size, 1, bias=False))

    def _pool(self, real: Tensor, mask: Tensor) -> Tensor:
        scores = self.score(self.content(real).tanh() * self.gate(real).sigmoid()).squeeze(2)
        weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=1)
        weighted: Tensor = (weights[:, :, None] * real).sum(dim=1)
        return weighted


class GRUPooling(PatchPooling):
    """The mean, changed by a linear layer over the mean state of a GRU over the patches in order of time.

    The states are averaged, not read at the end: they lie in [-1, 1], so that a track much longer than those
    of training, or one that fades out, gives no unseen values.
    """

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(embedding_size, embedding_size, batch_first=True)
        self.change = _zeros(nn.Linear(embedding_size, embedding_size))

    def _pool(self, real: Tensor, mask: Tensor) -> Tensor:
        states, _ = self.gru(real)  # padding comes last: states of real patches do not depend on it
        changed: Tensor = _mean(real, mask) + self.change(_mean(_real(states, mask), mask))
        return changed


PATCH_POOLINGS: dict[str, type[nn.Module]] = {
    "mean": MeanPooling,
    "mean_std": MeanStdPooling,
    "attention": AttentionPooling,
    "gru": GRUPooling,
}


def _real(values: Tensor, mask: Tensor) -> Tensor:
    """Zero in place of padding, whatever it holds, with no gradient to it."""
    return torch.where(mask[:, :, None], values, 0.0)


def _mean(real: Tensor, mask: Tensor) -> Tensor:
    return real.sum(dim=1) / mask.sum(dim=1, keepdim=True)


def _zeros(linear: nn.Linear) -> nn.Linear:
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    return linear
