from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from planted_tastes import planted
from scipy.sparse import csr_matrix

from soundkin.errors import UsageError
from soundkin.evaluation.recommendation import (
    BOUND,
    KNOWN_POPULARITY,
    POPULARITY,
    SHUFFLED,
    SHUFFLES,
    ask_with_controls,
    cold_start,
    share_of_bound,
    summarised,
)
from soundkin.evaluation.user_rankings import METRICS, ask, metrics_at
from soundkin.statistics.measure import CHANCE

RECALL, NDCG, PRECISION, AUC = METRICS


TWO = metrics_at(short=2)


class TestByHand:
    """Six tracks, three users, every figure of the table worked out on paper.

    Tracks a to f stand at (5, 0), (4, 1), (3, 2), (2, 3), (1, 4), (0, 5). Ann, at (1, 0), ranks them a b c d
    e f and plays a and d. Bob, at (0, 1), ranks them f e d c b a and plays e. Cid, at (1, 1), holds all
    alike, 5, and plays a, b and c: all orders are as likely. log2(3) = 1.58496: the second of two ranks is
    worth 0.63093, both 1.63093."""

    tracks = np.array([[5.0, 0], [4, 1], [3, 2], [2, 3], [1, 4], [0, 5]])
    users = np.array([[1.0, 0], [0, 1], [1, 1]])
    plays = csr_matrix(np.array([[1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 0]], float))
    expected: ClassVar = {
        "ours": {
            # Ann finds a, one of two; Bob finds e, his only one; Cid has one of three at each rank, half of the time.
            "recall@2": [1 / 2, 1 / 1, (1 / 2 + 1 / 2) / 3],
            # Ann: 1 of 1.63093. Bob: 0.63093 of 1, since one play fills one rank. Cid: half of everything.
            "nDCG@2": [1 / 1.63093, 0.63093 / 1, 0.5],
            # Ann: a first, 1/1, d fourth, 2/4. Bob: e second, 1/2. Cid: at rank i there is a right one with probability
            # 1/2, and 2/5 of the i - 1 before it are right then: (0.6 + 0.4 i) / 2i, which for i = 1 ... 6 comes to
            # 0.3 x 2.45 + 1.2 = 1.935, over three plays.
            "mAP@500": [(1 + 2 / 4) / 2, 1 / 2, 1.935 / 3],
            # Ann: a stands before b, c, e, f and d before e, f: 6 of 8 pairs. Bob: e before a, b, c, d: 4 of 5.
            "AUC": [6 / 8, 4 / 5, 1 / 2],
        },
        # Played twice: a; once: b, c, d, e; never: f. So a comes first, f last, and four stand level between.
        POPULARITY: {
            # Rank two holds any of four: Ann's d and Bob's e with probability 1/4, one of Cid's b and c with 2/4.
            "recall@2": [(1 + 1 / 4) / 2, 1 / 4, (1 + 2 / 4) / 3],
            "nDCG@2": [(1 + 0.63093 / 4) / 1.63093, 0.63093 / 4, (1 + 0.63093 * 2 / 4) / 1.63093],
            # Ann: d at rank 2 to 5, precision 2/r. Bob: e, 1/r. Cid: at rank r = 2 to 5 a right one with probability
            # 1/2, before it a and 1/3 of the r - 2 between: 1/2 x (2 + (r - 2) / 3) / r.
            "mAP@500": [
                (1 + (2 / 2 + 2 / 3 + 2 / 4 + 2 / 5) / 4) / 2,
                (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4,
                (1 + (2 / 2 + (7 / 3) / 3 + (8 / 3) / 4 + 3 / 5) / 2) / 3,
            ],
            # Ann: a before all four wrong ones, d before f and level with b, c, e. Bob: e before f, level with b, c, d.
            # Cid: a before d, e, f; b and c before f and level with d and e.
            "AUC": [(4 + 1 + 3 / 2) / 8, (1 + 3 / 2) / 5, (3 + 2 * (1 + 2 / 2)) / 9],
        },
        # The right ones stand level at the top: Cid's three do not fit in two ranks.
        BOUND: {"recall@2": [1, 1, 2 / 3], "nDCG@2": [1, 1, 1], "mAP@500": [1, 1, 1], "AUC": [1, 1, 1]},
        CHANCE: {
            "recall@2": [2 / 6, 2 / 6, 2 / 6],
            "nDCG@2": [2 / 6, 1.63093 / 6, 3 / 6],  # Bob's best is one rank, worth 1
            # As for Cid above, with R right ones of six: (1/R) x the sum over i of R/6 x (1 + (i-1) (R-1)/5) / i.
            # For R = 2: (0.8 x 2.45 + 0.2 x 6) / 6; for R = 1: 2.45 / 6.
            "mAP@500": [(0.8 * 2.45 + 0.2 * 6) / 6, 2.45 / 6, 1.935 / 3],
            "AUC": [1 / 2, 1 / 2, 1 / 2],
        },
    }

    def test_every_users_scores(self):
        systems, bound = {"ours": (self.users, self.tracks)}, (np.eye(3), self.plays.toarray().T)
        found = {
            measure.metric: measure.scores
            for measure in ask_with_controls(systems, bound, self.plays, metrics=TWO)
        }
        for system, by_metric in self.expected.items():
            for metric, of_users in by_metric.items():
                assert found[metric][system] == pytest.approx(of_users, abs=1e-5), (system, metric)

    def test_the_table(self):
        bound = np.eye(3), self.plays.toarray().T
        result = cold_start({"ours": (self.users, self.tracks)}, bound, self.plays, resamples=50, metrics=TWO)
        assert (result.users, result.tracks, result.plays) == (3, 6, 6)
        means = {(row.metric, score.system): score.mean for row in result.rows for score in row.scores}
        for system, by_metric in self.expected.items():
            for metric, of_users in by_metric.items():
                assert means[metric, system] == pytest.approx(sum(of_users) / 3, abs=1e-5)
        # recall@2: ours (0.5 + 1 + 0.33333) / 3 = 0.61111; the bound (1 + 1 + 0.66667) / 3 = 0.88889; 0.6875 of it
        assert result.shares[0].mean == pytest.approx(0.6875)
        assert result.verdict.startswith(
            "too few users to say (3, at least 8 are needed): ours: recall@2 0.611"
        )
        assert result.table()[0]["users"] == "3"
        assert result.table()[0]["recall@2 of the bound"].startswith("69%")

    def test_shuffled_is_the_mean_over_orders_of_its_tracks(self):
        found = ask_with_controls(
            {"ours": (self.users, self.tracks)},
            (self.users, self.tracks),
            self.plays,
            random_seed=4,
            metrics=TWO,
        )[0]
        rng = np.random.default_rng(4)
        recalls = []
        for _ in range(SHUFFLES):
            tracks = self.tracks[rng.permutation(6)]
            firsts = [set(np.argsort(-tracks @ user)[:2].tolist()) for user in self.users[:2]]
            recalls.append([len(firsts[0] & {0, 3}) / 2, len(firsts[1] & {4}) / 1, 1 / 3])
        assert found.scores[SHUFFLED] == pytest.approx(np.mean(recalls, axis=0))


def test_popularity_before_the_cutoff_is_a_row_of_its_own_and_what_was_known_then_is_not_offered():
    tastes, sounds, plays = planted()
    early = plays.multiply(np.random.default_rng(0).random(plays.shape) < 0.5).tocsr()
    counted = np.asarray(early.sum(axis=0)).ravel()
    measures = ask_with_controls({"content": (tastes, sounds)}, (tastes, sounds), plays, 0, early, counted)
    assert list(measures[0].scores) == ["content", SHUFFLED, KNOWN_POPULARITY, POPULARITY, BOUND, CHANCE]
    table = summarised(measures, 150, 5, resamples=50)
    found = means(table)
    assert found[POPULARITY] > found[KNOWN_POPULARITY] > found[CHANCE]
    assert "plays before the cutoff counted" in table.notes[1]
    assert set(measures[0].scores) - {KNOWN_POPULARITY} == set(
        ask_with_controls({"content": (tastes, sounds)}, (tastes, sounds), plays)[0].scores
    )


def test_who_is_unbeaten_leaves_controls_aside():
    tastes, sounds, plays = planted()
    worse = np.flip(sounds, axis=0)
    systems = {"ours": (tastes, worse), "better": (tastes, sounds), "same": (tastes, worse)}
    result = cold_start(systems, (tastes, sounds), plays, resamples=50)
    assert result.unbeaten == ["better", "same"]
    assert result.title == "cold start: held-out tracks"


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
    plays = np.zeros((8, 40))
    plays[:, 0] = 1
    backwards = np.ones((8, 1)), np.arange(40.0)[:, None]
    result = cold_start(
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
