from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planted_listeners import YEAR, plant

from soundkin.errors import CatalogError, UsageError
from soundkin.pipelines.judging.offers import ALL, SEEN, UNSEEN, make_cold_start_splits


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("planted"))


def offers(planted, known=None, held_out=None, **arguments):
    known = planted.known if known is None else known
    return make_cold_start_splits(
        planted.catalog, known, ~planted.known if held_out is None else held_out, planted.ratings, **arguments
    )


def of_matrix(matrix, users, track_ids):
    return {(users[row], track_ids[column]) for row, column in zip(*matrix.nonzero(), strict=True)}


def of_frame(frame, users, track_ids):
    kept = frame["user_id"].isin(users) & frame["track_id"].isin(track_ids)
    return set(zip(frame["user_id"][kept], frame["track_id"][kept], strict=True))


def test_users_are_known_by_the_known_tracks_and_asked_for_the_held_out_ones(planted):
    whole = offers(planted).offerings[0]
    frame, ids = planted.frame(), np.array(planted.catalog.track_ids)
    assert whole.known_ids == ids[planted.known].tolist()
    assert of_matrix(whole.liked, whole.users, whole.known_ids) == of_frame(
        frame, whole.users, whole.known_ids
    )
    assert of_matrix(whole.plays, whole.users, whole.held_out_ids) == of_frame(
        frame, whole.users, whole.held_out_ids
    )
    assert whole.before is None and whole.popularity is None
    assert (whole.bound[0].shape[0], whole.bound[1].shape[0]) == (len(whole.users), 50)


def test_before_a_cutoff_users_are_known_after_it_they_are_judged(planted):
    found = offers(planted)
    whole, later = found.offerings
    frame = planted.frame()
    cutoff = np.sort(frame["timestamp"])[int(0.8 * len(frame))]
    early, late = frame[frame["timestamp"] < cutoff], frame[frame["timestamp"] >= cutoff]
    assert of_matrix(later.liked, later.users, later.known_ids) == of_frame(
        early, later.users, later.known_ids
    )
    assert of_matrix(later.before, later.users, later.held_out_ids) == of_frame(
        early, later.users, later.held_out_ids
    )
    assert of_matrix(later.new_plays, later.users, later.held_out_ids) == of_frame(
        late, later.users, later.held_out_ids
    )
    everybodys = early["track_id"].value_counts().reindex(later.held_out_ids, fill_value=0)
    assert later.popularity.tolist() == everybodys.tolist()
    assert set(later.users) < set(whole.users)
    day = pd.Timestamp(cutoff, unit="s")
    assert list(later.parts) == [f"held-out tracks, plays since {day:%Y-%m-%d}"]
    assert f"The cutoff is {day:%Y-%m-%d %H:%M} UTC: {len(early)} ratings were made before it" in " ".join(
        found.notes
    )


