"""An index follows its embeddings and catalog: what is new is added, what differs is updated, and no more."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edited_index
import soundkin
from edited_index import contents, ids_of, sounds_of, table_of, write_embeddings
from soundkin.errors import ArtefactError, CatalogError, UsageError
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.index_edits import add_to_index, index_status, remove_from_index, update_index
from soundkin.search.edits import Edited
from soundkin.search.vector_index import open_index


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with catalog.csv, embeddings/ and index/ of 20 tracks."""
    index_embeddings(write_embeddings(tmp_path, range(20)), tmp_path / "index")
    return tmp_path


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
