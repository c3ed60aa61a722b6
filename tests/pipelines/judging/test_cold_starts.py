from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_listeners import plant

from soundkin.embedding.known_users import KnownUsers
from soundkin.errors import UsageError
from soundkin.evaluation.fairness import fairness
from soundkin.evaluation.recommendation import BOUND, KNOWN_POPULARITY, POPULARITY, SHUFFLED
from soundkin.pipelines.judging.cold_starts import judge_offers
from soundkin.pipelines.judging.offers import make_cold_start_splits
from soundkin.tasks.latent_factors import LatentFactorsConfig, LatentFactorsTask


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def judged(planted):
    """Ours hears what is liked, under a noise; MFCC only the half that nobody cares for."""
    of_seen = np.zeros(200, bool)
    of_seen[:150:5] = True
    offers = make_cold_start_splits(
        planted.catalog, planted.known & ~of_seen, ~planted.known | of_seen, planted.ratings
    )
    systems = {"ours": planted.vectors, "MFCC": planted.vectors[:, 5:]}
    return judge_offers(offers, planted.catalog.track_ids, systems, resamples=200)


def means(part, metric="AUC"):
    return {score.system: score.mean for row in part.rows if row.metric == metric for score in row.scores}


def test_every_system_stands_in_every_table_with_its_controls(judged):
    whole, unseen, seen, later = judged.section.parts
    assert [part.tracks for part in judged.section.parts] == [80, 50, 30, 80]
    assert (
        whole.systems
        == unseen.systems
        == seen.systems
        == ("ours", "MFCC", SHUFFLED, POPULARITY, BOUND, "chance")
    )
    assert later.systems == ("ours", "MFCC", SHUFFLED, KNOWN_POPULARITY, POPULARITY, BOUND, "chance")
    assert later.plays < whole.plays == unseen.plays + seen.plays


def test_vectors_that_hold_what_is_liked_foretell_it_and_others_do_not(judged):
    for part in judged.section.parts:
        found = means(part)
        assert found["ours"] > 0.7
        assert found["MFCC"] == pytest.approx(0.5, abs=0.1)
        assert found[SHUFFLED] == pytest.approx(0.5, abs=0.1)
        assert next(gain for gain in part.headline.gains if gain.system == "MFCC").low > 0
    assert judged.section.verdict.startswith("held-out tracks: ours: recall@20")


def test_notes_say_how_users_were_folded_in_and_what_is_popular(judged):
    notes = " ".join(judged.section.notes)
    for words in (
        "ridge regressions",
        "The cutoff is",
        "plays before the cutoff counted",
        "by unseen artists",
    ):
        assert words in notes


def test_users_scores_can_be_split(judged):
    assert len(judged.measures[0].groups) == len(judged.users) == len(judged.groups["activity"])
    assert judged.measures[0].scores["ours"].mean() == pytest.approx(
        means(judged.section.parts[0], "recall@20")["ours"]
    )
    halves = {"half": [("odd",) if row % 2 else ("even",) for row in range(len(judged.users))]}
    found = fairness(judged.measures, {**judged.groups, **halves}, resamples=100)
    assert any(score.gaps for score in found.scores if score.grouping == "half")
    assert all(score.flag for score in found.scores if score.grouping == "activity")  # six users a decile


def test_the_same_seed_gives_the_same_and_tracks_may_come_in_any_order(planted):
    offers = make_cold_start_splits(planted.catalog, planted.known, ~planted.known, planted.ratings)
    ids, order = planted.catalog.track_ids, np.random.default_rng(0).permutation(200)
    one = judge_offers(offers, ids, {"ours": planted.vectors}, resamples=50).section
    assert one == judge_offers(offers, ids, {"ours": planted.vectors}, resamples=50).section
    turned = judge_offers(
        offers, [ids[row] for row in order], {"ours": planted.vectors[order]}, resamples=50
    ).section
    assert means(turned.parts[0]) == pytest.approx(means(one.parts[0]))


@pytest.fixture
def own_users(planted):
    """Users of a model that hears just what is liked; one of them has gone, one has never played anything."""
    task = LatentFactorsTask(LatentFactorsConfig(factors=5), 60, 10)
    with torch.no_grad():
        task.head.weight.copy_(torch.eye(5, 10))
        task.head.bias.zero_()
    ids = [f"u{row:02d}" for row in range(1, 60)] + ["silent"]
    return KnownUsers(task.requires_grad_(False), ids, np.roll(planted.tastes, -1, axis=0).astype(np.float32))


def test_users_that_the_model_has_learnt_stand_first_and_are_the_only_ones_asked(planted, own_users):
    offers = make_cold_start_splits(
        planted.catalog, planted.known, ~planted.known, planted.ratings, own_users
    )
    judged = judge_offers(offers, planted.catalog.track_ids, {"ours": planted.vectors}, resamples=50)
    whole, later = judged.section.parts
    assert whole.systems[:2] == ("ours, its own users", "ours")
    assert set(judged.users) <= set(own_users.ids) - {"silent"} and len(judged.users) > 40
    assert (
        means(whole)["ours, its own users"] > means(whole)["ours"] > 0.7
    )  # tastes are known, and not folded in
    assert later.systems[0] == "ours"  # they were learnt from what came after the cutoff too
    with pytest.raises(UsageError, match=r"came without users\.parquet"):
        make_cold_start_splits(
            planted.catalog, planted.known, ~planted.known, planted.ratings, replace(own_users, ids=[])
        )


def test_what_cannot_be_judged_is_said(planted):
    offers = make_cold_start_splits(planted.catalog, planted.known, ~planted.known, planted.ratings)
    with pytest.raises(
        UsageError, match="0 tracks that users are known by have a vector by every system, and 50"
    ):
        judge_offers(offers, planted.catalog.track_ids[150:], {"ours": planted.vectors[150:]})
    with pytest.raises(UsageError, match="peer holds a NaN"):
        judge_offers(offers, planted.catalog.track_ids, {"peer": np.full((200, 3), np.nan)})
