"""Latent factors: matrix factorisation places a track among users, and the network predicts that place.

A. van den Oord, S. Dieleman, B. Schrauwen, "Deep content-based music recommendation" (2013): `mse` and `wpe`.
S. Dieleman, "Recommending music on Spotify with deep learning" (2014): `mse_unit`; at unit length a track's
factors say nothing of its popularity, and a track of one listener weighs as much as a hit: hence
`minimum_listeners`. Every loss is divided by what it costs to predict nothing.
"""

from typing import Any, Literal, Self, cast

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import normalize

from soundkin.catalog.interactions import Interactions
from soundkin.catalog.sources import Sources
from soundkin.errors import ConfigError
from soundkin.shapes import Float, typechecked
from soundkin.tasks.base import Rows, Scalar, TaskConfig, Vectors
from soundkin.tasks.collaborative import CollaborativeConfig, CollaborativeTask
from soundkin.tasks.factorisation import Factors, factorise

VANISHED = 1e-3  # the length of a track's factors that says nothing; usual ones are near 1
TrackFactors = Float[Tensor, "batch factors"]


class LatentFactorsConfig(CollaborativeConfig):
    """Settings of the latent-factor task."""

    loss: Literal["mse_unit", "mse", "wpe"] = Field(
        "mse_unit", description="squared, or weighted prediction error"
    )
    iterations: PositiveInt = Field(15, description="rounds of alternating least squares")
    regularisation: float = Field(10.0, gt=0.0, description="weight of the squared length of the factors")
    minimum_listeners: PositiveInt = Field(2, description="tracks that fewer users like are no targets")
    random_seed: NonNegativeInt = Field(0, description="of the factors that least squares start from")


