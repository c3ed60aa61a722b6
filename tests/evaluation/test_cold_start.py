from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from planted_plays import YEAR, plant
from scipy.sparse import csr_matrix

from soundkin.embedding.known_users import KnownUsers
from soundkin.errors import CatalogError, UsageError
from soundkin.evaluation.cold_start import ALL, SEEN, UNSEEN, ColdStart, cold_start, read_cold_start
from soundkin.evaluation.fairness import fairness
from soundkin.evaluation.user_rankings import (
    BOUND,
    KNOWN_POPULARITY,
    POPULARITY,
    SHUFFLED,
    user_rankings,
    without_known,
)
from soundkin.tasks.latent_factors import LatentFactorsConfig, LatentFactorsTask


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def judged(planted):
    """Ours hears what is liked, under a noise; MFCC only the half that nobody cares for."""
    of_seen = np.zeros(200, bool)
    of_seen[:150:5] = True
    offers = read_cold_start(
        planted.catalog, planted.known & ~of_seen, ~planted.known | of_seen, planted.ratings
    )
    systems = {"ours": planted.vectors, "MFCC": planted.vectors[:, 5:]}
    return cold_start(offers, planted.catalog.track_ids, systems, resamples=200)


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
    assert len(judged.measures[0].groups) == len(judged.groups["activity"])
    assert judged.measures[0].scores["ours"].mean() == pytest.approx(
        means(judged.section.parts[0], "recall@20")["ours"]
    )
    halves = {"half": [("odd",) if row % 2 else ("even",) for row in range(len(judged.groups["activity"]))]}
    found = fairness(judged.measures, {**judged.groups, **halves}, resamples=100)
    assert any(score.gaps for score in found.scores if score.grouping == "half")
    assert all(score.flag for score in found.scores if score.grouping == "activity")  # six users a decile


