"""What reaches a terminal, a pipe and a log: by real processes, in a pseudo-terminal where it matters."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from soundkin.embedding.store import Embeddings
from soundkin.errors import Skipped
from soundkin.search.vector_index import build_index
from soundkin.terminal import printable, printable_json

ODD = {
    "seed": ("seed", "x"),
    "silence": ("[silence]", "[unknown]"),
    "live": ("Song [live]", "X [dj] Y"),
    "closing": ("Reprise [/intro]", "[/b]"),
    "smile": (":smile: star", "[bold red]C"),
    "escape": ("red \x1b[31malert\x07\x9b2J", "new\nline\rback\ttab"),
    "bidi": ("left \u202eright\u2066", "\ufeffmark"),
    "accent": ("Canción ♫ — 日本", "Berción Varpe"),
    "backslash": ("a\\[b] \\", "{braces} %s %(x)d"),
    "surrogate": ("Long " * 30, "L" * 100),
}


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten tracks with names as people have them, 'seed' first, each a little farther from it than the one
    before.
    """
    folder = tmp_path_factory.mktemp("odd [names]")
    angles = np.linspace(0, 1.2, len(ODD))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    embeddings = Embeddings(list(ODD), vectors, [], [], "m", folder / "m", folder / "c")
    titles, artists = zip(*ODD.values(), strict=True)
    table = pa.table(
        {
            "track_id": list(ODD),
            "path": [f"music/{name}.mp3" for name in ODD],
            "title": titles,
            "artist": artists,
            "genre": ["rock", "jazz; pop"] * 5,
            "year": [1990 + place for place in range(len(ODD))],
        }
    )
    build_index(embeddings, table, folder, folder / "index")
    return folder / "index"


def soundkin(*words: object, environment: dict[str, str] | None = None, **options: object) -> Said:
    command = [sys.executable, "-m", "soundkin.cli.main", *map(str, words)]
    command[1:3] = ["-c", "from soundkin.cli.main import main; main()"]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    done = subprocess.run(command, env=_environment(environment or {}), **given)  # type: ignore[call-overload]
    return Said(
        done.returncode,
        *((text or b"").decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr)),
    )


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "PYTHONIOENCODING")}
    return {**kept, "PYTHONUTF8": "1", **more}


def in_terminal(*words: object, environment: dict[str, str] | None = None) -> str:
    """What a terminal gets on both streams."""
    ours, theirs = pty.openpty()
    try:
        soundkin(*words, environment=environment, stdout=theirs, stderr=theirs)
    finally:
        os.close(theirs)
    read = b""
    try:
        while block := os.read(ours, 65536):
            read += block
    except OSError:  # how Linux ends a pseudo-terminal
        pass
    os.close(ours)
    return read.decode()


def ask(index: Path, *words: object) -> list[object]:
    return ["query", index, "--like", "seed", "-k", 9, *words]