class LatentFactorsTask(CollaborativeTask):
    """Linear regression of a track's factors; users keep the factors of the factorisation."""

    name = "latent_factors"
    config_kind = LatentFactorsConfig
    config: LatentFactorsConfig
    user_factors: Tensor
    track_factors: Tensor
    cost_of_nothing: Tensor
    shared_curvature: Tensor

    def __init__(self, config: TaskConfig, user_count: int, embedding_size: int) -> None:
        super().__init__(config, user_count, embedding_size)
        self.head = nn.Linear(embedding_size, self.config.factors)
        self.scale = nn.Parameter(torch.tensor(1.0)) if self.config.loss != "mse_unit" else None
        self.register_buffer("user_factors", torch.zeros(user_count, self.config.factors))

    @classmethod
    def from_sources(cls, config: LatentFactorsConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the factors of the training tracks that enough users like."""
        interactions, enough = cls._interactions(config, sources)
        settings = config.factors, config.iterations, config.regularisation, config.random_seed
        factors = factorise(interactions.confidence, *settings)
        if np.linalg.norm(factors.tracks[enough], axis=1).max() < VANISHED:
            raise ConfigError(
                f"config task.{cls.name}.regularisation={config.regularisation:g} is too strong for ratings "
                f"{sources.ratings}: nothing is left of the factors. Set it lower, or listening.alpha higher."
            )
        task = cls(config, len(interactions.users), embedding_size)
        task._fit_to(interactions, factors, enough)
        return task

    @classmethod
    def check(cls, config: LatentFactorsConfig, sources: Sources, embedding_size: int) -> None:
        """As `from_sources`, but for the factorisation, which takes long where there are many plays."""
        cls._interactions(config, sources)

    @classmethod
    def _interactions(cls, config: LatentFactorsConfig, sources: Sources) -> tuple[Interactions, np.ndarray]:
        """Who likes what, and which tracks have enough listeners."""
        interactions = cls.read_interactions(config, sources)
        listeners = interactions.listeners()
        if listeners.max() < config.minimum_listeners:
            most = f"is liked by {config.minimum_listeners} users; one is by {listeners.max()}"
            hint = f"Set task.{cls.name}.minimum_listeners lower"
            cls.reject(f"ratings {sources.ratings}: no training track {most}", hint)
        return interactions, listeners >= config.minimum_listeners

    @typechecked
    def track_vectors(self, vectors: Vectors) -> TrackFactors:
        """Predicted factors; at unit length where the targets are."""
        predicted = self._predicted(vectors)
        return normalize(predicted) if self.config.loss == "mse_unit" else predicted

    def user_vectors(self) -> Tensor:
        """The users' factors [users, factors]."""
        return self.user_factors

    @typechecked
    def loss(self, vectors: Vectors, targets: Rows) -> Scalar:
        """Mean error of the predicted factors over the cost of predicting nothing."""
        known = self.labelled(targets)
        predicted, rows = self._predicted(vectors[known]), targets[known]
        if self.config.loss == "wpe":
            errors = self.prediction_errors(predicted, rows)
        else:
            errors = (predicted - self.track_factors[rows]).square().sum(dim=1)
        return errors.sum() / max(1, len(rows)) / self.cost_of_nothing

    @typechecked
    def prediction_errors(self, predicted: TrackFactors, rows: Rows) -> Float[Tensor, " batch"]:
        """Sum over all users of c_ui (p_ui - x_u . y'_i)^2 for each track, in memory for batch * factors^2.

        X' C_i X = X' X + the sum over the listeners of track i of (c_ui - 1) x_u x_u': as Hu, Koren &
        Volinsky found, only that sum differs between tracks. The error is a quadratic form in y'_i.
        """
        curvature, slope, constant = self._quadratic_forms(rows)
        along = torch.einsum("bf,bfg->bg", predicted, curvature) - 2 * slope
        return (along * predicted).sum(dim=1) + constant

    @typechecked
    def figures(self, vectors: Vectors, targets: Rows) -> dict[str, float]:
        """`cosine` of predicted and true factors, on average; 0 where that is below 0."""
        predicted = normalize(self.track_vectors(vectors))
        cosines = (predicted * normalize(self.track_factors[targets])).sum(dim=1)
        return {"cosine": float(cosines.mean().detach().clamp(0, 1))}

    def _predicted(self, vectors: Tensor) -> Tensor:
        predicted: Tensor = self.head(normalize(vectors))
        return predicted if self.scale is None else self.scale * predicted

    @torch.no_grad()
    def _quadratic_forms(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """X' C_i X [batch, factors, factors], X' C_i p_i [batch, factors] and p_i' C_i p_i [batch]."""
        curvature = self.shared_curvature.repeat(len(rows), 1, 1)
        slope = curvature.new_zeros(curvature.shape[:2])
        constant = curvature.new_zeros(len(rows))
        ends = zip(self.first_listener[rows].tolist(), self.first_listener[rows + 1].tolist(), strict=True)
        for number, (first, end) in enumerate(ends):
            users, signed = self.user_factors[self.listeners[first:end]], self.confidence[first:end]
            positive = signed.clamp(min=0)
            curvature[number] += (users * (signed.abs() - 1)[:, None]).T @ users
            slope[number] = positive @ users
            constant[number] = positive.sum()
        return curvature, slope, constant

    @torch.no_grad()
    def _fit_to(self, interactions: Interactions, factors: Factors, enough: np.ndarray) -> None:
        """Keep what the loss needs of the tracks in `enough` [tracks], and set the head to their scale."""
        self.user_factors = torch.from_numpy(factors.users)
        track_factors = torch.from_numpy(factors.tracks[enough])
        if self.scale is None:
            track_factors = normalize(track_factors)
        else:
            self.scale.fill_(track_factors.norm(dim=1).mean())
        by_track = cast(Any, interactions.confidence.T.tocsr()[enough])
        cost_of_nothing = track_factors.square().sum(dim=1).mean()
        if self.config.loss == "wpe":
            cost_of_nothing = torch.from_numpy(by_track.data).clamp(min=0).sum() / len(track_factors)
        tracks = [interactions.tracks[track] for track in np.flatnonzero(enough)]
        self.keep_for_training(
            interactions.users, tracks, by_track,
            track_factors=track_factors,
            cost_of_nothing=cost_of_nothing,
            shared_curvature=self.user_factors.T @ self.user_factors,
        )  # fmt: skip
