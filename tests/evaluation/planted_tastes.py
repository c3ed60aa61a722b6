import numpy as np
from scipy.sparse import csr_matrix


def planted(users=120, tracks=150, factors=6, random_seed=0):
    """Tastes, tracks and plays of the sort the synthesised corpus has: liking is a product, plays favour the
    liked.
    """
    rng = np.random.default_rng(random_seed)
    tastes, sounds = rng.normal(size=(users, factors)), rng.normal(size=(tracks, factors))
    tastes, sounds = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (tastes, sounds))
    appeal = 8 * tastes @ sounds.T + rng.normal(size=tracks) + rng.gumbel(size=(users, tracks))
    return tastes, sounds, csr_matrix((appeal >= np.sort(appeal, axis=1)[:, [-10]]).astype(float))
