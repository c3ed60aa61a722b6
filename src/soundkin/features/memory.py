"""Large arrays that are used again: touching memory that is fresh from the system takes longer than working in it."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from soundkin.shapes import Float32

MOST_KEPT = 4

_kept: deque[np.ndarray] = deque(maxlen=MOST_KEPT)


@contextmanager
def borrowed(size: int) -> Iterator[Float32[np.ndarray, " size"]]:
    """An array with anything in it, nobody else's until it is given back; threads may borrow at the same time."""
    try:
        memory = _kept.pop()
    except IndexError:
        memory = np.empty(0, np.float32)
    if memory.size < size:
        memory = np.empty(size, np.float32)
    try:
        yield memory[:size]
    finally:
        _kept.append(memory)
