import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, skew

from soundkin.evaluation.hubness import (
    COSINE,
    CSLS,
    MUTUAL_PROXIMITY,
    csls,
    hubness,
    hubness_from_occurrences,
    k_occurrences,
    mutual_proximity,
    neighbours,
    rank,
    surroundings,
)
from soundkin.evaluation.label_questions import Question, group_numbers
from soundkin.evaluation.retrieval import retrieval


def test_a_star_has_one_hub_and_many_antihubs():
    spokes = (
        np.eye(21)[1:] + 1.2 * np.eye(21)[0]
    )  # every pair of spokes is less alike than a spoke and the middle
    vectors = np.concatenate([np.eye(21)[:1], spokes])
    occurrences = k_occurrences(vectors, k=1)
    assert occurrences[0] == 20
    assert occurrences.sum() == 21
    found = hubness("ours", vectors, k=1)
    assert found.largest_hub == 1.0
    assert found.antihubs >= 19 / 21
    assert found.skewness > 4


def test_a_ring_has_none():
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    found = hubness("ours", np.stack([np.cos(turns), np.sin(turns)], axis=1), k=2)
    assert (found.skewness, found.antihubs) == (0.0, 0.0)


def test_occurrences_agree_with_a_loop_and_skewness_with_scipy():
    vectors = np.random.default_rng(0).normal(size=(60, 12))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    counts = np.zeros(60, dtype=int)
    for row in range(60):
        order = [other for other in np.argsort(-(unit @ unit[row])) if other != row]
        counts[order[:10]] += 1
    assert np.array_equal(k_occurrences(vectors, k=10), counts)
    assert hubness("ours", vectors).skewness == pytest.approx(skew(counts))


@pytest.mark.parametrize("tracks", [0, 1, 2, 5])
def test_few_tracks_are_no_trouble(tracks):
    found = hubness("ours", np.ones((tracks, 3)))
    assert 0 <= found.largest_hub <= 1
    assert 0 <= found.antihubs <= 1


def test_equal_counts_are_not_skewed():
    assert hubness_from_occurrences("ours", np.full(5, 3), 2).skewness == 0.0


