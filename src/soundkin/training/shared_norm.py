"""Batch normalisation over the patches of all ranks, on CPU as on GPU (torch's `SyncBatchNorm` has no CPU).

Each rank holds a share of the batch; statistics of a share would make another network of the same batch.
"""

from typing import Any

import torch
from pytorch_lightning.plugins.layer_sync import LayerSync
from torch import Tensor, nn

from soundkin.training.ranks import sum_over_ranks, this_rank


class SharedBatchNorm(nn.BatchNorm1d):
    """`BatchNorm1d` whose mean and variance in training are those of all ranks' patches together."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [patches, channels] or [patches, channels, frames]."""
        if not self.training or this_rank().count == 1:
            return super().forward(input)
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        assert self.num_batches_tracked is not None
        exact = input.to(torch.promote_types(input.dtype, torch.float32))
        features = exact.transpose(0, 1).flatten(1)  # [channels, values]
        # Sums of squares are exact enough near zero, where the running mean brings them.
        shift = self.running_mean.clone()
        moved = features - shift[:, None]
        count = torch.full_like(shift[:1], features.shape[1])
        own = torch.cat([moved.sum(1), moved.square().sum(1), count])
        sums: Tensor = _SumOverRanks.apply(own)
        total = sums[-1]
        mean, square = (sums[:-1] / total).chunk(2)
        variance = square - mean.square()
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean + shift, self.momentum)
            self.running_var.lerp_(variance * total / (total - 1), self.momentum)
        scale = (variance + self.eps).rsqrt()
        shape = (-1,) + (1,) * (input.ndim - 2)
        centred = exact - (mean + shift).view(shape)
        output: Tensor = centred * (scale if self.weight is None else scale * self.weight).view(shape)
        output = output if self.bias is None else output + self.bias.view(shape)
        return output.to(input.dtype)


class _SumOverRanks(torch.autograd.Function):
    """The sum of all ranks' values; what changes one of them, changes the sum in all ranks."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return sum_over_ranks(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return sum_over_ranks(gradient)


class SharedNorms(LayerSync):
    """Lets Lightning share the batch normalisations of a model while it trains in several ranks."""

    def apply(self, model: nn.Module) -> nn.Module:
        """Share them; weights and statistics stay the same tensors."""
        return _as_kind(model, nn.BatchNorm1d, SharedBatchNorm)

    def revert(self, model: nn.Module) -> nn.Module:
        """Make them ordinary again."""
        return _as_kind(model, SharedBatchNorm, nn.BatchNorm1d)


def _as_kind(model: nn.Module, before: type[nn.Module], after: type[nn.Module]) -> nn.Module:
    for module in model.modules():
        if type(module) is before:
            module.__class__ = after  # the kinds differ in what `forward` does alone
    return model
