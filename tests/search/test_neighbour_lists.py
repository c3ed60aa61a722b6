from collections.abc import Callable

import numpy as np
import pytest

from soundkin.pipelines.query import query
from soundkin.search.neighbour_lists import BatchQuery
from soundkin.search.neighbour_store import ListSettings
from soundkin.search.vector_index import Index

SETTINGS = (ListSettings(k=12), ListSettings(k=80))


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_list_is_the_same_in_whatever_company(
    shared_index: Callable[[str], Index], settings: ListSettings
) -> None:
    """Bit for bit: what a matrix product gives for a track depends on how many others it has."""
    query = BatchQuery(shared_index("exact"), settings)
    rows = np.arange(0, 1200, 24)
    together = query.lists(rows)
    for place in range(0, len(rows), 10):
        assert query.lists(rows[[place]]) == [together[place]]


def test_an_approximate_index_is_searched_exactly(shared_index: Callable[[str], Index]) -> None:
    rows, settings = np.arange(0, 1200, 31), ListSettings(k=12)
    exact, ivf = (BatchQuery(shared_index(kind), settings).lists(rows) for kind in ("exact", "ivf"))
    assert [listed.tracks for listed in exact] == [listed.tracks for listed in ivf]


def test_a_cap_that_empties_what_was_looked_at(make_index: Callable[..., Index]) -> None:
    """1000 tracks by three artists come before anybody else's."""
    vectors = np.random.default_rng(0).standard_normal((1200, 16)).astype(np.float32)
    vectors[np.arange(1200) % 60 > 2] += 100
    index = make_index(vectors=vectors)
    listed = BatchQuery(index, ListSettings(k=30)).lists(np.array([0]))[0]
    asked = query(index, "track:track-0000", k=30)
    assert [index.tracks.label(row).track_id for row in listed.tracks] == [each.track_id for each in asked]


def test_reach_is_the_furthest_that_was_looked_at(make_index: Callable[..., Index]) -> None:
    """Ten answers of one artist each, from the twenty nearest, of which one is the track itself."""
    vectors = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)
    batch = BatchQuery(make_index(vectors=vectors), ListSettings(k=10))
    listed = batch.lists(np.array([3]))[0]
    assert listed.reach == pytest.approx(np.sort(batch.vectors @ batch.vectors[3])[-20], abs=1e-6)


def test_who_is_within_reach(shared_index: Callable[[str], Index]) -> None:
    batch, rows = BatchQuery(shared_index("exact"), ListSettings()), np.arange(50)
    others = batch.vectors[100:400]
    best = (batch.vectors[rows] @ others.T).max(axis=1)
    assert batch.are_within(best, rows, others).all()
    assert batch.are_within(best - np.float32(1e-3), rows, others).all()
    assert not batch.are_within(best + np.float32(1e-3), rows, others).any()
    assert batch.are_within(best + np.float32(1e-3), rows, others, rounding=2e-3).all()
    assert not batch.are_within(np.full(50, -2, np.float32), rows, others[:0]).any()


def test_fingerprints_change_with_what_answers_depend_on(make_index: Callable[..., Index]) -> None:
    vectors = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    before = BatchQuery(make_index(vectors=vectors), ListSettings()).fingerprints()
    vectors[5] += 1
    after = BatchQuery(make_index(vectors=vectors), ListSettings()).fingerprints()
    assert np.flatnonzero(before != after).tolist() == [5]
    assert len(set(after.tolist())) == 20
