from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError
from soundkin.evaluation.groupings import deciles, members_of, track_groups, user_groups


def catalog(**columns):
    rows = len(next(iter(columns.values())))
    ids = [f"t{row}" for row in range(rows)]
    return Catalog(pd.DataFrame({"track_id": ids, "path": ids, **columns}), Path("music"))


def test_tracks_are_grouped_by_columns_catalogue_and_popularity():
    tracks = catalog(
        genre=["rock; pop", "rock", None],
        year=pd.array([1994, None, 2003], dtype="Int64"),
        artist=["ann", "ann", None],
        language=["de", "en", "en"],
    )
    found = track_groups(tracks, plays_per_track=np.array([3.0, 0.0, np.nan]))
    assert found["genre"] == [("rock", "pop"), ("rock",), ("unknown",)]
    assert found["decade"] == [("1990s",), ("unknown",), ("2000s",)]
    assert found["artist's catalogue"] == [("2-4 tracks",), ("2-4 tracks",), ("unknown",)]
    assert found["popularity"] == [("decile 6",), ("never played",), ("unknown",)]
    assert set(track_groups(tracks, ["language"])) == {"language", "artist's catalogue"}


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(CatalogError, match="mood"):
        track_groups(catalog(genre=["rock"]), ["mood"])


def test_a_bare_catalog_has_no_groups_and_an_empty_one_neither():
    assert track_groups(catalog(title=["one", "two"])) == {}
    assert track_groups(catalog(genre=[])) == {}


def test_catalogue_sizes_fall_into_bins():
    artists = [
        name
        for size, name in [(1, "a"), (2, "b"), (4, "c"), (5, "d"), (9, "e"), (10, "f")]
        for _ in range(size)
    ]
    found = track_groups(catalog(artist=artists))["artist's catalogue"]
    by_artist = {artist: group for artist, (group,) in zip(artists, found, strict=True)}
    assert list(by_artist.values()) == [
        "1 track",
        "2-4 tracks",
        "2-4 tracks",
        "5-9 tracks",
        "5-9 tracks",
        "10+ tracks",
    ]


def test_deciles_are_tenths():
    names, members = members_of(deciles(np.random.default_rng(0).permutation(200) + 1))
    assert names == [f"decile {place}" for place in range(1, 11)]
    assert members.sum(axis=0).tolist() == [[20] * 10]
    assert deciles(np.arange(1, 11))[0] == ("decile 1",)
    assert deciles(np.array([5])) == [("decile 6",)]
    assert user_groups(np.zeros(2)) == {"activity": [("never played",), ("never played",)]}


@given(st.lists(st.integers(0, 6), max_size=40))
def test_as_many_plays_are_the_same_decile_and_more_never_a_lower_one(plays):
    found = [
        -1 if name == "never played" else int(name.split()[1])
        for (name,) in deciles(np.array(plays, dtype=int))
    ]
    for one, place in zip(plays, found, strict=True):
        for other, other_place in zip(plays, found, strict=True):
            assert place <= other_place or one > other


def test_names_are_in_order_of_the_numbers_in_them_and_the_unknown_is_last():
    names, members = members_of([("10+ tracks",), ("unknown",), ("2-4 tracks", "1 track"), ("zydeco",), ()])
    assert names == ["1 track", "2-4 tracks", "10+ tracks", "zydeco", "unknown"]
    assert members.toarray().tolist() == [
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1],
        [1, 1, 0, 0, 0],
        [0, 0, 0, 1, 0],
        [0] * 5,
    ]


def test_a_catalogue_counts_every_spelling_and_nobody_has_none():
    artists = ["Björk", "bjork", "BJÖRK feat. Ann", "Various Artists", "VA", "Ann"]
    found = track_groups(catalog(artist=artists))["artist's catalogue"]
    assert found == [("2-4 tracks",)] * 3 + [("unknown",)] * 2 + [("1 track",)]
