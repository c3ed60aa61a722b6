"""What users came to play of tracks that the model had never met."""

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.catalog.listening import Listening
from soundkin.pipelines.judging.listeners import Listeners
from soundkin.tasks.latent_factors import LatentFactorsConfig


def test_plays_are_the_likings_of_these_users_and_tracks_in_their_order() -> None:
    confidence = csr_matrix(np.array([[2, -3, 0], [0, 5, 4], [7, 0, 1]], np.float32))
    listening = Listening(["ann", "bob", "cy"], ["a", "b", "c"], confidence, np.ones(3, np.float32))
    listeners = Listeners(listening, LatentFactorsConfig())
    plays = listeners.plays(["cy", "nobody", "ann"], ["c", "a", "never played", "b"])
    assert plays.toarray().tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert plays.nnz == 3
