"""Queries by trajectory: tracks that go as the seeds go, whatever they sound like."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundkin.errors import UsageError

if TYPE_CHECKING:
    from soundkin.pipelines.seeds import ResolvedSeed
    from soundkin.search.query_description import QueryDescription
    from soundkin.search.ranking import Order, RankedTrack
    from soundkin.search.trajectory_files import Trajectories
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Bool, Float32


def check_by_trajectory(asked: "QueryDescription", vector: object) -> None:
    """Raise UsageError where a query asks what is asked by sound alone."""
    asks = {"unlike": asked.unlike, "diversity": asked.diversity, "vector": vector is not None}
    for name, asks_it in asks.items():
        if asks_it:
            raise UsageError(f"{name} has no meaning by trajectory. Leave it out, or ask by sound.")


def kept_trajectories(index: "Index") -> "Trajectories":
    """The trajectories of the tracks of an index; UsageError where its library holds no patch vectors."""
    from soundkin.embedding.library import Library, embeddings_beside
    from soundkin.search.trajectory_files import trajectories_of

    embeddings = embeddings_beside(index.folder)
    if embeddings is None:
        raise UsageError(
            f"by=trajectory needs patch vectors, and there are no embeddings beside index {index.folder}. "
            "Ask a library that `soundkin sync` made, or ask by sound."
        )
    return trajectories_of(index, Library(embeddings.parent))


def rank_by_trajectory(
    index: "Index",
    kept: "Trajectories",
    likes: "Sequence[ResolvedSeed]",
    order: "Order",
    allowed: "Bool[np.ndarray, ' tracks'] | None",
    seeds: Collection[int],
    model: Path | str | None,
) -> "list[RankedTrack]":
    """The tracks that go most as all of `likes` do, but for the rows `seeds`, best first."""
    from soundkin.search.blend import Blend
    from soundkin.search.ranking import select

    liked = np.array([_trajectory(index, kept, seed, model) for seed in likes])
    weights = np.array([seed.weight for seed in likes], float)
    blend = Blend(liked, weights, np.empty((0, liked.shape[1]), np.float32), np.empty(0))
    admitted = kept.known if allowed is None else kept.known & allowed
    values = np.where(admitted, blend.similarity(kept.vectors), -np.inf)
    return select(index, values, order, seeds)


def _trajectory(
    index: "Index", kept: "Trajectories", seed: "ResolvedSeed", model: Path | str | None
) -> "Float32[np.ndarray, ' places']":
    """That of a seed: of several tracks what theirs have in common, of a file that is not indexed its own."""
    from soundkin.pipelines.seeds import embedder_of
    from soundkin.search.trajectory import trajectory
    from soundkin.statistics.scaling import unit_length

    if seed.rows:
        found = kept.vectors[list(seed.rows)].mean(axis=0)
    else:
        found = trajectory(embedder_of(index, model, seed.name).embed_patches(Path(seed.name))[0])
    if not found.any():
        raise UsageError(f"{seed.name} is too short to have a trajectory, or never changes. Ask by sound.")
    return np.asarray(unit_length(found))
