"""What a margin softmax over very many artists takes: time and memory of a step, sampled or not.

    python benchmarks/many_artists.py [--labels 10000 100000 1000000] [--sampled 4096]

Each row is a process of its own. A step is the head's alone (loss, gradient, AdamW), on one thread; figures
are those that training logs with each step.
"""

import argparse
import multiprocessing
import resource
import time

import torch

from soundkin.catalog.labels import Vocabulary
from soundkin.tasks.artist import ArtistTask
from soundkin.tasks.margin_softmax import MarginSoftmaxConfig

TRACKS, EMBEDDING_SIZE, STEPS = 64, 40, 3
MEBIBYTE = 2**20


def main() -> None:
    """Print one row for each number of labels, sampled and full."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--sampled", type=int, default=4_096)
    arguments = parser.parse_args()
    print(
        f"{'labels':>9} {'softmax over':>12} {'step (CPU ms)':>14} {'figures (ms)':>13} {'memory (MiB)':>13}"
    )
    context = multiprocessing.get_context("spawn")
    for labels in arguments.labels:
        for seen in sorted({min(labels, arguments.sampled), labels}):
            with context.Pool(1) as pool:
                step, figures, memory = pool.apply(measure, (labels, seen))
            print(f"{labels:>9} {seen:>12} {step:>14.1f} {figures:>13.1f} {memory:>13.0f}", flush=True)


def measure(labels: int, seen: int) -> tuple[float, float, float]:
    """CPU milliseconds of a step and of its figures, the least of three, and MiB beside the labels' names."""
    torch.set_num_threads(1)
    vocabulary = Vocabulary(tuple(map(str, range(labels))))
    before = _peak_bytes()
    task = ArtistTask(MarginSoftmaxConfig(sampled_labels=seen), vocabulary, EMBEDDING_SIZE)
    optimiser = torch.optim.AdamW(task.parameters(), lr=1e-3)
    vectors, targets = torch.randn(TRACKS, EMBEDDING_SIZE), torch.randint(labels, (TRACKS,))
    steps, figures = [], []
    for _ in range(STEPS):
        began = time.process_time()
        optimiser.zero_grad()
        task.loss(vectors, targets).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        stepped = time.process_time()
        task.figures(vectors, targets)
        steps.append(stepped - began)
        figures.append(time.process_time() - stepped)
    return 1000 * min(steps), 1000 * min(figures), (_peak_bytes() - before) / MEBIBYTE


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
