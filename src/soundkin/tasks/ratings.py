"""Ratings, end to end: user vectors are trained with the network, towards the tracks that the users like.

BPR: S. Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback" (2009). Sampled softmax: X.
Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations" (2019). Tracks are
at unit length and have no popularity of their own; batches draw tracks, and then a user who likes each, so
that a hit is drawn no more often than another track.
"""

from typing import Any, Literal, Self, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from soundkin.catalog.interactions import Interactions
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.shapes import Bool, Float, Int, typechecked
from soundkin.tasks.base import Rows, Scalar, TaskConfig, Vectors
from soundkin.tasks.collaborative import CollaborativeConfig, CollaborativeTask

Scores = Float[Tensor, "batch batch"]
Negatives = Bool[Tensor, "batch batch"]
Losses = Float[Tensor, " batch"]
Likes = Bool[Tensor, "users tracks"]


class RatingsConfig(CollaborativeConfig):
    """Settings of the ratings task."""

    loss: Literal["bpr", "sampled_softmax"] = "bpr"
    temperature: float = Field(0.2, gt=0.0, description="what products of user and track are divided by")
    regularisation: float = Field(0.01, ge=0.0, description="weight of the squared length of the users drawn")
    frequency: Literal["uniform", "artists"] = Field("artists", description="how batches draw tracks")


class RatingsTask(CollaborativeTask):
    """Each track's user, drawn among those who like it, ranks it above tracks that they do not."""

    name = "ratings"
    config_kind = RatingsConfig
    config: RatingsConfig
    summed_confidence: Tensor
    positives: Tensor
    track_weights: Tensor
    log_frequency: Tensor

    def __init__(self, config: TaskConfig, user_count: int, embedding_size: int) -> None:
        super().__init__(config, user_count, embedding_size)
        self.head = nn.Linear(embedding_size, self.config.factors, bias=False)
        self.tastes = nn.Parameter(torch.randn(user_count, self.config.factors) / self.config.factors**0.5)

    @classmethod
    def from_sources(cls, config: RatingsConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the users who like training tracks."""
        interactions = cls.read_interactions(config, sources)
        if len(interactions.tracks) < 2:
            problem = f"only track_id={interactions.tracks[0]} is liked by anybody; two tracks are needed"
            cls.reject(f"ratings {sources.ratings}: of the training tracks {problem}", "Add ratings")
        task = cls(config, len(interactions.users), embedding_size)
        task._fit_to(interactions, sources.catalog)
        return task

    @typechecked
    def track_vectors(self, vectors: Vectors) -> Float[Tensor, "batch factors"]:
        """Tracks in the space of the users, at unit length."""
        return normalize(self.head(normalize(vectors)))

    def user_vectors(self) -> Tensor:
        """[users, factors]; the lengths are free."""
        return self.tastes.detach()

    @typechecked
    def loss(self, vectors: Vectors, targets: Rows) -> Scalar:
        """How badly drawn users tell a track that they like from the batch's tracks that they do not."""
        known = self.labelled(targets)
        tracks, rows = self.track_vectors(vectors[known]), targets[known]
        users = self.draw_users(rows)
        user_vectors, negatives = self.tastes[users], ~self.likes(users, rows)
        scores = user_vectors @ tracks.T / self.config.temperature
        if self.config.loss == "bpr":
            losses = ranking_losses(scores, negatives)
        else:
            losses = softmax_losses(scores, negatives, self.log_frequency[rows])
        weights = self.track_weights[rows] * negatives.any(dim=1)
        ranking = (weights * losses).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
        return ranking + self.config.regularisation * user_vectors.square().sum() / max(1, len(rows))

    @typechecked
    def figures(self, vectors: Vectors, targets: Rows) -> dict[str, float]:
        """`auc`: how often a drawn user ranks the track that they like above a negative of the batch."""
        users = self.draw_users(targets)
        negatives = ~self.likes(users, targets)
        asked = negatives.any(dim=1)
        if not asked.any():
            return {}
        scores = self.user_vectors()[users] @ self.track_vectors(vectors).T
        own = scores.diagonal()[:, None]
        won = torch.where(negatives, (own > scores) + 0.5 * (own == scores), 0.0).sum(dim=1)
        return {"auc": float((won / negatives.sum(dim=1))[asked].mean())}

    @typechecked
    def draw_users(self, rows: Rows) -> Rows:
        """A user who likes each track, the surer the likelier, from torch's own generator."""
        first, end = self.first_listener[rows], self.first_listener[rows + 1]
        below, above = self.summed_confidence[first], self.summed_confidence[end]
        drawn = below + torch.rand(len(rows), dtype=below.dtype, device=rows.device) * (above - below)
        places = torch.searchsorted(self.summed_confidence, drawn, right=True) - 1
        return self.listeners[torch.minimum(torch.maximum(places, first), end - 1)]

    @typechecked
    def likes(self, users: Int[Tensor, " users"], rows: Int[Tensor, " tracks"]) -> Likes:
        """Which of these users like which of these tracks."""
        pairs = users[:, None] * len(self.track_weights) + rows
        places = torch.searchsorted(self.positives, pairs).clamp(max=len(self.positives) - 1)
        return self.positives[places] == pairs

    def _fit_to(self, interactions: Interactions, catalog: Catalog) -> None:
        """Keep who likes what, twice: by track, to draw from, and as sorted numbers, to look up."""
        tracks = interactions.tracks
        by_track = cast(Any, interactions.confidence.maximum(0).T.tocsr())
        by_track.eliminate_zeros()
        pairs = by_track.tocoo()
        positives = np.sort(pairs.col.astype(np.int64) * len(tracks) + pairs.row)
        summed_confidence = np.concatenate([[0.0], np.cumsum(by_track.data, dtype=np.float64)])
        log_frequency = torch.zeros(len(tracks))
        if self.config.frequency == "artists":
            log_frequency = log_artist_frequency(catalog)[[catalog.row(track_id) for track_id in tracks]]
        self.keep_for_training(
            interactions.users, tracks, by_track,
            summed_confidence=torch.from_numpy(summed_confidence),
            positives=torch.from_numpy(positives),
            track_weights=torch.from_numpy(interactions.track_weights),
            log_frequency=log_frequency,
        )  # fmt: skip


@typechecked
def ranking_losses(scores: Scores, negatives: Negatives) -> Losses:
    """BPR: mean of -log sigmoid(score of the user's track - score of a negative); 0 without any.

    Row i of `scores` is of the user drawn for track i; `negatives` are tracks that this user does not like.
    """
    losses = softplus(scores - scores.diagonal()[:, None])
    return torch.where(negatives, losses, 0.0).sum(dim=1) / negatives.sum(dim=1).clamp(min=1)


@typechecked
def softmax_losses(scores: Scores, negatives: Negatives, log_frequency: Losses) -> Losses:
    """Cross-entropy of the user's track among it and `negatives`, of score - log frequency."""
    own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    logits = torch.where(negatives | own, scores - log_frequency, -torch.inf)
    return -logits.log_softmax(dim=1).diagonal()


def log_artist_frequency(catalog: Catalog) -> Tensor:
    """Log of how often a batch that draws artists evenly holds each track [tracks], up to a constant."""
    groups = torch.from_numpy(catalog.artists.groups)
    return -torch.bincount(groups)[groups].float().log()
