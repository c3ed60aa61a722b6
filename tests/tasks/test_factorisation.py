"""Alternating least squares against Hu, Koren & Volinsky's normal equations, solved densely."""

import subprocess
import sys
import warnings

import implicit.utils
import numpy as np
import pytest
import threadpoolctl
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from soundkin.tasks.factorisation import Factors, factorise, fold_in

USERS, TRACKS, FACTORS, REGULARISATION = 12, 15, 4, 0.7


@pytest.fixture(scope="module")
def confidence() -> "csr_matrix[np.float32]":
    """Likings, above 0, and sure dislikes, below 0."""
    rng = np.random.default_rng(0)
    sure = 1 + rng.exponential(10, (USERS, TRACKS))
    signs = rng.choice([1, 0, -1], size=sure.shape, p=[0.3, 0.6, 0.1])
    return csr_matrix((sure * signs).astype(np.float32))


def solve_tracks(confidence: np.ndarray, users: np.ndarray) -> np.ndarray:
    """y_i = (X' C_i X + regularisation I)^-1 X' C_i p_i, a track at a time."""
    tracks = []
    for signed in confidence.T:
        certainty = np.diag(np.where(signed == 0, 1, np.abs(signed)))
        preference = (signed > 0).astype(float)
        normal = users.T @ certainty @ users + REGULARISATION * np.eye(FACTORS)
        tracks.append(np.linalg.solve(normal, users.T @ certainty @ preference))
    return np.stack(tracks)


def run(confidence: "csr_matrix[np.float32]", iterations: int = 15, random_seed: int = 0) -> Factors:
    return factorise(confidence, FACTORS, iterations, REGULARISATION, random_seed)


def objective(confidence: np.ndarray, factors: Factors) -> float:
    certainty = np.where(confidence == 0, 1, np.abs(confidence))
    errors = certainty * ((confidence > 0) - factors.users @ factors.tracks.T) ** 2
    return float(errors.sum() + REGULARISATION * ((factors.users**2).sum() + (factors.tracks**2).sum()))


def test_the_last_half_step_is_the_solution_of_the_normal_equations(
    confidence: "csr_matrix[np.float32]",
) -> None:
    factors = run(confidence, iterations=2)
    np.testing.assert_allclose(factors.tracks, solve_tracks(confidence.toarray(), factors.users), atol=2e-5)


def test_both_sides_solve_their_equations_in_the_end(confidence: "csr_matrix[np.float32]") -> None:
    factors = run(confidence, iterations=3000)
    np.testing.assert_allclose(factors.users, solve_tracks(confidence.toarray().T, factors.tracks), atol=1e-3)
    assert objective(confidence.toarray(), factors) < objective(
        confidence.toarray(), run(confidence, iterations=1)
    )


def test_the_same_seed_gives_the_same_factors_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(1)
    plays = csr_matrix((rng.random((300, 400)) < 0.1).astype(np.float32) * 5)
    results = []
    for threads in (1, 2, 2):
        with threadpoolctl.threadpool_limits(threads):
            results.append(factorise(plays, 16, 5, 0.1, random_seed=3))
    for again in results[1:]:
        assert again.users.tobytes() == results[0].users.tobytes()
        assert again.tracks.tobytes() == results[0].tracks.tobytes()
    assert not np.array_equal(factorise(plays, 16, 5, 0.1, random_seed=4).users, results[0].users)


def test_it_is_quiet(
    confidence: "csr_matrix[np.float32]", monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(implicit.utils, "_checked_blas_config", False)
    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(2, "blas"):
        warnings.simplefilter("error")
        run(confidence)
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err == ""


@pytest.mark.slow
def test_naming_the_tasks_does_not_load_the_library() -> None:
    code = "import sys, soundkin.tasks; sys.exit('implicit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def cost(vector, factors, confidence, preference, regularisation):
    errors = preference - factors @ vector
    return confidence @ errors**2 + regularisation * vector @ vector


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_nothing_near_a_folded_in_vector_costs_less(random_seed):
    """Hu, Koren & Volinsky's sum for one user, written out over all tracks, liked, disliked and unknown."""
    rng = np.random.default_rng(random_seed)
    factors = rng.normal(size=(9, 3))
    rows, signed = np.array([1, 4, 7]), np.array([5.0, 21.0, -3.0])
    confidence, preference = np.ones(9), np.zeros(9)
    confidence[rows], preference[rows] = np.abs(signed), signed > 0
    vector = fold_in(factors, rows, signed, 0.5).astype(float)
    least = cost(vector, factors, confidence, preference, 0.5)
    for _ in range(20):
        moved = vector + rng.normal(0, 0.05, 3)
        assert cost(moved, factors, confidence, preference, 0.5) >= least - 1e-6


def test_folding_in_is_the_last_half_step_of_a_factorisation():
    rng = np.random.default_rng(0)
    confidence = csr_matrix(
        np.where(rng.random((30, 20)) < 0.3, 1 + rng.exponential(10, (30, 20)), 0), dtype=np.float32
    )
    factors = factorise(confidence, 4, 5, 0.1, 0)
    column = confidence.T.tocsr()[3]
    assert fold_in(factors.users, column.indices, column.data, 0.1) == pytest.approx(
        factors.tracks[3], abs=1e-4
    )


def test_without_regularisation_fewer_tracks_than_factors_leave_the_shortest_vector():
    factors = np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    vector = fold_in(factors, np.array([0]), np.array([5.0]), 0.0)
    assert vector == pytest.approx([0.5, 0.0, 0.0])
