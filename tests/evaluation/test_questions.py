from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.catalog.table import Catalog
from soundkin.evaluation.questions import artist_groups, column_values, group_numbers, memberships, question


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
    groups = artist_groups(catalog(artist=["ann", None, "ann; bob", None, "bob"]))
    assert len(np.unique(groups)) == 4
    assert groups[0] == groups[2]
    assert group_numbers([(), ("0",), ()]).tolist() == [0, 1, 2]  # a name is never taken for a row's number


def test_memberships_name_each_value_once():
    found = memberships([("b", "a"), (), ("a", "a")]).toarray()
    assert found.tolist() == [[1, 1], [0, 0], [1, 0]]
    assert memberships([(), ()]).shape == (2, 0)
