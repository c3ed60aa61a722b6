"""Planes: groups stay together by each method, and few tracks or equal ones do no harm."""

import numpy as np
import pytest

from soundkin.explore.album_plane import Plane, places_in_plane, plane_for
from soundkin.statistics.scaling import unit_length

METHODS = ["scaling", "tsne", pytest.param("umap", marks=pytest.mark.slow)]


def units(tracks: int, groups: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return unit_length(3 * np.eye(16)[np.arange(tracks) % groups] + 0.3 * rng.normal(size=(tracks, 16)))


@pytest.mark.parametrize("plane", METHODS)
def test_groups_stay_together_and_a_plane_comes_again(plane: Plane) -> None:
    places = places_in_plane(units(24, groups=2), plane)
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (apart.argmin(axis=1) % 2 == np.arange(24) % 2).all()
    assert (places_in_plane(units(24, groups=2), plane) == places).all()


@pytest.mark.parametrize("plane", METHODS)
@pytest.mark.parametrize("tracks", [2, 3, 9, 10, 11])
def test_few_tracks_have_places(plane: Plane, tracks: int) -> None:
    places = places_in_plane(units(tracks), plane)
    assert places.shape == (tracks, 2) and np.isfinite(places).all()
    assert plane_for(plane, tracks) == (plane if tracks >= 10 else "scaling")
    if tracks < 10:
        assert (places == places_in_plane(units(tracks), "scaling")).all()


@pytest.mark.parametrize("plane", METHODS)
def test_tracks_that_are_all_the_same_have_one_place(plane: Plane) -> None:
    places = places_in_plane(np.tile(units(1), (12, 1)), plane)
    assert np.isfinite(places).all() and np.ptp(places) < 1e-6
