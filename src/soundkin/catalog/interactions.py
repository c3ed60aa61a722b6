"""Interactions: ratings as a sparse table of users and tracks: who likes what, and how sure that is.

Preference and confidence are those of Y. Hu, Y. Koren, C. Volinsky, "Collaborative Filtering for Implicit
Feedback Datasets" (2008), with c = 1 + alpha log(1 + r / epsilon) as A. van den Oord et al. 2013 use it.
Rating biases: Y. Koren, R. Bell, "Advances in Collaborative Filtering" (2011), baseline predictors. Exposure:
T. Schnabel et al., "Recommendations as Treatments" (2016); Y. Saito et al., "Unbiased Recommender Learning
from Missing-Not-At-Random Implicit Feedback" (2020), whose propensity is (listeners / most listeners) ^ 0.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from soundkin.config import Config
from soundkin.errors import CatalogError
from soundkin.extras import require
from soundkin.shapes import Float, Float32, Int, typechecked

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BIAS_ROUNDS = 200  # a round is two passes over the ratings; most tables settle within twenty
BIAS_PRECISION = 1e-7  # in units of the rating
PREFERENCE_DIGITS = 6  # residual ratings are rounded, or else a residual of 1e-16 would be a positive


class InteractionsConfig(Config):
    """How ratings become positives: plays, likes (1) and skips (0 or less), or stars."""

    feedback: Literal["implicit", "explicit"] = Field(
        "implicit", description="plays, likes and skips, or stars"
    )
    liked_above: float = Field(
        0.0, ge=0.0, description="positive are more plays than this, or more stars than this above the biases"
    )
    dislikes: bool = Field(False, description="skips and stars below the biases are negatives, not unknown")
    most_plays: float = Field(100.0, gt=0.0, description="more plays of a track by a user count as this many")
    alpha: float = Field(20.0, gt=0.0, description="confidence in a positive: 1 + alpha log(1 + r / epsilon)")
    epsilon: float = Field(
        1.0, gt=0.0, description="plays, or stars above the biases, that scale the logarithm"
    )
    user_shrinkage: float = Field(10.0, ge=0.0, description="ratings at which half of a user's bias counts")
    track_shrinkage: float = Field(25.0, ge=0.0, description="ratings at which half of a track's bias counts")
    propensity_power: float = Field(
        0.0, ge=0.0, le=1.0, description="positives weigh 1 / (listeners / most listeners) ^ this; 0: alike"
    )
    least_propensity: float = Field(0.1, gt=0.0, le=1.0, description="propensities below this count as this")


@dataclass(frozen=True, eq=False)
class Interactions:
    """Who likes what; users and tracks without a positive are left out, the others are in order of their ids.

    `confidence` [users, tracks] is above 0 where a user likes a track, below 0 (and as sure as its size)
    where they dislike it, and not stored where nothing is known, which counts as a dislike of confidence 1.
    `track_weights` are the inverse propensities, 1 on average over the positives.
    """

    users: list[str]
    tracks: list[str]
    confidence: "csr_matrix[np.float32]"
    track_weights: Float32[np.ndarray, " tracks"]

    def listeners(self) -> Int[np.ndarray, " tracks"]:
        """How many users like each track."""
        return np.bincount(self.confidence.indices[self.confidence.data > 0], minlength=len(self.tracks))

    def plays(self, users: Sequence[str], track_ids: Sequence[str]) -> "csr_matrix":
        """Who likes which of these tracks, [users, tracks]; nobody and nothing that is not known here."""
        from scipy.sparse import csr_matrix

        known = self.confidence.tocoo()
        rows = pd.Index(users).get_indexer(pd.Index(self.users))[known.row]
        columns = pd.Index(track_ids).get_indexer(pd.Index(self.tracks))[known.col]
        kept = (rows >= 0) & (columns >= 0) & (known.data > 0)
        ones = np.ones(kept.sum(), np.float32)
        return csr_matrix((ones, (rows[kept], columns[kept])), shape=(len(users), len(track_ids)))


@dataclass(frozen=True, eq=False)
class RatingBiases:
    """Baseline of a rating: mean + user's bias + track's bias."""

    mean: float
    users: Float[np.ndarray, " users"]
    tracks: Float[np.ndarray, " tracks"]


def make_interactions(ratings: pd.DataFrame, config: InteractionsConfig, source: str) -> Interactions:
    """The positives in `ratings`, as `read_ratings` returns them; `source` opens messages.

    Rows about the same user and track are summed if they are plays; of stars the last count. Raises
    CatalogError if there is no positive.
    """
    require("evaluate", "learning from ratings")
    from scipy.sparse import csr_matrix

    pairs = _one_row_a_pair(ratings, config)
    users, user_ids = pd.factorize(pairs["user_id"], sort=True)
    tracks, track_ids = pd.factorize(pairs["track_id"], sort=True)
    strength = _strength(pairs["rating"].to_numpy(np.float64), users, tracks, config)
    liked = strength > config.liked_above
    if not liked.any():
        above = f"Plays and likes are numbers above {config.liked_above:g}"
        hint = f"{above}; for stars set listening.feedback=explicit"
        if config.feedback == "explicit":
            usual = "what the user and the track usually get"
            hint = f"Stars say it by being above {usual}; for plays or likes set listening.feedback=implicit"
        raise CatalogError(f"{source}: no rating says that a user likes a track. {hint}.")
    known = np.isin(users, users[liked]) & np.isin(tracks, tracks[liked])
    stored = known & (liked | (strength < 0) if config.dislikes else liked)
    kept_users, users = np.unique(users[stored], return_inverse=True)
    kept_tracks, tracks = np.unique(tracks[stored], return_inverse=True)
    liked, strength = liked[stored], strength[stored]
    listeners = np.bincount(tracks[liked], minlength=len(kept_tracks))
    propensity = (listeners / listeners.max()) ** config.propensity_power
    weights = 1 / np.maximum(propensity, config.least_propensity)
    weights /= np.average(weights, weights=listeners)
    surer = config.alpha * np.log1p(np.abs(strength) / config.epsilon) * np.where(liked, weights[tracks], 1.0)
    signed = np.where(liked, 1 + surer, -1 - surer).astype(np.float32)
    confidence = csr_matrix((signed, (users, tracks)), shape=(len(kept_users), len(kept_tracks)))
    confidence.sort_indices()
    return Interactions(
        np.asarray(user_ids, object)[kept_users].tolist(),
        np.asarray(track_ids, object)[kept_tracks].tolist(),
        confidence,
        weights.astype(np.float32),
    )


@typechecked
def rating_biases(
    ratings: Float[np.ndarray, " ratings"],
    users: Int[np.ndarray, " ratings"],
    tracks: Int[np.ndarray, " ratings"],
    user_shrinkage: float,
    track_shrinkage: float,
) -> RatingBiases:
    """Damped means of what the mean and the other bias leave, taken in turns until they converge.

    One turn is Koren and Bell's estimate. More turns lead to the minimum of sum (rating - mean - user -
    track)^2 + user_shrinkage sum user^2 + track_shrinkage sum track^2, which is right also where harsh users
    rate other tracks than mild ones do. `users` and `tracks` count from 0.
    """
    mean = float(ratings.mean())
    user_counts, track_counts = np.bincount(users), np.bincount(tracks)
    user_biases, track_biases = np.zeros(len(user_counts)), np.zeros(len(track_counts))
    for _ in range(BIAS_ROUNDS):
        before = user_biases
        residual = np.bincount(tracks, ratings - mean - user_biases[users])
        track_biases = residual / np.maximum(track_shrinkage + track_counts, 1.0)
        residual = np.bincount(users, ratings - mean - track_biases[tracks])
        user_biases = residual / np.maximum(user_shrinkage + user_counts, 1.0)
        if np.abs(user_biases - before).max() < BIAS_PRECISION:
            break
    return RatingBiases(mean, user_biases, track_biases)


def _one_row_a_pair(ratings: pd.DataFrame, config: InteractionsConfig) -> pd.DataFrame:
    pair = ["user_id", "track_id"]
    if config.feedback == "implicit":
        return ratings.groupby(pair, as_index=False)[["rating"]].sum()
    if "timestamp" in ratings:
        ratings = ratings.sort_values("timestamp", kind="stable", na_position="first")
    return ratings.drop_duplicates(pair, keep="last").sort_values(pair)


def _strength(
    ratings: Float[np.ndarray, " pairs"],
    users: Int[np.ndarray, " pairs"],
    tracks: Int[np.ndarray, " pairs"],
    config: InteractionsConfig,
) -> Float[np.ndarray, " pairs"]:
    """Plays, capped, a skip being a play less than none; or stars less the biases of user and track."""
    if config.feedback == "implicit":
        plays = np.where(ratings > 0, ratings, np.minimum(ratings, -1.0))
        return np.clip(plays, -config.most_plays, config.most_plays)
    biases = rating_biases(ratings, users, tracks, config.user_shrinkage, config.track_shrinkage)
    baseline = biases.mean + biases.users[users] + biases.tracks[tracks]
    residual: Float[np.ndarray, " pairs"] = np.round(ratings - baseline, PREFERENCE_DIGITS)
    return residual
