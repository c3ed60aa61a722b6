"""Several ranks train as one process does; a rank that dies ends the run in one line, and it goes on."""

import csv
import subprocess
from pathlib import Path

import pytest

from command_line import soundkin_command
from smallest_run import SMALLEST

LEARNS = [
    "task=[genre,artist,contrastive]",
    "trainer.frozen_share=0.34",
    "trainer.steps_per_epoch=4",
    "trainer.conflict_epochs=1",
    "data.split={train:0.5,valid:0.5,test:0}",
    "model.dropout=0",  # each rank draws its own
]


def command(catalog: Path, run_dir: Path, *more: str) -> list[str]:
    return soundkin_command("train", f"catalog={catalog}", f"run_dir={run_dir}", *SMALLEST, *LEARNS, *more)


def finished(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr


def history(run_dir: Path) -> list[dict[str, float]]:
    rows = csv.DictReader((run_dir / "metrics.csv").read_text().splitlines())
    unlike = ("seconds", "data_wait_share")
    return [
        {name: float(value) for name, value in row.items() if value and name not in unlike} for row in rows
    ]


@pytest.mark.slow
def test_two_ranks_have_the_losses_of_one_process(small_catalog: Path, tmp_path: Path) -> None:
    """To 1e-3 after twelve steps, seven of which move the network: sums are taken in another order."""
    for devices in (1, 2):
        words = ["trainer.epochs=3", f"trainer.devices={devices}"]
        finished(command(small_catalog, tmp_path / f"{devices}", *words))
    alone, together = history(tmp_path / "1"), history(tmp_path / "2")
    assert len(alone) == 3 and any("gradient_cosine" in name for name in alone[-1])
    for one, two in zip(alone, together, strict=True):
        assert one.keys() == two.keys()
        for name in one:
            assert two[name] == pytest.approx(one[name], rel=1e-3, abs=1e-3), name
