"""Whether proxy tasks pull the shared network the same way: cosines between their gradients."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn


def gradient_cosines(losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> dict[str, float]:
    """Cosine in [-1, 1] for each pair of tasks, named `one.other`; below zero they are in conflict.

    The gradients are of the unweighted losses, by all `shared` parameters at once (T. Yu et al., "Gradient
    Surgery for Multi-Task Learning", 2020, definition 1). A pair with a task that no track of this batch is
    labelled for is left out. The graph is kept for the training step.
    """
    directions = {}
    for name, loss in losses.items():
        gradients = torch.autograd.grad(loss, shared, retain_graph=True, materialize_grads=True)
        direction = torch.cat([gradient.flatten() for gradient in gradients])
        if direction.any():
            directions[name] = nn.functional.normalize(direction, dim=0)
    return {
        f"{one}.{other}": float(directions[one] @ directions[other])
        for one, other in combinations(directions, 2)
    }
