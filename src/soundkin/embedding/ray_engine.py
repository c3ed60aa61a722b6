"""Embed in actors of Ray Data, on this machine or on a cluster, by the function that local workers run.

Ray hands out blocks of tracks and brings back outcomes. The driver alone writes, by `export`, whose parts are
what a kill leaves and the next run goes on from: Ray's own checkpoints are beta, hold every id in memory, and
know neither changed audio nor another model. An actor that dies is replaced, and its block done again; a
block that brings down one actor after another ends the run.
"""

import logging
import os
import pickle
import socket
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from soundkin.embedding.embed_tracks import Heard, Track
from soundkin.embedding.export import Unusable
from soundkin.embedding.up_to_date import OURS
from soundkin.errors import ClusterError, SoundkinError
from soundkin.extras import require
from soundkin.features.frontends.interface import TrackInput

OLDEST_RAY = (2, 60)
TRACKS_A_BLOCK, MOST_BLOCKS = 8, 20_000  # what an actor is given at a time; what Ray keeps count of
RETRIES = 3  # of a block whose actor died
OBJECT_STORE_BYTES = 2**28  # of a Ray that we start, which would else take a third of all memory
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
# Of a Ray that we start: by its name for other systems, but it has Ray listen on 127.0.0.1 alone on all.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def in_ray(
    function: Callable[[Track], Heard], tracks: Sequence[Track], workers: int, address: str | None = None
) -> Generator[tuple[int, Heard], None, None]:
    """Yield (number of the track, `function(track)`) in the order they finish, by so many actors of Ray.

    `address` is that of a cluster (`host:6379`; `auto`: the one that this machine is in). Without it, and
    without RAY_ADDRESS, a Ray of our own is started here and ends with this process.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: Ray is too old, is not reached or goes away; workers die at the same tracks; a node
            lacks the audio, or has other versions of what computes.
    """
    if not tracks:
        return
    with _connected(workers, address):
        left = dict(enumerate(tracks))
        for number, heard, node in _explained(_outcomes(function, tracks, workers), left):
            if isinstance(heard, Exception):
                raise heard
            track = left.pop(number)
            if (
                isinstance(heard.outcome, Unusable)
                and not heard.outcome.audio_hash
                and _is_readable(track[1])
            ):
                raise ClusterError(
                    f"the node {node} cannot read {track[1]}, which this machine can. Mount the audio at the "
                    "same path on every node, and run the same command again to go on."
                )
            yield number, heard


class _Actor:
    """Embeds blocks of tracks in a process of Ray."""

    def __init__(self, function: bytes, versions: Mapping[str, str]) -> None:
        self.node = socket.gethostname()
        self.refusal = _difference(versions, self.node)
        self.function = None if self.refusal else pickle.loads(function)

    def __call__(self, block: pa.Table) -> pa.Table:
        outcomes = [self._outcome(job.as_py()) for job in block["job"]]
        return pa.table(
            {
                "number": block["number"],
                "outcome": pa.array(map(pickle.dumps, outcomes), pa.large_binary()),
                "node": [self.node] * len(block),
            }
        )

    def _outcome(self, job: bytes) -> Any:
        if self.refusal or self.function is None:
            return self.refusal
        try:
            return self.function(pickle.loads(job))
        except Exception as error:  # Ray would wrap it in a page of text
            if not isinstance(error, SoundkinError):
                error.add_note(f"on the node {self.node}:\n{traceback.format_exc()}")
            return error


