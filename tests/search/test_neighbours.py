"""Against a plain walk down the exact ranking."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.embedding.store import Embeddings
from soundkin.errors import UsageError
from soundkin.search.kinds import KINDS
from soundkin.search.neighbours import find_neighbours, rank_for_user
from soundkin.search.vector_index import build_index, open_index
from soundkin.statistics.scaling import unit_length

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def walk(index, seeds, k, allowed, without, artist_cap):
    """Scores of the first `k` tracks in the exact ranking that may be answers."""
    vectors = np.stack([index.vector(row) for row in range(len(index))])
    scores = vectors @ unit_length(unit_length(seeds).mean(axis=0, keepdims=True))[0]
    counts, kept = Counter(), []
    for row in np.argsort(-scores, kind="stable").tolist():
        artist = index.tracks.label(row).artist
        full = artist_cap is not None and counts[artist] >= artist_cap
        if row not in without and not full and (allowed is None or allowed[row]):
            counts[artist] += 1
            kept.append(scores[row])
    return kept[:k]


@EVERY_KIND
@given(
    rows=st.lists(st.integers(0, 1199), min_size=1, max_size=3, unique=True),
    k=st.integers(1, 80),
    artist_cap=st.sampled_from([None, 1, 2, 5]),
    share=st.sampled_from([None, 0.01, 0.3, 0.9]),
)
@settings(max_examples=40, deadline=None)
def test_same_as_walking_down_the_ranking(shared_index, kind, rows, k, artist_cap, share):
    index = shared_index(kind)
    seeds = np.stack([index.vector(row) for row in rows])
    allowed = None if share is None else np.random.default_rng(k).random(len(index)) < share
    ranking = find_neighbours(index, seeds, k, allowed, without=rows, artist_cap=artist_cap)
    expected = walk(index, seeds, k, allowed, rows, artist_cap)
    assert len(ranking) == len(expected)
    scores = [score for _, score in ranking]
    assert scores == sorted(scores, reverse=True)
    if kind == "exact":
        np.testing.assert_allclose(scores, expected, atol=1e-5)
    elif k >= 10:  # a share of so few answers that one missed is not below it
        assert np.mean(np.array(scores) >= np.array(expected) - 1e-5) >= 0.9
    chosen = [row for row, _ in ranking]
    assert not set(chosen) & set(rows)
    assert allowed is None or allowed[chosen].all()
    most = Counter(index.tracks.label(row).artist for row in chosen).most_common(1)
    assert artist_cap is None or not most or most[0][1] <= artist_cap


def test_the_mean_of_several_seeds(make_index):
    """Between east and north lies north-east, however long the vectors are."""
    index = make_index(vectors=np.array([[9, 0], [0, 1], [5, 5], [-1, 0]], np.float32))
    seeds = np.array([[100, 0], [0, 0.1]], np.float32)
    (row, score), *_ = find_neighbours(index, seeds, 1, without={0, 1})
    assert row == 2
    assert score == pytest.approx(1)


@pytest.mark.parametrize("seeds", [[[1, 0], [-1, 0]], [[0, 0]]])
def test_seeds_that_point_nowhere(make_index, seeds):
    index = make_index(vectors=np.eye(2, dtype=np.float32))
    with pytest.raises(UsageError, match="so nothing is near"):
        find_neighbours(index, np.array(seeds, np.float32), 1)


SPELLED = ["Ann", "ÁNN", "ann feat. Bob", "Bob; Ann", "Bob", "Various Artists", "VA", None, "The Ann"]


def spelled_index(folder, earlier=False):
    """Nine tracks ever farther from the first; `earlier`: as versions that stored no keys built it."""
    count = len(SPELLED)
    angles = np.arange(count) * 0.1
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    ids = [f"t{row}" for row in range(count)]
    table = pa.table({"track_id": ids, "path": ids, "title": ids, "artist": SPELLED})
    embeddings = Embeddings(
        ids, vectors, [1.0] * count, ["0"] * count, "model", folder / "model", folder / "c.csv"
    )
    build_index(embeddings, table, folder, folder / "index", "exact")
    index = open_index(folder / "index")
    if earlier:
        batch = index.tracks.batch
        index.tracks.batch = batch.select(index.tracks.columns)
    return index


@pytest.mark.parametrize("earlier", [False, True])
def test_the_cap_knows_every_spelling_and_guests_and_caps_nobody(tmp_path, earlier):
    index = spelled_index(tmp_path, earlier)
    assert index.tracks.columns == ["track_id", "path", "title", "artist"]
    ranking = [row for row, _ in find_neighbours(index, index.vector(0)[None], 9, artist_cap=1)]
    assert ranking == [0, 4, 5, 6, 7]
    ranking = [row for row, _ in find_neighbours(index, index.vector(0)[None], 9, without=[0], artist_cap=2)]
    assert ranking == [1, 2, 4, 5, 6, 7]
    assert index.tracks.artists(3) == ("bob", "ann") and index.tracks.artists(5) == ()


TRACKS = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 3.0], [-1.0, 0.0], [2.0, 0.0]])
ARTISTS = [["ann"], ["bob"], ["ann", "bob"], [], ["ann"]]


def rows_for_user(*arguments, **options):
    return [row for row, _ in rank_for_user(*arguments, **options)]


def test_the_largest_products_come_first():
    ranking = rank_for_user(np.array([1.0, 0.5]), TRACKS, 3)
    assert ranking == [(2, pytest.approx(4.5)), (4, pytest.approx(2.0)), (0, pytest.approx(1.0))]


def test_what_is_left_out_or_is_not_allowed_is_no_answer():
    user = np.array([1.0, 0.5])
    allowed = np.array([True, True, True, True, False])
    assert rows_for_user(user, TRACKS, 9, without=[2]) == [4, 0, 1, 3]
    assert rows_for_user(user, TRACKS, 9, without=[2], allowed=allowed) == [0, 1, 3]
    assert allowed[2]  # the caller's mask is left as it was


def test_no_artist_comes_too_often_and_one_without_a_name_is_never_too_often():
    user = np.array([1.0, 0.5])
    assert rows_for_user(user, TRACKS, 9, artists_of=ARTISTS.__getitem__, artist_cap=1) == [2, 3]
    assert rows_for_user(user, TRACKS, 9, artists_of=ARTISTS.__getitem__, artist_cap=2) == [2, 4, 1, 3]


def test_nothing_left_gives_no_answers():
    assert rank_for_user(np.ones(2), TRACKS, 5, without=range(5)) == []
    assert rank_for_user(np.ones(2), np.zeros((0, 2)), 5) == []


@pytest.mark.parametrize("user", [[0.0, 0.0], [np.nan, 1.0]])
def test_a_user_of_whom_nothing_is_known_is_refused(user):
    with pytest.raises(UsageError, match="nothing is known of their taste"):
        rank_for_user(np.array(user), TRACKS, 5)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.sampled_from([None, 1, 2, 4]), st.integers(0, 30))
def test_for_a_user_same_as_walking_down_the_ranking(random_seed, k, artist_cap, left_out):
    rng = np.random.default_rng(random_seed)
    tracks, user = rng.normal(size=(40, 3)), rng.normal(size=3)
    without = rng.permutation(40)[:left_out].tolist()
    artists = [[f"artist {number}"] for number in rng.integers(0, 8, 40)]
    counts, expected = Counter(), []
    for row in np.argsort(-(tracks @ user)).tolist():
        if row not in without and (artist_cap is None or counts[artists[row][0]] < artist_cap):
            counts[artists[row][0]] += 1
            expected.append(row)
    assert (
        rows_for_user(user, tracks, k, without=without, artists_of=artists.__getitem__, artist_cap=artist_cap)
        == expected[:k]
    )
