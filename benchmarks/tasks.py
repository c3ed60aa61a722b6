"""What each proxy task costs: the time of its loss, both ways, as a share of a training step of the default
network.

    python benchmarks/tasks.py [--steps 20]

Rows of one run are comparable; tasks learn from a synthesised corpus, with its plays and judgements.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from soundkin.catalog.table import read_catalog, write_catalog
from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.synthesise import synthesise
from soundkin.pipelines.scan import scan
from soundkin.pipelines.train import compose
from soundkin.tasks import TASKS, ProxyTask
from soundkin.training.data import prepare
from soundkin.training.module import TrainingModule
from soundkin.training.run_config import TrainConfig
from soundkin.training.run_folder import RunFolder


def main() -> None:
    """Print one row a task."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20)
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as folder:
        config = run_with_everything(Path(folder))
        data = prepare(RunFolder(config, read_catalog(config.catalog)).plan())
        module = TrainingModule(config, data)
        tracks = config.data.batch_patches // 2  # two views of each
        print(f"{'trunk, one step (ms)':<34}", end="", flush=True)
        log_mel = torch.randn(tracks * 2, config.features.mel_bands, config.patch.frames)
        lengths = torch.ones(len(log_mel), dtype=torch.int64)
        trunk = milliseconds(lambda: module.network(log_mel, lengths).sum().backward(), max(3, steps // 4))
        print(f"{trunk:8.1f}")
        rows = torch.arange(tracks).repeat_interleave(2) % len(data.train.keys)
        for name, task in module.proxy_tasks.items():
            targets = module.targets[name](rows)
            cost = milliseconds(partial(learn_a_step, task, targets, config.model.embedding_size), steps)
            print(f"{name + ', loss and metrics (ms)':<34}{cost:8.2f}{cost / trunk:8.1%} of the trunk's")


def run_with_everything(folder: Path) -> TrainConfig:
    """A run with every task, over a corpus whose folders stand for playlists and whose genres for tags."""
    corpus = synthesise(
        folder / "corpus", CorpusConfig(genres=4, artists_per_genre=5, tracks_per_artist=4), workers=2
    )
    scan(corpus.music, folder / "catalog.csv", workers=2)
    catalog = read_catalog(folder / "catalog.csv")
    write_catalog(catalog.frame.assign(tags=catalog.frame["genre"]), folder / "catalog.csv")
    playlists = pd.DataFrame(
        {"playlist_id": catalog.frame["genre"].fillna("rest"), "track_id": catalog.track_ids}
    )
    playlists.to_csv(folder / "playlists.csv", index=False)
    files = [f"{name}={path}" for name, path in (("ratings", corpus.ratings), ("triplets", corpus.triplets))]
    files += [f"playlists={folder}/playlists.csv", f"catalog={folder}/catalog.csv", f"run_dir={folder}/run"]
    return compose([*files, f"task=[{','.join(TASKS)}]"])


def learn_a_step(task: ProxyTask, targets: torch.Tensor, embedding_size: int) -> None:
    """What a training step does for one task."""
    vectors = torch.randn(len(targets), embedding_size, requires_grad=True)
    torch.autograd.backward(task.loss(vectors, targets))
    task.metrics(vectors.detach(), targets)


def milliseconds(step: Callable[[], object], times: int) -> float:
    """The median of so many calls, after one that warms up."""
    step()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    return 1000 * sorted(seconds)[len(seconds) // 2]


if __name__ == "__main__":
    main()
