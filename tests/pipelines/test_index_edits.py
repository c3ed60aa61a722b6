"""An index follows its embeddings and catalog: what is new is added, what differs is updated, and no more."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edited_index
import soundkin
from edited_index import contents, ids_of, sounds_of, table_of, write_embeddings
from soundkin.catalog.table import read_catalog
from soundkin.embedding import store
from soundkin.embedding.store import read_embeddings
from soundkin.errors import ArtefactError, CatalogError, UsageError
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.index_edits import add_to_index, index_status, remove_from_index, update_index
from soundkin.search.edits import Edited
from soundkin.search.recordings import tracks_to_index
from soundkin.search.vector_index import build_index, open_index


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with catalog.csv, embeddings/ and index/ of 20 tracks."""
    index_embeddings(write_embeddings(tmp_path, range(20)), tmp_path / "index")
    return tmp_path


def test_the_command_maps_the_vectors_and_builds_the_same(library):
    before = {path.name: path.read_bytes() for path in (library / "index/v1").iterdir()}
    embeddings = read_embeddings(library / "embeddings")
    catalog = read_catalog(library / "catalog.csv")
    table = tracks_to_index(catalog, embeddings, library / "embeddings")
    build_index(embeddings, table, catalog.folder, library / "again")
    assert {path.name: path.read_bytes() for path in (library / "again/v1").iterdir()} == before
    with patch.object(store, "_in_memory", side_effect=AssertionError):
        index_embeddings(library / "embeddings", library / "mapped")


def test_only_what_is_new_is_added(library):
    embeddings = write_embeddings(library, range(15, 25), title="Other")
    assert add_to_index(library, embeddings) == Edited(added=5, updated=0, removed=0, count=25)
    titles = {name: title for name, (title, _) in contents(open_index(library)).items()}
    assert titles["track-00015"] == "Title 15" and titles["track-00024"] == "Other 24"
    assert add_to_index(library, embeddings) == Edited(added=0, updated=0, removed=0, count=25)
    assert index_status(library).version == "v2"  # what changes nothing writes nothing


def test_tracks_asked_for_by_name(library):
    embeddings = write_embeddings(library, range(15, 25))
    assert add_to_index(library / "index", embeddings, track_ids=ids_of([21, 22])).count == 22
    with pytest.raises(UsageError, match=r"track-00021 is in index .* already.*soundkin index update"):
        add_to_index(library / "index", embeddings, track_ids=ids_of([21, 23]))
    with pytest.raises(
        UsageError, match=r"track track-00026 is not in .*embeddings\. Did you mean track-0002"
    ):
        add_to_index(library / "index", embeddings, track_ids=ids_of([26]))
    with pytest.raises(UsageError, match="track-00023 is neither"):
        update_index(library / "index", embeddings, track_ids=ids_of([23]))


def test_only_what_differs_is_updated(library):
    embeddings = write_embeddings(library, range(25))
    catalog = pd.read_csv(library / "catalog.csv")
    catalog.loc[3, "title"], catalog.loc[4, "year"], catalog.loc[5, "genre"] = "New", np.nan, "Funk"
    catalog.loc[24, "title"] = "not there"
    catalog.to_csv(library / "catalog.csv", index=False)
    assert update_index(library, embeddings) == Edited(added=0, updated=3, removed=0, count=20)
    assert (
        soundkin.query(library / "index", "track-00004", k=1, where=["title=New"])[0].track_id
        == "track-00003"
    )
    assert update_index(library, embeddings).updated == 0
    write_embeddings(library, range(25), seed=1)
    catalog.to_csv(library / "catalog.csv", index=False)
    assert update_index(library, embeddings, track_ids=ids_of([7])).updated == 1
    vector = sounds_of([7], seed=1)[0]
    assert soundkin.query(library / "index", vector=vector, k=1)[0].score == pytest.approx(1, abs=1e-5)
    assert update_index(library, embeddings).updated == 19


def test_a_corrected_catalog_elsewhere(library, tmp_path):
    catalog = pd.read_csv(library / "catalog.csv").assign(genre="Ska", audio_folder=str(library))
    (tmp_path / "corrected").mkdir()
    catalog.drop(columns="year").to_csv(tmp_path / "corrected/catalog.csv", index=False)
    corrected = tmp_path / "corrected/catalog.csv"
    assert update_index(library, library / "embeddings", catalog=corrected).updated == 20
    assert update_index(library, library / "embeddings", catalog=corrected).updated == 0
    index = open_index(library)
    assert index.row_of_file(library / "7.ogg") == index.row("track-00007")


def test_tracks_are_removed_by_name_and_by_filter(library):
    assert remove_from_index(library, ids_of([1]), where=["genre=Rock", "year>=1955"]).removed == 6
    left = {int(name[6:]) for name in contents(open_index(library))}
    assert left == set(range(20)) - {1, 5, 6, 10, 15, 16}
    assert remove_from_index(library, where=["genre=none such"]) == Edited(0, 0, 0, 14)
    with pytest.raises(UsageError, match="nothing to remove: name tracks"):
        remove_from_index(library)
    with pytest.raises(UsageError, match="there is no column gnere"):
        remove_from_index(library, where=["gnere=Rock"])


