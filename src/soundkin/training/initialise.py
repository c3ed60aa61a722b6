"""The start of a training run: what the network's whitening is fitted to."""

import math

import numpy as np
import torch

from soundkin.models import TrackNetwork
from soundkin.models.pca_init import start_whitened
from soundkin.training.batches import HeldOutTracks
from soundkin.training.data import PreparedData
from soundkin.training.run_config import TrainConfig

PATCHES = 1024
PATCHES_PER_BATCH = 64


def whitened_start(network: TrackNetwork, data: PreparedData, config: TrainConfig) -> None:
    """Fit normalisation and shortcut to patches spread evenly over the training tracks, up to about a
    thousand.
    """
    keys = data.train.keys
    tracks = HeldOutTracks(data.cache, keys, config.patch, most_patches=max(1, PATCHES // len(keys)))
    chosen = np.unique(np.linspace(0, len(keys) - 1, min(len(keys), PATCHES)).round().astype(int))
    patches = torch.cat([tracks[row]["log_mel"] for row in chosen.tolist()])
    if len(patches) < 2:
        return  # there is no spread to fit anything to
    order = torch.randperm(len(patches), generator=torch.Generator().manual_seed(config.random_seed))
    # Batches of even size: each weighs the same in the normalisation, and none may hold one patch alone.
    start_whitened(
        network.trunk, torch.tensor_split(patches[order], math.ceil(len(patches) / PATCHES_PER_BATCH))
    )
