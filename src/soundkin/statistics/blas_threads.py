"""Small products of matrices on one thread: on busy cores several take ten times as long."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import LibController, ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One thread for numpy's products for a while, in the whole process; also as a decorator."""
    several = [(library, threads) for library in _libraries() if (threads := library.num_threads) > 1]
    for library, _ in several:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, threads in several:
            library.set_num_threads(threads)


@lru_cache
def _libraries() -> list[LibController]:
    """Those that are loaded: looking for them takes a thousand times as long as limiting them.

    `ThreadpoolController.limit` describes each before it limits it: a twentieth of a query.
    """
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)
