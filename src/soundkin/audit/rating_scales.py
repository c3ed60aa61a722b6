"""How people use a scale of stars, whose ratings say little, and how far people agree on tracks.

Scale use has a meaning for explicit ratings alone. Plays, likes and skips are behaviour: a user with one play
of everything is no straight-liner.

A user's ratings are held against what the others gave the same tracks (mean rating without the user's own).
The correlation r of n such pairs is shrunk to r n / (n + SHRINKAGE). Among many users some stand out by
chance, so that somebody is called contrary or drifting only where an interval says so that holds for all
users at once (Fisher's of r, Welch's of the drift, both with Bonferroni's correction).
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.special import ndtri, stdtrit

from soundkin.audit.agreement import Agreement, krippendorff
from soundkin.statistics.bootstrap import LEVEL

Feedback = Literal["implicit", "explicit"]

SHRINKAGE = 10.0  # pairs it takes to believe half of a correlation
FEW_RATINGS = 10  # below this, nobody is called a straight-liner or contrary
FEW_OF_A_THIRD = 5
MOST_STARS = 21  # a scale from 0 to 10 in halves
MOST_RATED = 200_000  # ratings that agreement is computed from; tracks beyond that are left out at random
MOST_SHOWN = 20
ROUNDING = 1e-9  # a spread below this is none
NEARLY_ONE = 1 - 1e-9
AS_SAID = "as it was said"
FLAGS = ("straight-liner", "contrary", "drifts up", "drifts down")

USER_COLUMNS = [
    "user_id", "ratings", "mean", "spread", "extremes", "distinct", "entropy", "shared", "correlation", "drift",
    "drift_low", "drift_high", "flags",
]  # fmt: skip


class RatingScales(BaseModel, frozen=True):
    """What explicit ratings look like, user by user; with `feedback` implicit, all that has no meaning is
    empty.

    `users` are the USER_COLUMNS of the flagged users, at most MOST_SHOWN of them. `agreement` is over the
    ratings as they are, `freed_agreement` over what is left of them once each user's mean is taken off.
    """

    feedback: Feedback | None
    reason: str
    ratings: int
    user_count: int
    medians: dict[str, float] = {}
    flagged: dict[str, int] = {}
    users: tuple[dict[str, str], ...] = ()
    agreement: Agreement | None = None
    freed_agreement: Agreement | None = None
    sampled: int | None = None

    title: ClassVar[str] = "Rating scales"

    @property
    def verdict(self) -> str:
        """What to make of the ratings, in a line."""
        if self.feedback is None:
            return self.reason
        if self.feedback == "implicit":
            mend = "" if self.reason == AS_SAID else " If they are stars, say that the feedback is explicit."
            return (
                f"These are plays, likes or skips ({self.reason}): scale use has no meaning for them.{mend}"
            )
        several = {flag: count for flag, count in self.flagged.items() if count}
        found = ", ".join(f"{count} {flag}" for flag, count in several.items()) or "nobody stands out"
        return (
            f"{self.ratings} ratings by {self.user_count} users: {found}. {_about_agreement(self.agreement)}"
        )

    def table(self) -> list[dict[str, str]]:
        """The median user, then those who stand out."""
        if not self.medians:
            return []
        middle = {"user_id": "median user"} | {name: f"{value:.2f}" for name, value in self.medians.items()}
        return [{name: row.get(name, "") for name in USER_COLUMNS} for row in (middle, *self.users)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before believing it."""
        if self.feedback != "explicit":
            return ()
        freed = self.freed_agreement.alpha if self.freed_agreement else None
        notes = [
            f"Held to be stars: {self.reason}.",
            "Agreement is Krippendorff's alpha for interval values; people may differ in taste without being wrong.",
            "Drift is the mean of the last third of a user's ratings less that of the first, each beside what others "
            "gave the same tracks.",
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
    ratings: pd.DataFrame | None,
    feedback: Feedback | None = None,
    resamples: int = 1000,
    random_seed: int = 0,
    artists: Mapping[str, int] | None = None,
) -> RatingScales:
    """Audit `ratings` (user_id, track_id, rating[, timestamp]); where `feedback` is not said, it is guessed.

    Intervals of agreement draw tracks, or whole artists where `artists` numbers these by track.
    """
    if ratings is None or not len(ratings):
        return RatingScales(feedback=None, reason="No ratings were given.", ratings=0, user_count=0)
    guessed, reason = guess_feedback(ratings["rating"])
    if feedback is not None:
        guessed, reason = feedback, AS_SAID
    count = int(ratings["user_id"].nunique())
    if guessed == "implicit":
        return RatingScales(feedback=guessed, reason=reason, ratings=len(ratings), user_count=count)
    users = scale_use(ratings)
    co_rated = _co_rated(ratings)
    sample = _sample(co_rated, random_seed)
    freed = (
        sample["rating"] - ratings.groupby("user_id")["rating"].mean().reindex(sample["user_id"]).to_numpy()
    )
    standing_out = users[users["flags"].str.len() > 0].sort_values("ratings", ascending=False, kind="stable")
    return RatingScales(
        feedback=guessed,
        reason=reason,
        ratings=len(ratings),
        user_count=count,
        medians={
            name: float(users[name].median()) for name in USER_COLUMNS[1:9] if users[name].notna().any()
        },
        flagged={
            flag: int(users["flags"].map(lambda flags, flag=flag: flag in flags).sum()) for flag in FLAGS
        },
        users=tuple(_rows(standing_out.head(MOST_SHOWN))),
        agreement=_agreement(sample, sample["rating"], resamples, random_seed, artists),
        freed_agreement=_agreement(sample, freed, resamples, random_seed, artists),
        sampled=len(sample) if len(sample) < len(co_rated) else None,
    )


