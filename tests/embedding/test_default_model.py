"""The name `default`: a model bundle that comes with the package, found by its name from anywhere."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import soundkin
from soundkin.embedding import default_model
from soundkin.embedding.bundle import load_bundle, save_bundle
from soundkin.embedding.default_model import found_model, model_folder, stored_model
from soundkin.errors import ArtefactError


@pytest.fixture
def default(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A default model in a folder that nobody may write to."""
    folder = tmp_path / "package" / "default_model"
    save_bundle(make.bundle(), folder)
    monkeypatch.setattr(default_model, "FOLDER", folder)
    folder.chmod(0o555)
    return folder


def test_it_is_loaded_by_its_name_and_leaves_its_folder_as_it_is(default: Path, song: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in [default, *default.iterdir()]}
    model = soundkin.load("default")
    assert np.array_equal(model.embed(song), soundkin.load(default).embed(song))
    assert {path: path.stat().st_mtime_ns for path in [default, *default.iterdir()]} == before


def test_a_folder_of_that_name_is_a_folder(
    default: Path, make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_bundle(make.bundle(random_seed=1), tmp_path / "here" / "default")
    monkeypatch.chdir(tmp_path / "here")
    own = load_bundle(tmp_path / "here" / "default").hash
    assert load_bundle("./default").hash == load_bundle(Path("default")).hash == own
    assert load_bundle("default").hash == load_bundle(default).hash != own


def test_files_name_it_by_its_name_and_others_by_their_path(default: Path, tmp_path: Path) -> None:
    embeddings, other = tmp_path / "embeddings", tmp_path / "run" / "model"
    for model, stored in (
        (model_folder("default"), "default"),
        (default, "default"),
        (other, "../run/model"),
        (embeddings / "default", "./default"),
    ):
        assert stored_model(model, embeddings) == stored
        assert found_model(stored, embeddings) == model


@pytest.mark.parametrize("missing", ["", "config.json", "model.safetensors"])
def test_a_broken_install_says_what_to_do(default: Path, missing: str) -> None:
    default.chmod(0o755)
    shutil.rmtree(default) if not missing else (default / missing).unlink()
    with pytest.raises(
        ArtefactError, match=r"^the default model cannot be used: .*\. Install soundkin again"
    ) as caught:
        soundkin.load("default")
    assert "\n" not in str(caught.value) and "Copy the model again" not in str(caught.value)
