import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from soundkin.statistics.blas_threads import one_blas_thread


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_products_take_one_thread_for_a_while() -> None:
    assert np.ones(2) @ np.ones(2) == 2
    with threadpool_limits(2, "blas"):
        with one_blas_thread():
            assert threads() == {1}
        assert threads() == {2}
