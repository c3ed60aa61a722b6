"""A small network with random weights, and audio that is made here."""

from pathlib import Path

import numpy as np
import pytest
import torch

from soundkin.embedding.bundle import Bundle
from soundkin.embedding.embedder import Embedder
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network

RATE_HZ = 22_050


def make_bundle(random_seed: int = 0, **changes: object) -> Bundle:
    """An untrained bundle that hears one second at a time."""
    torch.manual_seed(random_seed)
    front_end = LogMelFrontEnd(window_samples=882, hop_samples=441, mel_bands=32)
    network_config = NetworkConfig(
        convolutions=(ConvConfig(filters=16, width=5, pool=2, padded=True),), dense=(24,), embedding_size=8
    )
    network = build_network(network_config, front_end.mel_bands)
    parts = dict(front_end=front_end, patch=PatchConfig(frames=50, hop_frames=50))
    return Bundle(**{**parts, "network_config": network_config, "network": network, **changes})


def noise(seconds: float, random_seed: int = 0) -> np.ndarray:
    """Noise at half of full scale, [samples]."""
    samples = np.random.default_rng(random_seed).uniform(-0.5, 0.5, round(seconds * RATE_HZ))
    return samples.astype(np.float32)


@pytest.fixture
def bundle() -> Bundle:
    return make_bundle()


@pytest.fixture
def embedder(bundle: Bundle) -> Embedder:
    return Embedder(bundle)


@pytest.fixture(scope="session")
def make():
    """Bundles and sounds to order."""

    class Make:
        bundle = staticmethod(make_bundle)
        noise = staticmethod(noise)
        rate_hz = RATE_HZ

    return Make


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Five and a half seconds of noise as a wav."""
    import soundfile

    path = tmp_path / "song.wav"
    soundfile.write(path, noise(5.5), RATE_HZ)
    return path
