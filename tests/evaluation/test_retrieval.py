import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from soundkin.evaluation.label_questions import Question, group_numbers
from soundkin.evaluation.retrieval import ask_retrieval, retrieval

ROCK, POP = ("rock",), ("pop",)


def scores(vectors, values, filtered_by=None, metric="mAP@10", system="ours", random_seed=0):
    vectors = np.asarray(vectors, dtype=np.float32)
    groups = np.arange(len(vectors))
    measures = retrieval({"ours": vectors}, "genre", values, filtered_by, groups, random_seed)
    return next(measure for measure in measures if measure.metric == metric).scores[system]


def angles(degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_a_hand_made_case():
    # From the first track the order is: pop at 10 degrees, rock at 20, pop at 30.
    ranked = scores(angles([0, 10, 20, 30]), [ROCK, POP, ROCK, POP])
    assert ranked[0] == pytest.approx(1 / 2)  # the one other rock track stands second
    assert ranked[3] == pytest.approx(1 / 2)


def test_the_artist_filter_takes_the_queries_own_artist_out():
    values = [ROCK, ROCK, POP, ROCK]
    artists = [("ann",), ("ann", "bob"), ("cid",), ("dan",)]
    vectors = angles([0, 1, 2, 3])
    assert scores(vectors, values)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert scores(vectors, values, ("artist", artists))[0] == pytest.approx(1 / 2)  # left are pop, then rock


def test_a_query_that_can_find_nothing_is_not_asked():
    assert np.isnan(
        scores(angles([0, 1, 2]), [ROCK, ROCK, POP], ("artist", [("ann",), ("ann",), ("bob",)]))
    ).all()


def test_unlabelled_tracks_neither_ask_nor_stand_in_the_way():
    ranked = scores(angles([0, 1, 2, 50]), [ROCK, (), ROCK, POP])
    assert ranked[0] == 1.0
    assert np.isnan(ranked[1])


def test_one_shared_label_of_several_is_enough():
    ranked = scores(angles([0, 1, 90]), [("rock", "folk"), ("folk", "jazz"), ("jazz",)])
    assert ranked[0] == 1.0


def test_length_of_vectors_does_not_matter():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 5))
    values = [(str(number),) for number in rng.integers(0, 3, 30)]
    longer = vectors * rng.uniform(0.1, 10, size=(30, 1))
    assert scores(vectors, values) == pytest.approx(scores(longer, values))


def test_equal_vectors_score_at_chance_whatever_the_order_of_the_catalog():
    values = [(f"genre {row // 20}",) for row in range(200)]
    found = scores(np.ones((200, 4)), values)
    expected = scores(np.ones((200, 4)), values, system="chance")
    assert found.mean() == pytest.approx(expected.mean(), abs=0.03)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_average_precision_and_auc_agree_with_scikit_learn_track_by_track(random_seed):
    rng = np.random.default_rng(random_seed)
    vectors = rng.normal(size=(11, 4)).astype(np.float32)  # ten candidates, so that 10 ranks are all
    values = [(str(number),) for number in rng.integers(0, 3, 11)]
    found = scores(vectors, values)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row in range(11):
        others = np.delete(np.arange(11), row)
        right = [values[other] == values[row] for other in others]
        if any(right):
            assert found[row] == pytest.approx(
                average_precision_score(right, unit[others] @ unit[row]), abs=1e-5
            )


@settings(max_examples=15)
@given(st.permutations(list(range(12))))
def test_the_order_of_the_catalog_does_not_matter(order):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(12, 4))
    values = [(str(number),) for number in rng.integers(0, 3, 12)]
    shuffled = scores(vectors[order], [values[row] for row in order])
    assert np.array_equal(shuffled, scores(vectors, values)[order], equal_nan=True)


def test_asking_scores_with_the_filter_and_without():
    rng = np.random.default_rng(0)
    artists = [(f"artist {row // 4}",) for row in range(40)]
    values = [ROCK if row // 4 % 2 else POP for row in range(40)]
    voices = rng.normal(size=(10, 16)).repeat(4, axis=0) + 0.1 * rng.normal(size=(40, 16))
    question = Question("genre", values, "artist", artists, group_numbers(artists))
    by_filter = {
        measure.filtered_by: np.nanmean(measure.scores["voices"])
        for measure in ask_retrieval({"voices": voices}, question, 0)
        if measure.metric == "mAP@10"
    }
    assert by_filter[None] > by_filter["artist"] + 0.1  # knowing only the artist looks like knowing the genre


def test_memory_stays_bounded_by_going_through_queries_in_chunks():
    values = [(str(row % 7),) for row in range(1200)]  # more than two chunks
    vectors = np.eye(7)[np.arange(1200) % 7] + 1e-3
    assert scores(vectors, values) == pytest.approx(np.ones(1200))
