"""Heads alone: on the start's vectors, each computed once, and a model that has the start's hash."""

import json
from pathlib import Path

import pandas as pd
import pytest

from small_start import RUN, make_start
from smallest_run import SMALLEST
from soundkin.catalog.table import read_catalog, write_catalog
from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.embedder import Embedder
from soundkin.embedding.store import read_embeddings
from soundkin.errors import SoundkinError
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.evaluate import evaluate
from soundkin.pipelines.recommend import recommend
from soundkin.pipelines.train import TrainResult, compose, train
from soundkin.training.plan import check_settings

HEADS = [
    *RUN,
    "trainer.frozen=true",
    "trainer.epochs=10",
    "trainer.steps_per_epoch=20",
    "data.split={train:0.5,valid:0.4,test:0.1}",
]


@pytest.fixture(scope="module")
def start(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whitened network, which tells the two genres apart."""
    run_dir = tmp_path_factory.mktemp("start") / "run"
    words = [
        *SMALLEST,
        "trainer.epochs=0",
        "model.dropout=0",
        f"catalog={small_catalog}",
        f"run_dir={run_dir}",
    ]
    return train(compose(words)).model


@pytest.fixture(scope="module")
def embeddings(start: Path, small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embeddings")
    embed_catalog(start, small_catalog, folder)
    return folder


def run(start: Path, run_dir: Path, catalog: Path, *more: str, again: bool = False) -> TrainResult:
    places = [f"start={start}", f"run_dir={run_dir}", f"catalog={catalog}"]
    return train(compose([*places, *HEADS, *more]), again)


@pytest.mark.slow
def test_each_track_is_heard_once_and_then_not_even_that(
    start: Path, small_catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Path] = []
    embed_file = Embedder.embed_file

    def noted(self: Embedder, path: Path, *more: str) -> object:
        heard.append(path)
        return embed_file(self, path, *more)

    monkeypatch.setattr(Embedder, "embed_file", noted)
    made = run(start, tmp_path / "run", small_catalog, "task=[genre]")
    splits = pd.read_csv(tmp_path / "run" / "tracks.csv")["split"]
    assert len(heard) == len(set(heard)) == (splits != "test").sum()
    heard.clear()
    again = run(start, tmp_path / "run", small_catalog, "task=[genre]", again=True)
    assert again.metrics == made.metrics | {key: again.metrics[key] for key in ("seconds", "data_wait_share")}
    assert not heard
    bundle = load_bundle(made.model)
    assert bundle.hash == load_bundle(start).hash
    assert bundle.provenance["training_data"]["held_out"].startswith("not compared: heads alone")
    assert made.metrics["valid/genre_accuracy"] > 0.7, "of two genres that sound apart"


@pytest.mark.slow
def test_vectors_at_hand_are_enough_and_the_result_evaluates_and_recommends(
    start: Path, embeddings: Path, small_catalog: Path, tmp_path: Path
) -> None:
    """No audio is there any more; the model is of the hash that the embeddings have."""
    frame = read_catalog(small_catalog).frame.assign(path="gone.ogg")
    frame["path"] = [f"{track_id}.ogg" for track_id in frame["track_id"]]
    write_catalog(frame, tmp_path / "catalog.csv")
    ratings = small_catalog.parent / "ratings.csv"
    more = ["task=[genre,ratings,latent_factors]", f"ratings={ratings}", f"embeddings={embeddings}"]
    made = run(start, tmp_path / "run", tmp_path / "catalog.csv", *more)
    assert not list(tmp_path.rglob("vectors-*"))
    user = pd.read_csv(ratings, dtype=str)["user_id"][0]
    assert len(recommend(embeddings, user, model=made.model, k=3)) == 3
    assert evaluate(made.model, small_catalog, split="all", labels=["genre"], trained_too=True).rows
    tracks = pd.read_csv(tmp_path / "run" / "tracks.csv", keep_default_na=False).set_index("track_id")
    known = read_embeddings(embeddings)
    hashes = dict(zip(known.track_ids, known.audio_hashes, strict=True))
    assert all(row.audio_hash in ("", hashes[id_]) for id_, row in tracks.iterrows())
    stated = json.loads((tmp_path / "run" / "inputs.json").read_text())["files"]
    assert {"embeddings", "start", "ratings"} <= stated.keys()
    assert str(embeddings) not in (made.model / "config.json").read_text()


@pytest.mark.slow
def test_a_track_without_a_vector_is_left_out(
    start: Path, embeddings: Path, small_catalog: Path, tmp_path: Path
) -> None:
    tracks = read_catalog(small_catalog)
    home = str(tracks.folder.resolve())
    new = tracks.frame.iloc[[0]].assign(track_id="new", split="train")
    frame = pd.concat([tracks.frame.assign(split=""), new]).assign(audio_folder=home)
    write_catalog(frame, tmp_path / "catalog.csv")
    more = ["task=[genre]", f"embeddings={embeddings}"]
    made = run(start, tmp_path / "run", tmp_path / "catalog.csv", *more)
    assert [skipped.reason for skipped in made.skipped] == [f"no vector in {embeddings}"]


@pytest.mark.slow
def test_what_cannot_be_heads_alone_is_said_in_one_line(
    start: Path, embeddings: Path, tmp_path: Path
) -> None:
    other = make_start(tmp_path / "other", random_seed=1, dropout=0.0)
    frozen, begun = "trainer.frozen=true", f"start={start}"
    for given, answer in (
        ([frozen], r"heads need a network that has learnt\. Give start=default"),
        ([frozen, begun, "model.lyrics={}"], "heads alone learn from sound"),
        ([frozen, begun, "model.patch_pooling=gru"], r"Leave model\.\* out"),
        ([frozen, begun, "task=[genre,contrastive]"], r"Set task\.contrastive=null"),
        ([frozen, f"start={other}", f"embeddings={embeddings}"], "was made with model .* cannot be compared"),
        ([frozen, begun, f"embeddings={tmp_path / 'none'}"], "none does not exist"),
        ([begun, f"embeddings={embeddings}"], r"Add trainer\.frozen=true"),
    ):
        with pytest.raises(SoundkinError, match=answer) as caught:
            check_settings(compose(["catalog=c", "run_dir=r", *given]))
        assert "\n" not in str(caught.value)
