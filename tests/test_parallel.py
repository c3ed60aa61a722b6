import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from soundkin.errors import AudioError, SoundkinError
from soundkin.parallel import in_processes, one_torch_thread


def square_where(number: int) -> tuple[int, int, int]:
    return number**2, os.getpid(), torch.get_num_threads()


def refuse_three(number: int) -> int:
    if number == 3:
        raise AudioError("three is not for us")
    return number


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note_and_sleep(folder: Path, seconds: float) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(seconds)


def hears_ctrl_c(_: int) -> bool:
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.slow
def test_workers_are_deaf_to_ctrl_c_from_their_start_and_we_are_not() -> None:
    assert [heard for _, heard in in_processes(hears_ctrl_c, range(4), workers=2)] == [False] * 4
    assert hears_ctrl_c(0)


def test_one_worker_is_this_process() -> None:
    torch.set_num_threads(2)
    try:
        assert list(in_processes(square_where, [1, 2], workers=1)) == [
            (0, (1, os.getpid(), 1)),
            (1, (4, os.getpid(), 1)),
        ]
        assert torch.get_num_threads() == 2
        with one_torch_thread():
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(1)


def test_errors_reach_the_caller() -> None:
    with pytest.raises(AudioError, match="three"):
        list(in_processes(refuse_three, range(5), workers=1))


@pytest.mark.slow
def test_many_jobs_in_two_processes() -> None:
    drawn: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    results = in_processes(square_where, jobs(), workers=2)
    first = next(results)
    assert len(drawn) < 20, "jobs are drawn as they are needed"
    numbers, found = zip(first, *results, strict=True)
    squares, processes, threads = zip(*found, strict=True)
    assert list(squares) == [number**2 for number in numbers]
    assert sorted(numbers) == list(range(100))
    assert os.getpid() not in processes
    assert set(threads) == {1}


@pytest.mark.slow
def test_errors_in_workers_reach_the_caller() -> None:
    with pytest.raises(AudioError, match="three"):
        list(in_processes(refuse_three, range(5), workers=2))


@pytest.mark.slow
def test_a_dead_worker_is_explained() -> None:
    with pytest.raises(SoundkinError, match="memory"):
        list(in_processes(die, range(5), workers=2))


@pytest.mark.slow
def test_stopping_early_stops_the_workers(tmp_path: Path) -> None:
    results = in_processes(partial(note_and_sleep, tmp_path), [0.0, 0.0, 600.0, 600.0, 600.0], workers=2)
    next(results)
    next(results)
    started = time.monotonic()
    results.close()  # as an exception or Ctrl-C in the caller's loop would
    assert time.monotonic() - started < 30
    for process in tmp_path.iterdir():
        assert not Path("/proc", process.name).exists()
