"""The recipe's tools are scripts beside the package: here they can be imported. A little music, a model."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from soundkin.embedding.bundle import Bundle
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "recipe"))

RATE_HZ = 22_050
HELD_OUT, HEARD = ("SuperTux", "OpenMSX / FluidR3_GM"), ("Pingus", "Mutopia / TimGM6mb")
SECONDS = 4.0


@pytest.fixture(scope="session")
def little_music(tmp_path_factory) -> Path:
    """36 tracks by 9 artists: 24 held out (half of them rendered), 12 heard; the last one is not free.

    An artist's tracks are chords of one tone with its overtones.
    """
    folder = tmp_path_factory.mktemp("music")
    (folder / "audio").mkdir()
    rng, rows = np.random.default_rng(0), []
    times = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    for number in range(36):
        artist = number % 12 // 4 + 3 * (number // 12)
        collection = (*HELD_OUT, HEARD[number % 2])[number // 12]
        tone = 200 * 1.3**artist
        samples = sum(np.sin(2 * np.pi * tone * k * times) / k for k in (1, 2, 3)) * rng.uniform(0.1, 0.2)
        samples = samples + rng.normal(0, 0.01, len(times))
        soundfile.write(folder / f"audio/{number:02d}.wav", samples, RATE_HZ)
        rows.append(
            {
                "track_id": f"t{number:02d}",
                "path": f"audio/{number:02d}.wav",
                "artist": f"Artist {artist}",
                "title": f"No. {number}",
                "genre": ("low", "high")[artist % 2],
                "licence": "CC-BY-4.0",
                "licence_class": "nc" if number == 35 else "free",
                "kind": "rendered_midi" if " / " in collection else "recorded",
                "collection": collection,
            }
        )
    pd.DataFrame(rows).to_csv(folder / "tracks.csv", index=False)
    (folder / "ATTRIBUTION.md").write_text("Artist 0 and others, CC-BY-4.0\n")
    return folder


@pytest.fixture(scope="session")
def songs(tmp_path_factory) -> Path:
    """Two rows about made-up songs, beside the music's folder; nobody hears them."""
    folder = tmp_path_factory.mktemp("songs")
    rows = [
        {
            "track_id": f"made_up_{number:06d}",
            "path": f"audio/{number:06d}.flac",
            "artist": f"Made-up artist {number}",
            "genre": "punk",
            "collection": "made up: punk",
            "year": "",
            "licence_class": "free",
        }
        for number in range(2)
    ]
    pd.DataFrame(rows).to_csv(folder / "catalog.csv", index=False)
    return folder


@pytest.fixture
def little_model() -> Bundle:
    """An untrained network that hears a second at a time."""
    torch.manual_seed(0)
    front_end = LogMelFrontEnd(window_samples=882, hop_samples=441, mel_bands=32)
    convolutions = (ConvConfig(filters=16, width=5, pool=2, padded=True),)
    config = NetworkConfig(convolutions=convolutions, dense=(24,), embedding_size=8)
    patch = PatchConfig(frames=50, hop_frames=50)
    return Bundle(front_end, patch, config, build_network(config, front_end.mel_bands))
