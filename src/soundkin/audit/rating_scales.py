"""How people use a scale of stars, whose ratings say little, and how far people agree on tracks.

Scale use has a meaning for explicit ratings alone, not for plays, likes and skips. A user's ratings are
compared with the others' mean ratings of the same tracks; the correlation r of n such pairs is shrunk to r n
/ (n + SHRINKAGE). Among many users some stand out by chance: somebody is called contrary or drifting only
where an interval says so that holds for all users at once (Fisher's of r, Welch's of the drift, both with
Bonferroni's correction).
"""

from collections.abc import Mapping
from itertools import compress
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.special import ndtri, stdtrit

from soundkin.audit.agreement import RaterAgreement, krippendorff_alpha
from soundkin.statistics.bootstrap import LEVEL

Feedback = Literal["implicit", "explicit"]

SHRINKAGE = 10.0  # pairs it takes to believe half of a correlation
FEW_RATINGS = 10  # with fewer, nobody is called a straight-liner or contrary
FEW_OF_A_THIRD = 5
MOST_STARS = 21  # a scale from 0 to 10 in halves
MOST_RATED = 200_000  # ratings that agreement is computed from; tracks beyond that are left out at random
MOST_SHOWN = 20
ROUNDING = 1e-9  # a spread below this is none
NEARLY_ONE = 1 - 1e-9
FLAGS = ("straight-liner", "contrary", "drifts up", "drifts down")
MEDIANS = ["ratings", "mean", "spread", "extremes", "distinct", "entropy", "shared", "correlation"]
DRIFTS = ["drift", "drift_low", "drift_high"]
USER_COLUMNS = ["user_id", *MEDIANS, *DRIFTS, "flags"]


