"""A small model bundle to begin a training run with, and what makes such a run small."""

from pathlib import Path

import torch

from smallest_run import SMALLEST
from soundkin.embedding.bundle import Bundle, save_bundle
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network

RUN = [word for word in SMALLEST if not word.startswith(("patch", "model"))]  # those are the start's


def make_start(folder: Path, random_seed: int = 0, **settings: object) -> Path:
    """A bundle of a network unlike the default one."""
    torch.manual_seed(random_seed)
    front_end = LogMelFrontEnd(mel_bands=32)
    convolution = ConvConfig(filters=16, width=5, pool=2, padded=True)
    config = NetworkConfig(
        **{"convolutions": (convolution,), "dense": (24,), "embedding_size": 12, **settings}
    )
    network = build_network(config, front_end.mel_bands)
    provenance = {"name": "first", "training_data": {"tracks": 7, "licences": {"CC0-1.0": 7}}}
    patch = PatchConfig(frames=40, hop_frames=20)
    save_bundle(Bundle(front_end, patch, config, network, provenance=provenance), folder)
    return folder
