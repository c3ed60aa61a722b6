from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from soundkin.catalog.table import Catalog
from soundkin.errors import UsageError
from soundkin.evaluation.systems import read_systems, vectors_of


def table(path: Path, ids: list[str], vectors: np.ndarray, **more: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, track_id=np.array(ids), vectors=vectors.astype(np.float32), **more)
    return path


def test_a_name_is_given_or_the_end_of_the_path_that_tells_it_from_others(tmp_path):
    paths = [table(tmp_path / name, ["a"], np.ones((1, 2))) for name in ("x/v.npz", "y/v.npz", "clap.npz")]
    assert [system.name for system in read_systems(paths[0], paths[1:])] == ["x/v", "y/v", "clap"]
    named = read_systems(f"mine={paths[0]}", [f"theirs={paths[1]}"])
    assert [system.name for system in named] == ["mine", "theirs"]
    odd = table(tmp_path / "a=b.npz", ["a"], np.ones((1, 2)))
    assert read_systems(odd)[0].name == "a=b"


@pytest.mark.parametrize("name", ["MFCC", "untrained", "chance", "external", "mine"])
def test_a_name_that_is_taken_is_refused(tmp_path, name):
    path = table(tmp_path / "v.npz", ["a"], np.ones((1, 2)))
    with pytest.raises(UsageError, match=f"called {name} is there already"):
        read_systems(f"mine={path}", [f"{name}={path}"])


def test_a_table_is_read_whatever_its_kind(tmp_path):
    vectors = np.arange(6).reshape(3, 2).astype(np.float32)
    npz = table(tmp_path / "one.npz", ["a", "b", "c"], vectors)
    parquet = pa.table({"track_id": ["a", "b", "c"], "vector": list(vectors)})
    pq.write_table(parquet, tmp_path / "two.parquet")
    (tmp_path / "three").mkdir()
    pq.write_table(parquet, tmp_path / "three/part.parquet")
    for system in read_systems(npz, [tmp_path / "two.parquet", tmp_path / "three"]):
        found, refused = vectors_of(system, ["c", "nobody", "a"])
        assert {track: vector.tolist() for track, vector in found.items()} == {"c": [4, 5], "a": [0, 1]}
        assert not refused and system.bundle is None and system.trained_labels == set()
        assert system.rule(Catalog(pd.DataFrame({"track_id": ["a"], "path": ["x"]}), Path())) is None


def test_patches_are_averaged_in_any_order_and_kept_for_those_who_ask(tmp_path):
    vectors = np.array([[5, 1], [1, 1], [2, 0], [3, 1]])
    starts = np.array([2.0, 0.0, 0.0, 1.0])
    system = read_systems(table(tmp_path / "v.npz", ["a", "a", "b", "a"], vectors, start_seconds=starts))[0]
    found, _ = vectors_of(system, ["a", "b"])
    assert found["a"].tolist() == [3, 1] and found["b"].tolist() == [2, 0]
    patches = system.stored.patches(["a", "b", "c"])
    assert list(patches) == ["a"], "one row is no patches"
    assert patches["a"].start_seconds == [0, 1, 2] and patches["a"].vectors[:, 0].tolist() == [1, 3, 5]


def test_a_vector_that_is_not_made_of_numbers_is_refused_and_the_rest_is_used(tmp_path):
    system = read_systems(table(tmp_path / "v.npz", ["a", "b"], np.array([[np.nan, 1], [1, 2]])))[0]
    found, refused = vectors_of(system, ["a", "b"])
    assert list(found) == ["b"] and "not finite" in refused["a"]


def test_frozen_vectors_are_for_models(tmp_path):
    path = table(tmp_path / "v.npz", ["a"], np.ones((1, 2)))
    with pytest.raises(UsageError, match="is no model"):
        read_systems(path, vectors=path)
