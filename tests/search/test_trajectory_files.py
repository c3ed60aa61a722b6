"""Trajectories on disk: made once, and after an edit only where patches are new."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from soundkin.embedding.embedder import TrackEmbedding
from soundkin.embedding.export import Export
from soundkin.embedding.library import Library
from soundkin.embedding.store import read_patches
from soundkin.search import trajectory_files
from soundkin.search.trajectory import trajectory
from soundkin.search.trajectory_files import read_trajectories

SIZE = 8
Counter = Callable[[], int]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """How many trajectories were computed since this was last asked."""
    calls: list[int] = []

    def counting(vectors: np.ndarray) -> np.ndarray:
        calls.append(1)
        return trajectory(vectors)

    def count() -> int:
        counted = len(calls)
        calls.clear()
        return counted

    monkeypatch.setattr(trajectory_files, "trajectory", counting)
    return count


def embed(library: Library, tracks: int) -> None:
    """Made-up embeddings of so many tracks, two a part; the same number always is the same track."""
    names = [f"track-{number}" for number in range(tracks)]
    with Export(library.embeddings, names, "model", SIZE, True, tracks_per_part=2) as writer:
        for number in range(tracks):
            random = np.random.default_rng(number)
            patches = random.standard_normal((number + 4, SIZE), np.float32)
            starts = [float(patch) for patch in range(len(patches))]
            vector = patches.mean(axis=0)
            writer.record(number, TrackEmbedding(vector, patches, starts, 9.0, f"{number:032x}", ()))
        writer.finish(library.folder / "model", library.catalog)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    kept = Library(tmp_path)
    embed(kept, 6)
    return kept


def check(library: Library) -> None:
    """What is read is what the patches of each track make."""
    expected = {patches.track_id: trajectory(patches.vectors) for patches in read_patches(library.embeddings)}
    found = dict(read_trajectories(library))
    assert list(found) == list(expected)
    for track_id, vector in expected.items():
        np.testing.assert_array_equal(found[track_id], vector)


def test_they_are_made_once(library: Library, made: Counter) -> None:
    check(library)
    assert made() == 6
    check(library)
    assert made() == 0


def test_an_edit_makes_only_those_of_new_parts_and_clears_the_old(library: Library, made: Counter) -> None:
    check(library)
    made()
    embed(library, 9)
    check(library)
    assert made() == 3
    embed(library, 4)
    check(library)
    assert made() == 0
    assert len(list(library.trajectories.iterdir())) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-200] + bytes(60) + content[-140:],
        lambda _: b"",
        lambda content: content.replace(b"track_ids.npy", b"track_xds.npy"),
    ],
    ids=["cut short", "overwritten", "empty", "without names"],
)
def test_damaged_files_are_made_anew(
    library: Library, made: Counter, spoil: Callable[[bytes], bytes]
) -> None:
    check(library)
    made()
    file = next(library.trajectories.iterdir())
    file.write_bytes(spoil(file.read_bytes()))
    check(library)
    assert made() == 2
    check(library)
    assert made() == 0


def test_files_of_another_version_are_made_anew(
    library: Library, made: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(library)
    made()
    monkeypatch.setattr(trajectory_files, "FORMAT_VERSION", 2)
    check(library)
    assert made() == 6


def test_where_nothing_can_be_written_they_are_told_all_the_same(library: Library, made: Counter) -> None:
    library.trajectories.write_text("not a folder")
    check(library)
    check(library)
    assert made() == 12
