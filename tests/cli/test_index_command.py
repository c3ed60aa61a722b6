"""`soundkin index` builds, and its commands edit; what worked before there were any works still."""

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from edited_index import write_embeddings
from soundkin.cli.main import cli
from soundkin.errors import ArtefactError
from soundkin.files import locked
from soundkin.search import index_status
from soundkin.search.vector_index import open_index


def run(*words: object) -> str:
    """What a command that succeeds prints."""
    ended = CliRunner().invoke(cli, ["index", *map(str, words)], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with embeddings/ and index/ of 20 tracks."""
    run(write_embeddings(tmp_path, range(20)), "-o", tmp_path / "index")
    return tmp_path


def test_building_takes_its_words_in_any_order(folder):
    for words in (
        ["--quiet", "-o", "b", folder / "embeddings"],
        ["--kind", "exact", folder / "embeddings", "-o", "b"],
    ):
        words = [folder / "b" if word == "b" else word for word in words]
        assert run(*words).startswith(f"{folder / 'b'}: 20 tracks, exact: ")
    assert CliRunner().invoke(cli, ["index"]).exit_code == 2
    assert CliRunner().invoke(cli, ["index", str(folder / "embeddings")]).exit_code == 2


def test_help_shows_how_to_build_and_every_command_with_an_example():
    shown = run("--help")
    assert "-o, --output" in shown and "soundkin index embeddings -o index" in shown
    for name in ("add", "remove", "update", "compact", "snapshot", "rollback", "status"):
        assert f"  {name} " in shown and f"soundkin index {name} index" in shown
        assert f"soundkin index {name} index" in run(name, "--help")


def test_a_life_of_an_index(folder, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "soundkin")
    index = folder / "index"
    assert run("snapshot", index, "first") == f"{index}: snapshot first keeps v1\n"
    write_embeddings(folder, range(24), title="Anew")
    assert run("add", index, folder / "embeddings") == f"{index}: 4 added, 0 updated, 0 removed; 24 tracks\n"
    assert "0 added, 20 updated, 0 removed; 24 tracks" in run("update", folder, folder / "embeddings")
    assert "due: hub correction goes by the 20 tracks of the base, and 24 are new" in caplog.text
    assert "0 added, 0 updated, 2 removed; 22 tracks" in run("remove", index, "track-00003", "track-00021")
    said = run("--quiet", "status", index)
    assert said.startswith(f"{index}: 22 tracks, version v4, 0.0 MB\nkind        exact: chosen for 20 tracks")
    assert "edited      22 tracks are new, 20 removed or replaced" in said
    assert "compaction  due: hub correction goes by the 20" in said and "snapshot    first: v1" in said
    assert run("compact", index).startswith(f"{index}: 22 tracks, exact: chosen for 22 tracks")
    assert "nothing to compact" in run("compact", index)
    assert "compaction  not due" in run("status", index)
    assert run("rollback", index) == f"{index}: back at v4, 22 tracks\n"
    assert run("rollback", index, "first") == f"{index}: back at v1, 20 tracks\n"
    assert run("snapshot", index, "first", "--remove") == f"{index}: snapshot first is forgotten\n"
    monkeypatch.setattr(index_status, "NEW_NUMBERS", 0)
    assert "4 added" in run("add", index, folder / "embeddings")
    assert f"Do it: soundkin index compact {index}" in caplog.text
    assert len(open_index(folder)) == 24


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add", "index"], "Missing argument 'EMBEDDINGS'"),
        (["remove", "index", "track-0003"], "Did you mean track-00003"),
        (["rollback", "index", "first"], "there is no snapshot first. Make one: soundkin index snapshot"),
        (["rollback", "index"], "no version before"),
        (["status", "embeddings"], "is not an index. Make one: soundkin index EMBEDDINGS -o"),
        (["compact", "absent"], "is not an index. Make one"),
        (["snapshot", "index", "v1"], "and none such as v7"),
    ],
)
def test_mistakes_are_told(folder, words, message):
    words = [str(folder / word) if word in ("index", "embeddings", "absent") else word for word in words]
    ended = CliRunner().invoke(cli, ["index", *words])
    said = ended.output + str(ended.exception)
    assert ended.exit_code and message in said


BASE, NEW = ("tracks.arrow", "vectors.faiss"), ("new-tracks.arrow", "new-vectors.faiss", "removed.npy")


@pytest.mark.parametrize("file", [*BASE, *NEW, "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_corrupt_file_is_told_and_nothing_is_lost(folder, file, damage):
    index = folder / "index"
    write_embeddings(folder, range(24))
    run("add", index, folder / "embeddings")
    run("remove", index, "track-00003")
    path = index / "v3" / file
    content = path.read_bytes()
    path.unlink()  # the base's files are shared with other versions
    if damage != "gone":
        half = len(content) // 2
        path.write_bytes(content[:half] + (b"" if damage == "cut" else b"?" * (len(content) - half)))
    before = sorted(str(each) for each in index.rglob("*"))
    for words in (["status", index], ["compact", index], ["update", index, folder / "embeddings"]):
        ended = CliRunner().invoke(cli, ["index", *map(str, words)])
        assert isinstance(ended.exception, ArtefactError) and str(path) in str(ended.exception)
        assert "soundkin index rollback INDEX" in str(ended.exception)
    assert sorted(str(each) for each in index.rglob("*")) == before
    assert run("rollback", index) == f"{index}: back at v2, 24 tracks\n"
    assert len(open_index(index)) == 24


def test_an_index_that_is_being_written_is_left_alone(folder):
    with locked(folder / "index"):
        ended = CliRunner().invoke(cli, ["index", "remove", str(folder / "index"), "track-00003"])
    assert "another run is writing" in str(ended.exception)
    assert len(open_index(folder)) == 20
