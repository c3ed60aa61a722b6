import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

from soundkin.search.library_sample import ENOUGH_TRACKS, TRACKS, LibrarySample, sample_of
from soundkin.statistics.scaling import unit_length


def library_with_hubs(count: int = 300, size: int = 20) -> np.ndarray:
    """Directions of all sorts, of which some are nearer to the mean: hubs."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((count, size)) * random.uniform(0.3, 2, (count, 1)) + 0.4
    return unit_length(vectors.astype(np.float32))


def occurrences(similarity: np.ndarray) -> np.ndarray:
    np.fill_diagonal(similarity, -np.inf)
    return np.bincount(np.argsort(-similarity, axis=1)[:, :10].ravel(), minlength=len(similarity))


def test_fewer_hubs() -> None:
    vectors = library_with_hubs()
    sample = LibrarySample(vectors)
    cosines = vectors @ vectors.T
    corrected = np.stack(
        [sample.without_hubs(cosines[row], vectors, vectors[row]) for row in range(len(vectors))]
    )
    assert skew(occurrences(corrected)) < 0.5 * skew(occurrences(cosines))


@given(random_seed=st.integers(0, 2**32 - 1))
def test_nearer_is_never_worse_for_the_same_track(random_seed: int) -> None:
    vectors = library_with_hubs()
    random = np.random.default_rng(random_seed)
    track = np.repeat(vectors[random.integers(len(vectors))][None], 20, axis=0)
    similarity = np.sort(random.uniform(-1, 1, 20))
    corrected = LibrarySample(vectors).without_hubs(similarity, track, vectors[0])
    assert (np.diff(corrected) >= 0).all()


def test_a_small_library_is_left_as_it_is() -> None:
    few = library_with_hubs(ENOUGH_TRACKS - 1)
    similarity = few @ few[0]
    np.testing.assert_array_equal(LibrarySample(few).without_hubs(similarity, few, few[0]), similarity)


@given(count=st.integers(2, 60), cosine=st.floats(-1, 1))
@settings(deadline=None)
def test_share_of_all_pairs_of_a_small_library(count: int, cosine: float) -> None:
    vectors = library_with_hubs(count)
    pairs = (vectors @ vectors.T)[np.triu_indices(count, 1)]
    assert LibrarySample(vectors).shares_less_alike([cosine]) == [
        np.mean(np.sort(pairs) < np.float32(cosine))
    ]


def test_one_track_makes_no_pair() -> None:
    assert LibrarySample(library_with_hubs(1)).shares_less_alike([0.5]) == [None]


def test_taken_once_and_spread_evenly(shared_index) -> None:
    index = shared_index("exact")
    sample = sample_of(index)
    assert sample_of(index) is sample and len(sample.vectors) == TRACKS
    np.testing.assert_array_equal(sample.vectors[-1], index.vector(len(index) - 1))