def guess_feedback(ratings: "pd.Series[float]") -> tuple[Feedback, str]:
    """Whether numbers look like stars or like plays, likes and skips, and why.

    Stars are few different values, none below 0, and the lowest is not the most frequent; plays are mostly
    one or two.
    """
    counts = ratings.value_counts()
    if len(counts) < 3:
        return "implicit", "there are fewer than three different values"
    if len(counts) > MOST_STARS:
        return "implicit", f"there are {len(counts)} different values"
    if ratings.min() < 0:
        return "implicit", "some are below 0"
    if counts[ratings.min()] == counts.max():
        return "implicit", "the lowest value is the most frequent"
    return "explicit", f"there are {len(counts)} different values, and the lowest is not the most frequent"


def scale_use(ratings: pd.DataFrame) -> pd.DataFrame:
    """One row for each user, with USER_COLUMNS, in the order of their ids; `flags` is a tuple of FLAGS.

    `spread` is the standard deviation, `extremes` the share of ratings that are the highest or the lowest of
    the table, `entropy` in bits. `shared` ratings are of tracks that somebody else rated; `correlation` is
    with the mean of what the others gave, shrunk. The columns from `correlation` on are NaN where there is
    too little to tell.
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
    users["entropy"] = _entropy(ratings)
    beside = _beside_others(ratings)
    doubt = (1 - LEVEL) / 2 / max(len(users), 1)
    users = users.join(_correlations(beside, doubt)).join(_drifts(beside, doubt))
    users["shared"] = users["shared"].fillna(0).astype(int)
    enough = users["ratings"] >= FEW_RATINGS
    holds = pd.DataFrame(
        {
            "straight-liner": enough & (users["distinct"] == 1) & (rating.nunique() > 1),
            "contrary": (users["shared"] >= FEW_RATINGS) & (users["correlation_at_most"] < 0),
            "drifts up": users["drift"] > users["surely_beyond"],
            "drifts down": users["drift"] < -users["surely_beyond"],
        }
    )
    users["flags"] = [tuple(flag for flag in FLAGS if row[flag]) for row in holds.to_dict("records")]
    ordered: pd.DataFrame = users.reset_index()[USER_COLUMNS]
    return ordered


def _entropy(ratings: pd.DataFrame) -> "pd.Series[float]":
    """Bits of each user's distribution over values."""
    counts = ratings.groupby(["user_id", "rating"]).size()
    shares = counts / counts.groupby("user_id").transform("sum")
    bits = -shares * np.log2(shares)
    return bits.groupby("user_id").sum()


def _beside_others(ratings: pd.DataFrame) -> pd.DataFrame:
    """Ratings of tracks that somebody else rated too, with the mean of what `others` gave."""
    of_track = ratings.groupby("track_id")["rating"].agg(["sum", "size"]).reindex(ratings["track_id"])
    own = ratings.groupby(["user_id", "track_id"])["rating"].transform("sum").to_numpy()
    times = ratings.groupby(["user_id", "track_id"])["rating"].transform("size").to_numpy()
    others = of_track["size"].to_numpy() - times
    known = others > 0
    mean = (of_track["sum"].to_numpy() - own)[known] / others[known]
    beside: pd.DataFrame = ratings[known].assign(others=mean)
    return beside


