"""Small products of matrices on one thread: on busy cores several take ten times as long."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One thread for numpy's products for a while, in the whole process; also as a decorator."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@lru_cache
def _libraries() -> ThreadpoolController:
    """Those that are loaded: looking for them takes a hundred times as long as limiting them."""
    return ThreadpoolController()
