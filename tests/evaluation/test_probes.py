import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator

from soundkin.evaluation.label_questions import Question, group_numbers
from soundkin.evaluation.probes import (
    FOLDS,
    PROBES,
    NearestNeighbourProbe,
    ask_probes,
    balance,
    deal_folds,
    in_two_groups,
    predicted,
)


def question(labels, artists):
    artists = [(artist,) if artist else () for artist in artists]
    return Question("genre", [tuple(names) for names in labels], "artist", artists, group_numbers(artists))


def means(systems, asked):
    return {
        (measure.protocol, measure.metric, name): np.nanmean(score)
        for measure in ask_probes(systems, asked, random_seed=0)
        for name, score in measure.scores.items()
    }


def test_folds_never_part_an_artist_and_spread_each_class():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 200)
    classes = np.eye(4, dtype=bool)[groups % 4]
    folds = deal_folds(classes, groups, random_seed=0)
    assert all(len(np.unique(folds[groups == group])) == 1 for group in groups)
    assert all(set(folds[column]) == set(range(FOLDS)) for column in classes.T)


def test_a_class_of_one_artist_cannot_be_taught_and_tested():
    classes = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=bool)
    kept = in_two_groups(csr_matrix(classes), np.array([0, 0, 1, 2]))
    assert kept.toarray().tolist() == [[False], [False], [True], [True]]


@pytest.mark.slow
def test_a_label_of_very_many_values_is_no_dense_table():
    """20,000 tracks of 10,000 artists, each with two albums: 191 MiB where each cell is a byte."""
    names = np.arange(20_000) // 2
    classes = csr_matrix((np.ones(20_000, np.float32), (np.arange(20_000), names)))
    tracemalloc.start()
    kept = in_two_groups(classes, np.arange(20_000))
    folds = deal_folds(kept, np.arange(20_000), random_seed=0)
    balance(kept)
    most = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert kept.shape == (20_000, 10_000) and len(folds) == 20_000
    assert most < 20


def test_balance_gives_every_class_the_same_say():
    classes = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=bool)
    weights = balance(csr_matrix(classes))
    assert weights[:3].sum() == pytest.approx(weights[3])


def test_a_readable_label_is_read_and_a_random_one_is_not():
    rng = np.random.default_rng(0)
    genres = np.arange(120) // 4 % 3
    readable = np.eye(3)[genres] + 0.2 * rng.normal(size=(120, 3))
    noise = rng.normal(size=(120, 8))
    names = [[f"genre {genre}"] for genre in genres]
    found = means(
        {"readable": readable, "noise": noise}, question(names, [f"artist {row // 4}" for row in range(120)])
    )
    for protocol in ("logistic probe", "kNN probe"):
        assert found[protocol, "accuracy", "readable"] > 0.95
        assert found[protocol, "accuracy", "noise"] < 0.55
        assert found[protocol, "accuracy", "chance"] == pytest.approx(1 / 3)


def test_knowing_the_artist_does_not_pass_for_knowing_the_genre():
    rng = np.random.default_rng(0)
    artists = np.arange(160) // 8
    voices = rng.normal(size=(20, 32))[artists] + 0.01 * rng.normal(size=(160, 32))
    found = means(
        {"voices": voices}, question([[f"{artist % 4}"] for artist in artists], [str(a) for a in artists])
    )
    assert found["logistic probe", "accuracy", "voices"] < 0.6


def test_the_scale_of_a_dimension_does_not_matter_to_the_logistic_probe():
    rng = np.random.default_rng(0)
    genres = np.arange(60) % 2
    vectors = np.stack([genres + 0.1 * rng.normal(size=60), rng.normal(size=60)], axis=1)
    asked = question([[str(genre)] for genre in genres], [""] * 60)
    scaled = vectors * [1e-3, 1e3] + [5.0, -700.0]
    assert means({"v": scaled}, asked)["logistic probe", "accuracy", "v"] > 0.95


