"""What an edited library asks of its index."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from soundkin.embedding.store import Embeddings
from soundkin.search.edits import edit_tracks
from soundkin.search.index_difference import IndexDifference, index_difference
from soundkin.search.vector_index import build_index, open_index


def embeddings(numbers: dict[str, int]) -> Embeddings:
    """A vector for each id, a function of its number."""
    vectors = np.stack([np.random.default_rng(n).standard_normal(8, np.float32) for n in numbers.values()])
    seconds, hashes = [1.0] * len(numbers), [""] * len(numbers)
    return Embeddings(list(numbers), vectors, seconds, hashes, "m", Path("model"), Path("catalog.csv"))


def tracks(ids: str, **cells: list[object]) -> pa.Table:
    table = {"track_id": list(ids), "path": [f"{id_}.mp3" for id_ in ids]}
    return pa.table({**table, "year": pa.array([1990] * len(ids), pa.int64()), **cells})


def test_what_is_added_removed_and_updated(tmp_path: Path) -> None:
    folder, audio = tmp_path / "index", tmp_path / "music"
    before = embeddings({"a": 1, "b": 2, "c": 3, "d": 4})
    build_index(before, tracks("abcd"), audio, folder)
    assert index_difference(open_index(folder), before, tracks("dbca"), audio) == IndexDifference()
    after = embeddings({"x": 9, "d": 5, "c": 3, "b": 2, "gone": 7})
    table = tracks("bcdx", year=pa.array([1990, None, 1990, 2000], pa.int64()))
    difference = index_difference(open_index(folder), after, table, audio)
    assert difference == IndexDifference(["x"], ["a"], ["c", "d"])
    put = table.filter(pa.array([False, True, True, True]))
    edit_tracks(folder, after, put, audio, difference.removed)
    edited = open_index(folder)
    assert index_difference(edited, after, table, audio) == IndexDifference()
    assert index_difference(edited, after, table.append_column("mood", pa.array([""] * 4)), audio) is None
    assert index_difference(edited, replace(after, model_hash="other"), table, audio) is None
    assert index_difference(edited, after, table, tmp_path / "elsewhere") is None
