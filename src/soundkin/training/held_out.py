"""How well held-out tracks are known by their sound: the figure that training watches, and keeps the best weights by.

Two questions: whether they find their kin, and, where a task learns from ratings, whether they find their listeners.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.catalog.listening import make_listening
from soundkin.catalog.table import Catalog
from soundkin.evaluation import user_rankings
from soundkin.evaluation.measure import Measure
from soundkin.evaluation.retrieval import retrieval
from soundkin.evaluation.user_rankings import Factors
from soundkin.shapes import Float, Int, typechecked
from soundkin.tasks import ProxyTask
from soundkin.tasks.user_side import UserSide
from soundkin.training.data import PreparedData

METRIC = "mAP@10"
LABELS = ("genre", "artist")
NDCG = f"nDCG@{user_rankings.SHORT}"
MOST_USERS = 1_000
TOGETHER = "retrieval"
SYSTEM = "network"

Items = dict[str, np.ndarray]


@dataclass(frozen=True)
class HeldOut:
    """What is known of the held-out tracks: their labels, and by task who likes them, as [users, tracks].

    A column nobody can be asked about is left out.
    """

    labels: Mapping[str, Sequence[tuple[str, ...]]]
    artists: Sequence[tuple[str, ...]]
    plays: Mapping[str, csr_matrix]

    @classmethod
    def of(cls, catalog: Catalog, plays: Mapping[str, csr_matrix] | None = None) -> "HeldOut":
        """The labels of a catalog of held-out tracks, and the plays of up to MOST_USERS who like one."""
        present = [label for label in LABELS if label in catalog.frame.columns]
        asked = {task: _of_some_users(liked) for task, liked in (plays or {}).items()}
        return cls({label: catalog.values(label) for label in present}, _artists(catalog), asked)

    def score_names(self) -> list[str]:
        """What `held_out_scores` answers; nothing where there are no two tracks."""
        blank = np.zeros((len(self.artists), 1), np.float32)
        tastes = {task: (np.zeros((liked.shape[0], 1), np.float32), blank) for task, liked in self.plays.items()}
        return list(held_out_scores(measure_held_out(blank, self, tastes))) if len(blank) > 1 else []

    def of_plays_alone(self) -> "HeldOut":
        """Without labels, which say nothing of a network that learns from users alone."""
        return HeldOut({}, self.artists, self.plays)


def held_out_of(tasks: Mapping[str, ProxyTask], data: PreparedData) -> HeldOut:
    """What the held-out tracks are asked for: labels and listeners, or these alone where nothing else is learnt."""
    tastes = {name: task for name, task in tasks.items() if isinstance(task, UserSide)}
    plays = {name: liked for name, task in tastes.items() if (liked := _held_out_plays(task, data)).nnz}
    held_out = HeldOut.of(data.valid.catalog, plays)
    return held_out.of_plays_alone() if len(tastes) == len(tasks) else held_out


def measure_held_out(
    vectors: Float[np.ndarray, "tracks embedding"], held_out: HeldOut, tastes: Mapping[str, Factors] | None = None
) -> dict[str, Measure]:
    """How well each track finds its kin, and each user their tracks.

    Args:
        vectors: one a held-out track.
        tastes: by task, user vectors and the vectors of the held-out tracks in their space.

    Returns:
        `<label>_map`, average precision at 10, artist filter on for all but the artist, for each label that some pair
        of tracks shares; `<task>_ndcg`, nDCG at 20 of what users like, for each task with plays.
    """
    found = {}
    for label, values in held_out.labels.items():
        others = None if label == "artist" else ("artist", held_out.artists)
        measures = retrieval({SYSTEM: vectors}, label, values, others, np.arange(len(vectors)), random_seed=0)
        measure = next(measure for measure in measures if measure.metric == METRIC)
        if measure.asked.any():
            found[f"{label}_map"] = measure
    for task, factors in (tastes or {}).items():
        metrics = {NDCG: user_rankings.METRICS[NDCG]}
        [found[f"{task}_ndcg"]] = user_rankings.ask({SYSTEM: factors}, held_out.plays[task], metrics=metrics)
    return found


def held_out_scores(measures: Mapping[str, Measure]) -> dict[str, float]:
    """The mean of each measure, and as `retrieval` the mean of them all; empty if there is none."""
    scores = {name: float(np.nanmean(values)) for name, values in of_items(measures).items()}
    return scores | ({TOGETHER: float(np.mean(list(scores.values())))} if scores else {})


def of_items(measures: Mapping[str, Measure]) -> Items:
    """The scores that a measure is the mean of; NaN where an item could not be asked."""
    return {name: np.asarray(measure.scores[SYSTEM]) for name, measure in measures.items()}


def watched_score(measures: Mapping[str, Measure], watched: str, start: Items | None) -> float:
    """What weights are kept by: the watched score, but no more than the start's unless it is better beyond noise.

    Noise is one standard error of the difference, over artists (or users). Held-out artists are few, and of many
    epochs one is always a little above the start by chance: L. Breiman et al., "Classification and Regression Trees"
    (1984), have the rule for choosing among simpler and richer trees. `start` is what `of_items` gave of the start.
    """
    score = held_out_scores(measures)[watched]
    if start is None:
        return score
    parts = list(measures) if watched == TOGETHER else [watched]
    gains = [of_items(measures)[part] - start[part] for part in parts]
    errors = [standard_error(gain, measures[part].groups) for part, gain in zip(parts, gains, strict=True)]
    if np.mean([np.nanmean(gain) for gain in gains]) > np.hypot.reduce(errors) / len(parts):
        return score
    return min(score, float(np.mean([float(np.nanmean(start[part])) for part in parts])))


@typechecked
def standard_error(values: Float[np.ndarray, " items"], groups: Int[np.ndarray, " items"]) -> float:
    """Of the mean of `values` (NaN: not asked), where groups are independent and items are not; inf for one group."""
    asked = np.isfinite(values)
    _, numbers = np.unique(groups[asked], return_inverse=True)
    sums = np.bincount(numbers, values[asked] - values[asked].mean())
    if len(sums) < 2:
        return float("inf")
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)) / asked.sum())


def _held_out_plays(task: UserSide, data: PreparedData) -> csr_matrix:
    """Which held-out tracks the task's users like, by the ratings of training and held-out tracks."""
    assert data.sources.all_tracks is not None
    wanted = {*data.train.catalog.track_ids, *data.valid.catalog.track_ids}
    tracks = data.sources.all_tracks
    both = tracks.select(np.array([track_id in wanted for track_id in tracks.track_ids]))
    ratings = replace(data.sources, catalog=both).read_ratings(task.name)
    listening = make_listening(ratings, task.config.listening, f"ratings {data.sources.ratings}")
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


def _artists(catalog: Catalog) -> Sequence[tuple[str, ...]]:
    return catalog.values("artist") if "artist" in catalog.frame.columns else [()] * len(catalog)
