"""The JavaScript that the page brings: what it is, whose, and that nobody edited it."""

import hashlib
import json
from pathlib import Path

import soundkin.service

PAGE = Path(soundkin.service.__file__).parent / "page"
VENDOR = PAGE / "vendor"
PERMISSIVE = ("MIT License", "BSD 3-Clause License", "BSD 2-Clause License", "ISC License")


def test_what_is_vendored_is_what_the_list_names():
    names = json.loads((PAGE / "vendor.json").read_text(encoding="utf-8"))
    assert set(names) == {folder.name for folder in VENDOR.iterdir() if folder.is_dir()} and names


def test_each_library_has_a_module_and_a_permissive_licence():
    for folder in (folder for folder in VENDOR.iterdir() if folder.is_dir()):
        files = {path.name for path in folder.iterdir()}
        assert len(files) == 2 and "LICENSE" in files and any(name.endswith(".js") for name in files)
        licence = (folder / "LICENSE").read_text(encoding="utf-8")
        assert licence.lstrip().startswith(PERMISSIVE) and "Copyright" in licence


def test_files_are_as_they_were_fetched():
    lines = (VENDOR / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: total for total, name in (line.split("  ") for line in lines)}
    files = {path.relative_to(VENDOR).as_posix(): path for path in VENDOR.rglob("*") if path.is_file()}
    del files["SHA256SUMS"]
    assert sums == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
