"""Whether people find a system's neighbours good, from verdicts that somebody gave by hand.

Nobody judges every pair, so two scores stand beside each other. *Good among the judged* looks at each
system's own nearest neighbours, and at those of them that were judged; where others were not, precision is
only known to lie between two ends. *Good before bad* asks every system about the same pairs: how often it
puts a neighbour that was called good nearer to the query than one that was called bad, level ones counting a
half. It needs no verdict on anything else: it is bpref (C. Buckley and E. Voorhees, "Retrieval evaluation
with incomplete information", 2004) without its cut-off, the AUC of a query's judged neighbours.

Both depend on whose lists were judged. What was never offered counts for nothing, which favours whoever made
the lists. But a list holds just the mistakes that its maker did not see, and another system, which errs
elsewhere, is asked only about those: it looks better than it is, even where it is not better at all. So
systems are compared only where about as much was judged of each one's lists: judge the lists of all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.stats import rankdata

from soundkin.catalog.verdicts import COLUMNS, GOOD, latest_verdicts
from soundkin.evaluation.systems import check_systems
from soundkin.shapes import Bool, Float, Int, typechecked
from soundkin.statistics.bootstrap import Interval, compare, interval_note, intervals, too_few
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.nearest_neighbours import CHUNK
from soundkin.statistics.scaling import unit_length

RESAMPLES = 2000
ALIKE = 0.8  # less judged of the one than of the other, over more: below it, systems are not compared

Scores = Float[np.ndarray, " queries"]


class Offered(BaseModel, frozen=True):
    """What one system offers for the judged queries: of its `neighbours` nearest tracks, those that were
    judged.

    `good` is their share of good verdicts, None where none was judged. Were all the others bad, precision
    would be `at_least`; were they all good, `at_most`.
    """

    system: str
    neighbours: int
    judged: int
    good: Interval | None
    at_least: float
    at_most: float


class NeighbourVerdicts(BaseModel, frozen=True):
    """Systems side by side on the queries that people judged; the first one is ours.

    `preference` is how often good stands before bad, over the `compared` queries that have both; `gains` are
    the first system minus each other one, to be believed of `comparable` systems only: those whose lists were
    judged about as much. `base_rate` is the share of good among all verdicts. `groups` counts the artists
    (`unit`) of the `compared`.
    """

    title: ClassVar[str] = "by hand"
    systems: tuple[str, ...]
    k: int
    judgements: int
    queries: int
    base_rate: float | None
    offered: tuple[Offered, ...]
    compared: int
    preference: tuple[Interval, ...]
    gains: tuple[Interval, ...]
    comparable: tuple[str, ...]
    left_out: int
    groups: int
    unit: str = "artists"
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def verdict(self) -> str:
        """One line: how good people find what ours offers, and whether it tells good from bad better than
        others.
        """
        if not self.judgements:
            return "nothing measured: no judgement is about two of these tracks."
        ours = self.offered[0]
        known = f"{ours.judged} of {ours.neighbours} neighbours by {ours.system} were judged"
        found = f"{known}, good: {ours.good}" if ours.good else f"none of the {known.removeprefix('0 of ')}"
        return f"{found}; {self._preferred()}"

    def table(self) -> list[dict[str, str]]:
        """Rows to print, one a system: what was judged of its lists, how much of that is good, good before
        bad.
        """
        rows = {offered.system: self._offered_cells(offered) for offered in self.offered}
        for offered in self.offered if self.preference else ():
            rows[offered.system][f"queries with both ({self.unit})"] = f"{self.compared} ({self.groups})"
        for score in self.preference:
            rows.setdefault(score.system, {"system": score.system})["good before bad"] = str(score)
        for gain in self.gains:
            shown = f"{gain:+.2f}" if gain.system in self.comparable else "not comparable"
            rows[gain.system][f"{self.systems[0]} above it"] = shown
        return list(rows.values())

    def _offered_cells(self, offered: Offered) -> dict[str, str]:
        return {
            "system": offered.system,
            "queries": str(self.queries),
            f"judged of the {self.k} nearest": f"{offered.judged} of {offered.neighbours}",
            "good among the judged": str(offered.good) if offered.good else "",
            f"precision@{self.k} is within": f"{offered.at_least:.2f} to {offered.at_most:.2f}",
        }

    def _preferred(self) -> str:
        if not self.preference:
            return "no query has both a good neighbour and a bad one, so no order can be judged"
        ours, *others = [
            score for score in self.preference if score.system in (self.systems[0], *self.comparable)
        ]
        gains = [gain for gain in self.gains if gain.system in self.comparable]
        unbeaten = [gain.system for gain in gains if gain.low is None or gain.low <= 0]
        against = ", ".join(f"{other.system} {other.mean:.2f}" for other in others)
        found = f", not shown to beat {' or '.join(unbeaten)}" if unbeaten else ""
        found = f", {few}" if (few := too_few(self.groups, self.unit)) else found
        unlike = [name for name in self.systems[1:] if name not in self.comparable]
        unjudged = f"; not comparable, judge the lists of all: {', '.join(unlike)}" if unlike else ""
        return f"good before bad in {ours} against {against}{found}{unjudged}"


@dataclass(frozen=True)
class Verdicts:
    """One verdict a pair and person about known tracks; `query` numbers into `queries`, rows of the systems."""

    queries: Int[np.ndarray, " queries"]
    query: Int[np.ndarray, " verdicts"]
    neighbour: Int[np.ndarray, " verdicts"]
    good: Bool[np.ndarray, " verdicts"]

    def share_of_good(self) -> pd.Series:
        """Share of good verdicts of each judged pair, by (query, neighbour)."""
        frame = pd.DataFrame(
            {"query": self.query, "neighbour": self.neighbour, "good": self.good.astype(float)}
        )
        return frame.groupby(["query", "neighbour"])["good"].mean()


def judge_by_hand(
    systems: Mapping[str, Float[np.ndarray, "tracks _"]],
    track_ids: Sequence[str],
    judgements: pd.DataFrame,
    k: int = 10,
    random_seed: int = 0,
    resamples: int = RESAMPLES,
    artists: Int[np.ndarray, " tracks"] | None = None,
) -> NeighbourVerdicts:
    """Hold systems to the verdicts in `judgements`: `query_id, neighbour_id, verdict[, annotator_id[,
    timestamp]]`.

    Row i of every system is the vector of `track_ids[i]`; a track's neighbours are the `k` others of highest
    cosine. Of a person who judged a pair again the last word counts. Judgements about other tracks are left
    out. `artists` numbers each track's artist: intervals draw the queries' artists, or whole queries where
    nobody says by whom they are.

    Raises:
        UsageError: vectors and ids do not match, or vectors hold a NaN or infinity.
    """
    check_systems(systems, track_ids)
    verdicts, left_out = _verdicts(track_ids, judgements)
    groups, unit = (
        (verdicts.queries, "queries") if artists is None else (artists[verdicts.queries], "artists")
    )
    pairs = verdicts.share_of_good()
    offered = []
    for name, vectors in systems.items():
        nearest = nearest_neighbours(vectors, verdicts.queries, k, random_seed)
        offered.append(_offered(name, nearest, pairs, groups, resamples, random_seed))
    scores = {name: good_before_bad(vectors, verdicts) for name, vectors in systems.items()}
    chance = np.where(np.isfinite(next(iter(scores.values()))), 0.5, np.nan)
    measure = Measure(
        "by hand", "verdicts", "good before bad", None, {**scores, CHANCE: chance}, groups, unit=unit
    )
    compared = int(measure.asked.sum())
    preferred = compare(measure, resamples, random_seed) if compared else None
    return NeighbourVerdicts(
        systems=tuple(systems),
        k=k,
        judgements=len(verdicts.good),
        queries=len(verdicts.queries),
        base_rate=float(verdicts.good.mean()) if len(verdicts.good) else None,
        offered=tuple(offered) if len(verdicts.queries) else (),
        compared=compared,
        preference=preferred.scores if preferred else (),
        gains=preferred.gains if preferred else (),
        comparable=(*_comparable(offered), CHANCE),
        left_out=left_out,
        groups=preferred.groups if preferred else 0,
        unit=unit,
        notes=tuple(
            _notes(verdicts, compared, left_out, interval_note(len(np.unique(groups)), unit, resamples))
        ),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )


@typechecked
def nearest_neighbours(
    vectors: Float[np.ndarray, "tracks embedding"],
    queries: Int[np.ndarray, " queries"],
    k: int,
    random_seed: int,
) -> Int[np.ndarray, "queries neighbours"]:
    """The `k` other tracks of highest cosine to each query, in no order; fewer where there are fewer.

    Ties are broken by `random_seed`, since the order of a catalog gives away its artists.
    """
    unit = unit_length(vectors)
    shuffled = np.random.default_rng(random_seed).permutation(len(vectors))
    place = np.argsort(shuffled)
    k = min(k, max(len(vectors) - 1, 0))
    nearest = np.zeros((len(queries), k), dtype=int)
    for start in range(0, len(queries) if k else 0, CHUNK):
        rows = queries[start : start + CHUNK]
        similarity = unit[rows] @ unit[shuffled].T
        similarity[np.arange(len(rows)), place[rows]] = -np.inf
        nearest[start : start + CHUNK] = shuffled[np.argpartition(-similarity, k - 1, axis=1)[:, :k]]
    return nearest


@typechecked
def good_before_bad(vectors: Float[np.ndarray, "tracks embedding"], verdicts: Verdicts) -> Scores:
    """Of each query: the share of its (good, bad) pairs in which good has the higher cosine, a half where
    level.

    NaN where all verdicts on a query are the same. Cosines are compared to nine decimals: what is beyond
    comes of the order in which products are summed.
    """
    unit = unit_length(np.asarray(vectors, dtype=np.float64))
    scores = np.full(len(verdicts.queries), np.nan)
    for number, row in enumerate(verdicts.queries):
        of_query = verdicts.query == number
        good = verdicts.good[of_query]
        pairs = good.sum() * (~good).sum()
        if pairs:
            ranks = rankdata(np.round(unit[verdicts.neighbour[of_query]] @ unit[row], 9))
            scores[number] = (ranks[good].sum() - good.sum() * (good.sum() + 1) / 2) / pairs
    return scores


def _verdicts(track_ids: Sequence[str], judgements: pd.DataFrame) -> tuple[Verdicts, int]:
    """The verdicts about known tracks, and how many were left out for want of a vector."""
    places = pd.Index(track_ids)
    last = latest_verdicts(judgements)
    query, neighbour = (places.get_indexer(pd.Index(last[column])).astype(int) for column in COLUMNS)
    known = (query >= 0) & (neighbour >= 0)
    queries, numbers = np.unique(query[known], return_inverse=True)
    good = (last["verdict"] == GOOD).to_numpy(bool)[known]
    return Verdicts(queries, numbers.astype(int), neighbour[known], good), int((~known).sum())


def _offered(
    system: str,
    nearest: Int[np.ndarray, "queries neighbours"],
    pairs: pd.Series,
    groups: Int[np.ndarray, " queries"],
    resamples: int,
    random_seed: int,
) -> Offered:
    """How much of a system's lists was judged, and how much of that is good: every judged neighbour counts
    alike.
    """
    queries, k = nearest.shape
    asked = pd.MultiIndex.from_arrays([np.repeat(np.arange(queries), k), nearest.ravel()])
    good = pairs.reindex(asked).to_numpy(float).reshape(nearest.shape)
    judged = np.isfinite(good).sum(axis=1)
    found = np.nansum(good, axis=1)
    share = np.divide(found, judged, out=np.full(queries, np.nan), where=judged > 0)
    measure = Measure("by hand", "neighbours", "good", None, {system: share}, groups, judged.astype(float))
    return Offered(
        system=system,
        neighbours=nearest.size,
        judged=int(judged.sum()),
        good=intervals(measure, resamples, random_seed)[0] if judged.any() else None,
        at_least=float(found.sum() / max(nearest.size, 1)),
        at_most=float((found.sum() + nearest.size - judged.sum()) / max(nearest.size, 1)),
    )


def _comparable(offered: Sequence[Offered]) -> list[str]:
    """The systems of whose lists about as much was judged as of the first one's."""
    ours, *others = offered
    return [
        other.system
        for other in others
        if min(ours.judged, other.judged) >= ALIKE * max(ours.judged, other.judged)
    ]


def _notes(verdicts: Verdicts, compared: int, left_out: int, drawn: str) -> list[str]:
    """What a reader has to know before believing the table."""
    notes = []
    if left_out:
        notes.append(f"{left_out} judgements are about tracks that have no vector here, and were left out.")
    if not len(verdicts.good):
        return notes
    queries = len(verdicts.queries)
    notes += [
        f"{len(verdicts.good)} verdicts on {queries} queries, {verdicts.good.mean():.0%} of them good. {drawn} "
        "They say nothing about what other people would find good.",
        "Only tracks that some list offered were judged, which favours the system that made the list: good tracks that "
        "another one alone would find count for nothing.",
        "Yet a list holds the very mistakes that its maker did not see: a system that errs elsewhere looks better on "
        "them than it is, in good among the judged and in good before bad. Systems are compared only where about as "
        "much was judged of each one's lists; to compare others, judge their lists too.",
    ]
    if 0 < compared < queries:
        notes.append(f"Good before bad is over the {compared} queries that have both verdicts.")
    return notes
