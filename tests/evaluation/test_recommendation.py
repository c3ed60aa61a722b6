from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from soundkin.errors import UsageError
from soundkin.evaluation import recommendation
from soundkin.evaluation.measure import CHANCE
from soundkin.evaluation.ranking import runs_of
from soundkin.evaluation.recommendation import (
    BOUND,
    METRICS,
    MOST_GROUPS,
    POPULARITY,
    SHUFFLED,
    ask,
    cold_start,
    share_of_bound,
)

RECALL, NDCG, PRECISION, AUC = METRICS


def asked(system, plays, metric=RECALL, name="ours"):
    measures = ask({"ours": system}, csr_matrix(np.asarray(plays, float)))
    return next(measure for measure in measures if measure.metric == metric).scores[name]


def planted(users=120, tracks=150, factors=6, random_seed=0):
    """Tastes, tracks and plays of the sort the synthesised corpus has: liking is a product, plays favour the liked."""
    rng = np.random.default_rng(random_seed)
    tastes, sounds = rng.normal(size=(users, factors)), rng.normal(size=(tracks, factors))
    tastes, sounds = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (tastes, sounds))
    appeal = 8 * tastes @ sounds.T + rng.normal(size=tracks) + rng.gumbel(size=(users, tracks))
    return tastes, sounds, csr_matrix((appeal >= np.sort(appeal, axis=1)[:, [-10]]).astype(float))


def test_a_hand_made_case_of_six_tracks():
    """With one factor the tracks' order is the same for all who like it, and the reverse for those who do not."""
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
    """Of 700 plays, 100 stand first, 600 last but for none between rank 101 and 500: as van den Oord et al. count."""
    plays = np.zeros((1, 1200))
    plays[0, :100] = plays[0, 600:] = 1
    assert asked(np.arange(1200, 0, -1.0), plays, PRECISION)[0] == pytest.approx(100 / 500)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_user_agrees_with_scikit_learn(random_seed):
    rng = np.random.default_rng(random_seed)
    users, tracks, plays = rng.normal(size=(7, 3)), rng.normal(size=(25, 3)), rng.random((7, 25)) < 0.3
    found = {measure.metric: measure.scores["ours"] for measure in ask({"ours": (users, tracks)}, csr_matrix(plays))}
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
    alike = np.random.default_rng(0).normal(size=(120, 6)), np.tile(np.random.default_rng(1).normal(size=6), (150, 1))
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
    whole = ask({"ours": (tastes, sounds), POPULARITY: np.arange(150.0)}, plays)
    monkeypatch.setattr(recommendation, "SCORES_AT_ONCE", 7 * 500)
    sizes = []

    def noting_size(scores, right):
        sizes.append(scores.size)
        return runs_of(scores, right)

    monkeypatch.setattr(recommendation, "runs_of", noting_size)
    for one, other in zip(whole, ask({"ours": (tastes, sounds), POPULARITY: np.arange(150.0)}, plays), strict=True):
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


@pytest.fixture(scope="module")
def result():
    tastes, sounds, plays = planted()
    heard = sounds + 0.15 * np.random.default_rng(3).normal(size=sounds.shape)
    return cold_start({"content": (tastes, heard)}, (tastes, sounds), plays, random_seed=1, resamples=300)


def means(result, metric=RECALL):
    row = next(row for row in result.rows if row.metric == metric)
    return {score.system: score.mean for score in row.scores}


@pytest.mark.parametrize("metric", METRICS)
def test_cold_start_puts_everything_in_its_place(result, metric):
    found = means(result, metric)
    assert found[BOUND] > found["content"] > found[POPULARITY] > found[CHANCE]
    assert found["content"] > 2 * found[SHUFFLED] or metric == AUC
    assert found[SHUFFLED] == pytest.approx(found[CHANCE], abs=0.05)


def test_the_share_of_the_bound_is_a_ratio_of_means_with_a_paired_interval(result):
    found = means(result)
    shares = {share.system: share for share in result.shares}
    assert shares["content"].mean == pytest.approx(found["content"] / found[BOUND])
    assert shares["content"].low < shares["content"].mean < shares["content"].high
    assert BOUND not in shares
    tastes, sounds, plays = planted()
    half = next(one for one in ask({BOUND: (tastes, sounds)}, plays) if one.metric == RECALL)
    scores = {BOUND: half.scores[BOUND], "half": half.scores[BOUND] / 2}
    share = share_of_bound(replace(half, scores=scores), "half", 200, 0)
    assert (share.low, share.mean, share.high) == pytest.approx((0.5, 0.5, 0.5))


def test_there_is_no_share_of_a_bound_that_finds_nothing():
    plays = np.zeros((3, 40))
    plays[:, 0] = 1
    backwards = np.ones((3, 1)), np.arange(40.0)[:, None]
    result = cold_start({"content": (np.ones((3, 1)), -backwards[1])}, backwards, csr_matrix(plays), resamples=20)
    assert result.shares == ()
    assert result.verdict.startswith("content: recall@20 1.000 [1.000, 1.000]; ")


def test_the_table_has_a_row_a_system_and_every_metric(result):
    table = result.table()
    assert [row["system"] for row in table] == ["content", SHUFFLED, POPULARITY, BOUND, CHANCE]
    assert all(set(METRICS) < set(row) for row in table)
    assert f"{RECALL} of the bound" in table[0]
    assert "% of" not in table[0][RECALL]
    assert "[" in table[0][RECALL]
    assert "upper bound" in result.verdict
    assert type(result).model_validate_json(result.model_dump_json()) == result


def test_the_same_seed_gives_the_same_result(result):
    tastes, sounds, plays = planted()
    heard = sounds + 0.15 * np.random.default_rng(3).normal(size=sounds.shape)
    systems = {"content": (tastes, heard)}
    assert cold_start(systems, (tastes, sounds), plays, random_seed=1, resamples=300) == result
    assert cold_start(systems, (tastes, sounds), plays, random_seed=2, resamples=300) != result


def test_several_systems_stand_side_by_side():
    tastes, sounds, plays = planted()
    systems = {"network": (tastes, sounds), "line": (tastes, np.flip(sounds, axis=0))}
    result = cold_start(systems, (tastes, sounds), plays, resamples=50)
    assert result.systems == ("network", "line", SHUFFLED, POPULARITY, BOUND, CHANCE)
    gains = {gain.system: gain for gain in result.rows[0].gains}
    assert gains["line"].low > 0
    assert gains[BOUND].mean == 0


def test_nothing_played_and_no_system_are_refused():
    one = np.ones((4, 2)), np.ones((3, 2))
    with pytest.raises(UsageError, match="nobody has played any of the 3"):
        cold_start({"content": one}, one, csr_matrix((4, 3)))
    with pytest.raises(UsageError, match="no system"):
        cold_start({}, one, csr_matrix(np.ones((4, 3))))
