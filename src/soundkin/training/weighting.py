"""How the task losses join into one, and whether they pull the shared network the same way."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor, nn

from soundkin.training.ranks import sum_over_ranks

WeightingName = Literal["fixed", "uncertainty"]


class TaskWeighting(nn.Module):
    """The weighted sum of losses; `weights` are the factors from the config, by task.

    `uncertainty` learns a log variance s per task: a loss counts exp(-s) times and s / 2 is added, so that a
    task that stays hard counts less (A. Kendall, Y. Gal, R. Cipolla, "Multi-Task Learning Using Uncertainty
    to Weigh Losses", 2018, eq. 10, in its form for classification). `weights` are factors of each task's
    whole term.
    """

    def __init__(self, name: WeightingName, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = dict(weights)
        learnt = weights if name == "uncertainty" else {}
        self.log_variances = nn.ParameterDict({task: nn.Parameter(torch.zeros(())) for task in learnt})

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum. A loss of zero, of a batch without a label of that task, fits no variance."""
        total = torch.stack([self.factor(task) * loss for task, loss in losses.items()]).sum()
        for task, log_variance in self.log_variances.items():
            if losses[task].detach() > 0:
                total = total + self.weights[task] * log_variance / 2
        return total

    def factor(self, task: str) -> Tensor:
        """The present weight of a task's loss."""
        factor = torch.tensor(self.weights[task])
        return factor * torch.exp(-self.log_variances[task]) if task in self.log_variances else factor


def gradient_cosines(losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> dict[str, float]:
    """Cosine in [-1, 1] of each pair of tasks' gradients, named `first.second`; below zero: in conflict.

    The gradients are of the unweighted losses, by all `shared` parameters at once (T. Yu et al., "Gradient
    Surgery for Multi-Task Learning", 2020, definition 1). A task that no track of the batch is labelled for
    is left out.
    """
    directions = {}
    for name, loss in losses.items():
        gradients = torch.autograd.grad(loss, shared, retain_graph=True, materialize_grads=True)
        direction = sum_over_ranks(torch.cat([gradient.flatten() for gradient in gradients]))
        if direction.any():
            directions[name] = nn.functional.normalize(direction, dim=0)
    pairs = combinations(directions, 2)
    return {f"{first}.{second}": float(directions[first] @ directions[second]) for first, second in pairs}