class TestNamesAsTheyAre:
    def test_no_name_is_read_as_markup(self, index: Path) -> None:
        said = soundkin(*ask(index), environment={"COLUMNS": "200"})
        assert said.code == 0 and not said.err
        for name in ("silence", "live", "closing", "smile", "accent", "backslash"):
            title, artist = ODD[name]
            assert title in said.out and artist in said.out

    @pytest.mark.slow
    @pytest.mark.parametrize("columns", ["200", "80", "20"])
    def test_nothing_in_a_name_moves_the_cursor(self, index: Path, columns: str) -> None:
        shown = in_terminal(*ask(index), environment={"COLUMNS": columns})
        own = shown.replace("\x1b[1m", "").replace("\x1b[0m", "")
        assert not set(own) & {"\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\ufeff", "\t"}
        assert "\r" not in own.replace("\r\n", "")
        if columns == "200":
            assert (
                r"red \x1b[31malert\x07\x9b2J" in own and "new line back tab" in own and "left right" in own
            )

    def test_json_gives_every_character_back_and_shows_none_raw(self, index: Path) -> None:
        said = soundkin(*ask(index, "--json"))
        assert {(one["title"], one["artist"]) for one in json.loads(said.out)} == set(ODD.values()) - {
            ODD["seed"]
        }
        assert not set(said.out) & {"\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\ufeff"}
        assert "日本" in said.out

    def test_json_has_null_for_what_is_no_number(self) -> None:
        value = {"a": [float("nan"), 1.5, (float("inf"),)], "b": "NaN"}
        assert json.loads(printable_json(value), parse_constant=pytest.fail) == {
            "a": [None, 1.5, [None]],
            "b": "NaN",
        }

    @pytest.mark.slow
    def test_a_heading_and_an_error_show_what_was_given(self, index: Path) -> None:
        assert "sounds like seed" in soundkin(*ask(index)).out
        said = soundkin("query", index, "--like", "rips [/flac] \x1b[31m.mp3")
        assert said.code == 2 and r"rips [/flac] \x1b[31m.mp3" in said.err and "Traceback" not in said.err
        said = soundkin("query", index, "--\x1b[31m")
        assert said.code == 2 and "\x1b" not in said.err

    @pytest.mark.parametrize("ask", [["query", "--why"], ["playlist"]])
    def test_a_heading_looks_no_seed_up_again(
        self, index: Path, ask: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from soundkin.cli.main import main
        from soundkin.pipelines import seeds

        looked_up = []
        find = seeds.FINDERS["words"]

        def counted(index: object, words: str) -> list[int]:
            looked_up.append(words)
            return find(index, words)

        monkeypatch.setitem(seeds.FINDERS, "words", counted)
        with pytest.raises(SystemExit):
            main([ask[0], str(index), "--like", "words:seed^2", "-k2" if ask[1:] else "-n2", *ask[1:]])
        assert looked_up == ["seed"] and "like seed (" in capsys.readouterr().out

    def test_skipped_files_are_listed_as_they_are_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        from soundkin.cli.logs import set_up_logging
        from soundkin.cli.output import end

        set_up_logging([])
        assert end([Skipped("a [/b] \x1b[2J 100%s.mp3", "no\x07 audio %d")]) == 3
        assert r"skipped a [/b] \x1b[2J 100%s.mp3: no\x07 audio %d" in capsys.readouterr().err

    def test_joiners_of_scripts_and_emoji_stay(self) -> None:
        assert printable("می‌خواهم 👩‍🎤\u2028x") == "می‌خواهم 👩‍🎤 x"

    def test_names_that_the_locale_could_not_decode(self) -> None:
        assert printable("caf\udce9 caf\udcc3\udca9") == r"caf\xe9 café"
        assert printable("lone \ud800") == r"lone \ud800"


STRICT = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:strict"}
OTHERS = [
    {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    {"PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
    {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252:strict"},
    {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
]
LEGACY = [STRICT, *(pytest.param(other, marks=pytest.mark.slow) for other in OTHERS)]


class TestTerminalsThatAreNotUtf8:
    @pytest.fixture(scope="class")
    def elsewhere(self, index: Path) -> str:
        """The JSON that a terminal of UTF-8 gets."""
        return soundkin(*ask(index, "--json")).out

    @pytest.mark.parametrize("environment", LEGACY, ids=str)
    def test_a_table_shows_what_it_can(self, index: Path, environment: dict[str, str]) -> None:
        said = soundkin(*ask(index), environment=environment)
        assert said.code == 0 and not said.err
        assert (
            r"\u266b" in said.out
            and "rank  score  closer_than  artist" in said.out
            and "----  -----" in said.out
        )
        assert all(len(line) <= 80 for line in said.out.splitlines())

    @pytest.mark.parametrize("environment", LEGACY, ids=str)
    def test_json_is_what_it_is_elsewhere(
        self, index: Path, elsewhere: str, environment: dict[str, str]
    ) -> None:
        said = soundkin(*ask(index, "--json"), environment=environment)
        assert said.code == 0 and said.out.isascii()
        assert json.loads(said.out) == json.loads(elsewhere)

    @pytest.mark.slow
    @pytest.mark.parametrize("environment", LEGACY, ids=str)
    def test_an_error_ends_in_one_line(self, index: Path, environment: dict[str, str]) -> None:
        for words in (
            ["query", index, "--like", "música ♫"],
            ["query", index, "--like", b"m\xfasica\xff".decode("utf-8", "surrogateescape")],
        ):
            said = soundkin(*words, environment=environment)
            assert said.code == 2 and said.err.startswith("soundkin: m") and said.err.count("\n") == 1


class TestWidth:
    @pytest.mark.slow
    def test_a_pipe_gets_80_columns_unless_told_otherwise(self, index: Path) -> None:
        assert max(map(len, soundkin(*ask(index)).out.splitlines())) <= 80
        wide = soundkin(*ask(index), environment={"COLUMNS": "300"}).out
        assert ODD["surrogate"][0].strip() in wide and "L" * 100 in wide

    def test_five_columns_and_every_answer_on_a_line(self, index: Path) -> None:
        lines = soundkin(*ask(index, "-k", 3)).out.splitlines()
        assert lines[1].split() == ["rank", "score", "closer_than", "artist", "title"] and len(lines) == 6

    @pytest.mark.slow
    def test_columns_are_chosen(self, index: Path) -> None:
        said = soundkin(
            *ask(index, "-k", 1, "--columns", "track_id,year, path"), environment={"COLUMNS": "400"}
        )
        lines = said.out.splitlines()
        assert lines[1].split() == ["track_id", "year", "path"]
        assert lines[3].split("  ")[0] == "silence" and str(index.parent / "music/silence.mp3") in lines[3]
        wrong = soundkin(*ask(index, "--columns", "yaer"))
        assert wrong.code == 2 and "Did you mean year?" in wrong.err and not wrong.out

    @pytest.mark.slow
    def test_paths_in_json_are_the_same_wherever_one_stands(self, index: Path) -> None:
        here = soundkin(*ask(index, "--json"), cwd=index.parent).out
        there = soundkin(*ask(os.path.relpath(index, "/"), "--json"), cwd="/").out
        assert here == there
        first = json.loads(here)[0]
        assert first["path"] == str(index.parent / "music/silence.mp3")
        assert first["catalog"]["path"] == "music/silence.mp3" and first["catalog"]["year"] == 1991


class TestFewerAnswers:
    @pytest.mark.slow
    def test_a_filter_that_matches_nothing_says_so_and_names_the_nearest(self, index: Path) -> None:
        said = soundkin(*ask(index, "--where", "genre=rok"))
        assert said.code == 0 and not said.out
        assert "none of 10 tracks match genre=rok" in said.err and "The nearest genre is rock." in said.err
        assert json.loads(soundkin(*ask(index, "--where", "genre=rok", "--json")).out) == []

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (["--where", "year>2030"], "Values of year go from 1990 to 1999."),
            (["--where", "genre=zzzz"], "Values of genre are jazz, pop, rock."),
            (["--where", "genre=jaz", "--where", "year=1990"], "The nearest genre is jazz."),
            (
                ["--where", "genre=jazz", "--where", "year=1990"],
                "none of 10 tracks match genre=jazz and year=1990.",
            ),
            (
                ["--where", "genre=rock"],
                "4 of 9 answers: 5 of 10 tracks match genre=rock, 1 of them left out because",
            ),
            (["-k", 50], "9 of 50 answers: the index holds 10 tracks, 1 of them left out because"),
        ],
    )
    def test_the_reason_is_given(self, index: Path, words: list[object], why: str) -> None:
        said = soundkin(*ask(index, *words))
        assert said.code == 0 and why in said.err

    def test_as_many_as_asked_for_need_no_word(self, index: Path) -> None:
        assert not soundkin(*ask(index, "-k", 4, "--where", "genre=rock")).err


class TestLogs:
    @pytest.mark.slow
    @pytest.mark.parametrize("place", ["before", "after"])
    def test_quiet_leaves_errors_only(self, index: Path, place: str) -> None:
        def quietly(*words: object) -> Said:
            return soundkin("--quiet", *words) if place == "before" else soundkin(*words, "--quiet")

        assert quietly(*ask(index, "--where", "genre=rok")) == Said(0, "", "")
        assert quietly("query", index, "--like", "nobody").err.startswith("soundkin: nobody is neither")

    @pytest.mark.slow
    @pytest.mark.parametrize("words", [["--log-format", "json"], ["--log-format=json"]])
    def test_json_is_one_object_a_line(self, index: Path, words: list[str]) -> None:
        for said in (
            soundkin(*words, *ask(index, "--where", "genre=rok")),
            soundkin(*ask(index, "--where", "genre=rok"), *words),
            soundkin("query", index, "--like", "no\nbody \x1b", *words),
            soundkin("query", index, "--lick", "x", *words),
            soundkin("scan", index.parent / "nowhere", "-o", index.parent / "c.csv", *words),
        ):
            (line,) = map(json.loads, said.err.splitlines())
            assert (
                line["time"].endswith("+00:00") and line["level"] in ("warning", "error") and line["message"]
            )

    def test_progress_is_logged_or_left_out(self, tmp_path: Path) -> None:
        code = (
            "import sys; from soundkin.cli.logs import set_up_logging\n"
            "from soundkin.progress import progress\n"
            "set_up_logging(sys.argv[1:]); print(sum(progress(range(9), 'adding [/b] \\x1b', total=9)))"
        )

        def run(*words: str) -> Said:
            done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
            return Said(done.returncode, done.stdout, done.stderr)

        assert run("--quiet") == Said(0, "36\n", "")
        last = json.loads(run("--log-format", "json").err.splitlines()[-1])
        assert (last["done"], last["total"], last["unit"]) == (9, 9, "track") and "adding" in last["message"]
        drawn = run().err
        assert r"adding [/b] \x1b" in drawn and "9/9" in drawn and "\x1b" not in drawn

    def test_an_unknown_format_is_refused(self, index: Path) -> None:
        said = soundkin(*ask(index), "--log-format", "xml")
        assert said.code == 2 and "'text', 'json'" in said.err


class TestStdoutThatTakesNothing:
    def test_a_reader_who_has_enough_changes_nothing(self, index: Path) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        said = soundkin(*ask(index), stdout=writer)
        os.close(writer)
        assert said == Said(0, "", "")

    @pytest.mark.slow
    def test_a_full_disk_is_told(self, index: Path) -> None:
        for words in (ask(index), ask(index, "--json"), ["--help"], ["query", "--help"]):
            with Path("/dev/full").open("w") as full:
                said = soundkin(*words, stdout=full)
            assert said.code == 1 and "No space left on device" in said.err and said.err.count("\n") == 1

    @pytest.mark.slow
    def test_closed_streams(self, index: Path) -> None:
        code = "from soundkin.cli.main import main; main()"
        words = [sys.executable, "-c", code, *map(str, ask(index))]
        said = subprocess.run(["bash", "-c", '"$@" >&-', "-", *words], capture_output=True, text=True)
        assert said.returncode == 1 and said.stderr.startswith("soundkin: stdout is closed")
        said = subprocess.run(["bash", "-c", '"$@" 2>&-', "-", *words], capture_output=True, text=True)
        assert said.returncode == 0 and "Song [live]" in said.stdout
        said = subprocess.run(["bash", "-c", '"$@" <&- >&- 2>&-', "-", *words])
        assert said.returncode == 1
