"""How the task losses join into one: weights as given, or learnt from each task's uncertainty."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

WeightingName = Literal["fixed", "uncertainty"]


class TaskWeighting(nn.Module):
    """Joins losses by name; `weights` are the factors from the config.

    `uncertainty` learns a log variance s a task: each loss counts exp(-s) times and s / 2 is added, so that a
    task that stays hard is heard less (A. Kendall, Y. Gal, R. Cipolla, "Multi-Task Learning Using Uncertainty
    to Weigh Losses", 2018, eq. 10, in its form for classification). The config's weights are still factors of
    each task's whole term.
    """

    def __init__(self, name: WeightingName, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = dict(weights)
        learnt = weights if name == "uncertainty" else {}
        self.log_variances = nn.ParameterDict({task: nn.Parameter(torch.zeros(())) for task in learnt})

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum. A loss of zero comes from a batch without a label of that task, and teaches no
        weight.
        """
        total = torch.stack([self.factor(task) * loss for task, loss in losses.items()]).sum()
        for task, log_variance in self.log_variances.items():
            if losses[task].detach() > 0:
                total = total + self.weights[task] * log_variance / 2
        return total

    def factor(self, task: str) -> Tensor:
        """What the loss of a task is multiplied by just now."""
        factor = torch.tensor(self.weights[task])
        return factor * torch.exp(-self.log_variances[task]) if task in self.log_variances else factor
