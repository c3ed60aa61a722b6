"""All that a catalog can teach, at once: every task, learnt weights, runs of patches through a GRU, and
lyrics.
"""

import csv
import json
import os
import shutil
import signal
import subprocess
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import soundkin
from command_line import soundkin_command
from soundkin.catalog.table import read_catalog
from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.users import read_users
from soundkin.files import sha256_of
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.train import compose, train
from soundkin.tasks import TASKS
from soundkin.tasks.genre import GenreTask
from soundkin.tasks.multi_label import MultiLabelTask

USER_TASKS = {"ratings", "latent_factors"}
SMALL = [
    "trainer.epochs=4",
    "trainer.steps_per_epoch=4",
    "trainer.threads=1",
    "data.cache_workers=1",
    "data.validation_patches=2",
    "patch={frames:24,hop_frames:24}",
    "model.embedding_size=16",
    "model.convolutions=[{filters:16,width:5,pool:4,padded:true}]",
    "logger=csv",
]
EVERYTHING = [
    f"task=[{','.join(TASKS)}]",
    "task.album.minimum_tracks=1",
    "task.ratings.factors=6",
    "task.latent_factors.factors=6",
    "trainer.weighting=uncertainty",
    "trainer.conflict_epochs=1",
    "trainer.frozen_share=0",
    "data.batch_patches=48",
    "data.most_patches=3",
    "model.patch_pooling=gru",
    "+model.lyrics={state_size:16}",
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sources(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with catalog, ratings, triplets, playlists and a teacher's answers; do not change it."""
    folder = tmp_path_factory.mktemp("sources")
    frame = pd.read_csv(small_catalog)
    frame.assign(tags=frame["genre"], audio_folder=str(small_catalog.parent)).to_csv(
        folder / "catalog.csv", index=False
    )
    for name in ("ratings.csv", "triplets.csv"):
        shutil.copy(small_catalog.parent / name, folder / name)
    generator = np.random.default_rng(0)
    playlists = [
        {"playlist_id": number, "track_id": track_id}
        for number in range(8)
        for track_id in generator.choice(frame["track_id"], size=8, replace=False)
    ]
    pd.DataFrame(playlists).to_csv(folder / "playlists.csv", index=False)
    ids = np.repeat(frame["track_id"].to_numpy(str), 3)
    starts, vectors = np.tile([0.0, 1.0, 2.0], len(frame)), generator.normal(size=(len(ids), 5))
    np.savez(folder / "teacher.npz", track_id=ids, start_seconds=starts, vectors=vectors.astype(np.float32))
    return folder


def overridden(sources: Path, run_dir: Path, *overrides: str) -> list[str]:
    named = [f"{name}={sources / f'{name}.csv'}" for name in ("catalog", "ratings", "triplets", "playlists")]
    named.append(f"teacher={sources / 'teacher.npz'}")
    return [*named, f"run_dir={run_dir}", *SMALL, *overrides]


def command(sources: Path, run_dir: Path, *overrides: str) -> list[str]:
    return soundkin_command("train", *overridden(sources, run_dir, *overrides))


def finished(arguments: list[str]) -> str:
    """What a command that must not fail printed."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout


def trained(sources: Path, run_dir: Path, *overrides: str) -> list[dict[str, float]]:
    """The history of a run in this very process."""
    train(compose(overridden(sources, run_dir, *overrides)))
    return history(run_dir)


def history(run_dir: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv, without cells that nothing was measured for."""
    with (run_dir / "metrics.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def run_dir(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    finished(command(sources, folder, *EVERYTHING))
    return folder


def test_every_task_is_heard_and_weighed(run_dir: Path) -> None:
    rows = history(run_dir)
    assert len(rows) == 4
    for task in TASKS:
        measured = {name for row in rows for name in row if name.startswith(f"train/{task}_")}
        assert {f"train/{task}_loss", f"train/{task}_weight"} < measured, f"{task} has no metric"
        assert all(np.isfinite(row[f"train/{task}_loss"]) and row[f"train/{task}_loss"] > 0 for row in rows)
        assert rows[-1][f"train/{task}_weight"] != 1.0, f"the weight of {task} stays what it was at the start"
    assert len({rows[-1][f"train/{task}_weight"] for task in TASKS}) > 1


def test_conflicts_between_any_two_tasks_are_measured(run_dir: Path) -> None:
    pairs = {f"train/gradient_cosine_{one}.{other}" for one, other in combinations(TASKS, 2)}
    for row in history(run_dir):
        assert pairs <= row.keys()
        assert all(-1.001 <= row[pair] <= 1.001 for pair in pairs)


def test_the_gate_of_the_lyrics_is_logged(run_dir: Path) -> None:
    assert all(0 < row["train/lyric_gate"] < 1 for row in history(run_dir))


def test_a_killed_run_ends_with_the_same_weights(run_dir: Path, sources: Path, tmp_path: Path) -> None:
    arguments = command(sources, tmp_path / "run", *EVERYTHING)
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    written = tmp_path / "run" / "metrics.csv"
    while not (written.exists() and len(written.read_text().splitlines()) > 2):
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run" / "model").exists()
    finished(arguments)
    for name in ("model.safetensors", "users.parquet", "tokenizer.json"):
        assert sha256_of(tmp_path / "run" / "model" / name) == sha256_of(run_dir / "model" / name), name
    clocks = ("seconds", "data_wait_share")
    killed, whole = (
        [{name: row[name] for name in row if name not in clocks} for row in history(folder)]
        for folder in (tmp_path / "run", run_dir)
    )
    assert killed == whole


def test_the_bundle_names_the_users_who_like_training_tracks(run_dir: Path, sources: Path) -> None:
    splits = pd.read_csv(run_dir / "tracks.csv").set_index("track_id")["split"]
    ratings = pd.read_csv(sources / "ratings.csv")
    liked = ratings[(ratings["rating"] > 0) & ratings["track_id"].map(splits).eq("train")]
    users = read_users(run_dir / "model" / "users.parquet")
    assert users.keys() == USER_TASKS
    for task in USER_TASKS:
        assert users[task] == sorted(set(liked["user_id"]))
    bundle = load_bundle(run_dir / "model")
    assert len(bundle.task_state["tasks.ratings.tastes"]) == len(users["ratings"])
    assert len(bundle.task_state["tasks.latent_factors.user_factors"]) == len(users["latent_factors"])


def test_a_bundle_without_the_names_of_users_gives_the_same_vectors(
    run_dir: Path, sources: Path, tmp_path: Path
) -> None:
    shutil.copytree(run_dir / "model", tmp_path / "model")
    (tmp_path / "model" / "users.parquet").unlink()
    whole, nameless = soundkin.load(run_dir / "model"), soundkin.load(tmp_path / "model")
    assert nameless.bundle.users == {} and nameless.hash == whole.hash
    catalog = read_catalog(sources / "catalog.csv")
    sung = next(row for row, words in enumerate(catalog.values("lyrics")) if words)
    path, words = catalog.audio_paths()[sung], catalog.values("lyrics")[sung][0]
    assert np.array_equal(whole.embed(path, lyrics=words), nameless.embed(path, lyrics=words))
    assert np.isfinite(whole.embed(path, lyrics=words)).all()
    assert not np.array_equal(whole.embed(path, lyrics=words), whole.embed(path))


def test_a_user_is_recommended_tracks(run_dir: Path, sources: Path, tmp_path: Path) -> None:
    embed_catalog(run_dir / "model", sources / "catalog.csv", tmp_path / "embeddings")
    found = {}
    for task in USER_TASKS:
        asked = [str(tmp_path / "embeddings"), "user-0003", "--task", task, "-k", "5", "--json"]
        answers = json.loads(finished(soundkin_command("recommend", *asked)))
        found[task] = [answer["track_id"] for answer in answers]
        assert len(set(found[task])) == 5 and set(found[task]) <= set(
            read_catalog(sources / "catalog.csv").track_ids
        )
        assert [answer["score"] for answer in answers] == sorted(
            (answer["score"] for answer in answers), reverse=True
        )
    assert found["ratings"] != found["latent_factors"]


@pytest.mark.parametrize(
    "together",
    [
        ["trainer.strategy=ddp"],
        [
            "trainer.strategy=auto",
            "+model.lyrics={state_size:16,modality_dropout:0.9}",
        ],  # batches without any lyrics
    ],
    ids=["ddp", "auto-with-lyrics"],
)
def test_two_processes_learn_from_labels_contrast_and_ratings(
    sources: Path, tmp_path: Path, together: list[str]
) -> None:
    """Half of the epochs are frozen; then the network learns, and conflicts are measured."""
    tasks = ["task=[genre,contrastive,ratings]", "trainer.frozen_share=0.5", "trainer.conflict_epochs=1"]
    finished(
        command(sources, tmp_path / "run", *tasks, "trainer.devices=2", "data.batch_patches=16", *together)
    )
    rows = history(tmp_path / "run")
    kin = [{name: value for name, value in row.items() if name.endswith("_map")} for row in rows]
    assert kin[0] and kin[0] == kin[1]
    cosines = [[name for name in row if "gradient_cosine" in name] for row in rows]
    assert [len(names) for names in cosines] == [0, 0, 3, 3]
    vector = soundkin.load(tmp_path / "run" / "model").embed(
        read_catalog(sources / "catalog.csv").audio_paths()[0]
    )
    assert np.isfinite(vector).all()


@pytest.mark.parametrize("tasks", ["contrastive", "triplets,playlist"])
def test_tasks_without_a_head_have_nothing_to_learn_first(sources: Path, tmp_path: Path, tasks: str) -> None:
    losses = trained(sources, tmp_path / "run", f"task=[{tasks}]", "trainer.frozen_share=0.5")
    assert all(row["train/loss"] > 0 for row in losses)


def test_small_batches_too_hold_what_each_task_wants_together(sources: Path, tmp_path: Path) -> None:
    small = [
        "task=[playlist,triplets]",
        "data.batch_patches=4",
        "data.most_patches=3",
        "trainer.frozen_share=0",
    ]
    for row in trained(sources, tmp_path / "run", *small):
        assert {"train/playlist_nearest", "train/triplets_agreement"} <= row.keys()
        assert row["train/triplets_loss"] > 0


def test_half_precision_is_for_the_network_alone(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []

    def loss(self: GenreTask, vectors: Tensor, targets: Tensor) -> Tensor:
        heard.append((vectors.dtype, (vectors @ vectors.T).dtype, bool(vectors.isfinite().all())))
        return MultiLabelTask.loss(self, vectors, targets)

    monkeypatch.setattr(GenreTask, "loss", loss)
    rows = trained(sources, tmp_path / "run", "task=[genre]", "trainer.precision=bf16-mixed")
    assert set(heard) == {(torch.float32, torch.float32, True)}
    assert all(np.isfinite(row["train/loss"]) for row in rows)
