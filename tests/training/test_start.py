"""Training that begins with a model bundle: its network as it is, its settings where none are given."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch

import soundkin
from small_start import RUN, make_start
from soundkin.catalog.table import read_catalog
from soundkin.embedding import default_model
from soundkin.embedding.bundle import load_bundle, model_hash
from soundkin.errors import ConfigError, SoundkinError
from soundkin.evaluation.evaluated_split import choose_split
from soundkin.evaluation.systems import read_systems
from soundkin.files import sha256_of
from soundkin.models import NetworkConfig
from soundkin.pipelines.train import TrainResult, compose, train
from soundkin.training import fit
from soundkin.training.callbacks import History
from soundkin.training.plan import check_settings

NO_VALID = "data.split={train:0.9,valid:0,test:0.1}"  # the last weights are kept


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_start(tmp_path_factory.mktemp("start") / "first")


def words(start: Path | str, run_dir: Path = Path("run"), catalog: Path = Path("catalog.csv")) -> list[str]:
    return [f"start={start}", f"run_dir={run_dir}", f"catalog={catalog}", *RUN]


# Settings


def test_what_the_config_leaves_open_is_as_in_the_start(start: Path) -> None:
    config, bundle = compose([*words(start), "experiment=demo"]), load_bundle(start)
    assert config.features == bundle.front_end and config.patch == bundle.patch
    assert config.model == bundle.network_config
    assert compose(["run_dir=r", "catalog=c"]).model == NetworkConfig(), "and of the start alone"
    check_settings(config)


@pytest.mark.parametrize(
    "contrary, named",
    [
        ("patch.frames=258", r"patch\.frames=258, in the start 40"),
        ("features.mel_bands=96", r"features\.mel_bands=96, in the start 32"),
        ("features=harmony", r"features\.chroma_bands=24, in the start 0"),
        ("model.embedding_size=64", r"model\.embedding_size=64, in the start 12"),
        ("model=vandenoord2013", r"model\.convolutions=others.*; and \d more"),
    ],
)
def test_what_it_sets_otherwise_is_refused(start: Path, contrary: str, named: str) -> None:
    with pytest.raises(ConfigError, match=rf"^config start=.*\(.*{named}.*\)\. Leave them out") as caught:
        check_settings(compose([*words(start), contrary]))
    assert "\n" not in str(caught.value)


def test_lyrics_patch_pooling_and_dropout_may_differ(start: Path) -> None:
    more = ["model.lyrics={}", "model.patch_pooling=attention", "model.dropout=0"]
    config = compose([*words(start), *more])
    check_settings(config)
    assert config.model.lyrics and config.model.patch_pooling == "attention" and config.model.dropout == 0


def test_default_is_the_model_that_comes_along(start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_model, "FOLDER", start)
    assert compose(words("default")).model == load_bundle(start).network_config
    monkeypatch.setattr(default_model, "FOLDER", start / "nothing")
    with pytest.raises(SoundkinError, match=r"the default model cannot be used: .*Install soundkin again"):
        compose(words("default"))


def test_what_is_no_start_is_said_in_one_line(start: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, change in {"format": {"format": "a painting"}, "version": {"format_version": 99}}.items():
        folder = make_start(tmp_path / name)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **change}))
    _spoil_weights(make_start(tmp_path / "weights"))
    for name, answer in {
        "nowhere": "does not exist",
        "empty": "config.json is missing",
        "format": "does not describe soundkin model bundle",
        "version": "Update soundkin",
        "weights": "not finite",
    }.items():
        with pytest.raises(SoundkinError, match=answer) as caught:
            compose(words(tmp_path / name))
        assert "\n" not in str(caught.value)


def _spoil_weights(folder: Path) -> None:
    """A bundle whose checksums are right and whose weights are not finite."""
    import hashlib

    config = json.loads((folder / "config.json").read_text())
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    tensors["network.trunk.shortcut.bias"].fill_(float("nan"))
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    computing = {key: config[key] for key in ("front_end", "patch", "network", "tokenizer_sha256")}
    config["hash"] = model_hash(computing, tensors)
    config["weights_sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config))


# Runs


def run(start: Path, run_dir: Path, catalog: Path, *more: str) -> TrainResult:
    return train(compose([*words(start, run_dir, catalog), *more]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [[], ["model.patch_pooling=mean_std", "model.dropout=0"], ["model.lyrics={}"]]
)
def test_an_untrained_run_gives_the_vectors_of_its_start(
    start: Path, small_catalog: Path, tmp_path: Path, more: list[str]
) -> None:
    model = run(start, tmp_path / "run", small_catalog, "trainer.epochs=0", *more).model
    song = read_catalog(small_catalog).audio_paths()[0]
    assert np.allclose(soundkin.load(model).embed(song), soundkin.load(start).embed(song), atol=1e-6)


@pytest.mark.slow
def test_a_run_is_compared_with_its_start_and_says_where_it_began(
    start: Path, small_catalog: Path, tmp_path: Path
) -> None:
    kept = run(start, tmp_path / "kept", small_catalog, "trainer.epochs=1").model
    bundle, begun = load_bundle(kept), load_bundle(start)
    assert bundle.hash == begun.hash and bundle.provenance["training"]["start_kept"], (
        "heads alone have learnt"
    )
    moved = run(kept, tmp_path / "moved", small_catalog, "trainer.epochs=3", NO_VALID, "task=[genre]").model
    stated = load_bundle(moved).provenance["start"]
    assert load_bundle(moved).hash != begun.hash
    assert stated["hash"] == begun.hash and stated["start"]["name"] == "first"
    assert json.loads((tmp_path / "moved" / "inputs.json").read_text())["files"]["start"] == begun.hash
    card = (moved / "README.md").read_text(encoding="utf-8")
    assert "## Where training began" in card and begun.hash in card and "CC0-1.0: 7" in card
    assert str(tmp_path) not in (moved / "config.json").read_text()
    [system] = read_systems(moved)
    sha256 = sha256_of(small_catalog)
    assert system.bundle is not None and len(system.bundle.starts) == 2
    assert system.trained_labels == {"genre", "artist"} and system.starts_that_know(sha256) == [kept.name]
    catalog = read_catalog(small_catalog)
    notes = choose_split([system], catalog, sha256, None, False).notes([system], catalog)
    assert notes[0].startswith("model began with model, trained on this catalog")


@pytest.mark.slow
def test_another_start_in_the_same_place_is_another_input(
    start: Path, small_catalog: Path, tmp_path: Path
) -> None:
    first = make_start(tmp_path / "first")
    run(first, tmp_path / "run", small_catalog, "trainer.epochs=1")
    assert run(first, tmp_path / "run", small_catalog, "trainer.epochs=1").trained_before
    make_start(first, random_seed=1)
    with pytest.raises(ConfigError, match="start has other content"):
        run(first, tmp_path / "run", small_catalog, "trainer.epochs=1")


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["trainer.frozen=true"]])
def test_a_resumed_run_goes_on_from_its_checkpoint(
    start: Path, small_catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    settings = ["trainer.epochs=3", NO_VALID, *more]
    whole = run(start, tmp_path / "whole", small_catalog, *settings).model
    began = History.on_train_epoch_start

    def cut_off(self: History, trainer: Any, module: Any) -> None:
        if trainer.current_epoch == 2:
            raise RuntimeError("cut off")
        began(self, trainer, module)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="cut off"):
        patched.setattr(History, "on_train_epoch_start", cut_off)
        run(start, tmp_path / "resumed", small_catalog, *settings)
    monkeypatch.setattr(fit, "begin_with", lambda *_: pytest.fail("began anew"))
    resumed = run(start, tmp_path / "resumed", small_catalog, *settings).model
    assert sha256_of(resumed / "model.safetensors") == sha256_of(whole / "model.safetensors")
