"""Held-out retrieval and recommendation scores, used for early stopping and checkpoint selection.

Held-out tracks retrieve others of their genre and artist and, where a task learns from ratings, users
retrieve the held-out tracks that they like. At most `MAX_QUERIES` tracks and `MAX_USERS` users are queries,
the same ones at every epoch. A run stops by the selected score; weights are kept by `valid/watched`
(`selection_score`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.catalog.labels import Labels
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.config import nearest
from soundkin.errors import ConfigError
from soundkin.evaluation import user_rankings
from soundkin.evaluation.retrieval import METRICS, retrieval
from soundkin.evaluation.user_rankings import Factors
from soundkin.shapes import Float, Int
from soundkin.statistics.bootstrap import FEW_GROUPS
from soundkin.tasks import ProxyTask
from soundkin.tasks.collaborative import CollaborativeTask

METRIC, NDCG = "mAP@10", f"nDCG@{user_rankings.SHORT}"
LABELS = ("genre", "artist")
MAX_QUERIES, MAX_USERS = 2_000, 1_000
COMBINED = "retrieval"
SYSTEM = "network"


class ItemScores(NamedTuple):
    """One measure: `values` [items], NaN where an item is no query; `groups` [items]: artists or users."""

    values: Float[np.ndarray, " items"]
    groups: Int[np.ndarray, " items"]
    unit: str = "artists"

    @property
    def group_count(self) -> int:
        """How many independent artists (or users) there are scores of."""
        return len(np.unique(self.groups[np.isfinite(self.values)]))


Measures = Mapping[str, ItemScores]


@dataclass(frozen=True)
class HeldOutTargets:
    """Labels of the held-out tracks and, by task, which users like them.

    `artists` holds the keys of each track's artists and `groups` [tracks] a number for its lead artist;
    `positives` are sparse [users, tracks], by task, and `users` their ids; `example_groups` the lead artists'
    numbers of the held-out examples of tasks that are trained on examples.
    """

    labels: Mapping[str, Labels]
    artists: Labels
    groups: Int[np.ndarray, " tracks"]
    positives: Mapping[str, csr_matrix] = field(default_factory=dict)
    users: Mapping[str, Sequence[str]] = field(default_factory=dict)
    example_groups: Mapping[str, Int[np.ndarray, " examples"]] = field(default_factory=dict)

    @classmethod
    def from_catalog(cls, catalog: Catalog) -> "HeldOutTargets":
        """The labels of a catalog of held-out tracks."""
        artists = catalog.artists
        labels = {label: catalog.values(label) for label in LABELS if label in catalog.frame.columns}
        labels |= {"artist": artists.keys} if "artist" in labels else {}
        return cls(labels, artists.keys, artists.groups)

    @classmethod
    def from_tasks(
        cls, tasks: Mapping[str, ProxyTask], sources: Sources, training: Catalog, held_out: Catalog
    ) -> "HeldOutTargets":
        """What `tasks` on `training` are scored on; by users alone where all of them learn from ratings."""
        by_ratings = {name: task for name, task in tasks.items() if isinstance(task, CollaborativeTask)}
        ids = {*training.track_ids, *held_out.track_ids}  # ratings of test tracks are not looked at
        chosen = np.array([track_id in ids for track_id in sources.catalog.track_ids])
        both = sources.about(sources.catalog.select(chosen))
        positives, users = {}, {}
        for name, task in by_ratings.items():
            liked = task.read_interactions(task.config, both).plays(task.users, held_out.track_ids)
            if liked.nnz:
                positives[name], users[name] = sample_users(liked), task.users
        targets = replace(cls.from_catalog(held_out), positives=positives, users=users)
        return replace(targets, labels={}) if len(by_ratings) == len(tasks) else targets

    @cached_property
    def queries(self) -> Int[np.ndarray, " queries"]:
        """The rows of the tracks that are queries: all, or a sample of very many."""
        return np.sort(np.random.default_rng(0).permutation(len(self.artists))[:MAX_QUERIES])

    def measure(
        self,
        vectors: Float[np.ndarray, "tracks embedding"],
        factors: Mapping[str, Factors] | None = None,
        agreements: Mapping[str, Float[np.ndarray, " examples"]] | None = None,
    ) -> dict[str, ItemScores]:
        """Score the held-out tracks' vectors and, by task, the users' and tracks' vectors in one space.

        `<label>_map` is average precision at 10, artist filter on for all but the artist, for each label that
        some pair of tracks shares; `<task>_ndcg` nDCG at 20 of what users like, for each task with positives;
        `<task>_agreement` the `agreements` with teachers, of each task that has any.
        """
        by_labels, by_users = self.label_measures(vectors), self.user_measures(factors or {})
        return {**by_labels, **by_users, **self.agreement_measures(agreements or {})}

    def label_measures(self, vectors: Float[np.ndarray, "tracks embedding"]) -> dict[str, ItemScores]:
        """The part of `measure` that vectors alone decide."""
        measures = {}
        for label, values in self.labels.items():
            artists = None if label == "artist" else ("artist", self.artists)  # the artist filter
            [measure] = retrieval(
                {SYSTEM: vectors},
                label,
                values,
                artists,
                self.groups,
                0,
                self.queries,
                metrics={METRIC: METRICS[METRIC]},
            )
            if measure.asked.any():
                measures[f"{label}_map"] = ItemScores(np.asarray(measure.scores[SYSTEM]), self.groups)
        return measures

    def user_measures(self, factors: Mapping[str, Factors]) -> dict[str, ItemScores]:
        """The part of `measure` that users' and tracks' factors decide, by task."""
        measures = {}
        for task, both in factors.items():
            metrics = {NDCG: user_rankings.METRICS[NDCG]}
            [measure] = user_rankings.ask({SYSTEM: both}, self.positives[task], metrics=metrics)
            groups = self.user_groups(task)
            measures[f"{task}_ndcg"] = ItemScores(np.asarray(measure.scores[SYSTEM]), groups, measure.unit)
        return measures

    def agreement_measures(
        self, agreements: Mapping[str, Float[np.ndarray, " examples"]]
    ) -> dict[str, ItemScores]:
        """The part of `measure` that is agreement with teachers, by task."""
        return {
            f"{task}_agreement": ItemScores(agreement, self.example_groups[task])
            for task, agreement in agreements.items()
        }

    @cached_property
    def blank_measures(self) -> dict[str, ItemScores]:
        """The measures of vectors that are all alike, which tell what can be scored."""
        if len(self.artists) < 2:
            return {}
        blank = np.zeros((len(self.artists), 1), np.float32)
        users = {task: np.zeros((liked.shape[0], 1), np.float32) for task, liked in self.positives.items()}
        agreements = {task: np.zeros(len(groups)) for task, groups in self.example_groups.items()}
        return self.measure(blank, {task: (vectors, blank) for task, vectors in users.items()}, agreements)

    def score_names(self) -> list[str]:
        """The names in `held_out_scores`."""
        return list(held_out_scores(self.blank_measures))

    def user_groups(self, task: str) -> Int[np.ndarray, " users"]:
        """A number for each user of a task, the same for one user of several tasks."""
        ids: dict[str, Sequence[object]] = {
            name: self.users.get(name) or [(name, row) for row in range(liked.shape[0])]
            for name, liked in self.positives.items()
        }
        distinct = dict.fromkeys(user for of_task in ids.values() for user in of_task)
        numbers = {user: number for number, user in enumerate(distinct)}
        return np.array([numbers[user] for user in ids[task]], dtype=int)

    def too_few(self, name: str) -> str:
        """Why the score `name` cannot be compared with the initial one; empty where one part of it can."""
        parts = [self.blank_measures[part] for part in _parts(self.blank_measures, name)]
        groups, unit = max(((part.group_count, part.unit) for part in parts), default=(0, "artists"))
        return f"{groups} {unit}, at least {FEW_GROUPS} are needed" if groups < FEW_GROUPS else ""

    def evidence(self) -> str:
        """How many independent units the scores are measured on: `12 artists, 300 users`."""
        most: dict[str, int] = {}
        for measure in self.blank_measures.values():
            most[measure.unit] = max(most.get(measure.unit, 0), measure.group_count)
        return ", ".join(f"{groups} {unit}" for unit, groups in most.items())

    def conclusion(self, name: str, had_initial: bool, initial_kept: bool) -> str:
        """What was kept and why, for the model card; `had_initial`: epochs were compared with it."""
        if not self.score_names():
            return "nothing to compare epochs by: the last one's weights are kept"
        if few := self.too_few(name):
            kept = "the network as it was before" if had_initial else "the best score, be it chance,"
            return f"too few to tell whether training helped ({few}): {kept} is kept"
        result = "better than the network as it was before, beyond noise"
        if not had_initial:
            result = "the epoch of the best score is kept"
        elif initial_kept:
            result = f"no epoch is {result}: it is kept"
        return f"{self.evidence()}: {result}"


def held_out_scores(measures: Measures) -> dict[str, float]:
    """The mean of each measure, and as `retrieval` the mean of them all; empty if there is none."""
    scores = {name: float(np.nanmean(measure.values)) for name, measure in measures.items()}
    return scores | ({COMBINED: float(np.mean(list(scores.values())))} if scores else {})


def selection_score(measures: Measures, name: str, initial: Mapping[str, np.ndarray] | None) -> float:
    """The score that weights are kept by: the initial network's unless `name` is better beyond noise.

    Noise is one standard error of the difference, over artists (or users). Held-out artists are few, and of
    many epochs one is always a little better by chance: L. Breiman et al., "Classification and Regression
    Trees" (1984), have the rule for choosing among simpler and richer trees. Measures of fewer than
    `FEW_GROUPS` artists (or users) are no evidence. `initial` holds the values of the initial measures.
    """
    score = held_out_scores(measures)[name]
    if initial is None:
        return score
    parts = _parts(measures, name)
    gains = [
        measures[part]._replace(values=measures[part].values - initial[part])
        for part in parts
        if measures[part].group_count >= FEW_GROUPS
    ]
    if gains and np.mean([np.nanmean(gain.values) for gain in gains]) > error_of_mean(gains):
        return score
    return min(score, float(np.mean([np.nanmean(initial[part]) for part in parts])))


def check_score_name(name: str, scores: Sequence[str]) -> None:
    """Raise ConfigError where `name` is none of the `scores` that the held-out tracks can give."""
    if name not in scores:
        close = nearest(name, set(scores))
        raise ConfigError(f"config trainer.selection_score={name}: no such score here.{close}")


def _parts(measures: Measures, name: str) -> list[str]:
    return list(measures) if name == COMBINED else [name]


def error_of_mean(measures: Sequence[ItemScores]) -> float:
    """Standard error of the mean of the measures' means; infinite where one is of a single group.

    Groups are independent. Items of a group are not, and neither are measures over the same unit's groups.
    """
    variance = 0.0
    for unit in {measure.unit for measure in measures}:
        shares, groups = [], []
        for values, group, _ in (measure for measure in measures if measure.unit == unit):
            known = np.isfinite(values)
            shares.append((values[known] - values[known].mean()) / known.sum() / len(measures))
            groups.append(group[known])
        numbers = np.unique(np.concatenate(groups), return_inverse=True)[1]
        sums = np.bincount(numbers, np.concatenate(shares))
        if len(sums) < 2:
            return float("inf")
        variance += (sums**2).sum() * len(sums) / (len(sums) - 1)
    return float(np.sqrt(variance))


def sample_users(positives: csr_matrix) -> csr_matrix:
    """The positives of at most MAX_USERS users, drawn evenly; the rows of all others are empty."""
    users = np.flatnonzero(np.diff(positives.indptr))
    if len(users) <= MAX_USERS:
        return positives
    kept = np.zeros(positives.shape[0], np.float32)
    kept[np.random.default_rng(0).choice(users, MAX_USERS, replace=False)] = 1.0
    sampled = csr_matrix(positives.multiply(kept[:, None]))
    sampled.eliminate_zeros()
    return sampled
