"""Files are whole or absent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from soundkin.errors import ArtefactError, OutputError
from soundkin.files import read_json, replacing, replacing_folder, sha256_of, write_json


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), replacing(path, "w") as file:
        file.write("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    code = (
        "import os, sys; from pathlib import Path; from soundkin.files import replacing\n"
        "with replacing(Path(sys.argv[1]), 'w') as file:\n"
        "    file.write('half'); file.flush(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert path.read_text() == "before"


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for content in ("one", "two"):
        with replacing_folder(folder) as new:
            (new / f"{content}.txt").write_text(content)
    assert [path.name for path in folder.iterdir()] == ["two.txt"]
    with pytest.raises(ZeroDivisionError), replacing_folder(folder):
        raise ZeroDivisionError
    assert [path.name for path in folder.iterdir()] == ["two.txt"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_full_disk_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="disk is full"), replacing(tmp_path / "a") as file:
        file.write(b"x")
        file.flush()
        full = os.open("/dev/full", os.O_WRONLY)
        os.write(full, b"x")


def test_a_file_in_the_way_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file"), replacing(tmp_path / "file" / "a"):
        pass


def test_json_round_trip_and_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": ["ü"]})
    first = sha256_of(path)
    write_json(path, {"a": ["ü"], "b": 1})
    assert sha256_of(path) == first and read_json(path) == {"a": ["ü"], "b": 1}
    path.write_text("{")
    with pytest.raises(ArtefactError, match="cannot be read"):
        read_json(path)
    with pytest.raises(ArtefactError, match="is missing"):
        read_json(tmp_path / "none.json")
