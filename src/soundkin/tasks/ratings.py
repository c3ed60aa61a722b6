"""Ratings, end to end: a vector a user is learnt together with the network, so that it comes near what the
user likes.

BPR: S. Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback" (2009). Sampled softmax: X.
Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations" (2019).

Tracks are at unit length here and have no popularity of their own: a hit must not pull the sound of its like
along, and of a track that nobody has heard there is none to know. Since a batch draws tracks, and then a user
who likes each, a track liked by thousands is met no more often than one liked by five.
"""

from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from soundkin.catalog.interactions import Interactions, make_interactions
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError
from soundkin.shapes import Bool, Float, Int, typechecked
from soundkin.tasks.base import TaskConfig, unit_length
from soundkin.tasks.user_side import UserSide, UserSideConfig


class RatingsConfig(UserSideConfig):
    """Settings of the ratings task."""

    loss: Literal["bpr", "sampled_softmax"] = Field(
        "bpr", description="pairs of tracks, or one among the batch"
    )
    temperature: float = Field(0.2, gt=0.0, description="what products of user and track are divided by")
    regularisation: float = Field(0.01, ge=0.0, description="weight of the squared length of the users drawn")
    frequency: Literal["uniform", "artists"] = Field(
        "artists",
        description="how often batches hold a track, for the softmax to correct: all alike, or by artist",
    )


