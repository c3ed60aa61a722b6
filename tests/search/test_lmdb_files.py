"""Traps of LMDB: broken files crash it, one process may open a file once, a folder may be read-only."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from soundkin.errors import ArtefactError, OutputError, UsageError
from soundkin.search.lmdb_files import LmdbFile

READ_ALL = """
import sys
from pathlib import Path
from soundkin.errors import SoundkinError
from soundkin.search.lmdb_files import LmdbFile
for path in sys.argv[1:]:
    try:
        values = LmdbFile(Path(path)).current()
        for number in range(2000):
            values.get(b"%d" % number)
    except SoundkinError:
        pass
"""


def written(path: Path, values: dict[bytes, bytes]) -> Path:
    with LmdbFile(path).drafting() as draft:
        draft.put(values)
        draft.publish()
    return path


def test_it_is_one_file(tmp_path: Path) -> None:
    path = written(tmp_path / "below" / "store", {b"a": b"1"})
    assert [found.name for found in tmp_path.rglob("*")] == ["below", "store"]
    values = LmdbFile(path).current()
    assert values is not None and values.get_many([b"a", b"b"]) == [b"1", None]
    values.close()


def test_no_file_is_no_store(tmp_path: Path) -> None:
    assert LmdbFile(tmp_path / "none").current() is None
    with pytest.raises(RuntimeError), LmdbFile(tmp_path / "none").drafting():
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("track_id,path\n" * 9)
    with pytest.raises(UsageError, match=r"catalog.csv is another file than a store of neighbours"):
        LmdbFile(tmp_path / "catalog.csv").current()
    with pytest.raises(UsageError, match="is a folder, and a store of neighbours is a file"):
        LmdbFile(tmp_path).current()


def test_a_file_without_its_end(tmp_path: Path) -> None:
    """Reading on would end the process."""
    path = written(tmp_path / "store", {b"%d" % n: bytes(400) for n in range(2000)})
    content = path.read_bytes()
    for length in (100, 5000, len(content) // 2, len(content) - 4096):
        path.write_bytes(content[:length])
        with pytest.raises(ArtefactError, match=r"is corrupt: .*Make it again: soundkin neighbours"):
            LmdbFile(path).current()


@pytest.mark.slow
def test_flipped_bits_do_not_end_the_process(tmp_path: Path) -> None:
    path = written(tmp_path / "store", {b"%d" % n: bytes(400) for n in range(2000)})
    content, random, broken = path.read_bytes(), np.random.default_rng(0), []
    for number in range(300):
        changed = bytearray(content)
        page = int(random.integers(len(content) // 4096)) * 4096
        for place in page + random.integers(0, 100, 3):
            changed[place] ^= 1 << int(random.integers(8))
        broken.append(tmp_path / f"{number}")
        broken[-1].write_bytes(changed)
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *broken], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_draft_that_a_crash_of_the_machine_broke(tmp_path: Path) -> None:
    folder = tmp_path / ".store.draft"
    folder.mkdir()
    (folder / "lists.lmdb").write_bytes(bytes(10_000))
    written(tmp_path / "store", {b"a": b"1"})
    assert not folder.exists()


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "store", Path("/proc/store")):
        with pytest.raises(OutputError, match=f"cannot write {path}"):
            written(path, {b"a": b"1"})
