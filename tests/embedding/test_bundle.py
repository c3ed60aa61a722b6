import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.embedding.bundle import COMPUTING, Bundle, load_bundle, model_hash, save_bundle
from soundkin.embedding.embedder import Embedder
from soundkin.errors import ArtefactError, OutputError, SoundkinError, UsageError
from soundkin.models import ConvConfig, NetworkConfig


@pytest.fixture
def saved(bundle: Bundle, tmp_path: Path) -> Path:
    bundle.tasks = {"genre": {"vocabulary": ["rock", "jazz"]}}
    bundle.task_state = {"tasks.genre.head.weight": torch.arange(16.0).reshape(2, 8)}
    bundle.metrics = {"valid/retrieval": 0.5}
    bundle.provenance = {"name": "a model"}
    save_bundle(bundle, tmp_path / "model")
    return tmp_path / "model"


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refusal(folder: Path) -> str:
    with pytest.raises(ArtefactError) as caught:
        load_bundle(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_all_comes_back(bundle: Bundle, saved: Path) -> None:
    loaded = load_bundle(saved)
    assert loaded.hash == bundle.hash
    assert loaded.computing_config() == bundle.computing_config()
    assert (loaded.tasks, loaded.metrics, loaded.provenance) == (
        bundle.tasks,
        bundle.metrics,
        bundle.provenance,
    )
    assert loaded.tensors().keys() == bundle.tensors().keys()
    assert all(torch.equal(tensor, bundle.tensors()[name]) for name, tensor in loaded.tensors().items())
    assert not loaded.network.training


def test_a_bundle_is_three_plain_files(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {"config.json", "model.safetensors", "README.md"}


def test_loaded_and_saved_again_is_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    save_bundle(load_bundle(saved), tmp_path / "again")
    for path in saved.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_vectors_survive_the_disk(bundle: Bundle, saved: Path, song: Path) -> None:
    assert np.array_equal(Embedder(load_bundle(saved)).embed(song), Embedder(bundle).embed(song))


def test_the_hash_is_over_what_vectors_depend_on(make) -> None:
    plain = make.bundle()
    other_patch = plain.patch.model_copy(update={"hop_frames": 25})
    other_front_end = plain.front_end.model_copy(update={"floor_db": -60.0})
    hashes = [plain.hash, make.bundle(random_seed=1).hash, make.bundle(patch=other_patch).hash]
    hashes.append(make.bundle(front_end=other_front_end).hash)
    assert len(set(hashes)) == 4
    described = make.bundle(metrics={"x": 1.0}, tasks={"genre": {}}, provenance={"name": "n"})
    headed = make.bundle(task_state={"tasks.genre.bias": torch.ones(2)})
    assert {described.hash, headed.hash} == {plain.hash}


def test_descriptions_may_be_edited(bundle: Bundle, saved: Path) -> None:
    edit(saved, metrics={"test/map": 0.7}, provenance={"name": "a better name"})
    loaded = load_bundle(saved)
    assert loaded.hash == bundle.hash
    assert loaded.metrics == {"test/map": 0.7}


@pytest.mark.parametrize("key", COMPUTING)
def test_an_edited_setting_is_refused(saved: Path, key: str) -> None:
    value = json.loads((saved / "config.json").read_text())[key]
    edit(saved, **{key: {**value, "frames": 49} if isinstance(value, dict) else "median"})
    assert "changed after training" in refusal(saved)


@pytest.mark.parametrize("key", [*COMPUTING, "hash", "weights_sha256", "reference_vector"])
def test_a_missing_setting_is_named(saved: Path, key: str) -> None:
    config = json.loads((saved / "config.json").read_text())
    del config[key]
    (saved / "config.json").write_text(json.dumps(config))
    assert f"{key} is missing" in refusal(saved)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_weights_is_noticed(tmp_path_factory, make, position: float, bit: int) -> None:
    folder = tmp_path_factory.mktemp("flip") / "model"
    save_bundle(make.bundle(task_state={"tasks.genre.bias": torch.ones(2)}), folder)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[int(position * len(weights))] ^= 1 << bit
    (folder / "model.safetensors").write_bytes(weights)
    assert "corrupt" in refusal(folder)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), byte=st.sampled_from(b'x0"{[,}: '))
