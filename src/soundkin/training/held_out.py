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
from soundkin.evaluation.retrieval import retrieval
from soundkin.evaluation.user_rankings import Factors
from soundkin.shapes import Float
from soundkin.tasks import ProxyTask
from soundkin.tasks.user_side import UserSide
from soundkin.training.data import PreparedData

METRIC = "mAP@10"
LABELS = ("genre", "artist")
NDCG = f"nDCG@{user_rankings.SHORT}"
MOST_USERS = 1_000
TOGETHER = "retrieval"


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
        return list(held_out_scores(blank, self, tastes)) if len(blank) > 1 else []

    def of_plays_alone(self) -> "HeldOut":
        """Without labels, which say nothing of a network that learns from users alone."""
        return HeldOut({}, self.artists, self.plays)


def held_out_of(tasks: Mapping[str, ProxyTask], data: PreparedData) -> HeldOut:
    """What the held-out tracks are asked for: labels and listeners, or these alone where nothing else is learnt."""
    tastes = {name: task for name, task in tasks.items() if isinstance(task, UserSide)}
    plays = {name: liked for name, task in tastes.items() if (liked := _held_out_plays(task, data)).nnz}
    held_out = HeldOut.of(data.valid.catalog, plays)
    return held_out.of_plays_alone() if len(tastes) == len(tasks) else held_out


def held_out_scores(
    vectors: Float[np.ndarray, "tracks embedding"], held_out: HeldOut, tastes: Mapping[str, Factors] | None = None
) -> dict[str, float]:
    """How well tracks find their kin and their listeners.

    Args:
        vectors: one a held-out track.
        tastes: by task, user vectors and the vectors of the held-out tracks in their space.

    Returns:
        `<label>_map`, the mean average precision at 10, artist filter on for all but the artist, for each label that
        some pair of tracks shares; `<task>_ndcg`, the nDCG at 20 of what users like, for each task with plays; and
        `retrieval`, the mean of them all. Empty if there is none.
    """
    scores = {}
    for label, values in held_out.labels.items():
        others = None if label == "artist" else ("artist", held_out.artists)
        measures = retrieval({"network": vectors}, label, values, others, np.arange(len(vectors)), random_seed=0)
        of_tracks = next(measure for measure in measures if measure.metric == METRIC).scores["network"]
        if np.isfinite(of_tracks).any():
            scores[f"{label}_map"] = float(np.nanmean(of_tracks))
    for task, factors in (tastes or {}).items():
        metrics = {NDCG: user_rankings.METRICS[NDCG]}
        [measure] = user_rankings.ask({"network": factors}, held_out.plays[task], metrics=metrics)
        scores[f"{task}_ndcg"] = float(np.nanmean(measure.scores["network"]))
    return scores | ({TOGETHER: float(np.mean(list(scores.values())))} if scores else {})


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
