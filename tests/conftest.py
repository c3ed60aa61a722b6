"""Shared by all tests: shape checks on, one thread a process, and the real music where it is at hand."""

import os

os.environ["SOUNDKIN_TYPECHECK"] = "1"  # before soundkin is imported

from pathlib import Path

import pytest

MUSIC = Path(__file__).resolve().parents[2] / "shared" / "music"


@pytest.fixture(scope="session")
def music() -> Path:
    """A folder of real, openly licensed music beside the project; tests that need it skip where it is absent."""
    if not (MUSIC / "tracks.csv").exists():
        pytest.skip(f"needs the real music at {MUSIC}")
    return MUSIC