def test_a_damaged_config_is_refused_or_harmless(tmp_path_factory, make, position: float, byte: int) -> None:
    folder = tmp_path_factory.mktemp("damage") / "model"
    bundle = make.bundle()
    save_bundle(bundle, folder)
    text = bytearray((folder / "config.json").read_bytes())
    text[int(position * len(text))] = byte
    (folder / "config.json").write_bytes(text)
    try:
        assert load_bundle(folder).hash == bundle.hash
    except ArtefactError as error:
        assert "\n" not in str(error)


def test_code_that_computes_differently_is_refused(saved: Path, monkeypatch) -> None:
    """As after an upgrade that changed how log-mels are made."""
    from soundkin.features.frontends.log_mel import LogMel

    original = LogMel.frames
    monkeypatch.setattr(LogMel, "frames", lambda self, powers, gain=1.0: original(self, powers, gain) * 1.01)
    assert "computes differently" in refusal(saved)


def test_a_network_that_was_trained_to_nothing_is_not_saved(bundle: Bundle, tmp_path: Path) -> None:
    bundle.network.trunk.dense[-1].bias.fill_(float("nan"))
    with pytest.raises(SoundkinError, match="not finite"):
        save_bundle(bundle, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_damaged_files_are_refused_in_one_line(saved: Path) -> None:
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert "model.safetensors is corrupt" in refusal(saved)
    weights.unlink()
    assert "model.safetensors cannot be read" in refusal(saved)
    (saved / "config.json").write_text("{")
    assert "config.json cannot be read" in refusal(saved)
    (saved / "config.json").write_text("[]")
    assert "does not describe" in refusal(saved)
    (saved / "config.json").unlink()
    assert "config.json is missing" in refusal(saved)


@pytest.mark.parametrize(
    ("version", "hint"), [(99, "Update soundkin"), (0, "Make the artefact again"), ("x", "again")]
)
def test_another_version_says_what_to_do(saved: Path, version: object, hint: str) -> None:
    edit(saved, format_version=version)
    assert hint in refusal(saved)


def test_a_network_of_another_soundkin_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    """Its hash is right, but its tensors do not fit the network that this code builds."""
    bundle.network_config = NetworkConfig(convolutions=(ConvConfig(filters=5),), dense=(), embedding_size=8)
    save_bundle(bundle, tmp_path / "model")
    assert "another soundkin" in refusal(tmp_path / "model")


def test_no_folder_is_a_mistake_of_the_call(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_bundle(tmp_path / "nowhere")


def test_saving_replaces_a_bundle_and_nothing_else(bundle: Bundle, saved: Path, tmp_path: Path, make) -> None:
    save_bundle(make.bundle(random_seed=1), saved)
    assert load_bundle(saved).hash != bundle.hash
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.mp3").write_bytes(b"precious")
    with pytest.raises(OutputError, match="holds other files"):
        save_bundle(bundle, tmp_path / "music")
    assert (tmp_path / "music" / "song.mp3").read_bytes() == b"precious"


def test_a_bundle_from_before_a_setting_keeps_what_it_was_trained_with(make, tmp_path: Path) -> None:
    """What it does not state is as it was: channels averaged, level and silence as they are."""
    front_end = make.bundle().front_end.model_copy(
        update={"downmix": "mean", "level_db": None, "silence_db": None}
    )
    save_bundle(make.bundle(front_end=front_end), tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    for setting in ("downmix", "level_db", "silence_db"):
        del config["front_end"][setting]
    computing = {key: config[key] for key in COMPUTING}
    config["hash"] = model_hash(computing, make.bundle(front_end=front_end).tensors())
    path.write_text(json.dumps(config))
    bundle = load_bundle(tmp_path / "model")
    assert bundle.front_end == front_end
    assert bundle.hash == config["hash"]


def test_how_channels_levels_and_silence_are_treated_is_part_of_the_model(make) -> None:
    changes: list[dict[str, object]] = [{}, {"downmix": "mean"}, {"level_db": None}, {"silence_db": -50.0}]
    front_end = make.bundle().front_end
    bundles = [make.bundle(front_end=front_end.model_copy(update=change)) for change in changes]
    assert len({bundle.hash for bundle in bundles}) == len(changes)
