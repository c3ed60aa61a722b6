"""Models by their name on the Hugging Face hub: out of a cache of its form, with no network."""

import re
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import yaml

import soundkin
from soundkin.embedding.bundle import load_bundle, save_bundle
from soundkin.errors import MissingExtraError, UsageError
from soundkin.extras import EXTRAS

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of owner/name in the hub's cache, to be filled."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    repository = tmp_path / "hub" / "models--owner--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    return snapshot


def test_a_name_is_found_in_the_cache(make, cached: Path, song: Path) -> None:
    cached.rmdir()
    save_bundle(make.bundle(), cached)
    assert np.array_equal(soundkin.load("owner/name").embed(song), soundkin.load(cached).embed(song))


def test_a_folder_comes_first(make, cached: Path, tmp_path: Path) -> None:
    cached.rmdir()
    save_bundle(make.bundle(), cached)
    save_bundle(make.bundle(random_seed=1), tmp_path / "owner" / "name")
    assert load_bundle("owner/name").hash == load_bundle(tmp_path / "owner/name").hash
    assert load_bundle("owner/name").hash != load_bundle(cached).hash
    with pytest.raises(UsageError, match=r"owner/nmae does not exist"):
        load_bundle("owner/nmae")


def test_what_is_not_there_is_said_in_a_line(cached: Path) -> None:
    with pytest.raises(UsageError, match=r"^There is no folder owner/other here; .* not in the cache"):
        load_bundle("owner/other")
    (cached / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"^owner/name .* no soundkin model: it has no model\.safetensors"):
        load_bundle("owner/name")


def test_without_the_library_the_extra_is_named(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "hub", ("nowhere_to_be_found",))
    with pytest.raises(MissingExtraError, match=r"^owner/name is no folder here.*'soundkin\[hub\]'$"):
        load_bundle("owner/name")
    with pytest.raises(UsageError, match="does not exist"):
        load_bundle(Path("owner/name"))


def test_the_card_has_the_hubs_metadata(make, tmp_path: Path) -> None:
    save_bundle(make.bundle(provenance={"licence": "Apache-2.0"}), tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    [front] = re.findall(r"\A---\n(.*?)\n---\n", card, re.DOTALL)
    assert yaml.safe_load(front) == {
        "library_name": "soundkin",
        "pipeline_tag": "feature-extraction",
        "tags": ["music", "audio", "embeddings", "similarity"],
        "license": "apache-2.0",
    }
