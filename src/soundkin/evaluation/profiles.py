"""Users by what they liked: where they stand among any vectors of tracks, so that systems without users can
compete.

A user's profile is a ridge regression of their positives (1, or 0 for every other track) on the vectors of
the training tracks, all users at once: u = (Y'Y / n + strength I)^-1 Y' p, with Y the vectors standardised
over the training tracks and put at unit length. It is the half-step of Hu, Koren & Volinsky (2008) in which
every track is as sure as another; a very great strength leaves the direction of the mean of the liked tracks.
The strength is chosen on some of the training artists, when taught by the others, so that every system gets
the one that suits it, whatever its length and spread.

Why this one: the mean of liked tracks suits noisy vectors, and folding in at one regularisation clear ones;
with the strength chosen it is as good as the better of the two.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.evaluation.user_rankings import LONG, Factors, ask
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.scaling import unit_length

MEAN = float("inf")
STRENGTHS = (MEAN, 10.0, 1.0, 0.1, 0.01)  # times the mean variance of the vectors' dimensions
CHOSEN_BY = f"mAP@{LONG}"
JUDGING_SHARE = 0.2  # of the training artists
MOST_JUDGES = 1000  # users that a strength is chosen by

Vectors = Float[np.ndarray, "tracks embedding"]


class Profiles(NamedTuple):
    """Vectors of users and of offered tracks, and the strength of regularisation; `MEAN` leaves the mean of
    positives.
    """

    factors: Factors
    strength: float


def profiles(
    training: Vectors,
    offered: Vectors,
    liked: csr_matrix,
    artists: Int[np.ndarray, " tracks"],
    random_seed: int = 0,
) -> Profiles:
    """Fold users in over any vectors, and put the tracks that they are offered beside them.

    `liked`, [users, training tracks], stores what each user likes; `artists` numbers the training tracks'
    artists.
    """
    centre, spread = training.mean(axis=0, dtype=np.float64), training.std(axis=0, dtype=np.float64)
    known, new = (_standardised(vectors, centre, spread) for vectors in (training, offered))
    strength = _chosen(known, csr_matrix(liked), artists, random_seed)
    return Profiles((fold_in_users(known, csr_matrix(liked), [strength])[0], new), strength)


@typechecked
def fold_in_users(
    vectors: Vectors, liked: csr_matrix, strengths: list[float]
) -> list[Float[np.ndarray, "users embedding"]]:
    """The users' profiles at each strength of regularisation; only their directions matter."""
    variances, directions = np.linalg.eigh(vectors.T @ vectors / max(len(vectors), 1))
    shrinking = np.maximum(variances, 0) / max(float(variances.mean()), np.finfo(float).tiny)
    positives = (liked @ vectors) @ directions
    return [positives / (1 + shrinking / strength) @ directions.T for strength in strengths]


def _chosen(
    known: Vectors, liked: csr_matrix, artists: Int[np.ndarray, " tracks"], random_seed: int
) -> float:
    """The strength that foretells best what users like of some artists; the first where nobody can tell."""
    rng = np.random.default_rng(random_seed)
    names = rng.permutation(np.unique(artists))
    judging = np.isin(artists, names[: round(JUDGING_SHARE * len(names))])
    taught, asked = liked[:, np.flatnonzero(~judging)], liked[:, np.flatnonzero(judging)]
    judges = np.flatnonzero((np.diff(taught.indptr) > 0) & (np.diff(asked.indptr) > 0))
    judges = rng.permutation(judges)[:MOST_JUDGES]
    if not len(judges):
        return STRENGTHS[0]
    users = fold_in_users(known[~judging], taught[judges], list(STRENGTHS))
    systems = {str(strength): (of, known[judging]) for strength, of in zip(STRENGTHS, users, strict=True)}
    judged = next(measure for measure in ask(systems, asked[judges]) if measure.metric == CHOSEN_BY)
    return max(STRENGTHS, key=lambda strength: float(np.nanmean(judged.scores[str(strength)])))


def _standardised(
    vectors: Vectors, centre: Float[np.ndarray, " embedding"], spread: Float[np.ndarray, " embedding"]
) -> Vectors:
    centred = vectors.astype(np.float64) - centre
    return unit_length(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-9))
