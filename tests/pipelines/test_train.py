"""Training as a user runs it: resumed after a kill, spread over processes, refused with a reason."""

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import soundkin
from command_line import soundkin_command
from soundkin.catalog.table import read_catalog, write_catalog
from soundkin.embedding.bundle import load_bundle
from soundkin.errors import CatalogError, ConfigError
from soundkin.files import sha256_of
from soundkin.pipelines.evaluate import evaluate
from soundkin.pipelines.train import compose, train

SMALL = [
    "trainer.epochs=4",
    "trainer.steps_per_epoch=6",
    "trainer.threads=1",
    "data.batch_patches=8",
    "data.cache_workers=1",
    "patch.frames=64",
    "patch.hop_frames=64",
    "model.embedding_size=16",
    "model.convolutions=[{filters:32,width:5,pool:4,padded:true}]",
    "logger=csv",
]


def overrides(catalog: Path, run_dir: Path, *more: str) -> list[str]:
    return [f"catalog={catalog}", f"run_dir={run_dir}", *SMALL, *more]


@pytest.fixture(scope="module")
def whole_run(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("runs") / "whole"
    train(compose(overrides(small_catalog, run_dir)))
    return run_dir


@pytest.mark.slow
def test_a_run_leaves_what_it_promises(whole_run: Path, small_catalog: Path) -> None:
    names = {
        "config.yaml",
        "environment.json",
        "tracks.csv",
        "skipped.csv",
        "metrics.csv",
        "checkpoints",
        "model",
    }
    assert names <= {path.name for path in whole_run.iterdir()}
    rows = list(csv.DictReader((whole_run / "metrics.csv").open()))
    assert [float(row["epoch"]) for row in rows] == [0, 1, 2, 3]
    assert {"train/loss", "train/artist_loss", "train/genre_accuracy", "valid/retrieval"} <= rows[0].keys()
    tracks = pd.read_csv(whole_run / "tracks.csv").merge(pd.read_csv(small_catalog), on="track_id")
    assert (tracks.groupby("artist")["split"].nunique() == 1).all()
    song = next(path for path in small_catalog.parent.rglob("*.flac"))
    assert soundkin.load(whole_run / "model").embed(song).shape == (16,)
    assert yaml.safe_load((whole_run / "config.yaml").read_text())["patch"]["frames"] == 64


@pytest.mark.slow
@pytest.mark.parametrize("epochs_before_the_kill", [1, 3])
def test_a_killed_run_ends_with_the_same_weights(
    whole_run: Path, small_catalog: Path, tmp_path: Path, epochs_before_the_kill: int
) -> None:
    run_dir = tmp_path / "killed"
    command = soundkin_command("train", *overrides(small_catalog, run_dir))
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    history = run_dir / "metrics.csv"
    while not (history.exists() and len(history.read_text().splitlines()) > epochs_before_the_kill):
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (run_dir / "model").exists()
    subprocess.run(command, check=True, capture_output=True)
    assert sha256_of(run_dir / "model" / "model.safetensors") == sha256_of(
        whole_run / "model" / "model.safetensors"
    )
    figures = [
        [
            {name: row[name] for name in row if name not in ("seconds", "data_wait_share")}
            for row in csv.DictReader(file)
        ]
        for file in ((run_dir / "metrics.csv").open(), (whole_run / "metrics.csv").open())
    ]
    assert figures[0] == figures[1]


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_a_later_run_goes_on(small_catalog: Path, tmp_path: Path) -> None:
    command = soundkin_command("train", *overrides(small_catalog, tmp_path / "run", "trainer.epochs=500"))
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted. Run the same command again" in messages and "Traceback" not in messages


@pytest.mark.slow
def test_two_processes_train_together(small_catalog: Path, tmp_path: Path) -> None:
    together = ["trainer.devices=2", "trainer.strategy=ddp", "trainer.epochs=2"]
    command = soundkin_command("train", *overrides(small_catalog, tmp_path / "run", *together))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 3


@pytest.mark.slow
def test_a_sweep_runs_each_combination_in_its_own_folder(small_catalog: Path, tmp_path: Path) -> None:
    sweep = ["-m", "trainer.learning_rate=1e-3,3e-3", "trainer.epochs=1"]
    arguments = [
        word for word in overrides(small_catalog, tmp_path / "sweep") if "trainer.epochs" not in word
    ]
    subprocess.run(soundkin_command("train", *sweep, *arguments), check=True, capture_output=True)
    assert len(list((tmp_path / "sweep").glob("*/model/model.safetensors"))) == 2


@pytest.mark.slow
def test_a_finished_run_is_not_trained_again_and_another_config_is_refused(
    whole_run: Path, small_catalog: Path
) -> None:
    before = sha256_of(whole_run / "model" / "model.safetensors")
    assert train(compose(overrides(small_catalog, whole_run))).metrics["valid/retrieval"] > 0
    assert sha256_of(whole_run / "model" / "model.safetensors") == before
    with pytest.raises(ConfigError, match=r"another config \(random_seed: 0 -> 1\)\. Choose another run_dir"):
        train(compose(overrides(small_catalog, whole_run, "random_seed=1")))


@pytest.mark.slow
@pytest.mark.parametrize("column, task", [("artist", "artist"), ("genre", "genre")])
def test_a_label_that_nobody_has(small_catalog: Path, tmp_path: Path, column: str, task: str) -> None:
    frame = pd.read_csv(small_catalog)
    frame[column] = "same" if column == "genre" else ""
    frame["audio_folder"] = str(small_catalog.parent)
    frame.to_csv(tmp_path / "catalog.csv", index=False)
    with pytest.raises(CatalogError, match=f"task.{task}=null"):
        train(compose(overrides(tmp_path / "catalog.csv", tmp_path / "run", f"task=[{task}]")))


@pytest.mark.slow
@pytest.mark.parametrize("tracks", [1, 2, 4])
def test_a_handful_of_tracks_trains_or_says_why_not(small_catalog: Path, tmp_path: Path, tracks: int) -> None:
    frame = pd.read_csv(small_catalog).iloc[:tracks].assign(audio_folder=str(small_catalog.parent))
    frame.to_csv(tmp_path / "catalog.csv", index=False)
    with pytest.raises(CatalogError, match="needs two to tell apart"):
        train(compose(overrides(tmp_path / "catalog.csv", tmp_path / "run")))


@pytest.mark.parametrize(
    "wrong, answer",
    [
        ("trainer.epoch=3", r"trainer\.epoch is unknown\. Did you mean trainer\.epochs\?"),
        ("model=dielemann2014", r"model=dielemann2014.*Did you mean dieleman2014\?"),
        ("task=[gener]", r"task=gener.*Did you mean genre\?"),
        ("trainer.epochs=ten", r"trainer\.epochs='ten' should be a whole number"),
        ("trainer.learning_rate=-1", r"trainer\.learning_rate=-1.*greater than 0"),
        ("task.artist.margin=2", r"task\.artist\.margin=2.*less than 1"),
        ("nonsense", r"nonsense"),
    ],
)
def test_a_wrong_config_is_answered_with_the_nearest_right_one(wrong: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=answer):
        compose(["catalog=c.csv", "run_dir=r", wrong])


def test_what_a_run_needs_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"catalog is missing\. Give it as catalog=VALUE"):
        compose(["run_dir=r"])


