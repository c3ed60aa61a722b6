"""Shared by all tests: shape checks on, one thread a process, Ctrl-C heard, and the real music where it is at hand."""

import os

os.environ["SOUNDKIN_TYPECHECK"] = "1"  # before soundkin is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is: several test processes share few cores

import signal
from pathlib import Path

import pytest

# A shell makes what it starts in the background deaf to Ctrl-C, children included; tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

MUSIC = Path(__file__).resolve().parents[2] / "shared" / "music"


@pytest.fixture(scope="session")
def music() -> Path:
    """A folder of real, openly licensed music beside the project; tests that need it skip where it is absent."""
    if not (MUSIC / "tracks.csv").exists():
        pytest.skip(f"needs the real music at {MUSIC}")
    return MUSIC


@pytest.fixture(scope="session")
def small_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of 32 synthesised tracks by 16 artists in 2 genres, scanned from real files; do not change it."""
    from soundkin.corpus.config import CorpusConfig
    from soundkin.corpus.synthesise import synthesise
    from soundkin.pipelines.scan import scan

    folder = tmp_path_factory.mktemp("corpus")
    config = CorpusConfig(genres=2, artists_per_genre=8, tracks_per_artist=2, seconds=4.0, users=20, triplets=40)
    synthesise(folder, config, workers=1)
    scan(folder / "music", folder / "catalog.csv")
    return folder / "catalog.csv"
