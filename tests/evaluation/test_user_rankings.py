from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_plays import planted
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from soundkin.errors import UsageError
from soundkin.evaluation import user_rankings as module
from soundkin.evaluation.user_rankings import (
    BOUND,
    KNOWN_POPULARITY,
    MEAN,
    METRICS,
    MOST_GROUPS,
    POPULARITY,
    SHUFFLED,
    SHUFFLES,
    STRENGTHS,
    ask,
    fit_profiles,
    fold_in_users,
    metrics_at,
    share_of_bound,
    user_rankings,
)
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


@pytest.mark.slow
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
    monkeypatch.setattr(module, "SCORES_AT_ONCE", 7 * 500)
    sizes = []

    def noting_size(scores, right):
        sizes.append(scores.size)
        return runs_of(scores, right)

    monkeypatch.setattr(module, "runs_of", noting_size)
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
    """Of six tracks in order, the first is known: the fourth, which is right, is third of the other five."""
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


RECALL, NDCG, PRECISION, AUC = METRICS


TWO = metrics_at(short=2)


class TestByHand:
    """Six tracks, three users, every figure of the table worked out on paper.

    Tracks a to f stand at (5, 0), (4, 1), (3, 2), (2, 3), (1, 4), (0, 5). Ann, at (1, 0), ranks them a b c d
    e f and plays a and d. Bob, at (0, 1), ranks them f e d c b a and plays e. Cid, at (1, 1), holds all
    alike, 5, and plays a, b and c: all orders are as likely. log2(3) = 1.58496: the second of two ranks is
    worth 0.63093, both 1.63093.
    """

    tracks = np.array([[5.0, 0], [4, 1], [3, 2], [2, 3], [1, 4], [0, 5]])
    users = np.array([[1.0, 0], [0, 1], [1, 1]])
    plays = csr_matrix(np.array([[1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 0]], float))
    expected: ClassVar = {
        "ours": {
            # Ann finds a, one of two; Bob finds e, his only one; Cid has one of three at each rank, half of
            # the time.
            "recall@2": [1 / 2, 1 / 1, (1 / 2 + 1 / 2) / 3],
            # Ann: 1 of 1.63093. Bob: 0.63093 of 1, since one play fills one rank. Cid: half of everything.
            "nDCG@2": [1 / 1.63093, 0.63093 / 1, 0.5],
            # Ann: a first, 1/1, d fourth, 2/4. Bob: e second, 1/2. Cid: at rank i there is a right one with
            # probability 1/2, and 2/5 of the i - 1 before it are right then: (0.6 + 0.4 i) / 2i, which for i
            # = 1 ... 6 comes to 0.3 x 2.45 + 1.2 = 1.935, over three plays.
            "mAP@500": [(1 + 2 / 4) / 2, 1 / 2, 1.935 / 3],
            # Ann: a stands before b, c, e, f and d before e, f: 6 of 8 pairs. Bob: e before a, b, c, d: 4 of
            # 5.
            "AUC": [6 / 8, 4 / 5, 1 / 2],
        },
        # Played twice: a; once: b, c, d, e; never: f. So a comes first, f last, and four are level between.
        POPULARITY: {
            # Rank two holds any of four: Ann's d and Bob's e with probability 1/4, one of Cid's b and c with
            # 2/4.
            "recall@2": [(1 + 1 / 4) / 2, 1 / 4, (1 + 2 / 4) / 3],
            "nDCG@2": [(1 + 0.63093 / 4) / 1.63093, 0.63093 / 4, (1 + 0.63093 * 2 / 4) / 1.63093],
            # Ann: d at rank 2 to 5, precision 2/r. Bob: e, 1/r. Cid: at rank r = 2 to 5 a right one with
            # probability 1/2, before it a and 1/3 of the r - 2 between: 1/2 x (2 + (r - 2) / 3) / r.
            "mAP@500": [
                (1 + (2 / 2 + 2 / 3 + 2 / 4 + 2 / 5) / 4) / 2,
                (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4,
                (1 + (2 / 2 + (7 / 3) / 3 + (8 / 3) / 4 + 3 / 5) / 2) / 3,
            ],
            # Ann: a before all four wrong ones, d before f and level with b, c, e. Bob: e before f, level
            # with b, c, d. Cid: a before d, e, f; b and c before f and level with d and e.
            "AUC": [(4 + 1 + 3 / 2) / 8, (1 + 3 / 2) / 5, (3 + 2 * (1 + 2 / 2)) / 9],
        },
        # The right ones stand level at the top: Cid's three do not fit in two ranks.
        BOUND: {"recall@2": [1, 1, 2 / 3], "nDCG@2": [1, 1, 1], "mAP@500": [1, 1, 1], "AUC": [1, 1, 1]},
        CHANCE: {
            "recall@2": [2 / 6, 2 / 6, 2 / 6],
            "nDCG@2": [2 / 6, 1.63093 / 6, 3 / 6],  # Bob's best is one rank, worth 1
            # As for Cid above, with R right ones of six: (1/R) x the sum over i of R/6 x (1 + (i-1) (R-1)/5)
            # / i. For R = 2: (0.8 x 2.45 + 0.2 x 6) / 6; for R = 1: 2.45 / 6.
            "mAP@500": [(0.8 * 2.45 + 0.2 * 6) / 6, 2.45 / 6, 1.935 / 3],
            "AUC": [1 / 2, 1 / 2, 1 / 2],
        },
    }

    def test_every_users_scores(self):
        systems, bound = {"ours": (self.users, self.tracks)}, (np.eye(3), self.plays.toarray().T)
        found = {
            measure.metric: measure.scores
            for measure in user_rankings(systems, bound, self.plays, metrics=TWO, resamples=50)[1]
        }
        for system, by_metric in self.expected.items():
            for metric, of_users in by_metric.items():
                assert found[metric][system] == pytest.approx(of_users, abs=1e-5), (system, metric)

    def test_the_table(self):
        bound = np.eye(3), self.plays.toarray().T
        result, _ = user_rankings(
            {"ours": (self.users, self.tracks)}, bound, self.plays, resamples=50, metrics=TWO
        )
        assert (result.users, result.tracks, result.plays) == (3, 6, 6)
        means = {(row.metric, score.system): score.mean for row in result.rows for score in row.scores}
        for system, by_metric in self.expected.items():
            for metric, of_users in by_metric.items():
                assert means[metric, system] == pytest.approx(sum(of_users) / 3, abs=1e-5)
        # recall@2: ours (0.5 + 1 + 0.33333) / 3 = 0.61111; the bound (1 + 1 + 0.66667) / 3 = 0.88889; 0.6875
        # of it
        assert result.shares[0].mean == pytest.approx(0.6875)
        assert result.verdict.startswith(
            "too few users to say (3, at least 8 are needed): ours: recall@2 0.611"
        )
        assert result.table()[0]["users"] == "3"
        assert result.table()[0]["recall@2 of the bound"].startswith("69%")

    def test_shuffled_is_the_mean_over_orders_of_its_tracks(self):
        _, found = user_rankings(
            {"ours": (self.users, self.tracks)},
            (self.users, self.tracks),
            self.plays,
            random_seed=4,
            metrics=TWO,
        )
        rng = np.random.default_rng(4)
        recalls = []
        for _ in range(SHUFFLES):
            tracks = self.tracks[rng.permutation(6)]
            firsts = [set(np.argsort(-tracks @ user)[:2].tolist()) for user in self.users[:2]]
            recalls.append([len(firsts[0] & {0, 3}) / 2, len(firsts[1] & {4}) / 1, 1 / 3])
        assert found[0].scores[SHUFFLED] == pytest.approx(np.mean(recalls, axis=0))


def test_popularity_before_the_cutoff_is_a_row_of_its_own_and_what_was_known_then_is_not_offered():
    tastes, sounds, plays = planted()
    early = plays.multiply(np.random.default_rng(0).random(plays.shape) < 0.5).tocsr()
    counted = np.asarray(early.sum(axis=0)).ravel()
    table, measures = user_rankings(
        {"content": (tastes, sounds)}, (tastes, sounds), plays, 0, 50, early, counted
    )
    assert list(measures[0].scores) == ["content", SHUFFLED, KNOWN_POPULARITY, POPULARITY, BOUND, CHANCE]
    found = means(table)
    assert found[POPULARITY] > found[KNOWN_POPULARITY] > found[CHANCE]
    assert "plays before the cutoff counted" in table.notes[1]
    assert set(measures[0].scores) - {KNOWN_POPULARITY} == set(
        user_rankings({"content": (tastes, sounds)}, (tastes, sounds), plays)[1][0].scores
    )


def test_who_is_unbeaten_leaves_controls_aside():
    tastes, sounds, plays = planted()
    worse = np.flip(sounds, axis=0)
    systems = {"ours": (tastes, worse), "better": (tastes, sounds), "same": (tastes, worse)}
    result, _ = user_rankings(systems, (tastes, sounds), plays, resamples=50)
    assert result.unbeaten == ["better", "same"]


@pytest.fixture(scope="module")
def result():
    tastes, sounds, plays = planted()
    heard = sounds + 0.15 * np.random.default_rng(3).normal(size=sounds.shape)
    return user_rankings({"content": (tastes, heard)}, (tastes, sounds), plays, random_seed=1, resamples=300)[
        0
    ]


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
    plays = np.zeros((8, 40))
    plays[:, 0] = 1
    backwards = np.ones((8, 1)), np.arange(40.0)[:, None]
    result, _ = user_rankings(
        {"content": (np.ones((8, 1)), -backwards[1])}, backwards, csr_matrix(plays), resamples=20
    )
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
    assert user_rankings(systems, (tastes, sounds), plays, random_seed=1, resamples=300)[0] == result
    assert user_rankings(systems, (tastes, sounds), plays, random_seed=2, resamples=300)[0] != result


def test_several_systems_stand_side_by_side():
    tastes, sounds, plays = planted()
    systems = {"network": (tastes, sounds), "line": (tastes, np.flip(sounds, axis=0))}
    result, _ = user_rankings(systems, (tastes, sounds), plays, resamples=50)
    assert result.systems == ("network", "line", SHUFFLED, POPULARITY, BOUND, CHANCE)
    gains = {gain.system: gain for gain in result.rows[0].gains}
    assert gains["line"].low > 0
    assert gains[BOUND].mean == 0


def test_nothing_played_and_no_system_are_refused():
    one = np.ones((4, 2)), np.ones((3, 2))
    with pytest.raises(UsageError, match="nobody has played any of the 3"):
        user_rankings({"content": one}, one, csr_matrix((4, 3)))
    with pytest.raises(UsageError, match="no system"):
        user_rankings({}, one, csr_matrix(np.ones((4, 3))))


def planted_vectors(users=150, tracks=400, factors=6, noise=0.3, random_seed=0):
    """Tracks whose vectors hold what they are liked for, turned, stretched and under noise, and who likes
    which.
    """
    rng = np.random.default_rng(random_seed)
    tastes, sounds = rng.normal(size=(users, factors)), rng.normal(size=(tracks, factors))
    appeal = 2 * tastes @ sounds.T + rng.gumbel(size=(users, tracks))
    liked = appeal >= np.sort(appeal, axis=1)[:, [-30]]
    vectors = sounds @ rng.normal(size=(factors, 24)) + noise * rng.normal(size=(tracks, 24))
    return 3 + vectors * np.exp(rng.normal(size=24)), csr_matrix(liked.astype(float))


def unit_standardised(known, new):
    for of in (known, new):
        standardised = (of - known.mean(axis=0)) / known.std(axis=0)
        yield standardised / np.linalg.norm(standardised, axis=1, keepdims=True)


def precision(factors, plays):
    measure = next(one for one in ask({"ours": factors}, plays) if one.metric == "mAP@500")
    return np.nanmean(measure.scores["ours"])


def test_a_profile_is_a_ridge_regression_of_likings():
    rng = np.random.default_rng(0)
    vectors, liked = rng.normal(size=(40, 5)), rng.random((7, 40)) < 0.3
    found = fold_in_users(vectors, csr_matrix(liked.astype(float)), [0.5])[0]
    variance = np.trace(vectors.T @ vectors / 40) / 5
    theirs = Ridge(alpha=40 * 0.5 * variance, fit_intercept=False).fit(vectors, liked.T).coef_
    assert np.corrcoef(found.ravel(), theirs.ravel())[0, 1] == pytest.approx(1)
    assert np.ptp(found / theirs) == pytest.approx(0, abs=1e-6 * abs(found / theirs).max())


def test_without_bounds_to_regularisation_it_is_the_sum_of_what_is_liked():
    vectors = np.array([[1.0, 0], [0, 1], [1, 1]])
    assert fold_in_users(vectors, csr_matrix([[1, 0, 1], [0, 0, 0]]), [MEAN])[0] == pytest.approx(
        np.array([[2, 1], [0, 0]])
    )


def test_whoever_likes_one_end_is_offered_that_end():
    """Two kinds of tracks, right and left; one user likes each, and new tracks of the kind come first."""
    right, left = (
        np.array([[2.0, 0.1], [1.5, -0.2], [2.5, 0.0]]),
        np.array([[-2.0, 0.1], [-1.0, 0.0], [-3.0, -0.1]]),
    )
    liked = csr_matrix([[1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 1]])
    (users, tracks), _ = fit_profiles(
        np.vstack([right, left]), np.array([[1.0, 0], [-1.0, 0]]), liked, np.arange(6)
    )
    assert np.sign(users @ tracks.T).tolist() == [[1, -1], [-1, 1]]


def test_profiles_predict_and_the_strength_is_one_of_those_that_predict_best():
    vectors, liked = planted_vectors()
    known, new = slice(0, 320), slice(320, None)
    factors, strength = fit_profiles(vectors[known], vectors[new], liked[:, known], np.arange(320) // 4)
    by_chance = np.nanmean(
        next(one for one in ask({}, liked[:, new]) if one.metric == "mAP@500").scores["chance"]
    )
    assert precision(factors, liked[:, new]) > 2 * by_chance
    every = np.vstack(list(unit_standardised(vectors[known], vectors[new])))
    at_each = {
        one: precision((users, every[new]), liked[:, new])
        for one, users in zip(
            STRENGTHS, fold_in_users(every[known], liked[:, known], list(STRENGTHS)), strict=True
        )
    }
    assert at_each[strength] == pytest.approx(precision(factors, liked[:, new]))
    assert at_each[strength] > at_each[MEAN] + 0.02
    assert at_each[strength] > max(at_each.values()) - 0.01


def test_shuffled_vectors_predict_nothing():
    vectors, liked = planted_vectors()
    vectors = np.random.default_rng(1).permutation(vectors)
    factors, _ = fit_profiles(vectors[:320], vectors[320:], liked[:, :320], np.arange(320) // 4)
    by_chance = np.nanmean(
        next(one for one in ask({}, liked[:, 320:]) if one.metric == "mAP@500").scores["chance"]
    )
    assert precision(factors, liked[:, 320:]) == pytest.approx(by_chance, rel=0.15)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16), st.floats(0.01, 100))
def test_length_place_and_scale_of_vectors_do_not_matter(random_seed, scale):
    vectors, liked = planted_vectors(users=30, tracks=60)
    rng = np.random.default_rng(random_seed)
    moved = scale * np.exp(rng.normal(size=24)) * vectors + rng.normal(size=24)
    (one, one_strength), (other, other_strength) = (
        fit_profiles(of[:50], of[50:], liked[:, :50], np.arange(50) // 2)
        for of in (vectors.astype(float), moved)
    )
    assert one_strength == other_strength
    assert one[0] @ one[1].T == pytest.approx(other[0] @ other[1].T, rel=1e-5, abs=1e-8)


def test_held_out_tracks_teach_nothing():
    vectors, liked = planted_vectors(users=30, tracks=60)
    (users, _), _ = fit_profiles(vectors[:50], vectors[50:], liked[:, :50], np.arange(50) // 2)
    (others, _), _ = fit_profiles(vectors[:50], 9 * vectors[50:] + 4, liked[:, :50], np.arange(50) // 2)
    assert np.array_equal(users, others)


def test_one_artist_leaves_nobody_to_choose_by():
    vectors, liked = planted_vectors(users=5, tracks=40)
    assert fit_profiles(vectors[:30], vectors[30:], liked[:, :30], np.zeros(30, int))[1] == MEAN


def test_vectors_without_spread_and_users_without_likings_are_zero():
    (users, tracks), _ = fit_profiles(np.ones((4, 3)), np.ones((2, 3)), csr_matrix((2, 4)), np.arange(4))
    assert not users.any() and not tracks.any()
