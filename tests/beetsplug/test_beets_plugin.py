"""The plugin in real processes of beets, over a small library of real files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile

from soundkin.pipelines.query import query

pytestmark = pytest.mark.slow

RATE_HZ = 22_050
ROOT = Path(__file__).parents[2]
HEAVY = ("faiss", "pandas", "pyarrow", "pydantic", "soundkin", "torch")


class Beets:
    """A beets of its own, with a folder of music, and soundkin's library of it."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder, self.music, self.library = folder, folder / "Music", folder / "soundkin"
        self.config = folder / "config.yaml"
        self.config.write_text(
            f"directory: {self.music}\nlibrary: {folder}/beets.db\nplugins: [soundkin]\n"
            f"format_item: $artist - $title\nsoundkin: {{library: {self.library}{settings}}}\n"
        )
        self.environment = {name: value for name, value in os.environ.items() if "SOUNDKIN" not in name}
        self.environment |= {"BEETSDIR": str(folder), "PYTHONPATH": str(ROOT / "src")}

    def run(self, *words: object, code: str | None = None) -> subprocess.CompletedProcess[str]:
        start = ["-m", "beets"] if code is None else ["-c", code]
        return subprocess.run(
            [sys.executable, *start, *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def lines(self, *words: object) -> list[str]:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def tracks(self) -> str:
        return (self.library / "catalog.csv").read_text(encoding="utf-8")


def make_track(path: Path, number: int) -> Path:
    """Four seconds of chords over noise, with tags."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = np.arange(4 * RATE_HZ) / RATE_HZ
    chord = sum(np.sin(2 * np.pi * 110 * step * (1 + number / 7) * seconds) for step in (1, 1.25, 1.5))
    beat = np.sin(2 * np.pi * (1 + number % 5) * seconds) > 0
    noise = np.random.default_rng(number).normal(size=len(seconds)) * (number % 3 + 1) / 20
    soundfile.write(path, 0.1 * chord * beat + noise, RATE_HZ)
    tags = mutagen.File(path)
    tags.update({"title": f"Title {number}", "artist": f"Artist {number // 2}", "album": path.parent.name})
    tags.save()
    return path


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Beets:
    """Twelve tracks, imported; do not change it."""
    made = Beets(tmp_path_factory.mktemp("beets"))
    for number in range(12):
        make_track(made.folder / "incoming" / f"Album {number // 4}" / f"{number}.ogg", number)
    done = made.run("import", "-q", "-A", "incoming")
    assert done.returncode == 0 and "soundkin" not in done.stderr, done.stderr
    return made


@pytest.fixture
def beets(imported: Beets, tmp_path: Path) -> Beets:
    """A copy to change: paths in beets' database are relative to its directory."""
    shutil.copytree(imported.folder, tmp_path / "copy")
    return Beets(tmp_path / "copy")


def test_beets_starts_without_soundkin(imported: Beets) -> None:
    code = (
        "import sys; from beets.ui import _raw_main; _raw_main(['ls']); "
        f"print(*(name for name in {HEAVY} if name in sys.modules))"
    )
    lines = imported.run(code=code).stdout.splitlines()
    assert len(lines) == 13 and lines[-1] == ""


def test_an_import_ends_with_all_in_the_library(imported: Beets) -> None:
    paths = imported.lines("ls", "-p")
    assert len(paths) == 12
    asked = query(imported.library, [paths[0]], k=11, artist_cap=0, fold_versions=False)
    assert {answer.path for answer in asked} == set(paths[1:])


def test_answers_are_what_soundkin_answers_as_beets_prints_items(imported: Beets) -> None:
    [path] = imported.lines("ls", "-p", "id:1")
    asked = query(imported.library, [path], k=3)
    names = [f"{answer.artist} - {answer.title}" for answer in asked]
    assert imported.lines("soundkin", "-k", 3, "id:1") == names
    assert imported.lines("soundkin", "-k", 3, "-p", "id:1") == [answer.path for answer in asked]
    scored = [f"{answer.score:.3f} {answer.title}" for answer in asked]
    assert imported.lines("soundkin", "-k", 3, "-f", "$similarity $title", "id:1") == scored


def test_several_items_are_a_mix_and_a_playlist_is_written(imported: Beets, tmp_path: Path) -> None:
    seeds = imported.lines("ls", "-p", "id:1", ",", "id:2")
    expected = [answer.path for answer in query(imported.library, seeds, k=4)]
    playlist = tmp_path / "mix.m3u8"
    assert imported.lines("soundkin", "-p", "-k", 4, "-o", playlist, "id:1", ",", "id:2") == expected
    listed = [line for line in playlist.read_text().splitlines() if not line.startswith("#")]
    assert [str((tmp_path / line).resolve()) for line in listed] == expected
    assert "#EXTINF:4," in playlist.read_text()


def test_new_tags_and_moves_are_followed_without_embedding_again(beets: Beets) -> None:
    before = beets.lines("ls", "-p", "id:1")
    beets.lines("modify", "-y", "id:1", "title=Quite Another", "artist=Newcomer")
    assert beets.lines("ls", "-p", "id:1") != before, "beets has moved it"
    assert "Quite Another" in beets.tracks() and beets.tracks().count("\n") == 13
    assert beets.lines("soundkin", "-k", 11, "id:2").count("Newcomer - Quite Another") == 1
    done = beets.lines("soundkin", "--sync")
    assert done[0].startswith("12 untouched")


def test_removed_files_leave_the_library_however_many(beets: Beets) -> None:
    beets.lines("remove", "-d", "-f", "id:1..8")
    assert beets.tracks().count("\n") == 5
    assert len(beets.lines("soundkin", "-k", 11, "id:9")) == 3


def test_files_gone_otherwise_are_asked_about(beets: Beets) -> None:
    for path in beets.lines("ls", "-p", "id:1..8"):
        Path(path).unlink()
    done = beets.run("modify", "-y", "-M", "id:9", "title=Other")
    assert done.returncode == 0
    assert "soundkin: not up to date: 8 of 12 tracks are gone" in done.stderr
    assert beets.tracks().count("\n") == 13
    assert beets.run("soundkin", "--sync").returncode == 1
    assert beets.lines("soundkin", "--sync", "--yes")[0].startswith("8 gone")


def test_what_beets_has_forgotten_is_still_an_answer_while_its_file_is_there(beets: Beets) -> None:
    [forgotten] = beets.lines("ls", "-p", "id:1")
    beets.lines("remove", "-f", "id:1")
    assert forgotten in beets.lines("soundkin", "-p", "-k", 11, "id:2")


def test_an_error_never_fails_an_import(beets: Beets) -> None:
    more = make_track(beets.folder / "More" / "12.ogg", 12)
    shutil.rmtree(beets.library)
    beets.library.write_text("no folder")
    done = beets.run("import", "-q", "-A", "-s", more)
    assert done.returncode == 0
    assert "soundkin: not up to date: " in done.stderr and "Traceback" not in done.stderr
    assert len(beets.lines("ls")) == 13
    beets.library.unlink()
    assert beets.lines("soundkin", "--sync")[0].startswith("13 new")


def test_nothing_is_done_unasked_with_auto_off(beets: Beets) -> None:
    quiet, before = Beets(beets.folder, ", auto: no"), beets.tracks()
    quiet.lines("remove", "-d", "-f", "id:1")
    assert quiet.tracks() == before
    assert quiet.lines("soundkin", "--sync")[0].startswith("1 gone")


def test_names_that_are_no_utf8_are_named_and_left_out(beets: Beets) -> None:
    [path] = beets.lines("ls", "-p", "id:1")
    odd = beets.folder / (os.fsdecode(b"caf\xe9") + Path(path).suffix)
    shutil.copy(path, odd)
    done = beets.run("import", "-q", "-A", "-s", "-C", odd)
    assert done.returncode == 0
    done = beets.run("soundkin", f"path:{odd}")
    assert (
        done.returncode == 1 and "1 of 1 items are not in " in done.stderr and "Traceback" not in done.stderr
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name an item: beet soundkin QUERY"),
        (["nothing is called so"], "no item matches"),
        (["-k", "0", "id:1"], "query.k=0 should be greater than 0"),
        (["-o", "list.doc", "id:1"], "list.doc: no playlist ends so"),
    ],
)
def test_mistakes_are_told_in_a_line(imported: Beets, words: list[str], said: str) -> None:
    done = imported.run("soundkin", *words)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and said in done.stderr and done.stderr.count("\n") == 1


def test_without_a_library_it_says_how_to_make_one(imported: Beets, tmp_path: Path) -> None:
    shutil.copy(imported.folder / "beets.db", tmp_path)
    done = Beets(tmp_path).run("soundkin", "id:1")
    assert done.returncode == 1 and done.stderr.endswith("Make it: beet soundkin --sync\n")
