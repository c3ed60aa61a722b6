"""Held-out retrieval and recommendation scores: for early stopping, and for choosing which epoch's weights to
keep.

Two questions: whether held-out tracks find others of their genre and artist, and, where a task learns from
ratings, whether they find their listeners. Of more than `MOST_QUERIES` tracks so many ask, the same ones at
every epoch, and all others are candidates; of more than `MOST_USERS` users so many are asked. So an epoch's
scores take time in proportion to the number of tracks.

`metrics.csv` holds each score as it is (`valid/retrieval`, the mean of all, among them): by the one that is
watched a run stops. `valid/watched` is what weights are kept by: the same, but held down to the start's while
it is not better than the start beyond noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.catalog.interactions import make_interactions
from soundkin.catalog.table import Catalog
from soundkin.evaluation import user_rankings
from soundkin.evaluation.label_questions import group_numbers
from soundkin.evaluation.retrieval import retrieval
from soundkin.evaluation.user_rankings import Factors
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import FEW_GROUPS
from soundkin.statistics.measure import Measure
from soundkin.tasks import ProxyTask
from soundkin.tasks.collaborative import CollaborativeTask
from soundkin.training.data import PreparedData

METRIC = "mAP@10"
LABELS = ("genre", "artist")
NDCG = f"nDCG@{user_rankings.SHORT}"
MOST_QUERIES = 2_000
MOST_USERS = 1_000
TOGETHER = "retrieval"
SYSTEM = "network"

Items = dict[str, np.ndarray]


@dataclass(frozen=True)
class HeldOut:
    """What is known of the held-out tracks: their labels, and by task who likes them, as [users, tracks].

    `artists` holds the keys of each track's artists (`Catalog.artists`), and `users` by task the ids of its
    users. A column nobody can be asked about is left out.
    """

    labels: Mapping[str, Sequence[tuple[str, ...]]]
    artists: Sequence[tuple[str, ...]]
    plays: Mapping[str, csr_matrix]
    users: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        plays: Mapping[str, csr_matrix] | None = None,
        users: Mapping[str, Sequence[str]] | None = None,
    ) -> "HeldOut":
        """The labels of a catalog of held-out tracks, and the plays of up to MOST_USERS who like one."""
        artists = catalog.artists.keys
        known = {label: catalog.values(label) for label in LABELS if label in catalog.frame.columns}
        labels = {label: artists if label == "artist" else values for label, values in known.items()}
        asked = {task: _of_some_users(liked) for task, liked in (plays or {}).items()}
        return cls(labels, artists, asked, users or {})

    @cached_property
    def groups(self) -> Int[np.ndarray, " tracks"]:
        """A number for each track's lead artist: the unit of independence."""
        return group_numbers(self.artists)

    @cached_property
    def queries(self) -> Int[np.ndarray, " queries"]:
        """The rows of the tracks that ask for others like them: all, or a sample of very many."""
        drawn = np.random.default_rng(0).permutation(len(self.artists))
        return np.sort(drawn[:MOST_QUERIES])

    def score_names(self) -> list[str]:
        """What `held_out_scores` answers; nothing where there are no two tracks."""
        return list(held_out_scores(self._measures_of_nothing()))

    def too_few(self, watched: str) -> str:
        """What of the watched score is too few for a comparison with the start; empty where one part has
        enough.
        """
        measures = self._measures_of_nothing()
        sizes = [(_group_count(measures[part]), measures[part].unit) for part in _parts(measures, watched)]
        groups, unit = max(sizes, default=(0, "artists"))
        return f"{groups} {unit}, at least {FEW_GROUPS} are needed" if groups < FEW_GROUPS else ""

    def in_words(self) -> str:
        """How many independent units stand behind the scores: `12 artists, 300 users`."""
        most: dict[str, int] = {}
        for measure in self._measures_of_nothing().values():
            most[measure.unit] = max(most.get(measure.unit, 0), _group_count(measure))
        return ", ".join(f"{groups} {unit}" for unit, groups in most.items())

    def conclusion(self, watched: str, had_start: bool, start_kept: bool) -> str:
        """What was kept and why, in a line for the model card.

        `had_start`: the network could be used before training, and epochs were compared with it.
        """
        if not self.score_names():
            return "nothing to compare epochs by: the last one's weights are kept"
        if few := self.too_few(watched):
            kept = "the network as it was before" if had_start else "the best score, be it chance,"
            return f"too few to tell whether training helped ({few}): {kept} is kept"
        if not had_start:
            return f"{self.in_words()}: the epoch of the best score is kept"
        if start_kept:
            return f"{self.in_words()}: no epoch is better than the network as it was before, beyond noise: it is kept"
        return f"{self.in_words()}: better than the network as it was before, beyond noise"

    def of_plays_alone(self) -> "HeldOut":
        """Without labels, which say nothing of a network that learns from users alone."""
        return HeldOut({}, self.artists, self.plays, self.users)

    def user_groups(self, task: str) -> Int[np.ndarray, " users"]:
        """A number for each user of a task, the same for one user of several tasks."""
        numbers: dict[object, int] = {}
        for name, plays in self.plays.items():
            unnamed = ((name, row) for row in range(plays.shape[0]))
            ids: list[object] = [*(self.users.get(name) or unnamed)]
            found = [numbers.setdefault(user, len(numbers)) for user in ids]
            if name == task:
                return np.array(found, dtype=int)
        raise KeyError(task)

    def _measures_of_nothing(self) -> dict[str, Measure]:
        """The measures of vectors that are all alike, which tell who can be asked."""
        if len(self.artists) < 2:
            return {}
        blank = np.zeros((len(self.artists), 1), np.float32)
        tastes = {
            task: (np.zeros((liked.shape[0], 1), np.float32), blank) for task, liked in self.plays.items()
        }
        return measure_held_out(blank, self, tastes)


