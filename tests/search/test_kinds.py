"""One contract for every kind of index: compared with numpy."""

import math
from functools import cache

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.errors import UsageError
from soundkin.search import kinds
from soundkin.search.exact_kind import array_of
from soundkin.search.kinds import KINDS, build_kind
from soundkin.search.list_kinds import LIST_TRACKS, Ivf, IvfPq, Scan
from soundkin.statistics.scaling import unit_length

IN_MILVUS = ("milvus:exact", "milvus:hnsw")
EVERY_KIND = pytest.mark.parametrize("kind", [*KINDS, *IN_MILVUS])


@cache
def vectors_of(index):
    return index.vectors(np.arange(len(index)))


def true_neighbours(vectors, query, k, allowed=None):
    scores = vectors @ unit_length(query[None])[0]
    rows = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
    best = rows[np.argsort(-scores[rows], kind="stable")][:k]
    return best, scores[best]


def random_queries(count, random_seed=1):
    return np.random.default_rng(random_seed).standard_normal((count, 16)).astype(np.float32)


@EVERY_KIND
def test_each_track_is_its_own_nearest(shared_index, kind):
    index = shared_index(kind)
    scores, rows = index.search(vectors_of(index), 1)
    assert (rows[:, 0] == np.arange(len(index))).mean() == 1
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-5)


@EVERY_KIND
def test_finds_what_numpy_finds(shared_index, kind):
    index = shared_index(kind)
    vectors = vectors_of(index)
    queries = unit_length(vectors[::24] + 0.1 * random_queries(50))
    scores, rows = index.search(queries, 10)
    shared = [
        len(np.intersect1d(rows[n], true_neighbours(vectors, query, 10)[0]))
        for n, query in enumerate(queries)
    ]
    assert np.mean(shared) / 10 >= (1 if kind.endswith("exact") else 0.98)
    np.testing.assert_allclose(
        scores, np.take_along_axis(unit_length(queries) @ vectors.T, rows, 1), atol=1e-5
    )
    assert (np.diff(scores) <= 0).all()


@EVERY_KIND
@given(
    share=st.sampled_from([0.0, 0.002, 0.03, 0.5, 0.9, 1.0]), k=st.integers(1, 40), seed=st.integers(0, 1000)
)
@settings(max_examples=30, deadline=None)
def test_filtered_search_is_brute_force_over_the_allowed(shared_index, kind, share, k, seed):
    """Of songs like those that are there, as nearly as without a filter."""
    index = shared_index(kind)
    vectors = vectors_of(index)
    allowed = np.random.default_rng(seed).random(len(index)) < share
    queries = unit_length(vectors[seed % 60 :: 60] + 0.1 * random_queries(20, seed))
    scores, rows = index.search(queries, k, allowed)
    wanted = min(k, allowed.sum())
    assert ((rows >= 0).sum(axis=1) == wanted).all() and rows.shape[1] == k
    assert allowed[rows[rows >= 0]].all() and all(len(set(some[:wanted])) == wanted for some in rows)
    cosines = queries @ vectors.T
    np.testing.assert_allclose(
        scores[:, :wanted], np.take_along_axis(cosines, rows, 1)[:, :wanted], atol=1e-5
    )
    true = -np.sort(-np.where(allowed, cosines, -np.inf), axis=1)[:, :wanted]
    if wanted:
        assert (scores[:, :wanted] >= true[:, -1:] - 1e-5).mean() >= (1 if kind.endswith("exact") else 0.98)


@EVERY_KIND
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_only_the_direction_of_a_query_counts(shared_index, kind, scale, seed):
    index, query = shared_index(kind), random_queries(1, seed)
    np.testing.assert_allclose(
        index.search(query, 5)[0], index.search(query * np.float32(scale), 5)[0], atol=1e-5
    )


@EVERY_KIND
def test_one_query_or_many_is_the_same(shared_index, kind):
    index, queries = shared_index(kind), random_queries(20)
    _, together = index.search(queries, 10)
    np.testing.assert_array_equal(together, [index.search(query[None], 10)[1][0] for query in queries])


@EVERY_KIND
def test_asking_for_more_than_there_are_gives_all(shared_index, kind):
    index = shared_index(kind)
    _, rows = index.search(random_queries(1), len(index) + 5)
    assert sorted(rows[0]) == list(range(len(index)))


@EVERY_KIND
def test_equal_vectors_do_no_harm(make_index, kind):
    index = make_index(kind=kind, vectors=np.ones((LIST_TRACKS, 8), np.float32))
    scores, rows = index.search(np.ones((1, 8), np.float32), 10)
    assert len(set(rows[0])) == 10 and np.allclose(scores, 1)


@EVERY_KIND
def test_the_threads_of_others_stay_as_they_are(shared_index, kind):
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    shared_index(kind).search(random_queries(1), 5)
    after = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    assert after == 3


def flat(vectors):
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(unit_length(vectors.astype(np.float32)))
    return index


@pytest.fixture
def one_crowd_and_loners():
    """All but ten tracks sound nearly the same, so that some lists hold one track."""
    random = np.random.default_rng(0)
    crowd = 3 * random.standard_normal((1, 16)) + 0.1 * random.standard_normal((1190, 16))
    return flat(np.concatenate([crowd, random.standard_normal((10, 16))]))


