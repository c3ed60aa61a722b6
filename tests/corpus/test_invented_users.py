from typing import Any

import numpy as np
import pytest

from soundkin.corpus.invented_users import draw_plays, draw_triplets, popularity, track_factors, user_factors

TRACK = {
    "genres": ("house",),
    "artist": "A",
    "tempo_bpm": 120.0,
    "minor": True,
    "strokes_per_second": 6.0,
    "drums_per_second": 3.0,
    "sustain": 0.3,
    "melody_pitch": 70.0,
    "brightness": 0.0,
}
IDS = [f"track-{number}" for number in range(200)]


def some_tracks() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    genres = ("house", "waltz", "ambient", "swing")
    return [
        TRACK
        | {
            "genres": (genres[number % 4],),
            "artist": f"artist-{number % 40}",
            "tempo_bpm": float(rng.uniform(60, 180)),
        }
        for number in range(len(IDS))
    ]


def planted() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    tracks = track_factors(some_tracks(), rng)
    return tracks, user_factors(tracks, 300, rng)


def test_tastes_have_unit_norm_and_follow_what_can_be_heard() -> None:
    tracks, users = planted()
    assert np.allclose(np.linalg.norm(tracks, axis=1), 1) and np.allclose(np.linalg.norm(users, axis=1), 1)
    similarity = tracks @ tracks.T
    same_genre = np.arange(len(IDS))[:, None] % 4 == np.arange(len(IDS)) % 4
    assert similarity[same_genre].mean() > similarity[~same_genre].mean() + 0.3


def test_equal_tracks_have_equal_factors_even_if_all_are() -> None:
    factors = track_factors([TRACK, TRACK, TRACK], np.random.default_rng(0))
    assert np.isfinite(factors).all() and np.allclose(factors[0], factors[1])


def test_users_play_what_they_like_and_each_track_once_in_the_table() -> None:
    tracks, users = planted()
    fame = popularity(some_tracks(), np.random.default_rng(2))
    plays = draw_plays(IDS, tracks, users, fame, 15.0, np.random.default_rng(3))
    liking = users @ tracks.T
    played = np.zeros_like(liking, dtype=bool)
    rows = plays["user_id"].str.removeprefix("user-").astype(int)
    columns = plays["track_id"].str.removeprefix("track-").astype(int)
    played[rows, columns] = True
    assert played.sum() == len(plays)
    assert liking[played].mean() > liking[~played].mean() + 0.3
    assert len(plays) / 300 == pytest.approx(15, rel=0.15)
    assert plays["rating"].min() >= 1


def test_popularity_has_a_long_tail() -> None:
    tracks, users = planted()
    fame = popularity(some_tracks(), np.random.default_rng(2))
    counts = draw_plays(IDS, tracks, users, fame, 15.0, np.random.default_rng(3))["track_id"].value_counts()
    assert counts.iloc[:20].sum() > 0.2 * counts.sum()  # the first tenth
    assert np.corrcoef(np.exp(fame), [counts.get(track, 0) for track in IDS])[0, 1] > 0.3


def test_careful_annotators_agree_with_the_truth_more_than_careless_ones() -> None:
    tracks, _ = planted()
    triplets = draw_triplets(IDS, tracks, 4000, np.random.default_rng(4))
    anchor, closer, farther = (
        tracks[triplets[name].str.removeprefix("track-").astype(int)]
        for name in ("anchor_id", "closer_id", "farther_id")
    )
    right = np.sum(anchor * (closer - farther), axis=1) > 0
    by_annotator = [right[triplets["annotator_id"] == f"annotator-{number}"].mean() for number in (0, 7)]
    assert by_annotator[0] > 0.95 > 0.85 > by_annotator[1] > 0.6


def test_every_question_is_put_to_two_people() -> None:
    triplets = draw_triplets(IDS, planted()[0], 400, np.random.default_rng(4))
    pairs = triplets[["closer_id", "farther_id"]].apply(lambda row: tuple(sorted(row)), axis=1)
    asked = triplets.groupby([triplets["anchor_id"], pairs])["annotator_id"]
    assert (asked.nunique() == 2).all() and (asked.size() == 2).all()


def test_too_few_tracks_make_no_triplets_and_no_users_no_plays() -> None:
    tracks, _ = planted()
    assert draw_triplets(IDS[:2], tracks[:2], 10, np.random.default_rng(0)).empty
    nobody = user_factors(tracks, 0, np.random.default_rng(0))
    assert draw_plays(IDS, tracks, nobody, np.zeros(200), 15.0, np.random.default_rng(0)).empty
