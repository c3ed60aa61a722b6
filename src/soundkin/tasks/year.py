"""Year: how a recording sounds gives its time away, and near years sound more alike than far ones.

A softmax over one direction per period, with targets spread over the periods by their distance in years: R.
Diaz and A. Marathe, "Soft Labels for Ordinal Regression" (2019). Cumulative thresholds (W. Cao et al., "Rank
consistent ordinal regression for neural networks", 2020) would order all tracks along one direction of a
space where cosine counts. Periods are centred on quantiles of the training years; a year outside these
belongs to the nearest period.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import kl_div, normalize

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.shapes import Float, typechecked
from soundkin.tasks.base import ProxyTask, Scalar, TaskConfig, Vectors, masked_mean

Years = Float[Tensor, " batch"]  # NaN where the year is not known


class YearConfig(TaskConfig):
    """Settings of the year task."""

    periods: int = Field(10, ge=2, description="at most, centred on quantiles of the years")
    softness_years: float = Field(4.0, gt=0.0, description="years at which a period counts 1/e")


class YearTask(ProxyTask):
    """Softmax over one direction per period."""

    name = "year"
    columns = ("year",)
    config_kind = YearConfig
    config: YearConfig
    centres: Tensor

    def __init__(self, config: TaskConfig, centres: Sequence[float], embedding_size: int) -> None:
        super().__init__(config, embedding_size)
        self.register_buffer("centres", torch.tensor(centres, dtype=torch.float32), persistent=False)
        self.directions = nn.Parameter(normalize(torch.randn(len(centres), embedding_size)))
        self.scale = nn.Parameter(torch.tensor(10.0))

    @classmethod
    def from_sources(cls, config: YearConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the years of the training tracks; CatalogError where these are fewer than two."""
        cls.require_column(sources.catalog, "year")
        years = _years(sources.catalog)
        years = years[~np.isnan(years)]
        centres = np.unique(np.quantile(years, np.linspace(0, 1, config.periods), method="inverted_cdf"))
        if len(centres) < 2:
            problem = f"all training tracks are of the year {centres[0]:.0f}; the year task needs two years"
            cls.reject(f"{sources.catalog.source}: {problem}", "Fill it in")
        return cls(config, centres.tolist(), embedding_size)

    def targets(self, catalog: Catalog) -> Tensor:
        """Float [tracks] of years; NaN where the year is not known."""
        return torch.from_numpy(_years(catalog))

    def labelled(self, targets: Tensor) -> Tensor:
        """Rows with a known year."""
        return ~targets.isnan()

    @typechecked
    def loss(self, vectors: Vectors, targets: Years) -> Scalar:
        """Kullback-Leibler divergence of the softmax over periods from softmax(-years off / softness)."""
        known = self.labelled(targets)
        years_off = (torch.where(known, targets, 0.0)[:, None] - self.centres).abs()
        wanted = torch.softmax(-years_off / self.config.softness_years, dim=1)
        losses = kl_div(self.log_likelihoods(vectors), wanted, reduction="none").sum(dim=1)
        return masked_mean(losses, known)

    @typechecked
    def figures(self, vectors: Vectors, targets: Years) -> dict[str, float]:
        """`near`: share of tracks within ten years; `order`: share of pairs of years in the right order.

        A track is placed at the mean of the periods' centres, each as likely as the network thinks.
        """
        placed = self.log_likelihoods(vectors).exp() @ self.centres
        figures = {"near": float(((placed - targets).abs() <= 10).float().mean())}
        later = targets[:, None] > targets
        if later.any():
            figures["order"] = float((placed[:, None] > placed)[later].float().mean())
        return figures

    @typechecked
    def log_likelihoods(self, vectors: Vectors) -> Float[Tensor, "batch periods"]:
        """Log-probability of each period."""
        return torch.log_softmax(self.scale * normalize(vectors) @ normalize(self.directions).T, dim=1)

    def to_json(self) -> dict[str, Any]:
        """Config and the periods' centres, in years."""
        return super().to_json() | {"centres": self.centres.tolist()}


def _years(catalog: Catalog) -> np.ndarray:
    """Float32 [tracks], NaN where the year is not known."""
    return pd.to_numeric(catalog.frame["year"]).to_numpy(np.float32, na_value=np.nan)
