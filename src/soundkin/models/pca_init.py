"""Whitened initialisation: the shortcut layer starts as a whitened PCA of the pooled random features.

A network with random weights, pooled over time at every level, is a rich set of statistics of a track, of
which a few directions dominate. Whitened by principal components they make a far better space without any
label (docs/results.md). The dense layers parallel to the shortcut start at zero. P. Krähenbühl et al.,
"Data-dependent Initializations of Convolutional Neural Networks" (2016), have the idea for every layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from soundkin.models.time_conv import TimeConvNetwork
from soundkin.shapes import Float, typechecked

SHRINKAGE = 0.1
LEVEL_WEIGHT = 0.5  # of each level against the one before: deeper random convolutions say less and less


@torch.no_grad()
def start_whitened(network: TimeConvNetwork, log_mels: Sequence[Float[Tensor, "batch mels frames"]]) -> None:
    """Set normalisation, shortcut and last dense layer from batches of patches; the network is left training.

    Components beyond the rank of the patches start at zero.
    """
    assert network.shortcut is not None
    update_bn(log_mels, _Pooled(network))  # plain averages over these batches
    network.eval()
    pooled = torch.cat([network.pooled(log_mel) for log_mel in log_mels]).double()
    weights = [torch.full((level.size,), LEVEL_WEIGHT**level.depth) for level in network.levels]
    weight = torch.cat(weights).double()
    projection = whitening((pooled - pooled.mean(dim=0)) * weight, network.embedding_size) * weight
    network.shortcut.weight.zero_()
    network.shortcut.weight[: len(projection)] = projection.float()
    network.shortcut.bias.copy_(-network.shortcut.weight @ pooled.mean(dim=0).float())
    for parameter in network.dense[-1].parameters():
        nn.init.zeros_(parameter)
    network.train()


@typechecked
def whitening(
    centred: Float[Tensor, "rows pooled"], components: int, shrinkage: float = SHRINKAGE
) -> Float[Tensor, "components pooled"]:
    """Projection onto the first principal components, scaled to unit deviation, as far as the rank goes.

    `shrinkage` in [0, 1] draws the variances towards their mean, so that faint components are not blown up.
    """
    _, deviations, directions = torch.linalg.svd(centred, full_matrices=False)
    variances = deviations.square() / len(centred)
    kept = min(components, int((variances > 1e-9 * variances[0]).sum()))
    variances = variances[:kept] * (1 - shrinkage) + variances[:kept].mean() * shrinkage
    projection: Tensor = directions[:kept] / variances.sqrt()[:, None]
    return projection


class _Pooled(nn.Module):
    """The network up to the input of its dense layers, so that no dropout is drawn."""

    def __init__(self, network: TimeConvNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, log_mel: Tensor) -> Tensor:
        return self.network.pooled(log_mel)