def held_out_of(tasks: Mapping[str, ProxyTask], data: PreparedData) -> HeldOut:
    """What the held-out tracks are asked for: labels and listeners, or these alone where nothing else is
    learnt.
    """
    tastes = {name: task for name, task in tasks.items() if isinstance(task, CollaborativeTask)}
    plays = {name: liked for name, task in tastes.items() if (liked := _held_out_plays(task, data)).nnz}
    held_out = HeldOut.of(data.valid.catalog, plays, {name: tastes[name].users for name in plays})
    return held_out.of_plays_alone() if len(tastes) == len(tasks) else held_out


def measure_held_out(
    vectors: Float[np.ndarray, "tracks embedding"],
    held_out: HeldOut,
    tastes: Mapping[str, Factors] | None = None,
) -> dict[str, Measure]:
    """How well tracks find others of their kind, and users their tracks.

    Args:
        vectors: one a held-out track.
        tastes: by task, user vectors and the vectors of the held-out tracks in their space.

    Returns:
        `<label>_map`, average precision at 10, artist filter on for all but the artist, for each label that
        some pair of tracks shares; `<task>_ndcg`, nDCG at 20 of what users like, for each task with plays.
    """
    found = {}
    for label, values in held_out.labels.items():
        others = None if label == "artist" else ("artist", held_out.artists)
        [measure] = retrieval(
            {SYSTEM: vectors}, label, values, others, held_out.groups, 0, held_out.queries, metrics=(METRIC,)
        )
        if measure.asked.any():
            found[f"{label}_map"] = measure
    for task, factors in (tastes or {}).items():
        metrics = {NDCG: user_rankings.METRICS[NDCG]}
        [measure] = user_rankings.ask({SYSTEM: factors}, held_out.plays[task], metrics=metrics)
        found[f"{task}_ndcg"] = replace(measure, groups=held_out.user_groups(task))
    return found


def held_out_scores(measures: Mapping[str, Measure]) -> dict[str, float]:
    """The mean of each measure, and as `retrieval` the mean of them all; empty if there is none."""
    scores = {name: float(np.nanmean(values)) for name, values in of_items(measures).items()}
    return scores | ({TOGETHER: float(np.mean(list(scores.values())))} if scores else {})


def of_items(measures: Mapping[str, Measure]) -> Items:
    """The scores that a measure is the mean of; NaN where an item could not be asked."""
    return {name: np.asarray(measure.scores[SYSTEM]) for name, measure in measures.items()}