def test_a_task_can_be_left_out_and_settings_reach_their_owner() -> None:
    config = compose(
        ["catalog=c.csv", "run_dir=r", "task.genre=null", "task.artist.margin=0.3", "model=dieleman2014"]
    )
    assert config.task.genre is None and config.task.artist.margin == 0.3  # type: ignore[attr-defined]
    assert config.model.embedding_size == 40


@pytest.mark.slow
def test_a_missing_file_is_told_before_anything_is_heard(small_catalog: Path, tmp_path: Path) -> None:
    for wrong, message in (("task=[ratings]", "task.ratings=null"), ("ratings=nowhere.csv", "nowhere.csv")):
        config = compose(overrides(small_catalog, tmp_path / "run", "task=[ratings]", wrong))
        with pytest.raises(CatalogError, match=message):
            train(config)
        assert not (tmp_path / "cache").exists() and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_file_that_no_task_reads_is_named(
    small_catalog: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ratings = small_catalog.parent / "ratings.csv"
    train(compose(overrides(small_catalog, tmp_path / "run", f"ratings={ratings}", "trainer.epochs=1")))
    assert "is not used: add a task that learns from it" in caplog.text


@pytest.mark.slow
def test_a_model_hears_harmony_from_training_to_evaluation(small_catalog: Path, tmp_path: Path) -> None:
    run = train(
        compose(overrides(small_catalog, tmp_path / "run", "features=harmony", "data.augment.stretch=0.1"))
    )
    assert "96 mel bands and 24 chroma bands" in (run.model / "README.md").read_text(encoding="utf-8")
    model, path = soundkin.load(run.model), read_catalog(small_catalog).audio_paths()[0]
    vector = model.embed(path)
    assert np.array_equal(vector, soundkin.load(run.model).embed(path))
    harmony = model.bundle.network.trunk.harmony
    assert harmony is not None
    with torch.no_grad():
        harmony.conv.bias.add_(1.0)
    assert not np.allclose(vector, model.embed(path))
    rows = evaluate(run.model, small_catalog, split="all", labels=["artist"], trained_too=True).rows
    assert {score.system for score in rows[0].scores} == {"model", "MFCC", "untrained", "chance"}


@pytest.mark.slow
def test_training_warns_of_guests_and_its_model_remembers_who_is_no_artist(
    small_catalog: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracks = read_catalog(small_catalog)
    names = sorted(set(tracks.frame["artist"]))
    credits = [
        f"{lead} feat. {names[(names.index(lead) + 3) % len(names)]}" for lead in tracks.frame["artist"]
    ]
    credits[:2] = ["House Band", "HOUSE BAND"]
    home = str(tracks.folder.resolve())
    write_catalog(tracks.frame.assign(artist=credits, audio_folder=home), tmp_path / "catalog.csv")
    choices = ["task=[artist]", "trainer.epochs=1", "data.no_artist=[house band]"]
    model = train(compose(overrides(tmp_path / "catalog.csv", tmp_path / "run", *choices))).model
    assert "held-out tracks are by an artist who is also in training, as lead or guest" in caplog.text
    classes = load_bundle(model).tasks["artist"]["vocabulary"]
    assert set(classes) <= set(names) and not any("feat" in name or "ouse" in name for name in classes)
    found = evaluate(model, tmp_path / "catalog.csv", split="all", no_artist=["Nobody at All"])
    assert found.provenance["no_artist"] == ["Nobody at All", "house band"]
    assert found.artists == len({credit.split(" feat.")[0] for credit in credits[2:]}) + 2
