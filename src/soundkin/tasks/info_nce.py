"""Tracks of one batch that should be near, told apart from its other tracks.

A. van den Oord, Y. Li, O. Vinyals, "Representation Learning with Contrastive Predictive Coding" (2018), eq.
4, with several positives a row as in P. Khosla et al., "Supervised Contrastive Learning" (2020), eq. 2.
"""

import torch
from torch import Tensor

from soundkin.shapes import Bool, Float, typechecked
from soundkin.tasks.base import masked_mean, unit_length


@typechecked
def info_nce(
    vectors: Float[Tensor, "batch embedding"],
    positives: Float[Tensor, "batch batch"],
    others: Bool[Tensor, "batch batch"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Mean over rows with a positive of the weighted mean over their positives of -log softmax(cosine /
    temperature).

    `positives` holds weights, 0 where a row is none; `others` marks the rows that a softmax runs over, the
    positives among them.
    """
    logits = unit_length(vectors) @ unit_length(vectors).T / temperature
    # The lowest finite number rather than -inf, which would make a row without others NaN.
    log_shares = torch.log_softmax(logits.masked_fill(~others, torch.finfo(logits.dtype).min), dim=1)
    weights = positives / positives.sum(dim=1, keepdim=True).clamp(min=torch.finfo(positives.dtype).tiny)
    losses = -torch.where(positives > 0, weights * log_shares, 0.0).sum(dim=1)
    return masked_mean(losses, (positives > 0).any(dim=1))


@typechecked
def nearest(
    vectors: Float[Tensor, "batch embedding"],
    positives: Float[Tensor, "batch batch"],
    others: Bool[Tensor, "batch batch"],
) -> dict[str, float]:
    """`nearest`: of the rows with a positive, the share whose nearest other row is one; empty where no row
    has any.
    """
    asked = (positives > 0).any(dim=1)
    if not asked.any():
        return {}
    cosines = (unit_length(vectors) @ unit_length(vectors).T).masked_fill(~others, -torch.inf)
    right = positives.gather(1, cosines.argmax(dim=1, keepdim=True)) > 0
    return {"nearest": float(right[asked].float().mean())}
