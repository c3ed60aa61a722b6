from collections.abc import Callable

import numpy as np
import pytest

from soundkin.search.neighbour_lists import BatchQuery
from soundkin.search.neighbour_store import ListSettings
from soundkin.search.vector_index import Index

SETTINGS = (ListSettings(k=12), ListSettings(k=12, artist_cap=1), ListSettings(k=80, artist_cap=1))


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_list_is_the_same_in_whatever_company(
    shared_index: Callable[[str], Index], settings: ListSettings
) -> None:
    """Bit for bit: what a matrix product gives for a track depends on how many others it has."""
    query = BatchQuery(shared_index("exact"), settings)
    together = query.lists(np.arange(0, 1200, 9))
    for place in range(0, len(together.rows), 20):
        alone = query.lists(together.rows[[place]])
        np.testing.assert_array_equal(alone.found[0], together.found[place])
        np.testing.assert_array_equal(alone.scores[0], together.scores[place])


@pytest.mark.parametrize("settings", SETTINGS)
def test_an_approximate_index_is_searched_exactly(
    shared_index: Callable[[str], Index], settings: ListSettings
) -> None:
    rows = np.arange(0, 1200, 31)
    exact, ivf = (BatchQuery(shared_index(kind), settings).lists(rows) for kind in ("exact", "ivf"))
    if settings.k < 60:  # else the search goes deeper, by the index
        np.testing.assert_array_equal(exact.found, ivf.found)
    np.testing.assert_allclose(exact.scores, ivf.scores, atol=1e-6)


def test_a_cap_that_empties_what_was_looked_at(make_index: Callable[..., Index]) -> None:
    """1000 tracks by the nearest artist come before anybody else's."""
    vectors = np.random.default_rng(0).standard_normal((1200, 16)).astype(np.float32)
    vectors[np.arange(1200) % 60 != 3] += 100
    query = BatchQuery(make_index(vectors=vectors), ListSettings(k=60, artist_cap=1))
    lists = query.lists(np.array([0]))
    artists = [query.index.tracks.artists(row) for row in lists.found[0].tolist()]
    assert len(set(artists)) == 60
    assert query.index.tracks.artists(3) == artists[-1]


def test_who_is_nearer(shared_index: Callable[[str], Index]) -> None:
    query = BatchQuery(shared_index("exact"), ListSettings())
    others, rows = np.arange(100, 400), np.arange(50)
    best = (query.vectors[rows] @ query.vectors[others].T).max(axis=1)
    assert query.are_nearer(others, rows, best).all()
    assert query.are_nearer(others, rows, best - np.float32(1e-3)).all()
    assert not query.are_nearer(others, rows, best + np.float32(1e-3)).any()
    assert not query.are_nearer(np.arange(0), rows, np.full(50, -2, np.float32)).any()


def test_fingerprints_change_with_what_answers_depend_on(make_index: Callable[..., Index]) -> None:
    vectors = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    before = BatchQuery(make_index(vectors=vectors), ListSettings()).fingerprints()
    vectors[5] += 1
    after = BatchQuery(make_index(vectors=vectors), ListSettings()).fingerprints()
    assert np.flatnonzero(before != after).tolist() == [5]
    assert len(set(after.tolist())) == 20