def cosines(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def hubby(tracks=400, dimensions=100, random_seed=0):
    """Normal vectors about a point that is not the origin: those nearest its direction are hubs."""
    return np.random.default_rng(random_seed).normal(size=(tracks, dimensions)) + 1.0


def of_unlike_lengths(tracks=400, dimensions=40, random_seed=0):
    """The same with noise of many strengths: cosines to a track are far from normal."""
    rng = np.random.default_rng(random_seed)
    return rng.normal(size=(tracks, dimensions)) * rng.uniform(0.3, 2.0, size=(tracks, 1)) + 1.0


def genres(tracks, kinds=4, per_artist=3):
    artists = [(f"artist {row // per_artist}",) for row in range(tracks)]
    values = [(f"genre {row // per_artist % kinds}",) for row in range(tracks)]
    return Question("genre", values, "artist", artists, group_numbers(artists))


def test_surroundings_are_those_of_a_loop_over_the_others():
    vectors = np.random.default_rng(0).normal(size=(30, 5))
    found, similarity = surroundings(vectors, nearest=4), cosines(vectors)
    for track in range(30):
        others = np.delete(similarity[track], track)
        assert found.mean[track] == pytest.approx(others.mean())
        assert found.spread[track] == pytest.approx(others.std())
        assert found.nearest[track] == pytest.approx(np.sort(others)[-4:].mean())


def test_mutual_proximity_is_the_product_of_two_normal_tails():
    vectors = np.random.default_rng(1).normal(size=(25, 6))
    similarity = cosines(vectors)
    rows = np.array([3, 11])
    found = mutual_proximity(similarity[rows], rows, surroundings(vectors))
    for place, query in enumerate(rows):
        for candidate in range(25):
            tails = []
            for side in (query, candidate):
                distances = 1 - np.delete(
                    similarity[side], side
                )  # farther than the pair itself: 1 - F(distance)
                tails.append(norm.sf(1 - similarity[query, candidate], distances.mean(), distances.std()))
            assert np.exp(found[place, candidate]) == pytest.approx(tails[0] * tails[1])


def test_csls_is_twice_the_cosine_less_the_means_of_the_nearest():
    vectors = np.random.default_rng(2).normal(size=(25, 6))
    similarity, rows = cosines(vectors), np.array([0, 24])
    around = surroundings(vectors, nearest=3)
    near = [np.sort(np.delete(similarity[track], track))[-3:].mean() for track in range(25)]
    found = csls(similarity[rows], rows, around)
    expected = [
        [2 * similarity[query, other] - near[query] - near[other] for other in range(25)] for query in rows
    ]
    assert found == pytest.approx(np.array(expected))


def test_mutual_proximity_still_tells_the_very_near_apart():
    """As a probability both would be 1."""
    rng = np.random.default_rng(3)
    others = rng.normal(size=(200, 400))
    query = rng.normal(size=400)
    vectors = np.stack(
        [query, query + 0.01 * rng.normal(size=400), query + 0.02 * rng.normal(size=400), *others]
    )
    found = mutual_proximity(cosines(vectors)[:1], np.array([0]), surroundings(vectors))[0]
    assert found[1] > found[2] > found[3:].max()
    assert np.exp(found[1]) == np.exp(found[2]) == 1.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_both_are_symmetric(random_seed):
    vectors = np.random.default_rng(random_seed).normal(size=(14, 4))
    rows, around = np.arange(14), surroundings(vectors)
    for reduce in (mutual_proximity, csls):
        found = reduce(cosines(vectors), rows, around)
        assert found == pytest.approx(found.T)


def test_the_plain_cosine_has_the_occurrences_of_hubness_and_the_precision_of_retrieval():
    vectors, asked = hubby(tracks=120), genres(120)
    found = rank(vectors, [asked])[COSINE]
    assert np.array_equal(found.occurrences, k_occurrences(vectors))
    measures = retrieval(
        {"ours": vectors}, "genre", asked.values, ("artist", asked.filter_values), asked.groups, 0
    )
    expected = next(measure for measure in measures if measure.metric == "mAP@10").scores["ours"]
    assert found.precision["genre"] == pytest.approx(expected, nan_ok=True)


def test_every_query_fills_its_list_once_by_any_similarity():
    for found in rank(hubby(tracks=90), k=7).values():
        assert found.occurrences.sum() == 90 * 7


def test_lists_are_those_of_a_sort_by_the_whole_matrix_over_several_chunks():
    vectors = hubby(tracks=700, dimensions=8)
    around, rows = surroundings(vectors), np.arange(700)
    found = rank(vectors)
    for name, reduce in ((MUTUAL_PROXIMITY, mutual_proximity), (CSLS, csls)):
        similarity = reduce(cosines(vectors), rows, around)
        np.fill_diagonal(similarity, -np.inf)
        counts = np.bincount(np.argsort(-similarity, axis=1)[:, :10].ravel(), minlength=700)
        assert np.array_equal(found[name].occurrences, counts)


@pytest.mark.parametrize("vectors", [hubby(), of_unlike_lengths()], ids=["normal", "of unlike lengths"])
def test_both_reduce_planted_hubs(vectors):
    found = {of.similarity: of.hubness for of in neighbours("ours", vectors)}
    assert found[COSINE].skewness > 2
    for name in (MUTUAL_PROXIMITY, CSLS):
        assert found[name].skewness < found[COSINE].skewness
        assert found[name].antihubs < found[COSINE].antihubs
        assert found[name].largest_hub < found[COSINE].largest_hub


@pytest.mark.slow
def test_where_cosines_are_normal_mutual_proximity_does_what_the_empirical_version_does():
    vectors = hubby()
    similarity = cosines(vectors)
    np.fill_diagonal(similarity, np.inf)  # a track is not farther from itself
    empirical = np.full(similarity.shape, -1.0)
    for one in range(400):
        for other in range(one):
            farther = (similarity[one] < similarity[one, other]) & (
                similarity[other] < similarity[one, other]
            )
            empirical[one, other] = empirical[other, one] = farther.mean()
    nearest = np.argsort(-empirical, axis=1, kind="stable")[:, :10]
    counts = np.bincount(nearest.ravel(), minlength=400)
    assert np.corrcoef(rank(vectors)[MUTUAL_PROXIMITY].occurrences, counts)[0, 1] > 0.8


def test_hubness_follows_from_the_occurrences():
    vectors = hubby(tracks=80)
    counts = rank(vectors)[CSLS].occurrences
    found = next(of.hubness for of in neighbours("ours", vectors) if of.similarity == CSLS)
    assert found.skewness == pytest.approx(skew(counts))
    assert found.largest_hub == counts.max() / 79
    assert found.antihubs == np.mean(counts == 0)


def test_a_hub_that_hides_related_tracks_costs_retrieval_and_reducing_it_gains():
    """Tracks of a genre lie about a direction of their own; near to them all is a bundle that belongs
    nowhere.
    """
    rng = np.random.default_rng(0)
    directions = np.eye(60)[:12]
    related = directions.repeat(12, axis=0) + 0.28 * rng.normal(size=(144, 60))
    hubs = directions.sum(axis=0) / np.sqrt(12) + 0.01 * rng.normal(size=(12, 60))
    vectors = np.concatenate([related + 1.2 * directions.sum(axis=0) / np.sqrt(12), hubs])
    values = [(f"genre {row // 12}",) for row in range(144)] + [("none",)] * 12
    alone = [(str(row),) for row in range(156)]
    asked = Question("genre", values, "artist", alone, np.arange(156))
    found = {of.similarity: of.retrieval[0] for of in neighbours("ours", vectors, [asked], resamples=200)}
    assert found[COSINE].gain is None
    for name in (MUTUAL_PROXIMITY, CSLS):
        assert found[name].gain.mean == pytest.approx(found[name].score.mean - found[COSINE].score.mean)
        assert found[name].gain.low > 0.1


def test_a_question_that_nothing_answers_is_left_out():
    asked = Question("genre", [()] * 20, None, [()] * 20, np.arange(20))
    assert all(of.retrieval == () for of in neighbours("ours", hubby(tracks=20), [asked]))


@pytest.mark.parametrize("tracks", [0, 1, 2, 5])
def test_few_or_equal_tracks_are_no_trouble(tracks):
    vectors = np.ones((tracks, 3))
    asked = Question("genre", [("rock",)] * tracks, None, [()] * tracks, np.arange(tracks))
    for of in neighbours("ours", vectors, [asked], resamples=20):
        assert 0 <= of.hubness.antihubs <= 1
        assert np.isfinite(of.hubness.skewness)
        assert all(retrieved.score.mean == 1.0 for retrieved in of.retrieval)
        assert len(of.retrieval) == (tracks > 1)
