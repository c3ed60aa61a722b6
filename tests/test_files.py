"""Files are whole or absent."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from soundkin.errors import ArtefactError, OutputError
from soundkin.files import read_json, read_whole, replacing, replacing_folder, sha256_of, write_json


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


STOPPED = """
import os, shutil, sys
from pathlib import Path
from soundkin import files

def replace(folder, step, how):  # in a child, stopped before its step-th system call
    steps = 0
    def count(event, arguments):
        nonlocal steps
        if event.startswith(("os.", "open", "shutil.", "tempfile.", "ctypes.dlsym", "fcntl.")):
            steps += 1
            if steps == step and how == "kill":
                os.kill(os.getpid(), 9)
            if steps == step:
                raise OSError(5, "stopped")
    sys.addaudithook(count)
    with files.replacing_folder(folder) as new:
        (new / "a").write_text("new"); (new / "b").write_text("new")
    return steps < step  # it came to its end before it could be stopped

place, how, fallback = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "fallback"
if fallback:
    files._exchange = lambda one, other: False
folder, step, gone = place / "model", 0, 0
while True:
    step += 1
    shutil.rmtree(place); folder.mkdir(parents=True)
    (folder / "a").write_text("old"); (folder / "b").write_text("old")
    child = os.fork()
    if not child:
        try:
            os._exit(0 if replace(folder, step, how) else 1)
        except (files.OutputError, OSError):
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if not folder.exists() and fallback and how == "kill":
        gone += 1  # between the two renames: the next writer puts the old folder back
        files._clear_leftovers(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} in (
        {"a": "old", "b": "old"}, {"a": "new", "b": "new"}), (step, list(place.iterdir()))
    with files.replacing_folder(folder) as new:
        (new / "a").write_text("next")
    assert list(place.iterdir()) == [folder], (step, list(place.iterdir()))
    if status == 0:
        break
assert gone == (fallback and how == "kill"), gone
print(step)
"""


@pytest.mark.parametrize("how", ["kill", "error"])
@pytest.mark.parametrize("way", ["exchange", "fallback"])
def test_a_folder_is_old_or_new_wherever_its_replacement_stops(tmp_path: Path, how: str, way: str) -> None:
    command = [sys.executable, "-c", STOPPED, str(tmp_path / "place"), how, way]
    (tmp_path / "place").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


@pytest.mark.slow
def test_a_reader_finds_a_folder_at_every_moment(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    code = (
        "import sys; from pathlib import Path; from soundkin.files import replacing_folder\n"
        "for number in range(300):\n"
        "    with replacing_folder(Path(sys.argv[1])) as new:\n"
        "        (new / 'a').write_text(str(number)); (new / 'b').write_text(str(number))"
    )
    with replacing_folder(folder) as new:
        (new / "a").write_text("first")
        (new / "b").write_text("first")
    writer = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    seen = set()
    while writer.poll() is None:
        assert folder.is_dir()
        one, other = read_whole(folder, lambda path: ((path / "a").read_text(), (path / "b").read_text()))
        assert one == other
        seen.add(one)
    assert writer.returncode == 0 and len(seen) > 3


def test_a_link_to_a_folder_stays_and_a_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "model").symlink_to(tmp_path / "disk")
    with replacing_folder(tmp_path / "model") as new:
        (new / "a").write_text("new")
    assert (tmp_path / "model").is_symlink() and (tmp_path / "disk" / "a").read_text() == "new"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="a file is in the way"), replacing_folder(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_another_writer_at_work_keeps_its_folder(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "model") as one:
        with replacing_folder(tmp_path / "model") as other:
            (other / "a").write_text("other")
        (one / "a").write_text("one")
    assert (tmp_path / "model" / "a").read_text() == "one"
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_a_file_system_without_locks_for_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")  # as NFS does

    monkeypatch.setattr("fcntl.flock", refuse)
    (tmp_path / ".model.x.tmp").mkdir()
    with replacing_folder(tmp_path / "model") as new:
        (new / "a").write_text("one")
    assert (tmp_path / "model" / "a").read_text() == "one"
    assert (tmp_path / ".model.x.tmp").is_dir(), "it may be another writer's, at work"


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
