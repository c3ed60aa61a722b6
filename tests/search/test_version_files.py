"""What is written: compactions as builds write them, edits that share the base, and nothing by halves."""

import os
import resource
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from edited_index import TRACKS, add, build, contents, ids_of, update
from soundkin.errors import OutputError
from soundkin.search.edits import compact, remove_tracks, snapshot
from soundkin.search.kinds import KINDS
from soundkin.search.vector_index import open_index

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def base_files(folder):
    [version] = [folder / open_index(folder).version]
    return {path.name: path.read_bytes() for path in version.iterdir()}


@EVERY_KIND
def test_compaction_gives_what_a_build_of_the_same_tracks_gives(built, tmp_path, kind):
    """Byte for byte, whatever came before: that is why recall is that of a fresh build."""
    folder = tmp_path / "index"
    shutil.copytree(built / kind, folder)
    remove_tracks(folder, ids_of(range(0, 90)))
    add(folder, range(TRACKS, TRACKS + 50))
    update(folder, [*range(100, 120), TRACKS + 3], title="Title", seed=0)
    assert compact(folder).count == TRACKS - 40
    build(tmp_path / "fresh", range(90, TRACKS + 50), kind)
    # The reason says of a kind that was asked for before that it still is.
    assert base_files(folder) == base_files(tmp_path / "fresh")
    assert compact(folder) is None


def test_an_edit_writes_little(small):
    """The base is the same file, not a copy."""
    before = (small / "v1/vectors.faiss").stat().st_ino
    add(small, [30])
    assert (small / "v2/vectors.faiss").stat().st_ino == before


def test_without_hard_links_an_edit_copies(small, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    add(small, [30])
    assert len(open_index(small)) == 21


# Renames happen when the manifest is whole, when the version is, and when CURRENT names it; files are linked
# and synced before.
KILLED_EDIT = """
import os, signal, sys
from pathlib import Path
from edited_index import add, update
from soundkin.search.edits import compact, remove_tracks, rollback, snapshot

folder, what, event_to_die_at, left = Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4])

def count(event, arguments):
    global left
    if event == event_to_die_at:
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

sys.addaudithook(count)
if what == "add":
    add(folder, [30])
elif what == "remove":
    remove_tracks(folder, ["track-00004"])
elif what == "update":
    update(folder, [3])
elif what == "compact":
    compact(folder)
elif what == "snapshot":
    snapshot(folder, "two")
elif what == "rollback":
    rollback(folder, "one")
"""

STEPS = [
    *[(what, "os.rename", n) for what in ("add", "remove", "update", "compact") for n in (0, 1, 2)],
    *[(what, "os.rename", 0) for what in ("snapshot", "rollback")],
    *[("add", "os.link", n) for n in (0, 1)],
    ("compact", "shutil.rmtree", 0),
]


@pytest.mark.slow
@pytest.mark.parametrize(("what", "event", "times"), STEPS)
def test_killed_at_any_step_the_index_is_as_before_or_as_after(small, what, event, times):
    snapshot(small, "one")
    update(small, [5])
    before = contents(open_index(small))
    killed = edit_in_process(small, what, event, times)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    found = contents(open_index(small))
    if event != "shutil.rmtree":  # what is no more needed is removed last
        assert_same(found, before)
    assert edit_in_process(small, what, "none", 0).returncode == 0
    assert not list(small.rglob(".*"))
    expected = {"add": 21, "remove": 19}.get(what, 20)
    assert len(contents(open_index(small))) == expected


def edit_in_process(folder, what, event, times):
    command = [sys.executable, "-c", KILLED_EDIT, str(folder), what, event, str(times)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, env=environment)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for track_id, (title, vector) in expected.items():
        assert found[track_id][0] == title
        np.testing.assert_array_equal(found[track_id][1], vector)


def test_a_full_disk_in_an_edit(small):
    before = contents(open_index(small))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            add(small, range(30, 530))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert_same(contents(open_index(small)), before)
    assert {path.name for path in small.iterdir()} == {"CURRENT", "v1"}