class RatingsTask(UserSide):
    """Each track's user, drawn among those who like it, ranks it above the batch's tracks that they do not
    like.
    """

    name = "ratings"
    config_kind: ClassVar[type[TaskConfig]] = RatingsConfig
    config: RatingsConfig
    first_listener: Tensor
    listeners: Tensor
    summed_confidence: Tensor
    positives: Tensor
    track_weights: Tensor
    log_frequency: Tensor

    def __init__(self, config: TaskConfig, user_count: int, embedding_size: int) -> None:
        super().__init__(config, user_count, embedding_size)
        self.head = nn.Linear(embedding_size, self.config.factors, bias=False)
        self.tastes = nn.Parameter(torch.randn(user_count, self.config.factors) / self.config.factors**0.5)
        # What only training needs; a task from a bundle goes without.
        self.register_buffer("first_listener", torch.zeros(1, dtype=torch.int64), persistent=False)
        self.register_buffer("listeners", torch.zeros(0, dtype=torch.int64), persistent=False)
        self.register_buffer("summed_confidence", torch.zeros(1, dtype=torch.float64), persistent=False)
        self.register_buffer("likings", torch.zeros(0, dtype=torch.int64), persistent=False)
        self.register_buffer("track_weights", torch.zeros(0), persistent=False)
        self.register_buffer("log_frequency", torch.zeros(0), persistent=False)

    @classmethod
    def from_sources(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the users who like training tracks.

        Raises:
            CatalogError: there are no ratings, or fewer than two tracks that anybody likes.
        """
        assert isinstance(config, RatingsConfig)
        source = f"ratings {sources.ratings}"
        listening = make_interactions(sources.read_ratings(cls.name), config.listening, source)
        if len(listening.tracks) < 2:
            raise CatalogError(
                f"{source}: of the training tracks only track_id={listening.tracks[0]} is liked by anybody; the "
                f"{cls.name} task needs two to tell apart. Add ratings, or train without it: task.{cls.name}=null"
            )
        task = cls(config, len(listening.users), embedding_size)
        task._teach(listening, sources.catalog)
        return task

    @typechecked
    def track_vectors(self, vectors: Float[Tensor, "batch embedding"]) -> Float[Tensor, "batch factors"]:
        """Where tracks stand among users, at unit length."""
        return unit_length(self.head(unit_length(vectors)))

    def user_vectors(self) -> Tensor:
        """What users like [users, factors]; the lengths are free."""
        return self.tastes.detach()

    @typechecked
    def loss(
        self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """How badly drawn users tell the track that they like from the batch's others; other positives do not
        count.
        """
        known = self.labelled(targets)
        tracks = self.track_vectors(vectors[known])
        rows = targets[known]
        users = self.draw_users(rows)
        tastes = self.tastes[users]
        others = ~self.likes(users, rows)
        scores = tastes @ tracks.T / self.config.temperature
        if self.config.loss == "bpr":
            losses = ranking_losses(scores, others)
        else:
            losses = softmax_losses(scores, others, self.log_frequency[rows])
        weights = self.track_weights[rows] * others.any(dim=1)
        ranking = (weights * losses).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
        return ranking + self.config.regularisation * tastes.square().sum() / max(1, len(rows))

    @typechecked
    def metrics(
        self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]
    ) -> dict[str, float]:
        """`auc`: how often a drawn user ranks the track that they like above one that they do not, within the
        batch.
        """
        known = self.labelled(targets)
        rows = targets[known]
        users = self.draw_users(rows)
        others = ~self.likes(users, rows)
        told_apart = others.any(dim=1)
        if not told_apart.any():
            return {}
        scores = self.user_vectors()[users] @ self.track_vectors(vectors[known]).T
        own = scores.diagonal()[:, None]
        won = torch.where(others, (own > scores) + 0.5 * (own == scores), 0.0).sum(dim=1)
        return {"auc": float((won / others.sum(dim=1))[told_apart].mean())}

    @typechecked
    def draw_users(self, rows: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """A user who likes each track, the surer the likelier, from torch's own generator."""
        first, end = self.first_listener[rows], self.first_listener[rows + 1]
        below, above = self.summed_confidence[first], self.summed_confidence[end]
        drawn = below + torch.rand(len(rows), dtype=below.dtype, device=rows.device) * (above - below)
        places = torch.searchsorted(self.summed_confidence, drawn, right=True) - 1
        return self.listeners[torch.minimum(torch.maximum(places, first), end - 1)]

    @typechecked
    def likes(
        self, users: Int[Tensor, " users"], rows: Int[Tensor, " tracks"]
    ) -> Bool[Tensor, "users tracks"]:
        """Which of these users like which of these tracks."""
        asked = users[:, None] * len(self.track_weights) + rows
        places = torch.searchsorted(self.positives, asked).clamp(max=len(self.positives) - 1)
        return self.positives[places] == asked

    def _teach(self, listening: Interactions, catalog: Catalog) -> None:
        """Keep who likes what, twice: by track, to draw from, and as sorted numbers, to look up."""
        self.users = listening.users
        self.taught = listening.tracks
        liked_by = cast(Any, listening.confidence.maximum(0).T.tocsr())
        liked_by.eliminate_zeros()
        tracks = np.repeat(np.arange(len(listening.tracks)), np.diff(liked_by.indptr))
        self.first_listener = torch.from_numpy(liked_by.indptr.astype(np.int64))
        self.listeners = torch.from_numpy(liked_by.indices.astype(np.int64))
        self.summed_confidence = torch.from_numpy(
            np.concatenate([[0.0], np.cumsum(liked_by.data, dtype=np.float64)])
        )
        self.positives = torch.from_numpy(
            np.sort(liked_by.indices.astype(np.int64) * len(listening.tracks) + tracks)
        )
        self.track_weights = torch.from_numpy(listening.track_weights)
        self.log_frequency = torch.zeros(len(listening.tracks))
        if self.config.frequency == "artists":
            self.log_frequency = log_artist_frequency(catalog)[
                [catalog.row(track_id) for track_id in listening.tracks]
            ]


@typechecked
def ranking_losses(
    scores: Float[Tensor, "batch batch"], others: Bool[Tensor, "batch batch"]
) -> Float[Tensor, " batch"]:
    """BPR: mean over `others` of -log sigmoid(score of the user's track - score of the other); 0 without
    others.

    Row i of `scores` is of the user drawn for track i; `others` marks the tracks that this user does not
    like.
    """
    losses = nn.functional.softplus(scores - scores.diagonal()[:, None])
    return torch.where(others, losses, 0.0).sum(dim=1) / others.sum(dim=1).clamp(min=1)


@typechecked
def softmax_losses(
    scores: Float[Tensor, "batch batch"],
    others: Bool[Tensor, "batch batch"],
    log_frequency: Float[Tensor, " batch"],
) -> Float[Tensor, " batch"]:
    """Cross-entropy of the user's track among itself and `others`, of score - log frequency (Yi et al.)."""
    own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    logits = torch.where(others | own, scores - log_frequency, -torch.inf)
    return -logits.log_softmax(dim=1).diagonal()


def log_artist_frequency(catalog: Catalog) -> Tensor:
    """Log of how often a batch holds each track [tracks], up to a constant, where batches draw artists
    evenly.

    The tracks of a lead artist share what the artist has; a track by nobody known is its own.
    """
    groups = torch.from_numpy(catalog.artists.groups)
    return -torch.bincount(groups)[groups].float().log()