def test_a_track_of_several_classes_is_right_with_any_of_them():
    genres = np.arange(60) % 2
    vectors = np.eye(2)[genres]
    both = [["a", "b"] if row < 6 else ["ab"[genre]] for row, genre in enumerate(genres)]
    assert means({"v": vectors}, question(both, [""] * 60))["kNN probe", "accuracy", "v"] == 1.0


def test_a_test_track_teaches_nothing():
    """Each artist has a genre of its own name beside a shared one: only a leak could read it."""
    rng = np.random.default_rng(0)
    artists = np.arange(60) // 6
    vectors = rng.normal(size=(10, 16))[artists]
    shuffled = rng.permutation(np.arange(10) % 2)[artists]
    found = means(
        {"v": vectors}, question([[str(genre)] for genre in shuffled], [str(artist) for artist in artists])
    )
    assert found["logistic probe", "accuracy", "v"] < 0.8


@pytest.mark.parametrize(
    ("labels", "artists"),
    [
        ([["a"], ["a"], ["a"]], "xyz"),
        ([["a"], ["b"], ["c"]], "xyz"),
        ([[], [], []], "xyz"),
        ([["a"], ["b"]], "xx"),
    ],
)
def test_nothing_is_asked_where_there_are_not_two_classes_of_two_artists(labels, artists):
    assert ask_probes({"v": np.eye(len(labels))}, question(labels, artists), 0) == []


def test_without_a_column_to_hold_out_nothing_is_asked():
    asked = Question("album", [("a",), ("a",), ("b",), ("b",)], None, [()] * 4, np.arange(4))
    assert ask_probes({"v": np.eye(4)}, asked, 0) == []


def test_two_artists_a_class_are_enough():
    found = means({"v": np.eye(2)[[0, 0, 1, 1]]}, question([["a"], ["a"], ["b"], ["b"]], "wxyz"))
    assert found["kNN probe", "accuracy", "chance"] == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("protocol", list(PROBES))
def test_nothing_of_a_fold_helps_to_classify_it(protocol):
    """Neither what is fitted nor the setting that is chosen may look at the labels of the tracks that are
    asked.
    """
    rng = np.random.default_rng(0)
    classes = csr_matrix(np.eye(3, dtype=bool)[np.arange(90) % 3])
    vectors = np.eye(3)[np.arange(90) % 3] + rng.normal(size=(90, 3))
    folds = deal_folds(classes, np.arange(90) // 3, random_seed=0)
    before = predicted(*PROBES[protocol], vectors, classes, folds)
    for fold in np.unique(folds):
        changed = classes.toarray()
        changed[folds == fold] = np.roll(changed[folds == fold], 1, axis=1)
        after = predicted(*PROBES[protocol], vectors, csr_matrix(changed), folds)
        assert np.array_equal(after[folds == fold], before[folds == fold])


class Constant(BaseEstimator):
    """Right with one of its settings alone."""

    def __init__(self, setting=1.0):
        self.setting = setting

    def fit(self, vectors, classes):
        return self

    def predict(self, vectors):
        return np.full(len(vectors), int(self.setting == 7))


def test_the_setting_that_suits_is_chosen():
    classes = csr_matrix(np.eye(2, dtype=bool)[np.ones(20, dtype=int)])
    probe = Constant(), {"setting": (1.0, 7.0, 3.0)}
    assert predicted(*probe, np.zeros((20, 2)), classes, np.arange(20) % 5).tolist() == [1] * 20
    assert predicted(*probe, np.zeros((20, 2)), classes, np.arange(20) % 2).tolist() == [0] * 20, (
        "nothing to choose by"
    )


def test_a_track_of_several_classes_counts_as_much_as_others_with_the_nearest():
    vectors = np.array([[1.0, 0.0], [1.0, 0.01], [1.0, 0.02], [0.0, 1.0]])
    classes = csr_matrix(np.array([[1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1]], dtype=np.float32))
    probe = NearestNeighbourProbe(neighbours=3).fit(vectors, classes)
    assert probe.predict(np.array([[1.0, 0.02]])).tolist() == [1], (
        "a half and a whole vote against two halves"
    )
