"""Copies are found by their audio, whatever they are called, and compared once."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from melodies import RATE_HZ, melody
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.catalog.table_io import read_remembered
from soundkin.embedding.store import Embeddings
from soundkin.features.file_hashes import file_hash
from soundkin.search import recordings
from soundkin.search.recordings import COPIES, NEAR_COSINE, NEAR_SECONDS, candidates, tracks_to_index
from soundkin.statistics.scaling import unit_length


class Folder:
    """Files and a catalog of them, all alike to the embedding."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, object]] = []

    def add(self, name: str, samples: np.ndarray, **cells: str) -> None:
        soundfile.write(self.folder / name, samples, RATE_HZ)
        self.rows.append({"track_id": Path(name).stem, "path": name, **cells})

    def catalog(self) -> Catalog:
        pd.DataFrame(self.rows).to_csv(self.folder / "catalog.csv", index=False)
        return read_catalog(self.folder / "catalog.csv")

    def indexed(self, **settings: object) -> pd.DataFrame:
        catalog = self.catalog()
        hashes = [file_hash(path) if path.exists() else path.name for path in catalog.audio_paths()]
        told = {"duration_seconds": [8.0] * len(hashes), "model_hash": "m", "model_path": Path("m")}
        vectors = np.ones((len(hashes), 4), np.float32)
        told |= {"catalog_path": self.folder / "catalog.csv", **settings}
        stored = Embeddings(list(catalog.track_ids), vectors, audio_hashes=hashes, **told)
        return tracks_to_index(catalog, stored, self.folder).to_pandas().set_index("track_id")

    def groups(self) -> dict[str, str]:
        recording = self.indexed()["recording"]
        return recording[recording.notna()].to_dict()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_copies_in_other_codecs_share_a_name_and_other_tunes_have_none(folder: Folder) -> None:
    for name in ("single.mp3", "album.wav", "best_of.ogg"):
        folder.add(name, melody(8, 1))
    folder.add("late.flac", np.concatenate([np.zeros(RATE_HZ // 2), melody(8, 1)]))
    folder.add("other.mp3", melody(8, 2))
    assert folder.groups() == dict.fromkeys(["album", "single", "best_of", "late"], "album")


def test_pieces_that_share_sections_are_two(folder: Folder) -> None:
    a, b, c = (melody(6, seed) for seed in (1, 2, 3))
    for name, sections in {"abbb": (a, b, b, b), "abcb": (a, b, c, b), "aabb": (a, a, b, b)}.items():
        folder.add(f"{name}.wav", np.concatenate(sections))
    assert folder.groups() == {}


def test_the_same_file_needs_no_look(folder: Folder) -> None:
    folder.add("a.wav", melody(8, 1))
    folder.add("b.wav", melody(8, 1))
    with patch.object(recordings, "same_recording", side_effect=AssertionError):
        assert folder.groups() == {"a": "a", "b": "a"}


def test_what_tags_or_people_call_one_recording_is_one(folder: Folder) -> None:
    folder.add("a.wav", melody(8, 1), recording_mbid="m1", recording="")
    folder.add("b.wav", melody(8, 2), recording_mbid="m1", recording="mine")
    folder.add("c.wav", melody(8, 3), recording_mbid="", recording="mine")
    folder.add("d.wav", melody(8, 4), recording_mbid="m2", recording="m1")
    assert folder.groups() == {"a": "a", "b": "a", "c": "a"}


def test_what_was_compared_is_compared_no_more(folder: Folder) -> None:
    folder.add("album.wav", melody(8, 1))
    folder.add("other.wav", melody(8, 2))
    assert folder.groups() == {}
    compare = recordings.same_recording
    folder.add("single.ogg", melody(8, 1))
    with patch.object(recordings, "same_recording", wraps=compare) as counted:
        counted.__module__ = compare.__module__
        assert folder.groups() == {"album": "album", "single": "album"}
        assert counted.call_count == 2
        assert folder.groups() == {"album": "album", "single": "album"}
        assert counted.call_count == 2
    (folder.folder / COPIES).write_text("nonsense")
    assert folder.groups() == {"album": "album", "single": "album"}


def test_a_file_that_cannot_be_read_is_compared_once_it_can(folder: Folder) -> None:
    folder.add("album.wav", melody(8, 1))
    folder.add("single.ogg", melody(8, 1))
    held = (folder.folder / "single.ogg").rename(folder.folder / "elsewhere.ogg")
    assert folder.groups() == {}
    assert read_remembered(folder.folder / COPIES, recordings.COLUMNS) == {}
    held.rename(folder.folder / "single.ogg")
    assert folder.groups() == {"album": "album", "single": "album"}


def test_a_copy_that_comes_back_is_known_again(folder: Folder) -> None:
    folder.add("album.wav", melody(8, 1))
    folder.add("single.ogg", melody(8, 1))
    assert folder.groups()
    gone = folder.rows.pop()
    assert folder.groups() == {}
    folder.rows.append(gone)
    assert folder.groups() == {"album": "album", "single": "album"}


def test_warnings_are_kept_and_a_column_of_that_name_stays(folder: Folder) -> None:
    folder.add("a.wav", melody(8, 1))
    folder.add("b.wav", melody(8, 2))
    warned = [(), ("silent from start to end", "cut short")]
    assert folder.indexed(warnings=warned)["warnings"].dropna().to_dict() == {
        "b": "silent from start to end; cut short"
    }
    for row in folder.rows:
        row["warnings"] = "explicit"
    assert set(folder.indexed(warnings=warned)["warnings"]) == {"explicit"}


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 1000), st.integers(1, 64))
def test_candidates_are_all_near_pairs_with_a_new_one(count: int, seed: int, block: int) -> None:
    random = np.random.default_rng(seed)
    vectors = unit_length(random.normal((4, 0, 0), 1, (count, 3)).astype(np.float32))
    seconds, new = random.uniform(10, 15, count), random.random(count) < 0.5
    with patch.object(recordings, "chunk_size", return_value=block):
        found = list(candidates(np.repeat(vectors, 2, axis=0), np.arange(0, 2 * count, 2), seconds, new))
    near = (vectors @ vectors.T >= NEAR_COSINE) & (
        np.abs(np.subtract.outer(seconds, seconds)) <= NEAR_SECONDS
    )
    wanted = {
        (one, other)
        for one in range(count)
        for other in range(one + 1, count)
        if near[one, other] and (new[one] or new[other])
    }
    assert len(found) == len(set(found))
    assert {tuple(sorted(pair)) for pair in found} <= wanted
    few = (near.sum(axis=1) - 1) <= recordings.MOST_COMPARED
    assert {pair for pair in wanted if few[list(pair)].all()} <= {tuple(sorted(pair)) for pair in found}
