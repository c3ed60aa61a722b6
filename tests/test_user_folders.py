import os
from pathlib import Path

import pytest

from soundkin.catalog.paths import allowed_folders, list_of_folders
from soundkin.embedding.library import default_library, index_in
from soundkin.features.file_hashes import cache_folder
from soundkin.user_folders import FOLDERS, user_folder


@pytest.mark.parametrize("kind", FOLDERS)
def test_it_is_where_the_user_says_or_in_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    monkeypatch.setenv(f"XDG_{kind.upper()}_HOME", str(tmp_path / "elsewhere"))
    assert user_folder(kind) == tmp_path / "elsewhere/soundkin"
    monkeypatch.setenv(f"XDG_{kind.upper()}_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_folder(kind) == tmp_path / FOLDERS[kind] / "soundkin"


def test_without_a_home_there_is_nothing_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "HOME",
        "SOUNDKIN_CACHE",
        "SOUNDKIN_AUDIO_FOLDERS",
        *(f"XDG_{kind.upper()}_HOME" for kind in FOLDERS),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)  # whom no list of users knows
    assert allowed_folders() == []
    assert index_in(tmp_path) == tmp_path
    for folder in (cache_folder(), list_of_folders(), default_library(tmp_path).folder):
        assert folder.is_relative_to("/nonexistent")