def selection_score(measures: Mapping[str, Measure], watched: str, start: Items | None) -> float:
    """What weights are kept by: the watched score, but no more than the start's unless it is better beyond
    noise.

    Noise is one standard error of the difference, over artists (or users). Held-out artists are few, and of
    many epochs one is always a little above the start by chance: L. Breiman et al., "Classification and
    Regression Trees" (1984), have the rule for choosing among simpler and richer trees. `start` is what
    `of_items` gave of the start.

    What is measured of fewer than `FEW_GROUPS` artists (or users) is no evidence: where that is all there is,
    the start is kept.
    """
    score = held_out_scores(measures)[watched]
    if start is None:
        return score
    parts = _parts(measures, watched)
    gains = {part: of_items(measures)[part] - start[part] for part in parts}
    telling = {part: gains[part] for part in parts if _group_count(measures[part]) >= FEW_GROUPS}
    if telling and np.mean([np.nanmean(gain) for gain in telling.values()]) > _error(telling, measures):
        return score
    return min(score, float(np.mean([float(np.nanmean(start[part])) for part in parts])))


def _error(gains: Mapping[str, np.ndarray], measures: Mapping[str, Measure]) -> float:
    """Standard error of the mean of the measures' mean gains.

    Measures over artists are made on the same artists, and those over users on the same users: what one of
    these contributes to all of them rises and falls together. Artists and users are drawn apart: that the
    ones are many says nothing of the others.
    """
    errors = []
    for unit in {measures[part].unit for part in gains}:
        same = [(gain, measures[part].groups) for part, gain in gains.items() if measures[part].unit == unit]
        errors.append(len(same) / len(gains) * error_of_mean(same))
    return float(np.hypot.reduce(errors))


def error_of_mean(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Standard error of the mean of several measures' means, each of `values` [items] in `groups` [items].

    Groups are independent, and of the same number in all parts; items are not. NaN: not asked. Infinite for
    one group.
    """
    asked = [np.isfinite(values) for values, _ in parts]
    shares = [
        (values[known] - values[known].mean()) / known.sum() / len(parts)
        for (values, _), known in zip(parts, asked, strict=True)
    ]
    groups = np.concatenate([groups[known] for (_, groups), known in zip(parts, asked, strict=True)])
    _, numbers = np.unique(groups, return_inverse=True)
    sums = np.bincount(numbers, np.concatenate(shares))
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1))) if len(sums) > 1 else float("inf")


@typechecked
def standard_error(values: Float[np.ndarray, " items"], groups: Int[np.ndarray, " items"]) -> float:
    """Of the mean of `values` (NaN: not asked), where groups are independent and items are not; inf for one
    group.
    """
    return error_of_mean([(values, groups)])


def _parts(measures: Mapping[str, Measure], watched: str) -> list[str]:
    return list(measures) if watched == TOGETHER else [watched]


def _group_count(measure: Measure) -> int:
    return len(np.unique(measure.groups[measure.asked]))


def _held_out_plays(task: CollaborativeTask, data: PreparedData) -> csr_matrix:
    """Which held-out tracks the task's users like, by the ratings of training and held-out tracks."""
    assert data.sources.all_tracks is not None
    wanted = {*data.train.catalog.track_ids, *data.valid.catalog.track_ids}
    tracks = data.sources.all_tracks
    both = tracks.select(np.array([track_id in wanted for track_id in tracks.track_ids]))
    ratings = replace(data.sources, catalog=both).read_ratings(task.name)
    listening = make_interactions(ratings, task.config.listening, f"ratings {data.sources.ratings}")
    return listening.plays(task.users, data.valid.catalog.track_ids)


def _of_some_users(plays: csr_matrix) -> csr_matrix:
    """The plays of users drawn evenly; the rows of all others are empty."""
    asked = np.flatnonzero(np.diff(plays.indptr))
    if len(asked) <= MOST_USERS:
        return plays
    kept = np.zeros(plays.shape[0], np.float32)
    kept[np.random.default_rng(0).choice(asked, MOST_USERS, replace=False)] = 1.0
    some = csr_matrix(plays.multiply(kept[:, None]))
    some.eliminate_zeros()
    return some
