"""The map of a library: what its places weigh and take, and how long its frames take in a browser.

    python benchmarks/map_frames.py [--tracks 10000 100000] [--library FOLDER]

Places are drawn around artists around genres. With --library the made library of the largest size is kept
there, to be looked at with `soundkin serve FOLDER`.
"""

import numpy as np
import pyarrow as pa
from pathlib import Path
from pyarrow import csv

from soundkin.embedding.library import Library
from soundkin.embedding.store import Embeddings
from soundkin.search.vector_index import build_index

WORDS = "blue night river love road home fire rain gold train moon dance heart stone shadow city ghost sun".split()
GENRES, TRACKS_PER_ARTIST = 40, 12

def made_library(folder: Path, tracks: int) -> Library:
    """A library with a map of so many tracks, in clusters."""
    library = Library(folder)
    folder.mkdir(parents=True)
    library.catalog.touch()
    random = np.random.default_rng(0)
    genres = random.standard_normal((GENRES, 2)) * 25
    genre_of = random.integers(0, GENRES, -(-tracks // TRACKS_PER_ARTIST)) ** 2 // GENRES
    artists = genres[genre_of] + random.standard_normal((len(genre_of), 2)) * 4
    artist_of = np.arange(tracks) // TRACKS_PER_ARTIST
    places = artists[artist_of] + random.standard_normal((tracks, 2)) * 0.8
    ids = [f"{number:06}-{random.bytes(4).hex()}" for number in range(tracks)]
    titles = [" ".join(random.choice(WORDS, 1 + number % 4)).title() for number in range(tracks)]
    table = pa.table(
        {
            "track_id": ids,
            "path": [f"{number}.ogg" for number in range(tracks)],
            "title": titles,
            "artist": [f"The {WORDS[number % 18].title()} {WORDS[number // 18 % 18].title()}s {number}" for number in artist_of.tolist()],
            "genre": [f"genre {genre_of[artist]}" for artist in artist_of.tolist()],
            "year": 1955 + (artist_of * 7 + random.integers(0, 9, tracks)) % 70,
        }
    )
    vectors = np.concatenate([places, random.standard_normal((tracks, 6))], axis=1).astype(np.float32)
    told = ([30.0] * tracks, ["0"] * tracks, "model-1", folder / "model", library.catalog)
    build_index(Embeddings(ids, vectors, *told), table, folder, library.index, "exact")
    x, y = places.astype(np.float32).astype(float).T
    csv.write_csv(pa.table({"track_id": ids, "x": x, "y": y}), library.map_places)
    return library
