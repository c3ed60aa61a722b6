"""Anchoring: a rotation is undone, cosines among trained vectors stay, those with the start's rise."""

from pathlib import Path

import numpy as np
import pytest
import torch

import soundkin
from small_start import RUN, make_start
from soundkin.catalog.table import read_catalog
from soundkin.embedding.bundle import load_bundle
from soundkin.errors import ConfigError
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.query import query
from soundkin.pipelines.train import compose, train
from soundkin.statistics.scaling import unit_length
from soundkin.training.anchor import best_rotation, turn_vectors
from soundkin.training.plan import check_settings


def random_rotation(size: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(size, size, dtype=torch.float64))[0]


def test_a_planted_rotation_is_found_and_folded_in(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = load_bundle(make_start(tmp_path / "start")).network
    frames = torch.randn(40, 32, 40)
    begun = network.patches(frames)
    turn_vectors(network, [], random_rotation(12))
    turned = network.patches(frames)
    assert not torch.allclose(turned, begun, atol=0.01)
    turn_vectors(network, [], best_rotation(turned, begun))
    torch.testing.assert_close(network.patches(frames), begun)


@pytest.mark.slow
def test_a_trained_network_is_turned_to_its_start(small_catalog: Path, tmp_path: Path) -> None:
    start = make_start(tmp_path / "start")
    places = [f"start={start}", f"catalog={small_catalog}", "trainer.epochs=6", "trainer.steps_per_epoch=10"]
    rest = ["trainer.learning_rate=0.02", "trainer.network_rate=1", "data.split={train:0.9,valid:0,test:0.1}"]
    songs = read_catalog(small_catalog).audio_paths()
    vectors, models = {"start": unit_length(embedded(start, songs))}, {}
    for anchored in ("false", "true"):
        words = [*RUN, *places, *rest, f"run_dir={tmp_path / anchored}", f"anchor={anchored}"]
        models[anchored] = train(compose(words)).model
        vectors[anchored] = unit_length(embedded(models[anchored], songs))
    within = [vectors[name] @ vectors[name].T for name in ("false", "true")]
    assert np.allclose(*within, atol=1e-4), "the same neighbours"
    to_start = {name: float((vectors[name] * vectors["start"]).sum(axis=1).mean()) for name in models}
    assert to_start["true"] > to_start["false"] + 0.01
    bundle = load_bundle(models["true"])
    stated = bundle.provenance["start"]["anchored"]
    assert stated["of"] == "training tracks" and stated["tracks"] == 28
    assert stated["mean_cosine"] == bundle.metrics["anchor/cosine"]
    assert stated["mean_cosine"] == pytest.approx(to_start["true"], abs=0.05)
    card = " ".join((models["true"] / "README.md").read_text(encoding="utf-8").split())
    assert f"mean cosine of {stated['mean_cosine']:.3f}" in card
    embed_catalog(start, small_catalog, tmp_path / "embeddings")
    index_embeddings(tmp_path / "embeddings", tmp_path / "index")
    assert query(tmp_path / "index", [songs[0]], model=models["true"], k=3), "of its start"
    with pytest.raises(soundkin.SoundkinError, match="cannot be compared"):
        query(tmp_path / "index", [songs[0]], model=models["false"], k=3)


def embedded(model: Path, songs: list[Path]) -> np.ndarray:
    return np.stack([soundkin.load(model).embed(song) for song in songs])


@pytest.mark.slow
def test_a_start_that_is_kept_keeps_its_hash(small_catalog: Path, tmp_path: Path) -> None:
    start = make_start(tmp_path / "start")
    words = [f"start={start}", f"catalog={small_catalog}", f"run_dir={tmp_path / 'run'}", "trainer.epochs=1"]
    bundle = load_bundle(train(compose([*RUN, *words, "anchor=true"])).model)
    assert bundle.hash == load_bundle(start).hash
    assert bundle.metrics["anchor/cosine"] == pytest.approx(1.0, abs=1e-5)
    assert bundle.provenance["start"]["anchored"]["of"] == "held-out tracks"


def test_what_cannot_be_anchored_is_said_in_one_line(tmp_path: Path) -> None:
    begun = f"start={make_start(tmp_path / 'start')}"
    for given, answer in (
        ([], "there is no start to turn to"),
        ([begun, "model.lyrics={}"], r"Set model\.lyrics=null"),
        ([begun, "model.patch_pooling=mean_std"], r"Set model\.patch_pooling=mean\."),
        ([begun, "trainer.frozen=true"], "no vector moves"),
    ):
        with pytest.raises(ConfigError, match=answer) as caught:
            check_settings(compose(["catalog=c", "run_dir=r", "anchor=true", *given]))
        assert "\n" not in str(caught.value)
