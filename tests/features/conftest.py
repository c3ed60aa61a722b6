"""Audio files of every kind that hold the same tune."""

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from audio_files import encode, tune


@pytest.fixture(scope="session")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`audio("mp3")` is a stereo file of that kind at 44.1 kHz (48 for opus) with the tune in it."""
    folder = tmp_path_factory.mktemp("audio")

    def make(kind: str) -> Path:
        path = folder / f"tune.{kind}"
        if path.exists():
            return path
        if kind == "m4a":
            return encode(path, tune(44_100), 44_100, "aac")
        if kind == "wma":
            return encode(path, tune(44_100), 44_100, "wmav2")
        if kind == "mov":
            return encode(path, tune(44_100), 44_100, "alac")
        if kind == "opus":
            soundfile.write(path, tune(48_000), 48_000, format="OGG", subtype="OPUS")
        else:
            soundfile.write(path, tune(44_100), 44_100)
        return path

    return make
