"""Queries by trajectory: tracks that go as the seeds go, whatever they sound like."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundkin.errors import UsageError

if TYPE_CHECKING:
    from soundkin.pipelines.answers import Answer
    from soundkin.pipelines.seeds import ResolvedSeed
    from soundkin.pipelines.why import Why
    from soundkin.search.common_course import CommonCourse
    from soundkin.search.query_description import QueryDescription
    from soundkin.search.ranking import Order, RankedTrack
    from soundkin.search.trajectory_files import Trajectories
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Bool, Float32

    Explanation = Why | CommonCourse  # of an answer, by sound or by trajectory


def check_by_trajectory(asked: "QueryDescription", vector: object) -> None:
    """Raise UsageError where a query asks what is asked by sound alone."""
    asks = {"unlike": asked.unlike, "diversity": asked.diversity, "vector": vector is not None}
    for name, asks_it in asks.items():
        if asks_it:
            raise UsageError(f"{name} has no meaning by trajectory. Leave it out, or ask by sound.")


def kept_trajectories(index: "Index") -> "Trajectories":
    """The trajectories of the tracks of an index; UsageError where its library holds no patch vectors."""
    from soundkin.embedding.library import Library
    from soundkin.search.trajectory_files import trajectories_of

    return trajectories_of(index, Library(_embeddings_of(index).parent))


def _embeddings_of(index: "Index") -> Path:
    from soundkin.embedding.library import embeddings_beside

    embeddings = embeddings_beside(index.folder)
    if embeddings is None:
        raise UsageError(
            f"by=trajectory needs patch vectors, and there are no embeddings beside index {index.folder}. "
            "Ask a library that `soundkin sync` made, or ask by sound."
        )
    return embeddings


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


def common_courses(
    index: "Index", likes: "Sequence[ResolvedSeed]", answers: "Sequence[Answer]", model: Path | str | None
) -> "list[CommonCourse]":
    """Why each answer goes as it was asked for: beside the seed whose trajectory is most like its own."""
    from soundkin.embedding.store import PatchEmbeddings, read_patches
    from soundkin.pipelines.seeds import embedder_of
    from soundkin.search.common_course import common_course
    from soundkin.search.trajectory import trajectory

    asked = [index.tracks.label(row).track_id for seed in likes for row in seed.rows]
    wanted = {*asked, *(answer.track_id for answer in answers)}
    patches = {each.track_id: each for each in read_patches(_embeddings_of(index), wanted)}
    seeds = [patches[track_id] for track_id in asked]
    for seed in likes:
        if not seed.rows:
            vectors, starts = embedder_of(index, model, seed.name).embed_patches(Path(seed.name))
            seeds.append(PatchEmbeddings(seed.name, starts, vectors))
    ways = np.array([trajectory(seed.vectors) for seed in seeds])
    closest = [int((ways @ trajectory(patches[answer.track_id].vectors)).argmax()) for answer in answers]
    return [
        common_course(seeds[seed], patches[answer.track_id])
        for seed, answer in zip(closest, answers, strict=True)
    ]


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
