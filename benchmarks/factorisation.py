"""How long it takes to learn factors from a million plays, and what learning from ratings adds to a training
step.

    python benchmarks/factorisation.py [--plays 1000000] [--users 5000] [--tracks 20000]

Plays are made up: users draw tracks by a popularity that falls with the rank to the power of 0.7. A step is
the loss and its gradient for a batch of 64 tracks, on one thread, in the processor's own time; what the
network itself takes stands in benchmarks/training.py. The factorisation is timed by the clock, on all cores.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import torch

from soundkin.catalog.interactions import InteractionsConfig, make_interactions
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.tasks import TASKS, ProxyTask
from soundkin.tasks.factorisation import factorise
from soundkin.tasks.latent_factors import LatentFactorsConfig

EMBEDDING_SIZE = 128
BATCH = 64
STEPS = 60
Result = TypeVar("Result")
LOSSES = {"latent_factors": ("mse_unit", "mse", "wpe"), "ratings": ("bpr", "sampled_softmax")}


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--plays", type=int, default=1_000_000)
    arguments.add_argument("--users", type=int, default=5_000)
    arguments.add_argument("--tracks", type=int, default=20_000)
    given = arguments.parse_args()
    plays = make_up_plays(given.plays, given.users, given.tracks)
    torch.set_num_threads(1)
    print(f"{len(plays):,} plays by {given.users:,} users of {given.tracks:,} tracks, {os.cpu_count()} cores")
    config = LatentFactorsConfig()
    listening, seconds = timed(lambda: make_interactions(plays, InteractionsConfig(), "plays"))
    row("plays to confidence (s)", seconds)
    _, seconds = timed(
        lambda: factorise(listening.confidence, config.factors, config.iterations, config.regularisation, 0)
    )
    row(f"factorisation, {config.factors} factors, {config.iterations} iterations (s)", seconds)
    track_ids = [track_id(number) for number in range(given.tracks)]
    catalog = Catalog(pd.DataFrame({"track_id": track_ids, "path": track_ids}), Path())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plays.parquet"
        plays.to_parquet(path)
        for name, losses in LOSSES.items():
            for loss in losses:
                task = build(name, loss, Sources(catalog, path))
                row(f"{name}, {loss}: loss and gradient, p50 (ms)", 1000 * step_seconds(task, catalog))


def make_up_plays(plays: int, users: int, tracks: int) -> pd.DataFrame:
    """Ratings of `plays` pairs of user and track, each pair once."""
    random = np.random.default_rng(0)
    appeal = np.arange(1, tracks + 1) ** -0.7
    pairs = np.empty(0, np.int64)
    while len(pairs) < plays:
        drawn = random.integers(users, size=plays) * tracks + random.choice(
            tracks, plays, p=appeal / appeal.sum()
        )
        pairs = np.unique(np.concatenate([pairs, drawn]))
    user, track = np.divmod(random.permutation(pairs)[:plays], tracks)
    return pd.DataFrame(
        {
            "user_id": [f"user-{number:06}" for number in user],
            "track_id": [track_id(number) for number in track],
            "rating": random.geometric(0.3, plays).astype(float),
        }
    )


def track_id(number: int) -> str:
    """Id of a made-up track."""
    return f"track-{number:06}"


def build(name: str, loss: str, sources: Sources) -> ProxyTask:
    """A task with this loss."""
    kind = TASKS[name]
    return kind.from_sources(kind.config_kind.model_validate({"loss": loss}), sources, EMBEDDING_SIZE)


def step_seconds(task: ProxyTask, catalog: Catalog) -> float:
    """Median seconds of a loss and its gradient, over batches of tracks drawn evenly."""
    targets = task.targets(catalog)
    torch.manual_seed(0)
    seconds = []
    for _ in range(STEPS):
        batch = targets[torch.randint(len(targets), (BATCH,))]
        vectors = torch.randn(BATCH, EMBEDDING_SIZE, requires_grad=True)
        started = time.process_time()
        torch.autograd.backward(task.loss(vectors, batch))
        seconds.append(time.process_time() - started)
    return float(np.median(seconds))


def timed(job: Callable[[], Result]) -> tuple[Result, float]:
    """What `job` gives, and the seconds it takes."""
    started = time.perf_counter()
    result = job()
    return result, time.perf_counter() - started


def row(label: str, value: float) -> None:
    """Print a line of the table."""
    print(f"  {label:<60}{value:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
