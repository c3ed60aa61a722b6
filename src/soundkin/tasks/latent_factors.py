"""Latent factors: matrix factorisation says where a track stands among users, and the network learns to hear
it.

A. van den Oord, S. Dieleman, B. Schrauwen, "Deep content-based music recommendation" (2013): `mse` and `wpe`.
S. Dieleman, "Recommending music on Spotify with deep learning" (2014): `mse_unit`; at unit length a track's
factors say nothing of its popularity, and a track of one listener is as loud as a hit: hence
`minimum_listeners`. What is predicted is brought to unit length too before users are asked: its length only
tells how sure the network is.

Every loss is divided by what it costs to predict nothing, so that 1 means that for each of them.
"""

from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from soundkin.catalog.interactions import Interactions, make_interactions
from soundkin.catalog.sources import Sources
from soundkin.errors import CatalogError, ConfigError
from soundkin.shapes import Float, Int, typechecked
from soundkin.tasks.base import TaskConfig, masked_mean, unit_length
from soundkin.tasks.factorisation import Factors, factorise
from soundkin.tasks.user_side import UserSide, UserSideConfig

VANISHED = 1e-3  # the length of a track's factors that says nothing; usual ones are near 1


class LatentFactorsConfig(UserSideConfig):
    """Settings of the latent-factor task."""

    loss: Literal["mse_unit", "mse", "wpe"] = Field(
        "mse_unit",
        description="squared error of factors at unit length, of factors, or weighted prediction error",
    )
    iterations: PositiveInt = Field(15, description="rounds of alternating least squares")
    regularisation: float = Field(10.0, gt=0.0, description="weight of the squared length of the factors")
    minimum_listeners: PositiveInt = Field(2, description="tracks that fewer users like are no targets")
    random_seed: NonNegativeInt = Field(0, description="of the factors that least squares start from")