def test_a_list_that_holds_too_few_is_not_the_end(one_crowd_and_loners):
    kind = Ivf.build(one_crowd_and_loners)
    narrow = Ivf(kind._codes, one_crowd_and_loners, Scan(1, 20), Scan(1, 20), recall=0)
    for row in range(1190, 1200):
        _, rows = narrow.search(one_crowd_and_loners.reconstruct(row)[None], 20)
        assert len(set(rows[0])) == 20 and rows.min() >= 0


def test_vectors_that_lists_cannot_tell_apart_are_compared_exactly(one_crowd_and_loners, monkeypatch):
    monkeypatch.setattr(kinds, "EXACT_NUMBERS", 0)
    kind, reason = build_kind("auto", one_crowd_and_loners)
    assert kind.name == "exact"
    assert "since lists would find but 97." in reason


@pytest.mark.parametrize("kind", ["ivf", "ivfpq"])
def test_states_the_recall_it_measured(shared_index, kind):
    index = shared_index(kind)
    settings_ = index.manifest.settings
    assert settings_["recall_at_10"] >= 0.9995
    assert settings_["probes"] <= settings_["lists"]
    assert f"{settings_['probes']} of {settings_['lists']} lists" in index.manifest.reason


def test_kind_by_size(monkeypatch):
    monkeypatch.setattr(kinds, "EXACT_NUMBERS", 2000 * 8)
    random = np.random.default_rng(0)
    kind, reason = build_kind("auto", flat(random.standard_normal((1999, 8))))
    assert kind.name == "exact"
    assert reason == (
        "chosen for 1,999 tracks of 8 numbers; every query is compared with all tracks, so no answer is "
        "approximate, which is fast below 2,000 tracks"
    )
    kind, reason = build_kind("auto", flat(random.standard_normal((2000, 8))))
    assert kind.name == "ivf"
    assert reason.startswith(
        "chosen for 2,000 tracks of 8 numbers, since comparing all is slow from 2,000 tracks on; "
    )
    kind, reason = build_kind("exact", flat(random.standard_normal((2000, 8))))
    assert kind.name == "exact" and reason.startswith("asked for; every query")


def test_a_compressed_kind_by_size(monkeypatch):
    monkeypatch.setattr(kinds, "EXACT_NUMBERS", 0)
    vectors = flat(np.random.default_rng(0).standard_normal((2000, 8)))
    monkeypatch.setattr(kinds, "IVF_BYTES", 2000 * (8 // 2 + 8))
    assert build_kind("auto", vectors)[0].name == "ivf"
    monkeypatch.setattr(kinds, "IVF_BYTES", 2000 * (8 // 2 + 8) - 1)
    assert build_kind("auto", vectors)[0].name == "ivfpq"


@pytest.mark.parametrize("size", [1, 7, 16])
def test_half_of_the_codes_find_as_much(size, tmp_path):
    """Whether or not two numbers go into each code."""
    vectors = flat(np.random.default_rng(0).standard_normal((3000, size)))
    codes = {}
    for kind in (Ivf, IvfPq):
        built = kind.build(vectors)
        built.write(tmp_path)
        read = kind.read(tmp_path, vectors, built.settings)
        queries = unit_length(np.random.default_rng(1).standard_normal((100, size)).astype(np.float32))
        true, _ = vectors.search(queries, 10)
        scores, rows = read.search(queries, 10)
        np.testing.assert_array_equal(rows, built.search(queries, 10)[1])
        assert (scores >= true[:, -1:] - 1e-5).mean() >= 0.97
        codes[kind] = faiss.extract_index_ivf(read._codes).code_size
    assert codes[IvfPq] == math.ceil(codes[Ivf] / 2)


@pytest.mark.parametrize("kind", [Ivf, IvfPq])
def test_a_filter_that_leaves_out_all_that_is_near_is_no_end(one_crowd_and_loners, kind):
    """Half of the tracks may be answers, but none of the hundred nearest."""
    built = kind.build(one_crowd_and_loners)
    vectors = array_of(one_crowd_and_loners)
    cosines = vectors[:1] @ vectors.T
    allowed = cosines[0] < np.median(cosines)
    scores, rows = built.search(vectors[:1], 10, allowed)
    assert allowed[rows].all() and len(set(rows[0])) == 10
    true = np.sort(cosines[:, allowed])[:, -10:]
    np.testing.assert_allclose(scores, true[:, ::-1], atol=1e-3)  # these are as good as alike


def test_indexes_of_before_scan_all_lists_for_what_was_not_measured(one_crowd_and_loners, tmp_path):
    built = Ivf.build(one_crowd_and_loners)
    built.write(tmp_path)
    settings_ = {name: value for name, value in built.settings.items() if not name.startswith("deep")}
    read = Ivf.read(tmp_path, one_crowd_and_loners, settings_)
    assert read.deep == Scan(settings_["lists"], settings_["candidates"]) and read.near == built.near


def test_too_few_for_lists(make_index, tmp_path):
    for kind in ("ivf", "ivfpq"):
        message = rf"kind={kind} needs at least 1000 tracks, and there are 5: use exact"
        with pytest.raises(UsageError, match=message):
            make_index(kind=kind, vectors=np.eye(5, dtype=np.float32))
    assert not (tmp_path / "index" / "CURRENT").exists()


@EVERY_KIND
def test_building_prints_nothing(make_index, kind, capfd):
    make_index(kind=kind)
    assert capfd.readouterr() == ("", "")
