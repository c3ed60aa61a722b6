"""Where training starts from: vectors that are already useful, before anything was taught.

A network with random weights pooled over time at every level is a rich set of statistics of a track, of which
a few directions drown the rest. Whitened by principal components they make a far better space, with no label
at all (for what it gives see docs/results.md). So the shortcut starts as that projection, and the dense
layers beside it at zero: training goes on from there. P. Krähenbühl et al., "Data-dependent Initializations
of Convolutional Neural Networks" (2016), have the idea for every layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from soundkin.models.time_conv import TimeConvNetwork
from soundkin.shapes import Float, typechecked

SHRINKAGE = 0.1
LEVEL_WEIGHT = (
    0.5  # of each level against the one before it: what untrained convolutions hear is worth less and less
)


@torch.no_grad()
def start_whitened(network: TimeConvNetwork, log_mels: Sequence[Float[Tensor, "batch mels frames"]]) -> None:
    """Set the network's normalisation, shortcut and last dense layer from batches of patches, and leave it
    training.

    Components that fewer patches cannot tell start at zero.
    """
    assert network.shortcut is not None
    _settle_norms(network, log_mels)
    network.eval()
    pooled = torch.cat([network.pooled(log_mel) for log_mel in log_mels]).double()
    weights = torch.cat(
        [torch.full((level.size,), LEVEL_WEIGHT**level.depth) for level in network.levels]
    ).double()
    projection = whitening((pooled - pooled.mean(dim=0)) * weights, network.embedding_size) * weights
    network.shortcut.weight.zero_()
    network.shortcut.weight[: len(projection)] = projection.float()
    network.shortcut.bias.copy_(-network.shortcut.weight @ pooled.mean(dim=0).float())
    last = network.dense[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    network.train()


@typechecked
def whitening(
    centred: Float[Tensor, "rows pooled"], components: int, shrinkage: float = SHRINKAGE
) -> Float[Tensor, "components pooled"]:
    """Projection onto the first principal components, each scaled to deviation 1, as far as there are so
    many.

    `shrinkage` in [0, 1] draws the components' variances towards their mean, so that the faint ones are not
    blown up.
    """
    _, deviations, directions = torch.linalg.svd(centred, full_matrices=False)
    variances = deviations.square() / len(centred)
    kept = min(components, int((variances > 1e-9 * variances[0]).sum()))
    variances = variances[:kept] * (1 - shrinkage) + variances[:kept].mean() * shrinkage
    projection: Tensor = directions[:kept] / variances.sqrt()[:, None]
    return projection


def _settle_norms(network: TimeConvNetwork, log_mels: Sequence[Tensor]) -> None:
    """Running means and variances over these very batches, each with the same weight."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a plain average
    network.train()
    for log_mel in log_mels:
        network.pooled(log_mel)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
