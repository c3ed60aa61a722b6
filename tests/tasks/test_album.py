"""Albums are told apart by title and artist together."""

from pathlib import Path

import pandas as pd
import pytest

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError
from soundkin.tasks.album import AlbumTask
from soundkin.tasks.margin_softmax import MarginSoftmaxConfig


def catalog(albums: list[str | None], artists: list[str | None] | None = None) -> Catalog:
    ids = [f"t{number}" for number in range(len(albums))]
    frame = pd.DataFrame({"track_id": ids, "path": ids, "album": albums})
    return Catalog(frame if artists is None else frame.assign(artist=artists), Path())


def targets(tracks: Catalog) -> list[int]:
    return AlbumTask.from_sources(MarginSoftmaxConfig(), Sources(tracks), 4).targets(tracks).tolist()


def test_the_same_title_by_two_artists_is_two_albums() -> None:
    tracks = catalog(
        ["Hits"] * 4 + [None] + ["Live"] * 2, ["Abba", "Abba", "Queen", "Queen; Bowie", "Abba", None, None]
    )
    assert targets(tracks) == [0, 0, 1, 1, -1, 2, 2]


def test_a_title_may_hold_semicolons_and_there_may_be_no_artists() -> None:
    assert targets(catalog(["Dusk; Dawn"] * 2 + ["Dawn"] * 2)) == [1, 1, 0, 0]


def test_tracks_of_a_compilation_are_no_album_unless_an_artist_has_several_there() -> None:
    artists = ["a", "b", "c", "d", "d", "a", "a"]
    assert targets(catalog(["Mix"] * 5 + ["Own"] * 2, artists)) == [-1, -1, -1, 0, 0, 1, 1]
    with pytest.raises(CatalogError, match=r"hold 0 album label.*task\.album=null"):
        targets(catalog(["Mix"] * 3, ["a", "b", "c"]))


def test_training_on_albums_is_training_on_artists() -> None:
    assert AlbumTask.columns == ("album", "artist")


def test_an_album_goes_by_its_lead_however_spelled_and_by_nobody() -> None:
    artists = ["Björk", "BJORK feat. Ann", "Ann", "Various Artists", "VA", "Ann"]
    assert targets(catalog(["Debut"] * 3 + ["Mix"] * 2 + ["Debut"], artists)) == [1, 1, 0, 2, 2, 0]