class RatingScales(BaseModel, frozen=True):
    """What explicit ratings look like, user by user; of implicit ones, what has no meaning is empty.

    `users` are the USER_COLUMNS of the flagged users, at most MOST_SHOWN of them. `freed_agreement` is over
    what is left of the ratings once each user's mean is taken off.
    """

    feedback: Feedback | None
    reason: str
    ratings: int
    user_count: int
    medians: dict[str, float] = {}
    flagged: dict[str, int] = {}
    users: tuple[dict[str, str], ...] = ()
    agreement: RaterAgreement | None = None
    freed_agreement: RaterAgreement | None = None
    sampled: int | None = None

    title: ClassVar[str] = "Rating scales"

    @property
    def verdict(self) -> str:
        """One line."""
        if self.feedback is None:
            return self.reason
        if self.feedback == "implicit":
            return f"These are plays, likes or skips ({self.reason}): scale use has no meaning for them."
        flagged = ", ".join(f"{count} {flag}" for flag, count in self.flagged.items() if count)
        agreement = self.agreement
        if agreement is None or agreement.alpha is None:
            agreed = f"Whether users agree is unknown: {agreement.reason if agreement else 'no ratings'}."
        else:
            words = agreement.in_words("tracks or artists")
            agreed = (
                f"Agreement on {agreement.units} tracks that several rated is {agreement.alpha}: {words}."
            )
        return (
            f"{self.ratings} ratings by {self.user_count} users: {flagged or 'nobody stands out'}. {agreed}"
        )

    def table(self) -> list[dict[str, str]]:
        """The median user, then those who stand out."""
        if not self.medians:
            return []
        median = {"user_id": "median user"} | {name: f"{value:.2f}" for name, value in self.medians.items()}
        return [{name: row.get(name, "") for name in USER_COLUMNS} for row in (median, *self.users)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before relying on it."""
        if self.feedback != "explicit":
            return ()
        freed = self.freed_agreement.alpha if self.freed_agreement else None
        notes = [
            f"Held to be stars: {self.reason}.",
            "Agreement is Krippendorff's alpha for interval values; tastes may differ without being wrong.",
            "Drift is the mean of the last third of a user's ratings less that of the first, each compared "
            "with the others' ratings of the same tracks.",
        ]
        if freed is not None:
            notes.append(
                f"Once each user's mean is taken off, alpha is {freed}: what is left is no matter of habit."
            )
        if self.sampled is not None:
            notes.append(f"Agreement is computed from a sample of {self.sampled} ratings, of whole tracks.")
        if sum(self.flagged.values()) > len(self.users):
            notes.append(
                f"Of those who stand out, {len(self.users)} are shown, those with most ratings first."
            )
        return tuple(notes)


def audit_rating_scales(
    ratings: pd.DataFrame | None, artists: Mapping[str, int] | None = None, random_seed: int = 0
) -> RatingScales:
    """Audit `ratings` (user_id, track_id, rating[, timestamp]); `artists` numbers each track's artist."""
    if ratings is None or ratings.empty:
        return RatingScales(feedback=None, reason="No ratings were given.", ratings=0, user_count=0)
    feedback, reason = guess_feedback(ratings["rating"])
    count = ratings["user_id"].nunique()
    scales = RatingScales(feedback=feedback, reason=reason, ratings=len(ratings), user_count=count)
    if feedback == "implicit":
        return scales
    users = scale_use(ratings)
    outstanding = users[users["flags"].map(bool)].sort_values("ratings", ascending=False, kind="stable")
    co_rated = _co_rated(ratings)
    sample = _sample(co_rated, random_seed)
    tracks = sample["track_id"]
    groups = tracks.map(artists) if artists else tracks
    freed = sample["rating"] - sample["user_id"].map(ratings.groupby("user_id")["rating"].mean())
    agreement, freed_agreement = (
        krippendorff_alpha(sample["user_id"], tracks, values, groups, random_seed)
        for values in (sample["rating"], freed)
    )
    shown = outstanding.head(MOST_SHOWN).to_dict("records")
    return scales.model_copy(
        update={
            "medians": users[MEDIANS].median().dropna().to_dict(),
            "flagged": {flag: sum(flag in flags for flags in users["flags"]) for flag in FLAGS},
            "users": tuple({name: _cell(value) for name, value in row.items()} for row in shown),
            "agreement": agreement,
            "freed_agreement": freed_agreement,
            "sampled": len(sample) if len(sample) < len(co_rated) else None,
        }
    )


def guess_feedback(ratings: "pd.Series[float]") -> tuple[Feedback, str]:
    """Whether numbers are stars or plays, likes and skips, and why.

    Stars are few different values, none below 0, the lowest not the most frequent; plays are mostly one or
    two.
    """
    counts = ratings.value_counts()
    values = f"there are {len(counts)} different values"
    signs = {
        "there are fewer than three different values": len(counts) < 3,
        values: len(counts) > MOST_STARS,
        "some are below 0": ratings.min() < 0,
        "the lowest value is the most frequent": counts[ratings.min()] == counts.max(),
    }
    implicit = [sign for sign, holds in signs.items() if holds]
    if implicit:
        return "implicit", implicit[0]
    return "explicit", f"{values}, and the lowest is not the most frequent"


def scale_use(ratings: pd.DataFrame) -> pd.DataFrame:
    """One row for each user, with USER_COLUMNS, in the order of their ids; `flags` is a tuple of FLAGS.

    `extremes` is the share of ratings that are the highest or lowest of the table, `entropy` in bits.
    `shared` ratings are of tracks that others rated. From `correlation` on, NaN where too little is known.
    """
    rating = ratings["rating"]
    by_user = ratings.assign(extreme=rating.isin([rating.min(), rating.max()])).groupby("user_id")
    users = by_user.agg(
        ratings=("rating", "size"),
        mean=("rating", "mean"),
        extremes=("extreme", "mean"),
        distinct=("rating", "nunique"),
    )
    users["spread"] = by_user["rating"].std(ddof=0)
    counts = ratings.groupby(["user_id", "rating"]).size()
    shares = counts / counts.groupby("user_id").transform("sum")
    users["entropy"] = (-shares * np.log2(shares)).groupby("user_id").sum()
    compared = _compare_with_others(ratings)
    doubt = (1 - LEVEL) / 2 / max(len(users), 1)
    users = users.join(_correlations(compared, doubt)).join(_drifts(compared, doubt))
    users["shared"] = users["shared"].fillna(0).astype(int)
    few = users["ratings"] < FEW_RATINGS
    holds = {
        "straight-liner": ~few & (users["distinct"] == 1) & (rating.nunique() > 1),
        "contrary": (users["shared"] >= FEW_RATINGS) & (users["correlation_at_most"] < 0),
        "drifts up": users["drift"] > users["surely_beyond"],
        "drifts down": users["drift"] < -users["surely_beyond"],
    }
    users["flags"] = [tuple(compress(holds, row)) for row in pd.DataFrame(holds).to_numpy(bool)]
    return users.reset_index()[USER_COLUMNS]


def _compare_with_others(ratings: pd.DataFrame) -> pd.DataFrame:
    """The ratings of tracks that somebody else rated too, with the mean rating of the `others`."""
    of_track = ratings.groupby("track_id")["rating"]
    own = ratings.groupby(["user_id", "track_id"])["rating"]
    others = of_track.transform("size") - own.transform("size")
    mean = (of_track.transform("sum") - own.transform("sum")) / others.where(others > 0)
    return ratings.assign(others=mean)[others > 0]


def _correlations(compared: pd.DataFrame, doubt: float) -> pd.DataFrame:
    """Of each user: `shared` ratings, shrunk `correlation`, and what the unshrunk one surely is below."""
    user = compared["user_id"]
    pair = compared[["rating", "others"]]
    centred = pair - pair.groupby(user).transform("mean")
    sizes = user.groupby(user).size()
    squares = (centred**2).groupby(user).sum()
    scale = (squares["rating"] * squares["others"]) ** 0.5
    products = (centred["rating"] * centred["others"]).groupby(user).sum()
    plain = (products / scale.where(scale > ROUNDING)).clip(-1.0, 1.0)
    half = ndtri(1 - doubt) / np.sqrt((sizes - 3).clip(lower=1))
    fisher = np.arctanh(plain.clip(-NEARLY_ONE, NEARLY_ONE)) + half
    shrunk = plain * sizes / (sizes + SHRINKAGE)
    return pd.DataFrame({"shared": sizes, "correlation": shrunk, "correlation_at_most": np.tanh(fisher)})


def _drifts(compared: pd.DataFrame, doubt: float) -> pd.DataFrame:
    """Last less first third of rating - others, with Welch's interval, of users with enough timed ones."""
    if "timestamp" not in compared:
        return pd.DataFrame(np.nan, index=pd.Index([], name="user_id"), columns=[*DRIFTS, "surely_beyond"])
    timed = compared[compared["timestamp"].notna()].sort_values("timestamp", kind="stable")
    by_user = timed.groupby("user_id")
    third = by_user.cumcount() * 3 // by_user["user_id"].transform("size")
    difference = timed["rating"] - timed["others"]
    thirds = difference.groupby([third, timed["user_id"]]).agg(["mean", "var", "size"])
    thirds = thirds[thirds["size"] >= FEW_OF_A_THIRD]
    first, last = (thirds[thirds.index.get_level_values(0) == number].droplevel(0) for number in (0, 2))
    first, last = first.align(last, join="inner", axis="index")
    drift = last["mean"] - first["mean"]
    errors = [part["var"] / part["size"] for part in (first, last)]
    error = np.sqrt(errors[0] + errors[1])
    squares = [error_**2 / (part["size"] - 1) for error_, part in zip(errors, (first, last), strict=True)]
    freedom = (error**4 / (squares[0] + squares[1]).clip(lower=np.finfo(float).tiny)).clip(lower=1.0)
    half, surely = (stdtrit(freedom, 1 - tail) * error for tail in ((1 - LEVEL) / 2, doubt))
    return pd.DataFrame(
        {"drift": drift, "drift_low": drift - half, "drift_high": drift + half, "surely_beyond": surely}
    )


def _co_rated(ratings: pd.DataFrame) -> pd.DataFrame:
    """The last rating of each user and track, of tracks that several users rated."""
    if "timestamp" in ratings:
        ratings = ratings.sort_values("timestamp", kind="stable", na_position="first")
    last = ratings.drop_duplicates(["user_id", "track_id"], keep="last").sort_index()
    return last[last.groupby("track_id")["track_id"].transform("size") >= 2]


def _sample(co_rated: pd.DataFrame, random_seed: int) -> pd.DataFrame:
    """All ratings of as many random tracks as come to MOST_RATED, or of all of them."""
    if len(co_rated) <= MOST_RATED:
        return co_rated
    raters = co_rated.groupby("track_id").size()
    order = np.random.default_rng(random_seed).permutation(len(raters))
    kept = max(1, int(np.searchsorted(np.cumsum(raters.to_numpy()[order]), MOST_RATED, side="right")))
    return co_rated[co_rated["track_id"].isin(raters.index[order[:kept]])]


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(value)
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.2f}"
    return str(value)
