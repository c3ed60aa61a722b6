"""How fast training is: patches a second, the share of a step spent waiting for data, and how much of the
machine's matrix-multiply rate a step reaches. All in one run, on a corpus that the project synthesises.

    python benchmarks/training.py [--steps 60] [--precision 32-true]
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from soundkin.catalog.table import read_catalog
from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.synthesise import synthesise
from soundkin.pipelines.scan import scan
from soundkin.pipelines.train import compose
from soundkin.training.data import prepare
from soundkin.training.fit import fit
from soundkin.training.run_config import TrainConfig
from soundkin.training.run_folder import RunFolder


def main() -> None:
    """Print one row a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--precision", default="32-true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = small_run(Path(folder), arguments.steps, arguments.precision)
        data = prepare(RunFolder(config, read_catalog(config.catalog)).plan())
        flops = flops_of_a_step(config)
        before = matmul_flops_per_second()
        fit(config, data)
        rate = (before + matmul_flops_per_second()) / 2
        with (config.run_dir / "metrics.csv").open(encoding="utf-8") as file:
            epoch = list(csv.DictReader(file))[-1]
    step_seconds = float(epoch["seconds"]) / arguments.steps
    patches = config.data.batch_patches
    print(f"{'threads':<42}{torch.get_num_threads():>10}")
    print(f"{'patches in a batch, frames in a patch':<42}{patches:>6}, {config.patch.frames}")
    print(f"{'step (ms)':<42}{1000 * step_seconds:>10.1f}")
    print(f"{'patches a second':<42}{patches / step_seconds:>10.0f}")
    print(f"{'share of the time waiting for data':<42}{float(epoch['data_wait_share']):>10.1%}")
    print(f"{'float32 matrix multiply here (GFLOP/s)':<42}{rate / 1e9:>10.1f}")
    print(f"{'a step reaches (GFLOP/s)':<42}{flops / step_seconds / 1e9:>10.1f}")
    print(f"{'fraction of the matrix-multiply rate':<42}{flops / step_seconds / rate:>10.2f}")


def small_run(folder: Path, steps: int, precision: str) -> TrainConfig:
    """A run with the default network over a small corpus: two epochs, the first to warm up."""
    music = synthesise(
        folder / "corpus", CorpusConfig(genres=4, artists_per_genre=5, tracks_per_artist=2), workers=2
    ).music
    scan(music, folder / "catalog.csv", workers=2)
    overrides = [f"catalog={folder}/catalog.csv", f"run_dir={folder}/run", "trainer.epochs=2", "logger=csv"]
    return compose([*overrides, f"trainer.steps_per_epoch={steps}", f"trainer.precision={precision}"])


def flops_of_a_step(config: TrainConfig) -> float:
    """Multiplications and additions of the network, forward and backward, on one batch."""
    from soundkin.models import build_network

    network = build_network(config.model, config.features.mel_bands)
    batch = torch.randn(config.data.batch_patches, config.features.mel_bands, config.patch.frames)
    with FlopCounterMode(display=False) as counter:
        network(batch, torch.ones(len(batch), dtype=torch.int64)).sum().backward()
    return float(counter.get_total_flops())


def matmul_flops_per_second(size: int = 1536, repeats: int = 20) -> float:
    """The rate of a plain float32 matrix product of `size` x `size`; the best of `repeats`."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / min(seconds)


if __name__ == "__main__":
    main()
