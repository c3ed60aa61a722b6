"""Users with planted factors, their plays with a long tail of popularity, and annotators of similarity.

A track's factors come from its planted attributes alone, so a model that recognises those can recommend a
track that nobody has played; popularity has nothing to do with how a track sounds, so no model can predict
it. Tracks are as `recording.record` describes them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soundkin.corpus.genres import GENRES
from soundkin.statistics.scaling import standardise, unit_length

FACTORS = 12
GENRE_WEIGHT = 1.3
ATTRIBUTE_WEIGHTS = {
    "tempo_bpm": 0.6,
    "strokes_per_second": 0.6,
    "drums_per_second": 0.6,
    "sustain": 0.6,
    "minor": 0.5,
    "melody_pitch": 0.3,
    "brightness": 0.4,
}
SHARPNESS = 8.0  # how much more a user plays what they like
FIRST_DAY, LAST_DAY = 1_672_531_200, 1_735_689_600  # 2023-01-01 and 2025-01-01, in Unix seconds
ANNOTATORS = 8
ANNOTATORS_PER_QUESTION = 2

Factors = NDArray[np.float64]
Tracks = Sequence[dict[str, Any]]


def track_factors(tracks: Tracks, rng: np.random.Generator) -> Factors:
    """Unit-norm factors [tracks, FACTORS], a random projection of genres and standardised attributes."""
    perceived = [  # tempo and sustain in ratios
        {**track, "tempo_bpm": np.log(track["tempo_bpm"]), "sustain": np.log(track["sustain"] + 0.05)}
        for track in tracks
    ]
    attributes = np.array([[float(track[name]) for name in ATTRIBUTE_WEIGHTS] for track in perceived])
    attributes = standardise(attributes) * list(ATTRIBUTE_WEIGHTS.values())
    genres = np.array([[genre.name in track["genres"] for genre in GENRES] for track in tracks], dtype=float)
    described = np.hstack([GENRE_WEIGHT * genres / genres.sum(axis=1, keepdims=True), attributes])
    return unit_length(described @ rng.normal(size=(described.shape[1], FACTORS)))


def user_factors(tracks: Factors, users: int, rng: np.random.Generator) -> Factors:
    """Unit-norm factors [users, FACTORS]: each user likes the neighbourhood of one to three tracks."""
    factors = np.zeros((users, tracks.shape[1]))
    for user in factors:
        liked = rng.choice(len(tracks), size=rng.integers(1, 4))
        user += rng.dirichlet(np.ones(len(liked))) @ tracks[liked] + rng.normal(0, 0.1, len(user))
    return unit_length(factors)


def popularity(tracks: Tracks, rng: np.random.Generator) -> Factors:
    """Log popularity [tracks], part of it the artist's; its exponential has a long tail."""
    fame = {artist: rng.normal(0, 1.0) for artist in dict.fromkeys(track["artist"] for track in tracks)}
    return np.array([fame[track["artist"]] for track in tracks]) + rng.normal(0, 0.8, len(tracks))


def draw_plays(
    track_ids: Sequence[str],
    tracks: Factors,
    users: Factors,
    popularity: Factors,
    tracks_per_user: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Columns user_id, track_id, rating (number of plays), timestamp (of the last play, Unix seconds).

    A user draws tracks without replacement, by liking and popularity (Gumbel top-k); liked tracks are played
    more often.
    """
    liking = users @ tracks.T
    appeal = SHARPNESS * liking + popularity + rng.gumbel(size=liking.shape)
    order = np.argsort(-appeal, axis=1)
    log_mean = np.log(tracks_per_user) - 0.18  # half the variance less, so that the mean is as asked
    counts = rng.lognormal(log_mean, 0.6, len(users))
    counts = np.clip(counts.round().astype(int), 1, max(1, len(tracks) // 2))
    user, rank = np.nonzero(np.arange(len(tracks)) < counts[:, None])
    track = order[user, rank]
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
    """Columns anchor_id, closer_id, farther_id, annotator_id: answers by annotators of differing care.

    Every question goes to ANNOTATORS_PER_QUESTION of them. They mistake the order the more easily, the less
    the two similarities differ (a logistic choice).
    """
    count = count if len(tracks) >= 3 else 0
    questions = range(-(-count // ANNOTATORS_PER_QUESTION))
    picked = [rng.choice(len(tracks), 3, replace=False) for _ in questions]
    asked = [rng.choice(ANNOTATORS, ANNOTATORS_PER_QUESTION, replace=False) for _ in questions]
    annotator = np.array(asked, dtype=int).ravel()[:count]
    triplets = np.array(picked, dtype=int).reshape(-1, 3)
    anchor, first, second = np.repeat(triplets, ANNOTATORS_PER_QUESTION, axis=0)[:count].T
    carelessness = np.linspace(0.03, 0.3, ANNOTATORS)
    advantage = np.sum(tracks[anchor] * (tracks[first] - tracks[second]), axis=1)
    takes_first = advantage + carelessness[annotator] * rng.logistic(size=count) > 0
    ids = np.asarray(track_ids, dtype=object)
    return pd.DataFrame(
        {
            "anchor_id": ids[anchor],
            "closer_id": ids[np.where(takes_first, first, second)],
            "farther_id": ids[np.where(takes_first, second, first)],
            "annotator_id": [f"annotator-{number}" for number in annotator],
        }
    )