def _correlations(beside: pd.DataFrame, doubt: float) -> pd.DataFrame:
    """Of each user: `shared` ratings, `correlation` (shrunk), and what it surely (not shrunk) does not
    exceed.
    """
    centred = beside[["rating", "others"]] - beside.groupby("user_id")[["rating", "others"]].transform("mean")
    products = pd.DataFrame(
        {
            "user_id": beside["user_id"],
            "both": centred["rating"] * centred["others"],
            "own": centred["rating"] ** 2,
            "of_others": centred["others"] ** 2,
        }
    )
    sums = products.groupby("user_id").sum()
    sizes = beside.groupby("user_id").size()
    scale = (sums["own"] * sums["of_others"]) ** 0.5
    plain = (sums["both"] / scale.where(scale > ROUNDING)).clip(-1.0, 1.0)
    ends = np.arctanh(plain.clip(-NEARLY_ONE, NEARLY_ONE)) + ndtri(1 - doubt) / np.sqrt(
        (sizes - 3).clip(lower=1)
    )
    shrunk = plain * sizes / (sizes + SHRINKAGE)
    return pd.DataFrame({"shared": sizes, "correlation": shrunk, "correlation_at_most": np.tanh(ends)})


def _drifts(beside: pd.DataFrame, doubt: float) -> pd.DataFrame:
    """Of each user with enough timed ratings: last third less first third of rating - others, and Welch's
    interval.

    A drift beyond `surely_beyond` is none that chance brings about among all users.
    """
    columns = ["drift", "drift_low", "drift_high", "surely_beyond"]
    if "timestamp" not in beside:
        return pd.DataFrame(np.nan, index=pd.Index([], name="user_id"), columns=columns)
    timed = beside[beside["timestamp"].notna()].sort_values("timestamp", kind="stable")
    users = timed["user_id"]
    place = users.groupby(users).cumcount() * 3 // users.groupby(users).transform("size")
    left = pd.DataFrame({"user_id": users, "third": place, "left": timed["rating"] - timed["others"]})
    thirds = left.groupby(["third", "user_id"])["left"].agg(["mean", "var", "size"])
    first, last = (thirds.reindex([number], level="third").droplevel("third") for number in (0, 2))
    enough = first.index[
        (first["size"] >= FEW_OF_A_THIRD) & (last["size"].reindex(first.index) >= FEW_OF_A_THIRD)
    ]
    first, last = first.loc[enough], last.loc[enough]
    errors = first["var"] / first["size"], last["var"] / last["size"]
    freedom = (errors[0] + errors[1]) ** 2 / (
        errors[0] ** 2 / (first["size"] - 1) + errors[1] ** 2 / (last["size"] - 1)
    ).clip(lower=np.finfo(float).tiny)
    drift = last["mean"] - first["mean"]
    error = np.sqrt(errors[0] + errors[1])
    half, surely = (stdtrit(freedom.clip(lower=1.0), 1 - tail) * error for tail in ((1 - LEVEL) / 2, doubt))
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


def _agreement(
    sample: pd.DataFrame,
    values: "pd.Series[float]",
    resamples: int,
    random_seed: int,
    artists: Mapping[str, int] | None,
) -> Agreement:
    tracks = sample["track_id"]
    groups = tracks.map(artists) if artists else tracks
    return krippendorff(sample["user_id"], tracks, values, "interval", resamples, random_seed, groups)


def _about_agreement(agreement: Agreement | None) -> str:
    if agreement is None or agreement.alpha is None:
        return f"Whether users agree cannot be told: {agreement.reason if agreement else 'no ratings'}."
    size = f"{agreement.units} tracks that several rated"
    return f"Agreement on {size} is {agreement.alpha}: {agreement.in_words('tracks or artists')}."


def _rows(users: pd.DataFrame) -> Iterator[dict[str, str]]:
    """Cells to print."""
    for row in users.to_dict("records"):
        yield {str(name): _cell(value) for name, value in row.items()}


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(value)
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.2f}"
    return str(value)
