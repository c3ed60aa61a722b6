"""People who listen: tastes planted in what can be heard, plays with a long tail of popularity, judges of
similarity.

A track's taste factors come from its planted attributes alone, so a model that hears those can recommend a
track that nobody has played; popularity has nothing to do with how a track sounds, so nobody can hear it.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soundkin.corpus.genres import GENRES
from soundkin.corpus.recording import TrackTruth

FACTORS = 12
GENRE_WEIGHT = 1.3
ATTRIBUTE_WEIGHTS = {
    "tempo": 0.6, "strokes": 0.6, "drums": 0.6, "sustain": 0.6, "minor": 0.5, "melody": 0.3, "brightness": 0.4,
}  # fmt: skip
SHARPNESS = 8.0  # how much more a user plays what they like
FIRST_DAY, LAST_DAY = 1_672_531_200, 1_735_689_600  # 2023-01-01 and 2025-01-01, in Unix seconds
ANNOTATORS = 8
JUDGES = 2  # of each question

Factors = NDArray[np.float64]


def track_factors(tracks: Sequence[TrackTruth], rng: np.random.Generator) -> Factors:
    """Unit-norm taste factors [tracks, FACTORS], a random projection of genres and standardised attributes."""
    attributes = np.array([_audible(track) for track in tracks])
    spread = attributes.std(axis=0)
    attributes = (attributes - attributes.mean(axis=0)) / np.where(spread > 0, spread, 1)
    attributes *= list(ATTRIBUTE_WEIGHTS.values())
    genres = np.array([[genre.name in track.genres for genre in GENRES] for track in tracks], dtype=float)
    described = np.hstack([GENRE_WEIGHT * genres / genres.sum(axis=1, keepdims=True), attributes])
    return _unit(described @ rng.normal(size=(described.shape[1], FACTORS)))


def _audible(track: TrackTruth) -> list[float]:
    """In the order of ATTRIBUTE_WEIGHTS."""
    return [
        np.log(track.tempo_bpm),
        track.strokes_per_second,
        track.drums_per_second,
        np.log(track.sustain + 0.05),
        float(track.minor),
        track.melody_pitch,
        track.brightness,
    ]


def user_factors(tracks: Factors, users: int, rng: np.random.Generator) -> Factors:
    """Unit-norm tastes [users, FACTORS]: each user is fond of the surroundings of one to three tracks."""
    tastes = np.zeros((users, tracks.shape[1]))
    for taste in tastes:
        loved = rng.choice(len(tracks), size=rng.integers(1, 4))
        taste += rng.dirichlet(np.ones(len(loved))) @ tracks[loved] + rng.normal(0, 0.1, len(taste))
    return _unit(tastes)


def popularity(tracks: Sequence[TrackTruth], rng: np.random.Generator) -> Factors:
    """Log popularity [tracks], part of it the artist's; its exponential has a long tail."""
    fame = {artist: rng.normal(0, 1.0) for artist in dict.fromkeys(track.artist for track in tracks)}
    return np.array([fame[track.artist] for track in tracks]) + rng.normal(0, 0.8, len(tracks))


def draw_plays(
    track_ids: Sequence[str],
    tracks: Factors,
    users: Factors,
    popularity: Factors,
    tracks_per_user: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Columns user_id, track_id, rating (number of plays), timestamp (of the last play, Unix seconds).

    A user draws tracks without replacement, by taste and popularity (Gumbel top-k); loved tracks are played
    more often.
    """
    liking = users @ tracks.T
    appeal = SHARPNESS * liking + popularity + rng.gumbel(size=liking.shape)
    order = np.argsort(-appeal, axis=1)
    counts = rng.lognormal(
        np.log(tracks_per_user) - 0.18, 0.6, len(users)
    )  # 0.18: half the variance keeps the mean
    counts = np.clip(counts.round().astype(int), 1, max(1, len(tracks) // 2))
    user = np.repeat(np.arange(len(users)), counts)
    track = np.concatenate([row[:count] for row, count in zip(order, counts, strict=True)] or [order.ravel()])
    return pd.DataFrame(
        {
            "user_id": [f"user-{number:04d}" for number in user],
            "track_id": np.asarray(track_ids)[track],
            "rating": 1 + rng.poisson(np.exp(2 * liking[user, track]) * rng.gamma(1.0, 1.0, len(user))),
            "timestamp": rng.integers(FIRST_DAY, LAST_DAY, len(user)),
        }
    )


def draw_triplets(
    track_ids: Sequence[str], tracks: Factors, count: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Columns anchor_id, closer_id, farther_id, annotator_id: judgements by people of differing care.

    Every question is put to JUDGES people. An annotator mistakes the order the more easily, the less the two
    similarities differ (a logistic choice).
    """
    if len(tracks) < 3:
        count = 0
    questions = -(-count // JUDGES)
    picked = np.array(
        [rng.choice(len(tracks), 3, replace=False) for _ in range(questions)], dtype=int
    ).reshape(-1, 3)
    judges = np.array([rng.choice(ANNOTATORS, JUDGES, replace=False) for _ in range(questions)], dtype=int)
    picked, annotator = np.repeat(picked, JUDGES, axis=0)[:count], judges.ravel()[:count]
    carelessness = np.linspace(0.03, 0.3, ANNOTATORS)
    anchor, one, other = picked.T
    advantage = np.sum(tracks[anchor] * (tracks[one] - tracks[other]), axis=1)
    takes_one = advantage + carelessness[annotator] * rng.logistic(size=count) > 0
    ids = np.asarray(track_ids, dtype=object)
    return pd.DataFrame(
        {
            "anchor_id": ids[anchor],
            "closer_id": ids[np.where(takes_one, one, other)],
            "farther_id": ids[np.where(takes_one, other, one)],
            "annotator_id": [f"annotator-{number}" for number in annotator],
        }
    )


def _unit(vectors: Factors) -> Factors:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)  # type: ignore[no-any-return]
