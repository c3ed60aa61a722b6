"""Several ranks train as one process does; a rank that dies ends the run in one line, and it goes on."""

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from torch import nn

from command_line import soundkin_command
from smallest_run import SMALLEST
from soundkin.errors import ConfigError
from soundkin.pipelines.train import compose, train

LEARNS = [
    "task=[genre,artist,contrastive]",
    "trainer.frozen_share=0.34",
    "trainer.steps_per_epoch=4",
    "trainer.conflict_epochs=1",
    "data.split={train:0.5,valid:0.5,test:0}",
    "model.dropout=0",  # each rank draws its own
]


def words_of(catalog: Path, run_dir: Path, *more: str) -> list[str]:
    return [f"catalog={catalog}", f"run_dir={run_dir}", *SMALLEST, *LEARNS, *more]


def command(catalog: Path, run_dir: Path, *more: str) -> list[str]:
    return soundkin_command("train", *words_of(catalog, run_dir, *more))


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
    """To 1e-4 after twelve steps, eight of which move the network: sums are taken in another order."""
    for devices in (1, 2):
        words = ["trainer.epochs=3", f"trainer.devices={devices}"]
        finished(command(small_catalog, tmp_path / f"{devices}", *words))
    alone, together = history(tmp_path / "1"), history(tmp_path / "2")
    assert len(alone) == 3 and any("gradient_cosine" in name for name in alone[-1])
    for one, two in zip(alone, together, strict=True):
        assert one.keys() == two.keys()
        for name in one:
            assert two[name] == pytest.approx(one[name], rel=1e-4, abs=1e-5), name


def ranks_of(launcher: int) -> list[psutil.Process]:
    """The processes that train; the launcher may have others."""
    children = psutil.Process(launcher).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_ends_the_run_in_one_line_and_the_same_command_goes_on(
    small_catalog: Path, tmp_path: Path, killed: int
) -> None:
    words = command(
        small_catalog, tmp_path / "run", "trainer.epochs=25", "trainer.patience=25", "trainer.devices=2"
    )
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    metrics = tmp_path / "run" / "metrics.csv"
    while not (metrics.exists() and len(metrics.read_text().splitlines()) > 2):
        assert process.poll() is None, "the run ended before a rank could be killed"
        time.sleep(0.005)
    ranks = ranks_of(process.pid)
    assert len(ranks) == 2
    os.kill(ranks[killed].pid, signal.SIGKILL)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in messages
    [line] = [line for line in messages.splitlines() if line.startswith("soundkin:")]
    assert f"rank {killed} (process {ranks[killed].pid}) was ended by SIGKILL" in line
    assert "Run the same command again to go on" in line
    assert not any(rank.is_running() for rank in ranks)
    before = history(tmp_path / "run")
    finished(words)
    after = history(tmp_path / "run")
    assert len(before) < len(after) == 25 and after[: len(before)] == before
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


@pytest.mark.slow
def test_what_stops_all_ranks_is_said_once_with_its_exit_code(small_catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "last.ckpt").write_bytes(b"damaged")
    words = command(small_catalog, tmp_path / "run", "trainer.epochs=2", "trainer.devices=2")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 4 and "Traceback" not in done.stderr
    assert done.stderr.count("last.ckpt is corrupt") == 1


@pytest.mark.slow
def test_a_step_of_several_batches_is_one_step(small_catalog: Path, tmp_path: Path) -> None:
    train(compose(words_of(small_catalog, tmp_path / "run", "trainer.epochs=3", "trainer.accumulate=2")))
    assert [row["step"] for row in history(tmp_path / "run")] == [2, 4, 6]


@pytest.mark.slow
def test_a_compiled_network_has_the_same_losses(
    small_catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the backend that traces and differentiates as the usual one does, and compiles no C++."""
    compiled = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled(module, backend="aot_eager"))
    for name in ("plain", "compiled"):
        more = "trainer.epochs=3", f"trainer.compiled={name == 'compiled'}"
        train(compose(words_of(small_catalog, tmp_path / name, *more)))
    plain, traced = history(tmp_path / "plain"), history(tmp_path / "compiled")
    for one, two in zip(plain, traced, strict=True):
        assert two == pytest.approx(one, rel=1e-4, abs=1e-5)


@pytest.mark.slow
def test_where_nothing_can_be_compiled_one_line_says_so(
    small_catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> object:
        raise RuntimeError("no C++ compiler")

    compiled = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled(module, backend=fails))
    with pytest.raises(ConfigError, match=r"trainer.compiled=true: .*leave it out"):
        train(compose(words_of(small_catalog, tmp_path / "run", "trainer.compiled=true")))


@pytest.mark.parametrize(
    "words, answer",
    [
        (["trainer.num_nodes=2"], "start the same command on each of them, with torchrun or srun"),
        (["trainer.devices=9"], r"data.batch_patches=8: a batch is shared by 9 ranks"),
    ],
)
def test_ranks_that_cannot_be_are_refused(tmp_path: Path, words: list[str], answer: str) -> None:
    with pytest.raises(ConfigError, match=answer):
        train(compose(words_of(tmp_path / "catalog.csv", tmp_path / "run", *words)))
    assert not (tmp_path / "run").exists()


def test_a_config_for_other_ranks_than_were_started_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "mine")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match="4 processes were started, and these need 2"):
        train(compose(words_of(tmp_path / "catalog.csv", tmp_path / "run", "trainer.devices=2")))
