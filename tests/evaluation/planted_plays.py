"""Planted plays: users, tracks and what they play; or a catalog, its vectors and a file of ratings."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from soundkin.catalog.table import Catalog, read_catalog

YEAR = 31_536_000


@dataclass(frozen=True)
class Planted:
    catalog: Catalog
    ratings: Path
    vectors: np.ndarray
    tastes: np.ndarray
    known: np.ndarray

    def frame(self) -> pd.DataFrame:
        return pd.read_csv(self.ratings)


def plant(folder: Path, users: int = 60, artists: int = 40, per_artist: int = 5, plays: int = 25) -> Planted:
    """The last ten artists are held out; of the others, nothing. Plays spread over a year."""
    rng = np.random.default_rng(0)
    tracks = artists * per_artist
    sounds, tastes = rng.normal(size=(tracks, 5)), rng.normal(size=(users, 5))
    appeal = 1.5 * tastes @ sounds.T + rng.normal(size=tracks) + rng.gumbel(size=(users, tracks))
    user, track = np.nonzero(appeal >= np.sort(appeal, axis=1)[:, [-plays]])
    ids = [f"t{row:03d}" for row in range(tracks)]
    artist = np.arange(tracks) // per_artist
    frame = pd.DataFrame({"track_id": ids, "path": ids, "artist": [f"artist {number}" for number in artist]})
    frame.to_csv(folder / "catalog.csv", index=False)
    rows = {"user_id": [f"u{one:02d}" for one in user], "track_id": np.array(ids)[track], "rating": 1}
    pd.DataFrame({**rows, "timestamp": rng.integers(0, YEAR, len(user))}).to_csv(
        folder / "ratings.csv", index=False
    )
    vectors = np.hstack([sounds, rng.normal(size=(tracks, 5))]).astype(np.float32)
    return Planted(
        read_catalog(folder / "catalog.csv"), folder / "ratings.csv", vectors, tastes, artist < artists - 10
    )


def planted(users=120, tracks=150, factors=6, random_seed=0):
    """Tastes, tracks and plays of the sort the synthesised corpus has: liking is a product, plays favour the
    liked.
    """
    rng = np.random.default_rng(random_seed)
    tastes, sounds = rng.normal(size=(users, factors)), rng.normal(size=(tracks, factors))
    tastes, sounds = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (tastes, sounds))
    appeal = 8 * tastes @ sounds.T + rng.normal(size=tracks) + rng.gumbel(size=(users, tracks))
    return tastes, sounds, csr_matrix((appeal >= np.sort(appeal, axis=1)[:, [-10]]).astype(float))