def _outcomes(
    function: Callable[[Track], Heard], tracks: Sequence[Track], workers: int
) -> Iterator[tuple[int, Any, str]]:
    """(number of the track, its outcome or the error, the node that it comes from), in any order."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what is raised says it
    jobs = pa.array(map(pickle.dumps, tracks), pa.large_binary())
    table = pa.table({"number": range(len(tracks)), "job": jobs})
    size = max(TRACKS_A_BLOCK, len(tracks) // MOST_BLOCKS)
    size = min(size, -(-len(tracks) // workers))  # few tracks are for all workers too
    blocks = ray.data.from_arrow(table, override_num_blocks=-(-len(tracks) // size))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # max_task_retries is to get another name; without it no end of retries
        embedded = blocks.map_batches(
            _Actor,
            fn_constructor_args=(pickle.dumps(function), _versions()),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(tracks))),
            num_cpus=1,
            max_task_retries=RETRIES,
        )
    block: Any  # pa.Table, of what types allow
    for block in embedded.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        columns = (block[name].to_pylist() for name in ("number", "outcome", "node"))
        for number, outcome, node in zip(*columns, strict=True):
            yield number, pickle.loads(outcome), node


@contextmanager
def _connected(workers: int, address: str | None) -> Iterator[None]:
    """A Ray to work in, of which nothing is heard on stdout and stderr."""
    require("ray", "--engine ray")
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    os.environ.update(QUIET if address != "local" else QUIET | LOOPBACK)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # its notes about workers that die
        with _without_stderr(nowhere.fileno()):
            import ray

            require_version(ray.__version__)
            started: dict[str, Any] = {
                "num_cpus": workers,
                "object_store_memory": OBJECT_STORE_BYTES,
                "include_dashboard": False,
            }
            try:
                _knock(address)
                words: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
                ray.init(address, **words, **(started if address == "local" else {}))
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                raise ClusterError(
                    f"Ray at {address} cannot be reached or joined: {_brief(error)}. Check that `ray status "
                    "--address` works from here; where the cluster wants a token, set RAY_AUTH_MODE=token."
                ) from error
        try:
            yield
        finally:
            ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError where nobody listens: Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


@contextmanager
def _without_stderr(nowhere: int) -> Iterator[None]:
    """Ray's libraries announce on descriptor 2 itself that they will be quiet."""
    stderr = os.dup(2)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def require_version(version: str) -> None:
    """Raise ClusterError if this Ray lacks what is used here."""
    if tuple(map(int, version.split(".")[:2])) < OLDEST_RAY:
        oldest = ".".join(map(str, OLDEST_RAY))
        raise ClusterError(f"Ray {version} is too old, {oldest} is needed: pip install -U 'soundkin[ray]'")


def _explained(
    outcomes: Iterator[tuple[int, Any, str]], left: Mapping[int, Track]
) -> Iterator[tuple[int, Any, str]]:
    """`outcomes`, where what Ray raises is a ClusterError about the first tracks that are `left`."""
    import ray.exceptions

    try:
        yield from outcomes
    except (ray.exceptions.RayError, ConnectionError, RuntimeError) as error:
        near = shorten(", ".join(path for path, *_ in islice(left.values(), 20)), 300)
        died = isinstance(error, ray.exceptions.RayActorError | ray.exceptions.WorkerCrashedError)
        if died and "creation task" not in str(error):  # else it did not start: soundkin is missing there
            what = "workers died, killed from outside or for want of memory"
        else:
            what = f"Ray failed: {_brief(error)}"
        raise ClusterError(
            f"{what} (near {near}). Run the same command again to go on; "
            "if it happens again, with fewer workers."
        ) from error


def _brief(error: Exception) -> str:
    """The last line of what Ray says, which follows its tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shorten(lines[-1] if lines else type(error).__name__, 300).rstrip(".")


def _versions() -> dict[str, str]:
    """Of what vectors are computed by."""
    return {"soundkin": OURS, "torch": torch.__version__, "numpy": np.__version__}


def _difference(wanted: Mapping[str, str], node: str) -> ClusterError | None:
    """An error if this process computes by other versions, which may round differently."""
    for name, version in _versions().items():
        if version != wanted[name]:
            return ClusterError(
                f"the node {node} has {name} {version}, and the command was run with {wanted[name]}. Install "
                "the same version there, and run the same command again to go on."
            )
    return None


def _is_readable(source: TrackInput) -> bool:
    return isinstance(source, Path) and source.is_file() and os.access(source, os.R_OK)
