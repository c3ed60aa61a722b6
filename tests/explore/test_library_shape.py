"""The shape of libraries whose clusters, hubs, orphans, growth and plays are planted."""

import warnings

import numpy as np
import pytest

from soundkin.explore.cluster_growth import cluster_growth
from soundkin.explore.library_clusters import library_clusters
from soundkin.explore.library_shape import LibraryShape, library_shape

SIZES = (60, 40, 20)
PLANTED = np.repeat(np.arange(3), SIZES)
GENRES = ("rock", "jazz", "")


def noise(tracks: int, dimensions: int, random_seed: int = 0) -> np.ndarray:
    return np.random.default_rng(random_seed).normal(size=(tracks, dimensions))


def planted_vectors(random_seed: int = 0) -> np.ndarray:
    return np.eye(3, 32)[PLANTED] + 0.1 * noise(len(PLANTED), 32, random_seed)


def shape_of(vectors: np.ndarray, **more: object) -> LibraryShape:
    ids = [f"{row:03}" for row in range(len(vectors))]
    more = {"labels": {}, "years": np.full(len(ids), np.nan)} | more
    return library_shape("lib", ids, [f"Title {each}" for each in ids], vectors, noise(len(ids), 2), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("random_seed", range(3))
def test_planted_clusters_are_found_whatever_their_size(random_seed: int) -> None:
    found = library_clusters(planted_vectors(random_seed), random_seed)
    assert found.tolist() == PLANTED.tolist(), "the largest is first"


@pytest.mark.slow
@pytest.mark.parametrize(("tracks", "dimensions"), [(40, 4), (60, 8), (300, 16), (100, 64)])
def test_noise_has_no_clusters(tracks: int, dimensions: int) -> None:
    counts = [library_clusters(noise(tracks, dimensions, seed), 0).max() + 1 for seed in range(4)]
    assert counts.count(1) >= 3


@pytest.mark.slow
def test_many_tracks_are_in_the_clusters_that_a_sample_has() -> None:
    planted = np.arange(5000) % 4
    vectors = np.eye(4, 16)[planted] + 0.1 * noise(5000, 16)
    found = library_clusters(vectors, 0)
    assert len(set(zip(planted.tolist(), found.tolist(), strict=True))) == 4


def test_clusters_are_named_by_what_is_typical_and_else_by_a_track() -> None:
    labels = [("music", GENRES[group]) if GENRES[group] else ("music",) for group in PLANTED]
    shape = shape_of(planted_vectors(), labels={"genre": labels})
    first, second, third = (part.name for part in shape.parts)
    assert (first, second) == ("rock", "jazz") and third == f"like Title {shape.parts[2].centre:03}"
    assert shape.finding == "3 clusters, the largest (50%): rock"
    assert any(line.startswith("2 jazz: 40 tracks (33%); jazz 100% (elsewhere 0%)") for line in shape.lines())


def test_clusters_of_the_same_labels_are_told_apart_by_a_track() -> None:
    labels = [("rock",) if group < 2 else ("pop",) for group in PLANTED]
    vectors = np.concatenate([planted_vectors(0)] * 2)
    shape = shape_of(vectors, labels={"genre": labels * 2})
    names = [part.name for part in shape.parts]
    assert len(set(names)) == 3 and sum(name.startswith("rock, like Title") for name in names) == 2


def test_a_hub_is_in_the_lists_that_it_was_planted_in_and_orphans_in_none() -> None:
    vectors = noise(60, 1000)  # so many dimensions that no two are alike
    vectors[7] = vectors.sum(axis=0)  # near to all
    vectors[9] = -vectors[7]  # far from all
    shape = shape_of(vectors)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    order = np.argsort(-cosines, axis=1)[:, :10]
    np.testing.assert_array_equal(shape.listed, np.bincount(order.ravel(), minlength=60))
    np.testing.assert_allclose(shape.density, np.sort(cosines, axis=1)[:, -10:].mean(axis=1), atol=1e-5)
    assert shape.hubs[0] == 7 and shape.orphans[0] == 9 and shape.listed[7] > 50
    said = " ".join(shape.lines())
    assert f"Title 007 ({shape.listed[7]})" in said and f"Title 009 ({shape.nearest[9]:.2f})" in said


def test_the_cluster_that_came_late_grew_and_chance_does_not() -> None:
    rng = np.random.default_rng(0)
    years = rng.integers(1960, 2020, len(PLANTED)).astype(float)
    late = np.where(PLANTED == 1, rng.integers(2000, 2020, len(PLANTED)), years)
    late[::7] = np.nan
    grown = cluster_growth(PLANTED, late)
    assert grown is not None and grown.cluster == 1 and grown.after > 2 * grown.before
    chance = [cluster_growth(PLANTED, rng.permutation(years)) for _ in range(50)]
    assert sum(each is not None for each in chance) <= 1
    assert cluster_growth(PLANTED, np.full(len(PLANTED), np.nan)) is None
    assert cluster_growth(PLANTED, np.full(len(PLANTED), 1999.0)) is None


def test_plays_are_where_they_were_planted() -> None:
    plays = np.zeros(len(PLANTED))
    plays[[100, 101, 3]] = 6, 3, 1  # two of the third cluster, one of the first
    shape = shape_of(planted_vectors(), plays=plays)
    assert [round(shape.played(number), 2) for number in range(3)] == [0.1, 0.0, 0.9]
    assert shape.play_finding.startswith("90% of the plays are in 3 like Title")
    assert "(17%), 90% of the plays" in " ".join(shape.lines())


def test_a_cluster_that_a_track_names_has_a_name_of_a_length_to_read() -> None:
    ids, vectors = [str(row) for row in range(len(PLANTED))], planted_vectors()
    years = np.full(len(ids), np.nan)
    shape = library_shape("lib", ids, ["歌" * 300] * len(ids), vectors, vectors[:, :2], {}, years)
    assert [part.name for part in shape.parts] == ["like " + "歌" * 39 + "…"] * 3


@pytest.mark.parametrize(
    "vectors", [np.ones((1, 4)), np.eye(2), np.zeros((3, 4)), np.ones((40, 4)), noise(25, 8)]
)
def test_few_tracks_and_tracks_that_are_the_same_have_a_shape(vectors: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shape = shape_of(vectors, plays=np.ones(len(vectors)))
        lines = shape.lines()
        summary = shape.summary()
    assert lines[0] == f"lib ({len(vectors)} tracks): no clear clusters"
    assert summary["clusters"][0]["name"] == "all tracks" and "nan" not in " ".join(lines)  # type: ignore[index]
