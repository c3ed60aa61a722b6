"""Small indexes over tracks whose vectors lie in order on an arc, for tests of paths and playlists."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from soundkin.embedding.store import Embeddings
from soundkin.search.vector_index import Index, build_index, open_index


def make_index(folder: Path, vectors: np.ndarray, artists: list[str], same_titles: bool = False) -> Index:
    """An index of tracks 00, 01, ... of 100 s, 110 s, ...; with `same_titles` every second one is a live
    version of the one before.
    """
    ids = [f"{n:0{max(2, len(str(len(vectors))))}}" for n in range(len(vectors))]
    table = pa.table({
        "track_id": ids,
        "path": [f"music/{n}.ogg" for n in ids],
        "title": [_live(n) if same_titles else f"Title {n:02}" for n in range(len(ids))],
        "artist": artists,
        "genre": ["rock" if n % 2 else "jazz" for n in range(len(ids))],
        "duration": [100.0 + 10 * n for n in range(len(ids))],
    })  # fmt: skip
    model = folder / "model"
    stored = Embeddings(
        ids, vectors.astype(np.float32), [1.0] * len(ids), ["0"] * len(ids), "m", model, model
    )
    build_index(stored, table, folder, folder / "index", "exact")
    return open_index(folder / "index")


def _live(number: int) -> str:
    return f"Evening Number {number // 2}" + (" (Live)" if number % 2 else "")


def arc(tracks: int) -> np.ndarray:
    """Tracks in order on a quarter of a circle."""
    angles = np.linspace(0, np.pi / 2, tracks)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def artists(tracks: int, of: int = 7) -> list[str]:
    return [f"Artist {n % of}" for n in range(tracks)]
