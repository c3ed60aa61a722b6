from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.catalog.table import Catalog
from soundkin.evaluation.label_questions import column_values, group_numbers, memberships, question


def catalog(**columns):
    count = len(next(iter(columns.values())))
    ids = [str(row) for row in range(count)]
    return Catalog(pd.DataFrame({"track_id": ids, "path": ids, **columns}), Path())


def test_decades_are_made_from_years():
    years = pd.array([1969, None, 2000], dtype="Int64")
    assert column_values(catalog(year=years), "decade") == [("1960s",), (), ("2000s",)]


def test_a_column_that_is_not_there_is_empty_throughout():
    assert column_values(catalog(title=["a", "b"]), "genre") == [(), ()]
    assert column_values(catalog(title=["a", "b"]), "decade") == [(), ()]


def test_albums_of_one_name_by_two_artists_are_two():
    albums = column_values(catalog(artist=["ann", "bob; ann"], album=["Hits", "Hits"]), "album")
    assert albums[0] != albums[1]


def test_genre_is_asked_without_the_artists_help_and_artist_without_the_albums():
    tracks = catalog(artist=["ann", "bob"], album=["x", "y"], genre=["rock", "pop"])
    assert question(tracks, "genre").filtered_by == "artist"
    assert question(tracks, "mood").filtered_by == "artist"
    assert question(tracks, "artist").filtered_by == "album"
    assert question(tracks, "album").filtered_by is None


def test_there_is_no_filter_by_what_the_catalog_does_not_know():
    assert question(catalog(genre=["rock", "pop"]), "genre").filtered_by is None
    assert question(catalog(genre=["rock", "pop"], artist=[None, None]), "genre").filtered_by is None


def test_tracks_without_an_artist_are_groups_of_their_own():
    groups = catalog(artist=["ann", None, "ann; bob", None, "bob"]).artists.groups
    assert len(np.unique(groups)) == 4
    assert groups[0] == groups[2]
    assert group_numbers([(), ("0",), ()]).tolist() == [0, 1, 2]  # a name is never taken for a row's number


def test_memberships_name_each_value_once():
    found = memberships([("b", "a"), (), ("a", "a")]).toarray()
    assert found.tolist() == [[1, 1], [0, 0], [1, 0]]
    assert memberships([(), ()]).shape == (2, 0)


def test_the_artist_filter_knows_every_spelling_and_guests_and_nobody():
    credits = ["Ann", "ÁNN feat. Bob", "Bob", "Various Artists", "VA", "[unknown]"]
    asked = question(catalog(artist=credits, genre=["rock"] * 6), "genre")
    shared = (memberships(asked.filter_values) @ memberships(asked.filter_values).T).toarray() > 0
    assert shared[0].tolist() == [True, True, False, False, False, False]
    assert shared[1].tolist() == [True, True, True, False, False, False]
    assert not shared[3:].any()
    assert asked.groups.tolist() == [0, 0, 1, 2, 3, 4]


def test_an_artist_is_one_label_by_its_commonest_spelling_and_nobody_is_none():
    found = column_values(catalog(artist=["Björk", "bjork", "Björk & Ann", "Various", None]), "artist")
    assert found == [("Björk",), ("Björk",), ("Björk", "Ann"), (), ()]


def test_albums_go_by_the_lead_however_spelled():
    albums = column_values(
        catalog(artist=["Björk", "BJORK feat. Ann", "VA", "VA"], album=["Debut", "Debut", "Hits", "Hits"]),
        "album",
    )
    assert albums[0] == albums[1] and albums[2] == albums[3] == ("Hits",)
