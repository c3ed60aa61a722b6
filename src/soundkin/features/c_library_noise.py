"""Keeps what libmpg123 prints about damaged mp3s off the terminal, and nothing else.

The library writes to file descriptor 2 itself, so only moving the descriptor helps. While it is moved,
whatever any thread writes there is held back and passed on afterwards, without the library's own lines.
"""

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import IO

STDERR = 2
NOISE = re.compile(rb"^\n?(\[[^\n]*libmpg123/|Note: |Warning: )[^\n]*\n", re.MULTILINE)

_lock = threading.Lock()
_users = 0
_terminal: int | None = None


@contextmanager
def without_c_library_noise() -> Iterator[None]:
    """Hold back stderr meanwhile, then pass on all but libmpg123's lines. Threads may overlap."""
    global _users, _terminal
    with _lock:
        if _users == 0:
            _terminal = _hold()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _terminal is not None:
                _pass_on(_terminal)


def _hold() -> int | None:
    """Point descriptor 2 at the held file; returns where it led before, None if it was closed."""
    try:
        terminal = os.dup(STDERR)
    except OSError:
        return None
    _flush_python()
    os.dup2(_held_file(os.getpid()).fileno(), STDERR)
    return terminal


def _pass_on(terminal: int) -> None:
    _flush_python()
    os.dup2(terminal, STDERR)
    os.close(terminal)
    held = _held_file(os.getpid())
    if held.tell():
        held.seek(0)
        written = held.read()
        held.seek(0)
        held.truncate()
        with suppress(OSError):
            os.write(STDERR, NOISE.sub(b"", written))


@cache
def _held_file(process_id: int) -> IO[bytes]:
    """One per process: after a fork, parent and child would move each other's place in a shared one."""
    return tempfile.TemporaryFile(buffering=0)


def _flush_python() -> None:
    with suppress(OSError, ValueError, AttributeError):  # closed, or replaced by something odd
        sys.stderr.flush()
