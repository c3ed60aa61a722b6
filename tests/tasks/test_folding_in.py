import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from soundkin.tasks.factorisation import factorise
from soundkin.tasks.folding_in import fold_in


def cost(vector, factors, confidence, preference, regularisation):
    errors = preference - factors @ vector
    return confidence @ errors**2 + regularisation * vector @ vector


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_nothing_near_it_costs_less(random_seed):
    """Hu, Koren & Volinsky's sum for one user, written out over all tracks, liked, disliked and unknown."""
    rng = np.random.default_rng(random_seed)
    factors = rng.normal(size=(9, 3))
    rows, signed = np.array([1, 4, 7]), np.array([5.0, 21.0, -3.0])
    confidence, preference = np.ones(9), np.zeros(9)
    confidence[rows], preference[rows] = np.abs(signed), signed > 0
    found = fold_in(factors, rows, signed, 0.5).astype(float)
    least = cost(found, factors, confidence, preference, 0.5)
    for _ in range(20):
        other = found + rng.normal(0, 0.05, 3)
        assert cost(other, factors, confidence, preference, 0.5) >= least - 1e-6


def test_it_is_the_last_half_step_of_a_factorisation():
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
    found = fold_in(factors, np.array([0]), np.array([5.0]), 0.0)
    assert found == pytest.approx([0.5, 0.0, 0.0])
