"""Systems compared by people's verdicts, good or bad, on the nearest neighbours of queries.

Nobody judges every pair, so there are two scores. *Good among the judged* looks at each system's own nearest
neighbours, and at those of them that were judged; where some were not, precision is only known to lie between
two bounds. *Good before bad* asks every system about the same pairs: how often a good neighbour is nearer to
the query than a bad one, ties counting a half: bpref (C. Buckley and E. Voorhees, "Retrieval evaluation with
incomplete information", 2004) without its cutoff, the AUC of a query's judged neighbours. Both favour or
flatter systems by whose lists were judged (the notes say how), so gains are given only where about as much
was judged of each one's.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel
from sklearn.metrics import roc_auc_score

from soundkin.catalog.verdicts import COLUMNS, GOOD, latest_verdicts
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import (
    Interval,
    compare,
    interval_note,
    listed_means,
    not_shown_to_beat,
    too_few,
    unbeaten,
)
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.nearest_neighbours import nearest_others
from soundkin.statistics.scaling import unit_length

RESAMPLES = 2000
COMPARABLE_SHARE = 0.8  # least ratio of how much was judged of two systems' lists, for them to be compared
COSINE_DECIMALS = 9  # what is beyond comes of the order in which products are summed

Vectors = Float[np.ndarray, "tracks embedding"]
Queries = Int[np.ndarray, " queries"]


class JudgedList(BaseModel, frozen=True):
    """One system's nearest tracks to the judged queries: of all `neighbours`, how many were judged.

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
    """Systems compared on the queries that people judged; the first one is ours.

    `preference` is how often good is before bad, over the `compared` queries that have both; `gains` are the
    first system minus each other one, to be believed of `comparable` systems only: those whose lists were
    judged about as much. `base_rate` is the share of good among all verdicts. `groups` counts the artists
    (`unit`) of the `compared`.
    """

    title: ClassVar[str] = "neighbour verdicts"
    systems: tuple[str, ...]
    k: int
    judgements: int
    queries: int
    base_rate: float | None
    offered: tuple[JudgedList, ...]
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
        """One line: the share of good among our neighbours, and whether ours ranks good before bad."""
        if not self.judgements:
            return "nothing measured: no verdict is about two of these tracks."
        ours = self.offered[0]
        judged = f"{ours.judged} of {ours.neighbours} neighbours by {ours.system} were judged"
        good = f"{judged}, good: {ours.good}" if ours.good else f"none of the {judged.removeprefix('0 of ')}"
        if not self.preference:
            return f"{good}; no query has both a good neighbour and a bad one, so no order can be judged"
        first, *others = [
            score for score in self.preference if score.system in (self.systems[0], *self.comparable)
        ]
        level = unbeaten(gain for gain in self.gains if gain.system in self.comparable)
        result = too_few(self.groups, self.unit) or not_shown_to_beat(level)
        unlike = [name for name in self.systems[1:] if name not in self.comparable]
        unjudged = f"; not comparable, judge the lists of all: {', '.join(unlike)}" if unlike else ""
        order = f"good before bad in {first} against {listed_means(others)}"
        return f"{good}; {order}{result and f', {result}'}{unjudged}"

    def table(self) -> list[dict[str, str]]:
        """Rows to print, one a system: its judged neighbours, their share of good, good before bad."""
        rows = {
            judged.system: {
                "system": judged.system,
                "queries": str(self.queries),
                f"judged of the {self.k} nearest": f"{judged.judged} of {judged.neighbours}",
                "good among the judged": str(judged.good) if judged.good else "",
                f"precision@{self.k} is within": f"{judged.at_least:.2f} to {judged.at_most:.2f}",
            }
            for judged in self.offered
        }
        for row in rows.values() if self.preference else ():
            row[f"queries with both ({self.unit})"] = f"{self.compared} ({self.groups})"
        for score in self.preference:
            rows.setdefault(score.system, {"system": score.system})["good before bad"] = str(score)
        for gain in self.gains:
            shown = f"{gain:+.2f}" if gain.system in self.comparable else "not comparable"
            rows[gain.system][f"{self.systems[0]} above it"] = shown
        return list(rows.values())


