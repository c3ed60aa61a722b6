import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.assess.answer_files import CHECK_COLUMNS, COLUMNS, AnswerFiles, AnswerKind, TripletAnswer
from soundkin.catalog.table import read_catalog
from soundkin.catalog.triplets_table import read_triplets
from soundkin.errors import CatalogError, OutputError, UsageError


def answer(
    name: str = "anna", time: float = 1.0, kind: str = AnswerKind.MAIN, right: bool | None = None
) -> TripletAnswer:
    return TripletAnswer("a", "b", "c", name, time, "s1", 12.5, kind, right)


def kept(path: Path, *answers: TripletAnswer) -> list[TripletAnswer]:
    """What is there after a restart."""
    files = AnswerFiles(path)
    for one in answers:
        files.append(one)
    files.close()
    files = AnswerFiles(path)
    files.close()
    return files.answers


def test_answers_come_back_in_order_of_time_each_from_its_file(tmp_path: Path) -> None:
    given_ = [
        answer(time=1.5),
        answer(time=2.25, kind=AnswerKind.GOLD, right=False),
        answer(time=3.125, kind=AnswerKind.SKIPPED),
        answer(time=4.0),
    ]
    assert kept(tmp_path / "t.csv", *given_) == given_
    assert (tmp_path / "t.csv").read_text() == (
        ",".join(COLUMNS) + "\na,b,c,anna,1.500,s1,12.50\na,b,c,anna,4.000,s1,12.50\n"
    )
    assert (tmp_path / "t.checks.csv").read_text().splitlines()[:2] == [
        ",".join(CHECK_COLUMNS),
        "a,b,c,anna,2.250,s1,12.50,gold,0",
    ]


def test_training_reads_them(tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("track_id,path\na,a\nb,b\nc,c\n")
    kept(tmp_path / "t.csv", answer())
    frame = read_triplets(tmp_path / "t.csv", read_catalog(tmp_path / "catalog.csv"))
    assert frame["closer_id"].tolist() == ["b"] and frame["seconds_taken"].tolist() == [12.5]


@settings(max_examples=30, deadline=None)
@given(
    st.text(st.characters(exclude_categories=("C", "Z"), include_characters=' ",'), min_size=1, max_size=12)
)
def test_any_name_comes_back(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    assert kept(tmp_path_factory.mktemp("names") / "t.csv", answer(name)) == [answer(name)]


def test_an_unfinished_line_is_cut_off_wherever_it_broke(tmp_path: Path) -> None:
    whole = [answer(time=1.0), answer(time=2.0)]
    kept(tmp_path / "t.csv", *whole)
    content = (tmp_path / "t.csv").read_bytes()
    start = content.rindex(b"\n", 0, -1) + 1
    for length in range(start, len(content)):
        (tmp_path / "t.csv").write_bytes(content[:length])
        assert kept(tmp_path / "t.csv") == whole[:1]
        assert (tmp_path / "t.csv").read_bytes() == content[:start]


def test_an_unfinished_header_is_finished(tmp_path: Path) -> None:
    for length in range(len(",".join(COLUMNS)) + 1):
        (tmp_path / "t.csv").write_text(",".join(COLUMNS)[:length])
        assert kept(tmp_path / "t.csv") == []
        assert (tmp_path / "t.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = AnswerFiles(tmp_path / "t.csv")
    files.append(answer())
    before = (tmp_path / "t.csv").read_bytes()

    def broken(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(OutputError, match="disk is full"):
            files.append(answer(time=2.0))
    assert (tmp_path / "t.csv").read_bytes() == before
    files.append(answer(time=2.0))
    files.close()


class TestSettingAside:
    GIVEN = (answer("anna", 1.0), answer("carl", 2.0), answer("carl", 3.0), answer("anna", 4.0))

    def expected(self) -> list[TripletAnswer]:
        return [
            replace(one, kind=AnswerKind.SUSPENDED) if one.annotator_id == "carl" else one
            for one in self.GIVEN
        ]

    def test_their_answers_move_and_nothing_is_lost(self, tmp_path: Path) -> None:
        kept(tmp_path / "t.csv", *self.GIVEN)
        for _ in range(2):
            files = AnswerFiles(tmp_path / "t.csv")
            files.set_aside("carl")
            files.set_aside("nobody")
            files.close()
            assert kept(tmp_path / "t.csv") == self.expected()
        assert "carl" not in (tmp_path / "t.csv").read_text()

    @pytest.mark.parametrize("moved", [1, 2])
    def test_killed_between_the_two_files(self, tmp_path: Path, moved: int) -> None:
        kept(
            tmp_path / "t.csv",
            *self.GIVEN,
            *[replace(one, kind=AnswerKind.SUSPENDED) for one in self.GIVEN[1 : 1 + moved]],
        )
        files = AnswerFiles(tmp_path / "t.csv")
        assert len(files.answers) == 4, "an answer in both files counts once"
        files.set_aside("carl")
        files.close()
        assert kept(tmp_path / "t.csv") == self.expected()


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("t.parquet", None, UsageError, "ending in .csv"),
        (
            "t.csv",
            "anchor_id,closer_id,farther_id,annotator_id\na,b,c,anna\n",
            CatalogError,
            "not collected here",
        ),
        ("t.csv", ",".join(COLUMNS) + "\na,b,c,anna\n", CatalogError, "row 2: 4 cells"),
        ("t.csv", ",".join(COLUMNS) + "\na,b,c,anna,soon,s,1\n", CatalogError, "row 2: timestamp=soon"),
        (
            "t.checks.csv",
            ",".join(CHECK_COLUMNS) + "\na,b,c,anna,1,s,1,silver,1\n",
            CatalogError,
            "kind=silver",
        ),
    ],
)
def test_files_that_are_refused(
    tmp_path: Path, name: str, content: str | None, error: type, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(error, match=said):
        AnswerFiles(tmp_path / name.replace(".checks", ""))
    if content is not None:
        assert (tmp_path / name).read_text() == content


WRITER = """
import sys
from pathlib import Path
from soundkin.assess.answer_files import AnswerFiles, AnswerKind, TripletAnswer
files = AnswerFiles(Path(sys.argv[1]))
for number in range(100_000):
    files.append(TripletAnswer("a", "b", "c", "anna", float(number), "s", 1.0))
    print(number, flush=True)
"""


@pytest.mark.slow
def test_killed_in_the_middle_every_answer_that_was_acknowledged_is_there(tmp_path: Path) -> None:
    acknowledged = -1
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path / "t.csv"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        last = -1
        while last < 40:
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        acknowledged += 1 + last + len(process.stdout.read().splitlines())
        process.wait()
        found = kept(tmp_path / "t.csv")
        assert acknowledged + 1 <= len(found) <= acknowledged + 4
        acknowledged = len(found) - 1