def test_the_same_seed_gives_the_same_and_tracks_may_come_in_any_order(planted):
    offers = read_cold_start(planted.catalog, planted.known, ~planted.known, planted.ratings)
    ids, order = planted.catalog.track_ids, np.random.default_rng(0).permutation(200)
    one = cold_start(offers, ids, {"ours": planted.vectors}, resamples=50).section
    assert one == cold_start(offers, ids, {"ours": planted.vectors}, resamples=50).section
    turned = cold_start(
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
    offers = read_cold_start(planted.catalog, planted.known, ~planted.known, planted.ratings, own_users)
    judged = cold_start(offers, planted.catalog.track_ids, {"ours": planted.vectors}, resamples=50)
    whole, later = judged.section.parts
    assert whole.systems[:2] == ("ours, its own users", "ours")
    users = offers.splits[0].users
    assert set(users) <= set(own_users.ids) - {"silent"} and len(users) > 40
    assert (
        means(whole)["ours, its own users"] > means(whole)["ours"] > 0.7
    )  # tastes are known, and not folded in
    assert later.systems[0] == "ours"  # they were learnt from what came after the cutoff too
    with pytest.raises(UsageError, match=r"came without users\.parquet"):
        read_cold_start(
            planted.catalog, planted.known, ~planted.known, planted.ratings, replace(own_users, ids=[])
        )


def test_what_cannot_be_judged_is_said(planted):
    offers = read_cold_start(planted.catalog, planted.known, ~planted.known, planted.ratings)
    with pytest.raises(
        UsageError, match="0 tracks that users are known by have a vector by every system, and 50"
    ):
        cold_start(offers, planted.catalog.track_ids[150:], {"ours": planted.vectors[150:]})
    with pytest.raises(UsageError, match="the vector of track t000 by peer holds a NaN"):
        cold_start(offers, planted.catalog.track_ids, {"peer": np.full((200, 3), np.nan)})


def offers(planted, known=None, held_out=None, **arguments):
    known = planted.known if known is None else known
    return read_cold_start(
        planted.catalog, known, ~planted.known if held_out is None else held_out, planted.ratings, **arguments
    )


def of_matrix(matrix, users, track_ids):
    return {(users[row], track_ids[column]) for row, column in zip(*matrix.nonzero(), strict=True)}


def new_plays(split):
    return without_known(split.plays, split.before)


def of_frame(frame, users, track_ids):
    kept = frame["user_id"].isin(users) & frame["track_id"].isin(track_ids)
    return set(zip(frame["user_id"][kept], frame["track_id"][kept], strict=True))


def test_users_are_known_by_the_known_tracks_and_asked_for_the_held_out_ones(planted):
    splits = offers(planted)
    whole, frame, ids = splits.splits[0], planted.frame(), planted.catalog.track_ids
    assert np.array_equal(splits.known, planted.known) and np.array_equal(whole.parts[ALL], ~planted.known)
    assert of_matrix(whole.liked, whole.users, ids) == of_frame(frame, whole.users, ids)
    assert of_matrix(whole.plays, whole.users, ids) == of_frame(frame, whole.users, ids)
    assert whole.before is None and whole.popularity is None
    assert (whole.bound[0].shape[0], whole.bound[1].shape[0]) == (len(whole.users), 200)
    assert splits.needed_ids() == set(ids)


def test_before_a_cutoff_users_are_known_after_it_they_are_judged(planted):
    found = offers(planted)
    whole, later = found.splits
    frame = planted.frame()
    cutoff = np.sort(frame["timestamp"])[int(0.8 * len(frame))]
    early, late = frame[frame["timestamp"] < cutoff], frame[frame["timestamp"] >= cutoff]
    ids = planted.catalog.track_ids
    assert of_matrix(later.liked, later.users, ids) == of_frame(early, later.users, ids)
    assert of_matrix(later.before, later.users, ids) == of_frame(early, later.users, ids)
    assert of_matrix(new_plays(later), later.users, ids) == of_frame(late, later.users, ids)
    everybodys = early["track_id"].value_counts().reindex(ids, fill_value=0)
    assert later.popularity.tolist() == everybodys.tolist()
    assert set(later.users) < set(whole.users)
    day = pd.Timestamp(cutoff, unit="s")
    assert list(later.parts) == [f"held-out tracks, plays since {day:%Y-%m-%d}"]
    assert f"The cutoff is {day:%Y-%m-%d %H:%M} UTC: {len(early)} ratings were made before it" in " ".join(
        found.notes
    )


def test_a_cutoff_may_be_given(planted):
    found = offers(planted, cutoff=pd.Timestamp(YEAR // 2, unit="s", tz="UTC"))
    assert list(found.splits[1].parts) == ["held-out tracks, plays since 1970-07-02"]


def test_a_track_played_before_and_again_is_not_new(planted, tmp_path):
    first = planted.frame()
    again = first.assign(timestamp=first["timestamp"] + 2 * YEAR)
    both = replace(planted, ratings=tmp_path / "ratings.csv")
    pd.concat([first, again]).to_csv(both.ratings, index=False)
    found = offers(both, cutoff=pd.Timestamp(YEAR + 1, unit="s", tz="UTC"))
    assert len(found.splits) == 1
    assert any("nobody who is known before" in note for note in found.notes)


def test_ratings_without_times_are_not_split(planted, tmp_path):
    timeless = replace(planted, ratings=tmp_path / "ratings.csv")
    planted.frame().drop(columns="timestamp").to_csv(timeless.ratings, index=False)
    found = offers(timeless)
    assert len(found.splits) == 1
    assert any("No split by time" in note for note in found.notes)


def test_ratings_of_unknown_time_are_on_no_side_and_no_news(planted, tmp_path):
    some = replace(planted, ratings=tmp_path / "ratings.csv")
    frame = planted.frame().astype({"timestamp": object})
    frame.loc[frame.index % 3 == 0, "timestamp"] = None
    frame.to_csv(some.ratings, index=False)
    later = offers(some).splits[1]
    ids = planted.catalog.track_ids
    untimed = of_frame(frame[frame["timestamp"].isna()], later.users, ids)
    assert untimed <= of_matrix(later.before, later.users, ids)
    assert not untimed & of_matrix(new_plays(later), later.users, ids)
    assert not untimed & of_matrix(later.liked, later.users, ids)


def test_tracks_of_seen_and_unseen_artists_are_told_apart_where_there_are_both(planted):
    of_seen = np.zeros(200, bool)
    of_seen[:150:5] = True  # one track by each known artist
    found = offers(planted, known=planted.known & ~of_seen, held_out=~planted.known | of_seen)
    parts = found.splits[0].parts
    ids = np.array(planted.catalog.track_ids)
    assert list(parts) == [ALL, UNSEEN, SEEN]
    assert set(ids[parts[SEEN]]) == set(np.array(planted.catalog.track_ids)[of_seen])
    assert set(ids[parts[UNSEEN]]) == set(np.array(planted.catalog.track_ids)[~planted.known])
    assert "50 held-out tracks are by unseen artists, 30 by artists of tracks" in found.notes[0]


def test_a_guest_and_another_spelling_are_no_unseen_artists(planted):
    frame = planted.catalog.frame
    artists = frame["artist"].to_numpy(object, copy=True)
    rows = np.flatnonzero(~planted.known)
    artists[rows[0]] = f"{artists[rows[0]]} feat. {artists[0].upper()}"
    artists[rows[1]], artists[1] = "Various Artists", "VA"
    spelled = replace(planted, catalog=replace(planted.catalog, frame=frame.assign(artist=artists)))
    found = offers(spelled).splits[0]
    assert np.flatnonzero(found.parts[SEEN]).tolist() == [rows[0]]


def test_a_split_that_leaves_one_kind_says_so(planted):
    assert "All held-out tracks are by unseen artists" in offers(planted).notes[0]
    first = np.arange(200) % 5 == 0
    assert "All held-out tracks are by seen artists" in offers(planted, known=~first, held_out=first).notes[0]
    nameless = replace(
        planted, catalog=replace(planted.catalog, frame=planted.catalog.frame.drop(columns="artist"))
    )
    assert "names no artists" in offers(nameless).notes[0]


def test_tracks_without_a_vector_might_as_well_not_be_known_or_held_out(planted):
    ids, kept = planted.catalog.track_ids, np.ones(200, bool)
    kept[[0, 199]] = False
    some = {"ours": planted.vectors[kept]}, {"ours": planted.vectors}
    without = cold_start(offers(planted), np.array(ids)[kept].tolist(), some[0], resamples=50)
    unasked = offers(planted, known=planted.known & kept, held_out=~planted.known & kept)
    left_out = cold_start(unasked, ids, some[1], resamples=50)
    assert [part.tracks for part in without.section.parts] == [49, 49]
    for one, other in zip(without.section.parts, left_out.section.parts, strict=True):
        assert one.rows == other.rows and one.plays == other.plays


def test_users_who_like_no_known_track_are_not_asked(planted, tmp_path):
    more = replace(planted, ratings=tmp_path / "ratings.csv")
    stranger = pd.DataFrame([{"user_id": "new", "track_id": "t199", "rating": 1, "timestamp": 5}])
    pd.concat([planted.frame(), stranger]).to_csv(more.ratings, index=False)
    found = offers(more)
    assert "new" not in found.splits[0].users
    assert "Users who like none of the known tracks are not asked: 1." in found.notes


def test_what_cannot_be_offered_is_said_at_once(planted, tmp_path):
    nobody = replace(planted, ratings=tmp_path / "ratings.csv")
    planted.frame().query("track_id < 't100'").to_csv(nobody.ratings, index=False)
    with pytest.raises(
        UsageError, match=r"none of \d+ users likes both one of the 150 tracks .* the 50 held-out"
    ):
        offers(nobody)
    planted.frame().assign(rating=0).to_csv(nobody.ratings, index=False)
    with pytest.raises(CatalogError, match="no rating says that a user likes a track"):
        offers(nobody)


def part(offered, scale=1.0):
    rng = np.random.default_rng(0)
    users, tracks = rng.normal(size=(30, 4)), rng.normal(size=(50, 4))
    plays = csr_matrix(((users @ tracks.T) > 2).astype(float))
    systems = {"ours": (users, scale * tracks), "peer": (users, tracks)}
    return user_rankings(systems, (users, tracks), plays, resamples=30)[0].model_copy(
        update={"offered": offered}
    )


def test_the_verdict_is_the_first_parts_and_says_whom_ours_does_not_beat():
    found = ColdStart(parts=(part("held-out tracks"), part("tracks of seen artists", -1)))
    assert found.verdict.startswith("held-out tracks: not shown to beat peer: ours: recall@20 ")


def test_the_table_says_what_was_offered_to_how_many():
    found = ColdStart(parts=(part("held-out tracks"), part("tracks of seen artists")))
    table = found.table()
    assert [row["offered"] for row in table[:1] + table[-1:]] == [
        "held-out tracks (50)",
        "tracks of seen artists (50)",
    ]
    assert {row["system"] for row in table} == {
        "ours", "peer", "shuffled", "popularity (oracle)", "upper bound", "chance",
    }  # fmt: skip
    assert ColdStart.model_validate_json(found.model_dump_json()) == found
