"""Against a plain walk down the exact ranking."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.embedding.store import Embeddings
from soundkin.search.blend import Blend
from soundkin.search.kinds import KINDS
from soundkin.search.library_sample import sample_of
from soundkin.search.ranking import Order, RankedTrack, rank
from soundkin.search.vector_index import build_index, open_index

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def blend(likes: np.ndarray, unlikes: np.ndarray | None = None) -> Blend:
    unlikes = np.empty((0, likes.shape[1]), np.float32) if unlikes is None else unlikes
    return Blend(likes, np.ones(len(likes)), unlikes, np.ones(len(unlikes)))


def rows_of(ranking: list[RankedTrack]) -> list[int]:
    return [candidate.row for candidate in ranking]


def walk(index, seeds, k, allowed, without, artist_cap):
    """Similarities of the first `k` tracks in the exact ranking that may be answers."""
    scores = blend(seeds).similarity(index.vectors(np.arange(len(index))))
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
    seeds = index.vectors(np.array(rows))
    allowed = None if share is None else np.random.default_rng(k).random(len(index)) < share
    ranking = rank(index, blend(seeds), Order(k, artist_cap), allowed, rows)
    expected = walk(index, seeds, k, allowed, rows, artist_cap)
    assert len(ranking) == len(expected)
    scores = [candidate.similarity for candidate in ranking]
    assert scores == sorted(scores, reverse=True)
    if kind == "exact" and len(rows) == 1:
        np.testing.assert_allclose(scores, expected, atol=1e-5)
    elif k >= 10:  # a share of so few answers that one missed is not below it
        assert np.mean(np.array(scores) >= np.array(expected) - 1e-5) >= 0.9
    chosen = rows_of(ranking)
    assert not set(chosen) & set(rows)
    assert allowed is None or allowed[chosen].all()
    most = Counter(index.tracks.label(row).artist for row in chosen).most_common(1)
    assert artist_cap is None or not most or most[0][1] <= artist_cap


@given(
    rows=st.lists(st.integers(0, 1199), min_size=1, max_size=3, unique=True),
    unliked=st.lists(st.integers(0, 1199), max_size=2),
    order=st.builds(
        Order,
        st.integers(1, 40),
        st.sampled_from([None, 2]),
        st.booleans(),
        st.booleans(),
        st.sampled_from([0.0, 0.3, 1.0]),
    ),
)
@settings(max_examples=60, deadline=None)
def test_whatever_else_decides_there_are_k_answers_each_once(shared_index, rows, unliked, order):
    index = shared_index("exact")
    asked = blend(index.vectors(np.array(rows)), index.vectors(np.array(unliked, int)))
    ranking = rank(index, asked, order, None, rows)
    chosen = rows_of(ranking)
    assert len(chosen) == len(set(chosen)) == order.k and not set(chosen) & set(rows)
    values = [candidate.order for candidate in ranking]
    assert order.diversity or values == sorted(values, reverse=True)


def test_the_unliked_repels(shared_index):
    index = shared_index("exact")
    liked, unliked = index.vectors(np.array([0, 60]))  # by one artist
    plain = rank(index, blend(liked[None]), Order(10), seeds=[0, 60])
    repelled = rank(index, blend(liked[None], unliked[None]), Order(10), seeds=[0, 60])

    def nearness(ranking: list[RankedTrack], seed: np.ndarray) -> float:
        return float(np.mean([candidate.vector @ seed for candidate in ranking]))

    assert nearness(repelled, unliked) < nearness(plain, unliked) - 0.05
    assert nearness(repelled, liked) > np.quantile(index.vectors(np.arange(len(index))) @ liked, 0.95)


def test_diversity_trades_likeness_for_distance(shared_index):
    index = shared_index("exact")

    def spread_and_likeness(diversity: float) -> tuple[float, float]:
        ranking = rank(index, blend(index.vector(5)[None]), Order(10, diversity=diversity), seeds=[5])
        vectors = np.array([candidate.vector for candidate in ranking])
        return -float((vectors @ vectors.T).mean()), float(np.mean([each.similarity for each in ranking]))

    curve = [spread_and_likeness(share) for share in (0, 0.3, 0.6)]
    assert curve == sorted(curve) and [likeness for _, likeness in curve] == sorted(
        (likeness for _, likeness in curve), reverse=True
    )


def test_tracks_near_everything_come_later(shared_index):
    index = shared_index("exact")
    ranking = rank(index, blend(index.vector(7)[None]), Order(20, hub_correction=True), seeds=[7])
    vectors = np.array([candidate.vector for candidate in ranking])
    similarity = np.array([candidate.similarity for candidate in ranking])
    expected = sample_of(index).without_hubs(similarity, vectors, index.vector(7))
    np.testing.assert_allclose([candidate.order for candidate in ranking], expected, atol=1e-6)


def index_of(folder, vectors, **columns):
    ids = [f"t{row}" for row in range(len(vectors))]
    embeddings = Embeddings(
        ids, vectors, [1.0] * len(ids), ["0"] * len(ids), "model", folder / "model", folder / "c.csv"
    )
    build_index(
        embeddings, pa.table({"track_id": ids, "path": ids, **columns}), folder, folder / "index", "exact"
    )
    return open_index(folder / "index")


def test_copies_and_versions_are_one_answer(tmp_path):
    angles = np.array([0, 0.001, 0.3, 0.31, 0.4, 0.5])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    titles = ["Dawn", "Dawn", "Dusk", "Dusk (Live)", "Noon", "Night"]
    columns = {"title": titles, "artist": ["Ann"] * 6, "duration": [200.0, 200.2, 180, 300, 150, 160]}
    index = index_of(tmp_path, vectors, **columns)
    seed = blend(index.vector(0)[None])
    ranking = rank(index, seed, Order(9, fold_versions=True), seeds=[0])
    assert rows_of(ranking) == [2, 4, 5] and [each.folded for each in ranking] == [[3], [], []]
    assert rows_of(rank(index, seed, Order(9), seeds=[0])) == [1, 2, 3, 4, 5]


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
    seed = blend(index.vector(0)[None])
    assert rows_of(rank(index, seed, Order(9, artist_cap=1))) == [0, 4, 5, 6, 7]
    assert rows_of(rank(index, seed, Order(9, artist_cap=2), seeds=[0])) == [1, 2, 4, 5, 6, 7]
    assert index.tracks.artists(3) == ("bob", "ann") and index.tracks.artists(5) == ()
