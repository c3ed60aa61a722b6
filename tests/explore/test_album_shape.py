import numpy as np
import pytest

from soundkin.explore.album_shape import AlbumShape, album_shape

NAMES = [f"Song {number}" for number in range(1, 25)]


def shape_of(centres: np.ndarray, noise: float = 0.15, random_seed: int = 0) -> AlbumShape:
    """Songs about their centres, so many dimensions that noise makes none alike."""
    rng = np.random.default_rng(random_seed)
    vectors = np.zeros((len(centres), 64))
    vectors[:, : centres.shape[1]] = centres
    return album_shape("album", NAMES[: len(centres)], vectors + rng.normal(0, noise / 8, vectors.shape))


def test_planted_groups_are_found_in_the_order_in_which_they_begin() -> None:
    planted = np.array([0, 1, 0, 2, 1, 2, 0, 1, 2, 0])
    shape = shape_of(np.eye(3)[planted])
    assert shape.groups.tolist() == planted.tolist()
    assert sorted(shape.by_group.tolist()) == list(range(10))
    assert (np.diff(planted[shape.by_group]) != 0).sum() == 2, "each group stands together"
    assert shape.finding.startswith("3 groups") and "group 3: Song 4, Song 6, Song 9" in shape.lines()


@pytest.mark.parametrize("random_seed", range(3))
def test_the_odd_one_out_is_named_and_both_ways_to_it_jar(random_seed: int) -> None:
    centres = np.tile([1.0, 0.0], (12, 1))
    centres[7] = [0.1, 1.0]
    shape = shape_of(centres, noise=0.6, random_seed=random_seed)
    assert len(shape.members) == 1 and shape.odd_one_out == 7 and set(shape.jarring_transitions) == {6, 7}
    said = " ".join(shape.lines())
    assert (
        "Song 8 stands out" in said and "jars: Song 7 to Song 8" in said and "jars: Song 8 to Song 9" in said
    )


def test_songs_without_a_pattern_have_neither_groups_nor_an_odd_one() -> None:
    found = [shape_of(np.zeros((20, 1)), noise=1.0, random_seed=seed) for seed in range(10)]
    assert sum(len(shape.members) > 1 for shape in found) <= 1
    assert sum(shape.odd_one_out is not None for shape in found) <= 1


def test_places_keep_the_distances_of_tracks_in_a_plane() -> None:
    angles = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    vectors = np.stack([np.cos(angles), np.sin(angles), np.zeros(9)], axis=1)
    places = album_shape("circle", NAMES[:9], vectors).places
    kept = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.testing.assert_allclose(kept, np.linalg.norm(vectors[:, None] - vectors[None], axis=2), atol=1e-6)


@pytest.mark.parametrize("vectors", [np.eye(2), np.ones((2, 4)), np.ones((5, 4)), np.zeros((3, 4))])
def test_two_songs_and_songs_that_are_the_same(vectors: np.ndarray) -> None:
    shape = album_shape("album", NAMES[: len(vectors)], vectors)
    assert shape.odd_one_out is None and not shape.jarring_transitions
    assert set(shape.groups.tolist()) == {0} and np.isfinite(shape.places).all()
    assert shape.lines() == [f"album ({len(vectors)} tracks): no clear groups, no track stands out"]
