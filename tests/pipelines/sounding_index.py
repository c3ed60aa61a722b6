"""Small indexes whose tracks can be heard."""

from pathlib import Path

import numpy as np
import soundfile

from arc_index import make_index
from soundkin.explore.song_course import RATE_HZ
from soundkin.search.vector_index import Index


def make_sounding_index(folder: Path, vectors: np.ndarray, artists: list[str], silent: int = 0) -> Index:
    """As `make_index`, with five seconds of sound each; the files of the last `silent` are missing.

    Tracks by Bob are ten times as loud as the others.
    """
    index = make_index(folder, vectors, artists)
    rng = np.random.default_rng(0)
    for row in range(len(artists) - silent):
        path = Path(index.audio_path(index.tracks.label(row).path))
        path.parent.mkdir(exist_ok=True)
        loud = rng.uniform(0.5, 1) * (0.2 if artists[row] == "Bob" else 0.02)
        soundfile.write(path, (loud * rng.normal(size=5 * RATE_HZ)).astype(np.float32), RATE_HZ)
    return index
