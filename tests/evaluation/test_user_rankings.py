import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_tastes import planted
from scipy.sparse import csr_matrix
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from soundkin.errors import UsageError
from soundkin.evaluation import user_rankings
from soundkin.evaluation.user_rankings import METRICS, MOST_GROUPS, ask
from soundkin.statistics.measure import CHANCE
from soundkin.statistics.ranking_metrics import runs_of

RECALL, NDCG, PRECISION, AUC = METRICS


def asked(system, plays, metric=RECALL, name="ours"):
    measures = ask({"ours": system}, csr_matrix(np.asarray(plays, float)))
    return next(measure for measure in measures if measure.metric == metric).scores[name]


def test_a_hand_made_case_of_six_tracks():
    """With one factor the tracks' order is the same for all who like it, and the reverse for those who do
    not.
    """
    users = np.array([[1.0], [-2.0], [1.0]])
    tracks = np.array([[6.0], [5.0], [4.0], [3.0], [2.0], [1.0]])
    plays = [[1, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]
    first, last, unasked = asked((users, tracks), plays, PRECISION)
    assert (first, last) == (pytest.approx((1 + 2 / 3) / 2), pytest.approx(1 / 6))
    assert np.isnan(unasked)
    assert asked((users, tracks), plays, AUC)[:2] == pytest.approx([1 - 1 / 8, 0.0])
    discount = 1 / np.log2(np.arange(2, 8))
    gained = [(discount[0] + discount[2]) / (discount[0] + discount[1]), discount[5]]
    assert asked((users, tracks), plays, NDCG)[:2] == pytest.approx(gained)
    assert asked((users, tracks), plays, RECALL)[:2] == pytest.approx([1.0, 1.0])  # all six fit in twenty


def test_recall_counts_the_first_twenty():
    plays = np.zeros((1, 30))
    plays[0, [0, 19, 20, 29]] = 1
    assert asked(np.arange(30, 0, -1.0), plays)[0] == 0.5


def test_average_precision_is_cut_off_at_500_and_divided_by_what_could_stand_there():
    """Of 700 plays, 100 stand first, 600 last but for none between rank 101 and 500: as van den Oord et al.
    count.
    """
    plays = np.zeros((1, 1200))
    plays[0, :100] = plays[0, 600:] = 1
    assert asked(np.arange(1200, 0, -1.0), plays, PRECISION)[0] == pytest.approx(100 / 500)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_user_agrees_with_scikit_learn(random_seed):
    rng = np.random.default_rng(random_seed)
    users, tracks, plays = rng.normal(size=(7, 3)), rng.normal(size=(25, 3)), rng.random((7, 25)) < 0.3
    found = {
        measure.metric: measure.scores["ours"]
        for measure in ask({"ours": (users, tracks)}, csr_matrix(plays))
    }
    for user in range(7):
        right, scores = plays[user], tracks @ users[user]
        if 0 < right.sum() < 25:
            assert found[PRECISION][user] == pytest.approx(average_precision_score(right, scores))
            assert found[AUC][user] == pytest.approx(roc_auc_score(right, scores))
            assert found[NDCG][user] == pytest.approx(ndcg_score(right[None], scores[None], k=20))


@pytest.mark.parametrize("metric", METRICS)
def test_holding_all_tracks_alike_is_chance_for_every_user(metric):
    _, _, plays = planted()
    by_chance = asked(np.ones(150), plays.toarray(), metric, CHANCE)
    assert asked(np.ones(150), plays.toarray(), metric) == pytest.approx(by_chance)
    alike = (
        np.random.default_rng(0).normal(size=(120, 6)),
        np.tile(np.random.default_rng(1).normal(size=6), (150, 1)),
    )
    assert asked(alike, plays.toarray(), metric) == pytest.approx(by_chance)


@pytest.mark.parametrize("metric", METRICS)
def test_perfect_and_worst(metric):
    plays = np.eye(3, 40)
    perfect = asked((np.eye(3), plays.T), plays, metric)
    worst = asked((-np.eye(3), plays.T), plays, metric)
    assert perfect == pytest.approx([1, 1, 1])
    assert (worst < asked(np.ones(40), plays, metric)).all()


def test_memory_stays_bounded_and_blocks_change_nothing(monkeypatch):
    tastes, sounds, plays = planted()
    whole = ask({"ours": (tastes, sounds), "popularity": np.arange(150.0)}, plays)
    monkeypatch.setattr(user_rankings, "SCORES_AT_ONCE", 7 * 500)
    sizes = []

    def noting_size(scores, right):
        sizes.append(scores.size)
        return runs_of(scores, right)

    monkeypatch.setattr(user_rankings, "runs_of", noting_size)
    for one, other in zip(
        whole, ask({"ours": (tastes, sounds), "popularity": np.arange(150.0)}, plays), strict=True
    ):
        for name in one.scores:
            assert one.scores[name] == pytest.approx(other.scores[name], nan_ok=True)
    assert max(sizes) <= 7 * 500


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_tracks_and_the_scale_of_scores_do_not_matter(random):
    tastes, sounds, plays = planted(users=20, tracks=40)
    order = random.sample(range(40), 40)
    for metric in METRICS:
        one = asked((tastes, sounds), plays.toarray(), metric)
        assert one == pytest.approx(asked((tastes * 7, sounds[order]), plays.toarray()[:, order], metric))


def test_plays_count_once_and_skips_not_at_all():
    tracks = np.array([3.0, 2.0, 1.0])
    assert asked(tracks, [[0, 9, -1]], PRECISION) == pytest.approx(asked(tracks, [[0, 1, 0]], PRECISION))


def test_very_many_users_are_drawn_in_crowds():
    assert len(np.unique(ask({}, csr_matrix((3 * MOST_GROUPS, 1)))[0].groups)) == MOST_GROUPS
    assert ask({}, csr_matrix((7, 1)))[0].groups.tolist() == list(range(7))


@pytest.mark.parametrize(
    ("system", "complaint"),
    [
        ((np.ones((2, 3)), np.ones((5, 3))), r"users \(2, 3\)"),
        ((np.ones((4, 3)), np.ones((5, 2))), "equal length"),
        (np.ones(6), "one a track"),
        (np.full(5, np.nan), "NaN"),
        ((np.full((4, 1), np.inf), np.ones((5, 1))), "infinity"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(system, complaint):
    with pytest.raises(UsageError, match=complaint):
        ask({"ours": system}, csr_matrix(np.ones((4, 5))))


def test_a_known_track_is_not_offered():
    """Of six tracks in order, the first is known: right is the fourth, which is third of the five on offer."""
    system, plays = {"ours": np.array([6.0, 5, 4, 3, 2, 1])}, csr_matrix([[1, 0, 0, 1, 0, 0]])
    known = csr_matrix([[1, 0, 0, 0, 0, 0]])
    found = {measure.metric: measure.scores for measure in ask(system, plays, 0, known)}
    assert found[PRECISION]["ours"] == pytest.approx([1 / 3])
    assert found[AUC]["ours"] == pytest.approx(
        [2 / 4]
    )  # of the wrong ones, the fifth and the sixth come after it
    assert found[NDCG]["ours"] == pytest.approx([1 / np.log2(4)])
    assert found[PRECISION][CHANCE] == pytest.approx([np.mean(1 / np.arange(1, 6))])
    assert np.isnan(ask(system, plays, 0, plays)[0].scores["ours"]).all()  # nothing is left to find


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_known_might_as_well_not_be_there(random_seed):
    rng = np.random.default_rng(random_seed)
    user, tracks, plays, known = (
        rng.normal(size=(1, 3)),
        rng.normal(size=(30, 3)),
        rng.random(30) < 0.3,
        rng.random(30) < 0.3,
    )
    with_all = ask({"ours": (user, tracks)}, csr_matrix(plays[None]), 0, csr_matrix(known[None]))
    without = ask({"ours": (user, tracks[~known])}, csr_matrix(plays[None, ~known]))
    for one, other in zip(with_all, without, strict=True):
        for name in ("ours", CHANCE):
            assert one.scores[name] == pytest.approx(other.scores[name], nan_ok=True)


def test_nothing_known_changes_nothing():
    tastes, sounds, plays = planted()
    for one, other in zip(
        ask({"ours": (tastes, sounds)}, plays),
        ask({"ours": (tastes, sounds)}, plays, 0, csr_matrix((120, 150))),
        strict=True,
    ):
        assert one.scores["ours"] == pytest.approx(other.scores["ours"])
