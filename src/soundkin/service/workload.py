"""Work that takes longer than a moment: in threads, and no more of it than can be answered soon."""

import os
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from soundkin.service.problems import BusyError

Result = TypeVar("Result")

THREADS = max(4, len(os.sched_getaffinity(0)))
MOST_WAITING = 256  # requests, for a thread


class Workload:
    """The threads that requests of one server process are worked on in."""

    def __init__(self, threads: int = THREADS, most_waiting: int = MOST_WAITING) -> None:
        self._most, self._taken = threads + most_waiting, 0
        self._limiter = anyio.CapacityLimiter(threads)

    async def run(self, work: Callable[[], Result]) -> Result:
        """`work()` in a thread. Raises BusyError where too many wait for one."""
        if self._taken >= self._most:
            raise BusyError("too many requests wait for an answer. Ask again in a moment.")
        self._taken += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._taken -= 1


async def in_thread(request: Request, work: Callable[[], Result]) -> Result:
    """`work()` among what the server that got `request` works on."""
    workload: Workload = request.app.state.workload
    return await workload.run(work)