class LatentFactorsTask(UserSide):
    """Linear regression of a track's factors; users keep the factors of the factorisation."""

    name = "latent_factors"
    config_kind: ClassVar[type[TaskConfig]] = LatentFactorsConfig
    config: LatentFactorsConfig
    user_factors: Tensor
    track_factors: Tensor
    cost_of_nothing: Tensor
    shared_curvature: Tensor
    first_listener: Tensor
    listeners: Tensor
    confidence: Tensor

    def __init__(self, config: TaskConfig, user_count: int, embedding_size: int) -> None:
        super().__init__(config, user_count, embedding_size)
        self.head = nn.Linear(embedding_size, self.config.factors)
        self.scale = nn.Parameter(torch.tensor(1.0)) if self.config.loss != "mse_unit" else None
        self.register_buffer("user_factors", torch.zeros(user_count, self.config.factors))
        # What only training needs; a task from a bundle goes without.
        self.register_buffer("track_factors", torch.zeros(0, self.config.factors), persistent=False)
        self.register_buffer("cost_of_nothing", torch.ones(()), persistent=False)
        self.register_buffer("shared_curvature", torch.zeros(2 * (self.config.factors,)), persistent=False)
        self.register_buffer("first_listener", torch.zeros(1, dtype=torch.int64), persistent=False)
        self.register_buffer("listeners", torch.zeros(0, dtype=torch.int64), persistent=False)
        self.register_buffer("confidence", torch.zeros(0), persistent=False)

    @classmethod
    def from_sources(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the factors of the training tracks that enough users like.

        Raises:
            CatalogError: there are no ratings, or no track has enough listeners.
            ConfigError: the regularisation leaves nothing of the factors.
        """
        assert isinstance(config, LatentFactorsConfig)
        listening, enough = cls._listening(config, sources)
        factors = factorise(
            listening.confidence, config.factors, config.iterations, config.regularisation, config.random_seed
        )
        if np.linalg.norm(factors.tracks[enough], axis=1).max() < VANISHED:
            raise ConfigError(
                f"config task.{cls.name}.regularisation={config.regularisation:g} is too strong for ratings "
                f"{sources.ratings}: nothing is left of the factors. Set it lower, or listening.alpha higher."
            )
        task = cls(config, len(listening.users), embedding_size)
        task._teach(listening, factors, enough)
        return task

    @classmethod
    def check(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> None:
        """As `from_sources`, but for the factorisation, which takes long where there are many plays."""
        assert isinstance(config, LatentFactorsConfig)
        cls._listening(config, sources)

    @classmethod
    def _listening(cls, config: LatentFactorsConfig, sources: Sources) -> tuple[Interactions, np.ndarray]:
        """Who likes what, and which tracks have enough listeners."""
        source = f"ratings {sources.ratings}"
        listening = make_interactions(sources.read_ratings(cls.name), config.listening, source)
        enough = listening.listeners() >= config.minimum_listeners
        if not enough.any():
            raise CatalogError(
                f"{source}: no training track is liked by {config.minimum_listeners} users; one is by "
                f"{listening.listeners().max()}. Set task.{cls.name}.minimum_listeners lower, or train without: "
                f"task.{cls.name}=null"
            )
        return listening, enough

    @typechecked
    def track_vectors(self, vectors: Float[Tensor, "batch embedding"]) -> Float[Tensor, "batch factors"]:
        """Predicted factors; at unit length where the network learnt them so."""
        predicted = self._predicted(vectors)
        return unit_length(predicted) if self.config.loss == "mse_unit" else predicted

    def user_vectors(self) -> Tensor:
        """The factors [users, factors] that the factorisation found."""
        return self.user_factors

    @typechecked
    def loss(
        self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """Mean error of the predicted factors over the cost of predicting nothing."""
        known = self.labelled(targets)
        predicted, rows = self._predicted(vectors[known]), targets[known]
        if self.config.loss == "wpe":
            errors = self.prediction_errors(predicted, rows)
        else:
            errors = (predicted - self.track_factors[rows]).square().sum(dim=1)
        return masked_mean(errors, torch.ones_like(rows, dtype=torch.bool)) / self.cost_of_nothing

    @typechecked
    def prediction_errors(
        self, predicted: Float[Tensor, "batch factors"], rows: Int[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        """Sum over all users of c_ui (p_ui - x_u . y'_i)^2 for each track of a batch, in memory for batch *
        factors^2.

        X' C_i X = X' X + the sum over those who heard track i of (c_ui - 1) x_u x_u'. As Hu, Koren & Volinsky
        found, only that sum differs between tracks; it makes the error a quadratic form in y'_i.
        """
        curvature, slope, constant = self._quadratic_forms(rows)
        along = torch.einsum("bf,bfg->bg", predicted, curvature) - 2 * slope
        return (along * predicted).sum(dim=1) + constant

    @typechecked
    def metrics(
        self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]
    ) -> dict[str, float]:
        """`cosine` of predicted and true factors, on average; 0 where that is below 0."""
        known = self.labelled(targets)
        if not known.any():
            return {}
        predicted = unit_length(self.track_vectors(vectors[known]))
        cosines = (predicted * unit_length(self.track_factors[targets[known]])).sum(dim=1)
        return {"cosine": float(cosines.mean().detach().clamp(0, 1))}

    def _predicted(self, vectors: Tensor) -> Tensor:
        predicted: Tensor = self.head(unit_length(vectors))
        return predicted if self.scale is None else self.scale * predicted

    @torch.no_grad()
    def _quadratic_forms(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """X' C_i X [batch, factors, factors], X' C_i p_i [batch, factors] and p_i' C_i p_i [batch]."""
        curvature = self.shared_curvature.repeat(len(rows), 1, 1)
        slope = curvature.new_zeros(curvature.shape[:2])
        constant = curvature.new_zeros(len(rows))
        places = zip(self.first_listener[rows].tolist(), self.first_listener[rows + 1].tolist(), strict=True)
        for number, (first, end) in enumerate(places):
            users, signed = self.user_factors[self.listeners[first:end]], self.confidence[first:end]
            liking = signed.clamp(min=0)
            curvature[number] += (users * (signed.abs() - 1)[:, None]).T @ users
            slope[number] = liking @ users
            constant[number] = liking.sum()
        return curvature, slope, constant

    @torch.no_grad()
    def _teach(self, listening: Interactions, factors: Factors, enough: np.ndarray) -> None:
        """Keep what the loss needs of the tracks in `enough` [tracks], and start the head at their scale."""
        self.users = listening.users
        self.taught = [listening.tracks[track] for track in np.flatnonzero(enough)]
        heard_by = cast(Any, listening.confidence.T.tocsr()[enough])
        self.user_factors = torch.from_numpy(factors.users)
        self.shared_curvature = self.user_factors.T @ self.user_factors
        self.first_listener = torch.from_numpy(heard_by.indptr.astype(np.int64))
        self.listeners = torch.from_numpy(heard_by.indices.astype(np.int64))
        self.confidence = torch.from_numpy(heard_by.data)
        self.track_factors = torch.from_numpy(factors.tracks[enough])
        if self.scale is None:
            self.track_factors = unit_length(self.track_factors)
        else:
            self.scale.fill_(self.track_factors.norm(dim=1).mean())
        if self.config.loss == "wpe":
            self.cost_of_nothing = self.confidence.clamp(min=0).sum() / len(self.track_factors)
        else:
            self.cost_of_nothing = self.track_factors.square().sum(dim=1).mean()
