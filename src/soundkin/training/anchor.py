"""Anchoring (`anchor=true`): trained vectors are turned back as near to the start's as
a rotation brings them.

Cosines between trained vectors stay what they are; cosines with vectors of the start come to mean something.
The orthogonal Procrustes problem, P. Schönemann, "A Generalized Solution of the Orthogonal Procrustes
Problem" (1966), over track vectors at unit length, without a shift, as cosine knows none. The rotation is
folded into the network's last linear layers and the heads' first ones, so nothing else changes.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from soundkin.models import TrackNetwork
from soundkin.shapes import Float, typechecked
from soundkin.tasks import ProxyTask
from soundkin.training.batches import EvenPatches
from soundkin.training.data import PreparedData, SplitTracks
from soundkin.training.module import TrainingModule
from soundkin.training.run_config import TrainConfig
from soundkin.training.start import start_bundle

MOST_TRACKS = 2_000  # of each split, spread evenly over it


def anchor(config: TrainConfig, data: PreparedData, module: TrainingModule) -> dict[str, Any]:
    """Turn the trained network and its heads to the start; how near they came, for the bundle.

    `mean_cosine` is over held-out tracks where there are any, of which the rotation knows nothing.
    """
    bundle = start_bundle(config)
    assert bundle is not None, "check_anchor refuses it"
    judged = data.valid if data.valid.keys else data.train
    if not _is_same(module.network, bundle.network):  # turned by rounding errors, it would be another model
        trained, begun = (
            sample_vectors(network, config, data, data.train)[1]
            for network in (module.network, bundle.network)
        )
        turn_vectors(module.network, list(module.proxy_tasks.values()), best_rotation(trained, begun))
    trained = sample_vectors(module.network, config, data, judged)[1]
    begun = sample_vectors(bundle.network, config, data, judged)[1]
    return {
        "mean_cosine": float((trained * begun).sum(dim=1).mean()),
        "tracks": len(trained),
        "of": "held-out tracks" if judged is data.valid else "training tracks",
    }


@typechecked
def best_rotation(
    vectors: Float[Tensor, "tracks embedding"], wanted: Float[Tensor, "tracks embedding"]
) -> Float[Tensor, "embedding embedding"]:
    """The orthogonal R for which `vectors @ R.T` are nearest to `wanted`, in double precision."""
    left, _, right = torch.linalg.svd(wanted.double().T @ vectors.double())
    rotation: Tensor = left @ right
    return rotation


@torch.no_grad()
def turn_vectors(network: TrackNetwork, tasks: list[ProxyTask], rotation: Tensor) -> None:
    """Turn the vectors of a network with mean pooling, and the tasks that read them."""
    trunk = network.trunk
    for layer in (trunk.dense[-1], trunk.shortcut):
        if isinstance(layer, nn.Linear):
            layer.weight.copy_(rotation @ layer.weight.double())
            layer.bias.copy_(rotation @ layer.bias.double())
    for task in tasks:
        task.turn(rotation)


def _is_same(network: TrackNetwork, start: TrackNetwork) -> bool:
    pairs = zip(network.trunk.state_dict().values(), start.trunk.state_dict().values(), strict=True)
    return all(torch.equal(own, other) for own, other in pairs)


@torch.no_grad()
def sample_vectors(
    network: TrackNetwork, config: TrainConfig, data: PreparedData, tracks: SplitTracks
) -> tuple[Tensor, Tensor]:
    """Rows of a split, spread evenly over it, and their vectors at unit length [tracks, embedding], from as
    many patches as validation takes.
    """
    rows = torch.from_numpy(np.unique(np.linspace(0, len(tracks.keys) - 1, MOST_TRACKS).round().astype(int)))
    if data.vectors:
        return rows, normalize(data.vectors.of(tracks.catalog)[rows])
    patches = EvenPatches(data.cache, tracks.keys, config.patch, config.data.validation_patches)
    batches = (patches[row] for row in rows.tolist())
    return rows, normalize(torch.cat([network(batch["log_mel"], batch["lengths"]) for batch in batches]))