def neighbour_verdicts(
    systems: Mapping[str, Float[np.ndarray, "tracks _"]],
    track_ids: Sequence[str],
    verdicts: pd.DataFrame,
    k: int = 10,
    random_seed: int = 0,
    resamples: int = RESAMPLES,
    artists: Int[np.ndarray, " tracks"] | None = None,
) -> NeighbourVerdicts:
    """Compare systems with people's `verdicts`, as `read_verdicts` returns them.

    Row i of every system is the vector of `track_ids[i]`; a track's neighbours are the `k` others of highest
    cosine. Of a person who judged a pair again the last verdict counts. Verdicts about other tracks are left
    out. `artists` numbers each track's artist: intervals draw the queries' artists, or whole queries where it
    is None.
    """
    rows, last = pd.Index(track_ids), latest_verdicts(verdicts)
    pairs = pd.DataFrame({column: rows.get_indexer(pd.Index(last[column])) for column in COLUMNS})
    pairs["good"] = (last["verdict"] == GOOD).to_numpy(bool)
    pairs = pairs[(pairs[COLUMNS] >= 0).all(axis=1)]
    shares = pairs.groupby(COLUMNS)["good"].mean()
    queries = np.unique(pairs["query_id"].to_numpy(int))
    groups, unit = (queries, "queries") if artists is None else (artists[queries], "artists")
    judged = []
    for name, vectors in systems.items():
        nearest = nearest_neighbours(vectors, queries, k, random_seed)
        asked = pd.MultiIndex.from_arrays([np.repeat(queries, nearest.shape[1]), nearest.ravel()])
        judged.append(_judged_list(name, shares.reindex(asked), groups, resamples, random_seed))
    scores = {name: good_before_bad(vectors, pairs, queries) for name, vectors in systems.items()}
    scores[CHANCE] = np.where(np.isfinite(next(iter(scores.values()))), 0.5, np.nan)
    measure = Measure("neighbour verdicts", "verdicts", "good before bad", None, scores, groups, unit=unit)
    compared, ours = int(measure.asked.sum()), judged[0].judged
    comparable = [
        other.system
        for other in judged[1:]
        if min(ours, other.judged) >= COMPARABLE_SHARE * max(ours, other.judged)
    ]
    preferred = compare(measure, resamples, random_seed) if compared else None
    notes = []
    if left_out := len(last) - len(pairs):
        notes.append(f"{left_out} verdicts are about tracks that have no vector here, and were left out.")
    if len(pairs):
        drawn = interval_note(len(np.unique(groups)), unit, resamples)
        notes += _notes(pairs, len(queries), compared, drawn)
    return NeighbourVerdicts(
        systems=tuple(systems),
        k=k,
        judgements=len(pairs),
        queries=len(queries),
        base_rate=float(pairs["good"].mean()) if len(pairs) else None,
        offered=tuple(judged) if len(queries) else (),
        compared=compared,
        preference=preferred.scores if preferred else (),
        gains=preferred.gains if preferred else (),
        comparable=(*comparable, CHANCE),
        left_out=left_out,
        groups=preferred.groups if preferred else 0,
        unit=unit,
        notes=tuple(notes),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )


@typechecked
def nearest_neighbours(
    vectors: Vectors, queries: Queries, k: int, random_seed: int
) -> Int[np.ndarray, "queries neighbours"]:
    """The `k` other tracks of highest cosine to each query; fewer where there are fewer.

    Ties are broken by `random_seed`, since the order of a catalog gives away its artists.
    """
    shuffled = np.random.default_rng(random_seed).permutation(len(vectors))
    unit = unit_length(np.asarray(vectors, np.float32))[shuffled]
    return np.asarray(shuffled[nearest_others(unit, k, np.argsort(shuffled)[queries])[1]])


def good_before_bad(vectors: Vectors, pairs: pd.DataFrame, queries: Queries) -> Float[np.ndarray, " queries"]:
    """Share of each query's (good, bad) pairs in which good has the higher cosine; ties count a half.

    NaN where all verdicts on a query are the same.
    """
    unit = unit_length(np.asarray(vectors, dtype=np.float64))
    scores = np.full(len(queries), np.nan)
    for place, query in enumerate(queries):
        judged = pairs[pairs["query_id"] == query]
        if judged["good"].nunique() == 2:
            cosines = unit[judged["neighbour_id"]] @ unit[query]
            scores[place] = roc_auc_score(judged["good"], np.round(cosines, COSINE_DECIMALS))
    return scores


def _judged_list(
    system: str, listed: "pd.Series[float]", groups: Queries, resamples: int, random_seed: int
) -> JudgedList:
    """How much of a system's lists was judged, and how good that is; `listed` holds its share by pair."""
    by_query = listed.groupby(level=0)
    judged, good = by_query.count(), by_query.sum()
    scores, weights = {system: (good / judged).to_numpy(float)}, judged.to_numpy(float)
    measure = Measure("neighbour verdicts", "neighbours", "good", None, scores, groups, weights)
    return JudgedList(
        system=system,
        neighbours=len(listed),
        judged=int(judged.sum()),
        good=compare(measure, resamples, random_seed).scores[0] if judged.any() else None,
        at_least=float(good.sum() / max(len(listed), 1)),
        at_most=float((good.sum() + len(listed) - judged.sum()) / max(len(listed), 1)),
    )


def _notes(pairs: pd.DataFrame, queries: int, compared: int, drawn: str) -> list[str]:
    notes = [
        f"{len(pairs)} verdicts on {queries} queries, {pairs['good'].mean():.0%} of them good. {drawn} They "
        "say nothing about what other people would find good.",
        "Only tracks in some system's list were judged, which favours the system that made the list: good "
        "tracks that another one alone would find count for nothing.",
        "Yet a list holds the very mistakes that its maker did not see: a system that errs elsewhere looks "
        "better on them than it is, in good among the judged and in good before bad. Systems are compared "
        "only where about as much was judged of each one's lists; to compare others, judge their lists too.",
    ]
    if 0 < compared < queries:
        notes.append(f"Good before bad is over the {compared} queries that have both verdicts.")
    return notes
