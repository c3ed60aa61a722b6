"""Where a result cannot be written: one line that names the place and says what to do, and exit code 2."""

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arc_index import arc, artists, make_index
from edited_index import write_embeddings
from soundkin.cli.main import main

FILES = {  # verbs that write a file
    "path": ["path", "index", "00", "05", "-n", "3", "-o", "OUT.m3u8"],
    "picture": ["path", "index", "00", "05", "-n", "3", "--picture", "OUT.png"],
    "playlist": ["playlist", "index", "--like", "00", "-n", "3", "-o", "OUT.m3u8"],
    "why": ["why", "index", "00", "05", "-o", "OUT.html"],
    "scan": ["scan", "music", "-o", "OUT.csv"],
    "neighbours": ["neighbours", "index", "-o", "OUT.lmdb"],
}
FOLDERS = {  # verbs that write a folder
    "index": ["index", "built/embeddings", "-o", "OUT"],
    "embed": ["embed", "default", "catalog.csv", "-o", "OUT"],
    "sync": ["sync", "music", "-o", "OUT"],
    "audit": ["audit", "catalog.csv", "-o", "OUT"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, small_catalog: Path) -> Path:
    """A folder with what the verbs need; do not change it."""
    folder = tmp_path_factory.mktemp("places")
    make_index(folder, arc(6), artists(6))
    write_embeddings(folder / "built", range(20))
    (folder / "music").mkdir()
    song = next((small_catalog.parent / "music").rglob("*.ogg"))
    shutil.copy(song, folder / "music")
    (folder / "catalog.csv").write_text(f"track_id,path\na,music/{song.name}\n")
    return folder


@pytest.fixture
def run(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable]:
    """Run a verb whose result is to go to `place`; gives the exit code and the last line of stderr."""
    monkeypatch.chdir(made)

    def run(words: list[str], place: Path) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(
                [
                    "--quiet",
                    *(f"{place}{word.removeprefix('OUT')}" if word[:3] == "OUT" else word for word in words),
                ]
            )
        return int(ended.value.code or 0), capsys.readouterr().err.strip()

    level = logging.getLogger("soundkin").level
    yield run
    logging.getLogger("soundkin").setLevel(level)  # which --quiet changed


@pytest.mark.slow
@pytest.mark.parametrize("verb", FILES)
def test_a_file_that_cannot_be_there(verb: str, run: Callable, tmp_path: Path) -> None:
    ending = Path(FILES[verb][-1]).suffix
    (tmp_path / f"folder{ending}").mkdir()
    (tmp_path / "file").write_text("of somebody")
    for place in ("folder", "file/below", "x" * 300):
        code, said = run(FILES[verb], tmp_path / place)
        assert code == 2, said
        assert str(tmp_path / place.split("/")[0]) in said and "\n" not in said
    code, said = run(FILES[verb], Path("/proc/none/below"))
    assert code == 2 and "no file or folder can be made there. Choose another path." in said
    assert (tmp_path / "file").read_text() == "of somebody"
    assert run(FILES[verb], tmp_path / "new" / "folder" / "for")[0] == 0
    assert (tmp_path / "new" / "folder" / f"for{ending}").is_file()


@pytest.mark.parametrize("verb", ["path", "picture", "playlist", "why"])
def test_a_bad_place_is_told_before_any_work(verb: str, run: Callable, tmp_path: Path) -> None:
    asked = ["nobody" if word == "00" else word for word in FILES[verb]]
    (tmp_path / "file").touch()
    code, said = run(asked, tmp_path / "file/below")
    assert code == 2 and "cannot write" in said and "nobody" not in said
    code, said = run(asked, tmp_path / "new/below")
    assert code == 2 and "nobody" in said and not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize("verb", FOLDERS)
def test_a_folder_that_cannot_be_there(verb: str, run: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of somebody")
    for place in ("file", "file/below", "x" * 300):
        code, said = run(FOLDERS[verb], tmp_path / place)
        assert code == 2, said
        assert str(tmp_path / place.split("/")[0]) in said and "\n" not in said
    code, said = run(FOLDERS[verb], Path("/proc/none"))
    assert code == 2 and "no file or folder can be made there. Choose another path." in said
    assert (tmp_path / "file").read_text() == "of somebody"