def test_a_cutoff_may_be_given(planted):
    found = offers(planted, cutoff=pd.Timestamp(YEAR // 2, unit="s", tz="UTC"))
    assert list(found.offerings[1].parts) == ["held-out tracks, plays since 1970-07-02"]


def test_a_track_played_before_and_again_is_not_new(planted, tmp_path):
    first = planted.frame()
    again = first.assign(timestamp=first["timestamp"] + 2 * YEAR)
    both = replace(planted, ratings=tmp_path / "ratings.csv")
    pd.concat([first, again]).to_csv(both.ratings, index=False)
    found = offers(both, cutoff=pd.Timestamp(YEAR + 1, unit="s", tz="UTC"))
    assert len(found.offerings) == 1
    assert any("nobody who is known before" in note for note in found.notes)


def test_ratings_without_times_are_not_split(planted, tmp_path):
    timeless = replace(planted, ratings=tmp_path / "ratings.csv")
    planted.frame().drop(columns="timestamp").to_csv(timeless.ratings, index=False)
    found = offers(timeless)
    assert len(found.offerings) == 1
    assert any("No split by time" in note for note in found.notes)


def test_ratings_of_unknown_time_are_on_no_side_and_no_news(planted, tmp_path):
    some = replace(planted, ratings=tmp_path / "ratings.csv")
    frame = planted.frame().astype({"timestamp": object})
    frame.loc[frame.index % 3 == 0, "timestamp"] = None
    frame.to_csv(some.ratings, index=False)
    later = offers(some).offerings[1]
    untimed = of_frame(frame[frame["timestamp"].isna()], later.users, later.held_out_ids)
    assert untimed <= of_matrix(later.before, later.users, later.held_out_ids)
    assert not untimed & of_matrix(later.new_plays, later.users, later.held_out_ids)
    unknown = of_frame(frame[frame["timestamp"].isna()], later.users, later.known_ids)
    assert not unknown & of_matrix(later.liked, later.users, later.known_ids)


def test_tracks_of_seen_and_unseen_artists_are_told_apart_where_there_are_both(planted):
    of_seen = np.zeros(200, bool)
    of_seen[:150:5] = True  # one track by each known artist
    found = offers(planted, known=planted.known & ~of_seen, held_out=~planted.known | of_seen)
    parts = found.offerings[0].parts
    ids = np.array(found.offerings[0].held_out_ids)
    assert list(parts) == [ALL, UNSEEN, SEEN]
    assert set(ids[parts[SEEN]]) == set(np.array(planted.catalog.track_ids)[of_seen])
    assert set(ids[parts[UNSEEN]]) == set(np.array(planted.catalog.track_ids)[~planted.known])
    assert "50 held-out tracks are by unseen artists, 30 by artists of tracks" in found.notes[0]
    assert found.offerings[0].of_held_out(parts[SEEN]).plays.shape[1] == 30


def test_a_guest_and_another_spelling_are_no_unseen_artists(planted):
    frame = planted.catalog.frame
    artists = frame["artist"].to_numpy(object, copy=True)
    rows = np.flatnonzero(~planted.known)
    artists[rows[0]] = f"{artists[rows[0]]} feat. {artists[0].upper()}"
    artists[rows[1]], artists[1] = "Various Artists", "VA"
    spelled = replace(planted, catalog=replace(planted.catalog, frame=frame.assign(artist=artists)))
    found = offers(spelled).offerings[0]
    assert np.array(found.held_out_ids)[found.parts[SEEN]].tolist() == [planted.catalog.track_ids[rows[0]]]


def test_a_split_that_leaves_one_kind_says_so(planted):
    assert "All held-out tracks are by unseen artists" in offers(planted).notes[0]
    first = np.arange(200) % 5 == 0
    assert "All held-out tracks are by seen artists" in offers(planted, known=~first, held_out=first).notes[0]
    nameless = replace(
        planted, catalog=replace(planted.catalog, frame=planted.catalog.frame.drop(columns="artist"))
    )
    assert "names no artists" in offers(nameless).notes[0]


def test_tracks_that_could_not_be_heard_are_neither_known_nor_offered(planted):
    whole = offers(planted).offerings[0]
    heard = [track_id for track_id in planted.catalog.track_ids if track_id not in ("t000", "t199")]
    kept = whole.among(heard)
    assert (len(kept.known_ids), len(kept.held_out_ids)) == (149, 49)
    assert kept.liked.toarray().tolist() == whole.liked[:, 1:].toarray().tolist()
    assert kept.plays.toarray().tolist() == whole.plays[:, :-1].toarray().tolist()
    assert kept.bound[1].tolist() == whole.bound[1][:-1].tolist()
    assert len(kept.parts[ALL]) == 49


def test_users_who_like_no_known_track_are_not_asked(planted, tmp_path):
    more = replace(planted, ratings=tmp_path / "ratings.csv")
    stranger = pd.DataFrame([{"user_id": "new", "track_id": "t199", "rating": 1, "timestamp": 5}])
    pd.concat([planted.frame(), stranger]).to_csv(more.ratings, index=False)
    found = offers(more)
    assert "new" not in found.offerings[0].users
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
