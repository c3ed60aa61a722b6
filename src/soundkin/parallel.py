"""Work on many tracks in several processes, one torch thread each, that end with their parent.

Workers are forked from a process that has imported what they need and done nothing yet: a fork of this one
would copy the locks of torch and BLAS as they stand, and a fresh one would import for seconds.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

from soundkin.errors import SoundkinError, UsageError

Job = TypeVar("Job")
Result = TypeVar("Result")

TRACKS_A_WORKER = 20  # to embed; with fewer, its start takes longer than it saves (benchmarks/embedding.py)
JOBS_AHEAD = 4  # given to each worker before its results are asked for, so that none waits


def in_processes(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: int, here: bool = True
) -> Generator[tuple[int, Result], None, None]:
    """Yield (number of the job, `function(job)`), in the order they finish; one worker means this process,
    unless `here` is false.

    `function` is sent to each worker once, jobs one by one as workers need them; both must be picklable. When
    the caller stops early, is interrupted or killed, the workers stop at once.

    Raises:
        SoundkinError: a worker died, as it does when memory runs out; or whatever `function` raised.
        UsageError: this is a worker, which is importing a script that does not say where it begins.
    """
    refuse_script_without_guard()
    if workers <= 1 and here:
        with one_torch_thread():
            yield from ((number, function(job)) for number, job in enumerate(jobs))
        return
    prepare_workers((function.func if isinstance(function, partial) else function).__module__)
    context = multiprocessing.get_context("forkserver")
    alive, leash = context.Pipe(duplex=False)
    start = alive, dict(os.environ), pickle.dumps(function)
    pool = ProcessPoolExecutor(workers, context, _start_worker, start)
    running: dict[Future[Result], tuple[int, Job]] = {}
    try:
        yield from _as_completed(pool, enumerate(jobs), workers * JOBS_AHEAD, running)
    except BrokenProcessPool as error:
        near = shorten(", ".join(str(job) for _, job in running.values()), 300)
        raise SoundkinError(
            f"a worker process died, killed from outside or for want of memory, near {near}. "
            "Run the same command again to go on; if it happens again, with fewer workers."
        ) from error
    except BaseException:
        leash.close()  # the workers exit now rather than at the end of their jobs
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        leash.close()
        alive.close()


class InBackground:
    """Does jobs in processes beside this one until it is stopped; if one fails, `failure` says why."""

    def __init__(
        self, function: Callable[[Job], object], jobs: list[Job], workers: int, failure: Path
    ) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(function, jobs, workers, failure), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the processes, after the jobs that they are at; with this process they end at once."""
        self._stopped.set()

    def _run(self, function: Callable[[Job], object], jobs: list[Job], workers: int, failure: Path) -> None:
        if not jobs:
            return
        try:
            with closing(in_processes(function, self._until_stopped(jobs), workers, here=False)) as outcomes:
                for _ in outcomes:
                    pass
        except Exception as error:
            failure.write_text(f"{type(error).__name__}: {error}"[:2000], encoding="utf-8")

    def _until_stopped(self, jobs: list[Job]) -> Iterator[Job]:
        for job in jobs:
            if self._stopped.is_set():
                return
            yield job


def prepare_workers(module: str) -> None:
    """Start the process that workers are forked from, if none runs; it imports `module` while we go on."""
    before = os.environ.get("OMP_NUM_THREADS")
    resource_tracker.ensure_running()  # it would let Ctrl-C through
    with _holding_ctrl_c():
        os.environ["OMP_NUM_THREADS"] = "1"  # before whatever computes is imported
        forkserver.set_forkserver_preload([module] if module != "__main__" else [])
        forkserver.ensure_running()
    del os.environ["OMP_NUM_THREADS"]
    if before is not None:
        os.environ["OMP_NUM_THREADS"] = before


def refuse_script_without_guard() -> None:
    """Raise UsageError in a worker that imports the script which started it, and would run it again."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError(
            "this script starts workers, and each worker imports it first. Put what the script does behind "
            'if __name__ == "__main__":'
        )


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """One torch thread for a while: kernels that split work among threads may round differently."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _as_completed(
    pool: ProcessPoolExecutor,
    jobs: Iterator[tuple[int, Job]],
    ahead: int,
    running: dict[Future[Result], tuple[int, Job]],
) -> Iterator[tuple[int, Result]]:
    def submit(most: int) -> None:
        for number, job in islice(jobs, most):
            running[pool.submit(_work, job)] = number, job

    with _holding_ctrl_c():  # the first job starts all workers
        submit(ahead)
    while running:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            result = future.result()
            number, _ = running.pop(future)
            submit(1)
            yield number, result


@contextmanager
def _holding_ctrl_c() -> Iterator[None]:
    """Ctrl-C waits; processes started meanwhile ignore it, so that only the first process reports it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_function: Callable[[Any], Any]  # in a worker process: what it was started for


def _start_worker(alive: Connection, environment: dict[str, str], function: bytes) -> None:
    global _function
    threading.Thread(target=_exit_with_parent, args=(alive,), daemon=True).start()
    os.environ.update(environment, OMP_NUM_THREADS="1")  # before whatever computes is imported
    _function = pickle.loads(function)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _work(job: Any) -> Any:
    return _function(job)


def _exit_with_parent(alive: Connection) -> None:
    """Nothing is ever sent: the pipe ends when the parent closes it, or is killed."""
    try:
        alive.recv()
    except EOFError:
        os._exit(1)
