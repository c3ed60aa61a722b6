"""The whitened initialisation is fitted to any number of patches, each taken once."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.training import fit
from soundkin.training.fit import PATCHES_PER_BATCH, initialise_whitened

MELS, FRAMES = 4, 8


def prepared(tracks: int) -> tuple[Any, Any]:
    """Data of so many tracks of one patch each, and the config that goes with them."""
    generator = np.random.default_rng(0)
    log_mels = {
        str(track): generator.normal(size=(FRAMES, MELS)).astype(np.float32) for track in range(tracks)
    }
    data = SimpleNamespace(
        train=SimpleNamespace(keys=list(log_mels)), cache=SimpleNamespace(log_mel=log_mels.get)
    )
    return data, SimpleNamespace(patch=PatchConfig(frames=FRAMES, hop_frames=FRAMES), random_seed=0)


@pytest.mark.parametrize("tracks", [1, 2, 64, PATCHES_PER_BATCH + 1, 513, 1025])
def test_any_number_of_patches_will_do(tracks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def noted(trunk: Any, batches: Any) -> None:
        sizes.extend(len(batch) for batch in batches)
        fitted(trunk, batches)

    fitted = fit.start_whitened
    monkeypatch.setattr(fit, "start_whitened", noted)
    torch.manual_seed(0)
    convolution = ConvConfig(filters=5, padded=True)
    network = build_network(NetworkConfig(convolutions=(convolution,), dense=(7,), embedding_size=6), MELS)
    initialise_whitened(network, *prepared(tracks))
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())
    if tracks > 1:
        assert sum(sizes) == min(tracks, fit.INITIAL_PATCHES)
        assert max(sizes) <= PATCHES_PER_BATCH and max(sizes) - min(sizes) <= 1
