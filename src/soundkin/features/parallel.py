"""Work on many tracks in several processes, one torch thread each, that never outlive the process that started them."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection
from typing import TypeVar

import torch

from soundkin.errors import SoundkinError

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_processes(function: Callable[[Job], Result], jobs: Iterable[Job], workers: int) -> Iterator[Result]:
    """Yield `function(job)` of every job, in the order they finish; one worker means this very process.

    `function` must be importable by name and `jobs` picklable. Jobs are drawn as workers need them. When the caller
    stops early, is interrupted or killed, the workers stop at once.

    Raises:
        SoundkinError: a worker died, as it does when memory runs out; or whatever `function` raised.
    """
    if workers <= 1:
        with one_torch_thread():
            yield from map(function, jobs)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's and BLAS's locks as they stand
    alive, leash = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, initializer=_prepare_worker, initargs=(alive,))
    try:
        yield from _as_completed(pool, function, iter(jobs), 2 * workers)
    except BrokenProcessPool as error:
        raise SoundkinError(
            "a worker process died, most likely because memory ran out. Run the same command again with fewer workers."
        ) from error
    except BaseException:
        leash.close()  # the workers exit now rather than at the end of their jobs
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        leash.close()
        alive.close()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """One torch thread for a while: kernels split work among threads, and may round differently when they do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _as_completed(
    pool: ProcessPoolExecutor, function: Callable[[Job], Result], jobs: Iterator[Job], ahead: int
) -> Iterator[Result]:
    running: set[Future[Result]] = {pool.submit(function, job) for job in islice(jobs, ahead)}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        running |= {pool.submit(function, job) for job in islice(jobs, len(done))}
        for future in done:
            yield future.result()


def _prepare_worker(alive: Connection) -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; only the first one speaks
    threading.Thread(target=_exit_with_parent, args=(alive,), daemon=True).start()


def _exit_with_parent(alive: Connection) -> None:
    """Nothing is ever sent: the pipe ends when the parent closes it, or is killed."""
    try:
        alive.recv()
    except EOFError:
        os._exit(1)
