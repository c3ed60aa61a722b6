"""Patch pooling: the patch vectors of each track become its track vector. A new way is one class and one line
below.

Tracks of different lengths share a batch. `mask` says which patches are real: each track has at least one, in
order of time from the first place on, and what fills the places behind them counts for nothing. The learnt
ways start as the mean and learn how to depart from it.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from soundkin.shapes import Bool, Float, typechecked

PatchPoolingName = Literal["mean", "mean_std", "attention", "gru"]


class MeanPooling(nn.Module):
    """The mean of the patch vectors, as whole-track averaging in van den Oord et al. (2013)."""

    def __init__(self, embedding_size: int) -> None:
        super().__init__()

    @typechecked
    def forward(
        self, patch_vectors: Float[Tensor, "tracks patches embedding"], mask: Bool[Tensor, "tracks patches"]
    ) -> Float[Tensor, "tracks embedding"]:
        """Patch vectors in order of time to one vector a track."""
        return _mean(patch_vectors, mask)


class MeanStdPooling(nn.Module):
    """Mean and standard deviation over the patches: also how much a track changes; a linear layer joins the
    two.
    """

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.change = _zeros(nn.Linear(2 * embedding_size, embedding_size))

    @typechecked
    def forward(
        self, patch_vectors: Float[Tensor, "tracks patches embedding"], mask: Bool[Tensor, "tracks patches"]
    ) -> Float[Tensor, "tracks embedding"]:
        """Patch vectors in order of time to one vector a track."""
        mean = _mean(patch_vectors, mask)
        variance = _mean((_real(patch_vectors, mask) - mean[:, None]).square(), mask)
        # The small constant keeps the gradient finite where a track has one patch, or the same patch throughout.
        deviation = (variance + 1e-8).sqrt()
        changed: Tensor = mean + self.change(torch.cat([mean, deviation], dim=1))
        return changed


class AttentionPooling(nn.Module):
    """A mean weighted by learnt scores: the patches that tell most count most.

    Gated attention of M. Ilse, J. Tomczak, M. Welling, "Attention-based Deep Multiple Instance Learning"
    (2018).
    """

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.content = nn.Linear(embedding_size, embedding_size)
        self.gate = nn.Linear(embedding_size, embedding_size)
        self.score = _zeros(nn.Linear(embedding_size, 1, bias=False))

    @typechecked
    def forward(
        self, patch_vectors: Float[Tensor, "tracks patches embedding"], mask: Bool[Tensor, "tracks patches"]
    ) -> Float[Tensor, "tracks embedding"]:
        """Patch vectors in order of time to one vector a track."""
        real = _real(patch_vectors, mask)
        scores = self.score(self.content(real).tanh() * self.gate(real).sigmoid()).squeeze(2)
        weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=1)
        weighted: Tensor = (weights[:, :, None] * real).sum(dim=1)
        return weighted


class GRUPooling(nn.Module):
    """The mean, changed by what a GRU makes of the patches in order of time.

    Its states are averaged over the track, and not read at the end: they lie in [-1, 1] and settle the longer
    a track is, so that one much longer than those trained on, or one that fades out, is no stranger.
    """

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(embedding_size, embedding_size, batch_first=True)
        self.change = _zeros(nn.Linear(embedding_size, embedding_size))

    @typechecked
    def forward(
        self, patch_vectors: Float[Tensor, "tracks patches embedding"], mask: Bool[Tensor, "tracks patches"]
    ) -> Float[Tensor, "tracks embedding"]:
        """Patch vectors in order of time to one vector a track."""
        # The states of real patches know nothing of the padding, which comes after them.
        states, _ = self.gru(_real(patch_vectors, mask))
        changed: Tensor = _mean(patch_vectors, mask) + self.change(_mean(states, mask))
        return changed


PATCH_POOLINGS: dict[str, type[nn.Module]] = {
    "mean": MeanPooling,
    "mean_std": MeanStdPooling,
    "attention": AttentionPooling,
    "gru": GRUPooling,
}


def _real(patch_vectors: Tensor, mask: Tensor) -> Tensor:
    """Zero in place of padding, whatever stands there, with no gradient to it."""
    return torch.where(mask[:, :, None], patch_vectors, 0.0)


def _mean(patch_vectors: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real patches of each track."""
    return _real(patch_vectors, mask).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def _zeros(linear: nn.Linear) -> nn.Linear:
    """The layer, giving zero until it has learnt something."""
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    return linear