def test_tracks_that_the_catalog_lacks_are_told(library, tmp_path, caplog):
    write_embeddings(library, range(22))
    table_of(range(21)).to_pandas().to_csv(tmp_path / "catalog.csv", index=False)
    with pytest.raises(CatalogError, match=r"track track-00021 is not in catalog .*Did you mean track-0002"):
        add_to_index(library, library / "embeddings", tmp_path / "catalog.csv", ["track-00021"])
    assert add_to_index(library, library / "embeddings", tmp_path / "catalog.csv") == Edited(1, 0, 0, 21)
    assert "left out 1 embedded tracks that are not in catalog" in caplog.text


def test_vectors_of_another_length(library, monkeypatch):
    monkeypatch.setattr(edited_index, "SIZE", 8)
    for edit in (add_to_index, update_index):
        with pytest.raises(ArtefactError, match="holds vectors of 16 numbers and the embeddings of 8"):
            edit(library, write_embeddings(library, range(25)))
    assert len(open_index(library)) == 20


def test_vectors_of_another_model(library):
    with pytest.raises(ArtefactError, match="was made with model model-1"):
        add_to_index(library, write_embeddings(library, range(25), model="model-2"))
    with pytest.raises(ArtefactError, match="was made with model model-1"):
        update_index(library, library / "embeddings")
    assert len(open_index(library)) == 20


def write_copies(folder: Path, numbers: list[int]) -> Path:
    """Embeddings of tracks of which every third is one recording, and every fifth of the others another."""
    embeddings = write_embeddings(folder, numbers)
    catalog = pd.read_csv(folder / "catalog.csv")
    named = ["m3" if n % 3 == 0 else "m5" if n % 5 == 0 else "" for n in numbers]
    catalog.assign(recording_mbid=named).to_csv(folder / "catalog.csv", index=False)
    return embeddings


def recordings(folder: Path) -> dict[str, str]:
    """The cells `recording` of an index that hold something."""
    tracks = open_index(folder).tracks
    return {tracks.label(row).track_id: name for row, name in tracks.recordings.items()}


def counts(edited: Edited) -> Edited:
    """What was done, whether or not a compaction is due."""
    return replace(edited, due="")


def test_a_copy_that_comes_or_goes_is_told_in_the_other(library: Path) -> None:
    index_embeddings(write_copies(library, [3, 4]), library / "index")
    embeddings = write_copies(library, [2, 3, 4, 6, 12])
    assert recordings(library) == {}
    vector = open_index(library).vector(0)
    assert counts(add_to_index(library, embeddings, track_ids=ids_of([12]))) == Edited(1, 1, 0, 3)
    assert recordings(library) == dict.fromkeys(ids_of([3, 12]), "track-00003")
    assert update_index(library, embeddings).updated == 0
    index = open_index(library)
    np.testing.assert_array_equal(index.vector(index.row("track-00003")), vector)
    assert contents(index)["track-00003"][0] == "Title 3"
    assert add_to_index(library, embeddings).added == 2
    assert counts(remove_from_index(library, ids_of([3]))) == Edited(0, 2, 1, 4)
    assert recordings(library) == dict.fromkeys(ids_of([6, 12]), "track-00006")
    remove_from_index(library, ids_of([6]))
    assert recordings(library) == {}


def test_a_copy_by_name_no_more(library: Path) -> None:
    index_embeddings(write_copies(library, [3, 4, 6]), library / "index")
    embeddings = write_embeddings(library, [3, 4, 6])  # in whose catalog none is named
    assert counts(update_index(library, embeddings, track_ids=ids_of([6]))) == Edited(0, 2, 0, 3)
    assert recordings(library) == {}


@pytest.mark.slow
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sets(st.integers(0, 16), min_size=1, max_size=6), min_size=1, max_size=5))
def test_copies_are_named_as_in_a_new_build(tmp_path_factory: pytest.TempPathFactory, toggled: list) -> None:
    folder = tmp_path_factory.mktemp("library")
    there = {0, 1, 2}
    index_embeddings(write_copies(folder, sorted(there)), folder / "index")
    embeddings = write_copies(folder, range(17))
    for some in toggled:
        if new := some - there:
            add_to_index(folder, embeddings, track_ids=ids_of(sorted(new)))
        if gone := some & there:
            remove_from_index(folder, ids_of(sorted(gone)))
        there ^= some
        if there:
            anew = write_copies(folder / "anew", sorted(there))
            index_embeddings(anew, folder / "anew/index")
            assert recordings(folder) == recordings(folder / "anew")
        assert update_index(folder, embeddings).updated == 0
