"""The wheel, installed apart from the clone, gives vectors and answers with what the base install has."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from base_install import ROOT, forbid_imports, make_model, make_music

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def soundkin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment that holds the wheel, and sees the packages that are installed here."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    pip = [sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    (packages / "installed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    return environment / "bin" / "soundkin"


def run(command: list[object], folder: Path, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "SOUNDKIN_TYPECHECK"}
    environment.pop("PYTHONPATH", None)
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_of_the_package_is_in_it(wheel: Path) -> None:
    folders = {"src/soundkin": "soundkin", "src/beetsplug": "beetsplug", "configs": "soundkin/configs"}
    for here, there in ((ROOT / here, there) for here, there in folders.items()):
        files = {path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file()}
        names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(f"{there}/")}
        assert {f"{there}/{name}" for name in files if "__pycache__" not in name} <= names


def test_from_a_folder_of_music_to_answers(soundkin: Path, tmp_path: Path) -> None:
    forbid_imports(tmp_path)
    make_model(tmp_path / "model")
    songs = make_music(tmp_path / "music")
    for words in (
        ["scan", "music", "-o", "catalog.csv"],
        ["embed", "model", "catalog.csv", "-o", "embeddings"],
        ["index", "embeddings", "-o", "index"],
    ):
        run([soundkin, *words], tmp_path, PYTHONPATH=str(tmp_path))
    asked = run(
        [soundkin, "query", "index", "--like", songs[0], "--json"], tmp_path, PYTHONPATH=str(tmp_path)
    )
    assert [answer["path"] for answer in json.loads(asked)] == [str(songs[1])]
    code = "import soundkin, sys; print(soundkin.__file__.startswith(sys.prefix))"
    assert run([soundkin.parent / "python", "-c", code], tmp_path) == "True\n"


def test_with_the_extras_it_finds_the_configs_it_brings(soundkin: Path, tmp_path: Path) -> None:
    assert "embedding_size" in run([soundkin, "train", "--show", "experiment=demo"], tmp_path)
