"""Corrections: an overlay that fits one catalog, made from reviews, applied to copies."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.catalog.corrections import (
    COLUMNS,
    Correction,
    apply_corrections,
    cell_text,
    merge_corrections,
    read_corrections,
    read_review,
    write_corrected,
    write_corrections,
)
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.errors import CatalogError

ROWS = "track_id,path,artist,genre,year,duration\na,a b.mp3,Ann,jazz; soul,1965,13.23\nb,music/b.mp3,,,,\n"


def written(folder: Path, text: str, name: str = "catalog.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return read_catalog(written(tmp_path, ROWS))


def test_cells_are_corrected_and_the_catalog_stays(catalog: Catalog) -> None:
    before = catalog.frame.copy()
    corrected = apply_corrections(
        catalog,
        [
            Correction("a", "genre", "jazz; soul", "folk"),
            Correction("a", "year", "1965", ""),
            Correction("b", "year", "", "1999"),
            Correction("b", "artist", "", "Bob"),
            Correction("b", "mood", "", "calm"),
            Correction("a", "duration", "13.23", "14"),
        ],
    )
    pd.testing.assert_frame_equal(catalog.frame, before)
    assert corrected.values("genre") == [("folk",), ()]
    assert corrected.values("mood") == [(), ("calm",)]
    assert corrected.frame["artist"].tolist() == ["Ann", "Bob"]
    assert corrected.frame["year"].dtype == "Int64" and corrected.frame["year"].iloc[1] == 1999
    assert pd.isna(corrected.frame["year"].iloc[0])
    assert corrected.frame["duration"].iloc[0] == 14.0


def test_no_correction_changes_nothing(catalog: Catalog) -> None:
    pd.testing.assert_frame_equal(apply_corrections(catalog, []).frame, catalog.frame)


@pytest.mark.parametrize(
    ("correction", "expected"),
    [
        (Correction("a", "genre", "jazz", "folk"), r"track_id=a: genre was 'jazz', and is now 'jazz; soul'"),
        (Correction("b", "genre", "jazz", "folk"), r"genre was 'jazz', and is now empty"),
        (Correction("a", "genre", "", "folk"), r"genre was empty, and is now 'jazz; soul'"),
        (Correction("z", "genre", "jazz", "folk"), r"track_id=z is not in catalog "),
        (Correction("a", "year", "1965", "soon"), r"year=soon is not a year such as 1999"),
        (Correction("a", "year", "1965", "99"), r"year=99 is not a year"),
        (Correction("a", "split", "", "exam"), r"split=exam is not train, valid or test"),
        (Correction("a", "duration", "13.23", "long"), r"duration=long is not a number of seconds"),
    ],
)
def test_what_does_not_fit_is_refused_whole(catalog: Catalog, correction: Correction, expected: str) -> None:
    good = Correction("b", "artist", "", "Bob")
    with pytest.raises(CatalogError, match=expected) as caught:
        apply_corrections(catalog, [good, correction], "corrections c.csv")
    assert str(caught.value).startswith("corrections c.csv: ") and "Nothing was corrected" in str(
        caught.value
    )
    assert pd.isna(catalog.frame["artist"].iloc[1])


def test_how_many_more_do_not_fit_is_told(catalog: Catalog) -> None:
    with pytest.raises(CatalogError, match=r"\(and 2 more of 3 corrections\)"):
        apply_corrections(catalog, [Correction(name, "genre", "x", "y") for name in ("a", "b", "z")])


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=12
)


@settings(max_examples=20, deadline=None)  # each waits for the disk
@given(
    st.lists(
        st.builds(Correction, texts, texts.map("x".__add__), texts, texts, texts, texts, texts), max_size=5
    )
)
def test_corrections_survive_the_file(
    tmp_path_factory: pytest.TempPathFactory, corrections: list[Correction]
) -> None:
    unique = list({(one.track_id, one.column): one for one in corrections}.values())
    path = tmp_path_factory.mktemp("corrections") / "corrections.csv"
    write_corrections(unique, path)
    if unique:
        assert list(read_corrections(path)) == unique


def test_empty_cells_of_a_correction_stay_empty(tmp_path: Path) -> None:
    path = written(tmp_path, "track_id,column,was,value\na,genre,,folk\nb,genre,jazz,\n", "c.csv")
    assert read_corrections(path) == (
        Correction("a", "genre", "", "folk"),
        Correction("b", "genre", "jazz", ""),
    )
    assert COLUMNS[:4] == ("track_id", "column", "was", "value")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (",genre,jazz,folk\n", "row 2: track_id is empty"),
        ("a,path,x,y\n", "row 2: column=path cannot be corrected"),
        ("a,genre,jazz,folk\na,genre,jazz,soul\n", "row 3: track_id=a, column=genre repeats row 2"),
    ],
)
def test_broken_corrections_say_where(tmp_path: Path, row: str, expected: str) -> None:
    with pytest.raises(CatalogError, match=expected):
        read_corrections(written(tmp_path, "track_id,column,was,value\n" + row, "c.csv"))


def review(folder: Path, rows: str) -> Path:
    return written(folder, "track_id,column,given,suggested,decision,value,reason\n" + rows, "review.csv")


def test_decisions_become_corrections(tmp_path: Path) -> None:
    rows = "a,genre,jazz,folk,Accept,,hm\nb,genre,jazz,folk,,soul;funk,\n"
    rows += "c,genre,jazz,folk,keep,,\nd,genre,jazz,folk,,,\n"
    found = read_review(
        review(tmp_path, rows + "e,genre,jazz,folk,remove,,\nf,genre,jazz,folk,,jazz,\n"), "ann", "now"
    )
    assert found.corrections == (
        Correction("a", "genre", "jazz", "folk", "hm", "ann", "now"),
        Correction("b", "genre", "jazz", "soul;funk", "", "ann", "now"),
        Correction("e", "genre", "jazz", "", "", "ann", "now"),
    )
    assert (found.kept, found.undecided) == (2, 1), "to write the label that is there is to keep it"


def test_a_review_that_nobody_filled_in(tmp_path: Path) -> None:
    found = read_review(review(tmp_path, "a,genre,jazz,folk,,,\n"), "", "")
    assert (found.corrections, found.kept, found.undecided) == ((), 0, 1)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            "a,genre,jazz,folk,perhaps,,\n",
            "row 2: decision=perhaps is not a decision. Write keep, accept, remove",
        ),
        ("a,genre,jazz,folk,keep,soul,\n", "row 2: value=soul is given in addition to a decision"),
        ("a,genre,jazz,,accept,,\n", "row 2: decision=accept accepts a suggestion, and there is none"),
        (
            "a,genre,jazz,folk,,soul,\nb,genre,,,,,\na,genre,jazz,folk,,funk,\n",
            "row 4: track_id=a is decided on in an",
        ),
        ("a,track_id,jazz,folk,,soul,\n", "row 2: column=track_id cannot be corrected"),
    ],
)
def test_a_wrong_review_says_where(tmp_path: Path, rows: str, expected: str) -> None:
    with pytest.raises(CatalogError, match=expected):
        read_review(review(tmp_path, rows), "", "")


def test_later_decisions_go_on_from_earlier_ones() -> None:
    earlier = [Correction("a", "genre", "jazz", "folk"), Correction("b", "genre", "x", "y")]
    from_the_source = Correction("a", "genre", "jazz", "soul")
    from_the_corrected = Correction("a", "genre", "folk", "soul")
    for later in (from_the_source, from_the_corrected):
        assert merge_corrections(earlier, [later]) == (from_the_source, earlier[1])
    assert merge_corrections(earlier, [Correction("a", "genre", "folk", "jazz")]) == (earlier[1],), (
        "taken back"
    )
    with pytest.raises(
        CatalogError, match="genre was 'jazz' and is corrected to 'folk' already; the review knows it as"
    ):
        merge_corrections(earlier, [Correction("a", "genre", "waltz", "soul")])


def test_a_corrected_catalog_elsewhere_finds_its_audio(tmp_path: Path) -> None:
    source = written(tmp_path / "here", ROWS)
    catalog = apply_corrections(read_catalog(source), [Correction("a", "genre", "jazz; soul", "folk")])
    for output in (source.parent / "corrected.csv", tmp_path / "there" / "corrected.parquet"):
        write_corrected(catalog, source, output)
        again = read_catalog(output)
        assert [path.resolve() for path in again.audio_paths()] == [
            path.resolve() for path in catalog.audio_paths()
        ]
        assert again.values("genre") == [("folk",), ()]
        assert cell_text(again, "a", "year") == "1965" and cell_text(again, "a", "duration") == "13.23"
    assert source.read_text() == ROWS


def test_a_catalog_with_an_audio_folder_keeps_leading_there(tmp_path: Path) -> None:
    source = written(tmp_path / "here", "track_id,path,audio_folder,genre\na,a.mp3,music,jazz\n")
    catalog = read_catalog(source)
    for output in (source.parent / "corrected.csv", tmp_path / "there" / "corrected.csv"):
        write_corrected(catalog, source, output)
        assert read_catalog(output).audio_paths() == [tmp_path / "here" / "music" / "a.mp3"]


def test_the_source_is_never_overwritten(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "catalog.csv")
    for output in (tmp_path / "catalog.csv", tmp_path / "." / "catalog.csv", tmp_path / "link.csv"):
        with pytest.raises(CatalogError, match="is the source, which stays as it is"):
            write_corrected(catalog, tmp_path / "catalog.csv", output)
    assert (tmp_path / "catalog.csv").read_text() == ROWS


MESSY = (
    '\ufeff"track_id";path;genre ;"year";007;note\r\n'
    "\r\n"
    '"a";"a b.mp3"; jazz;1985.0;007;"say ""hi""; twice"\r\n'
    "b;b.mp3;'rock';1985,00;1e5; spaced \r\n"
    ";;;;;\r\n"
    'c;c.mp3;"pop";;TRUE;"two\r\nlines"'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("preamble", ["", "sep=;\r\n"])
def test_untouched_cells_stay_byte_for_byte(tmp_path: Path, encoding: str, preamble: str) -> None:
    messy = MESSY.replace("\ufeff", f"\ufeff{preamble}").encode(encoding)
    source, output = tmp_path / "catalog.csv", tmp_path / "corrected.csv"
    source.write_bytes(messy)
    catalog = read_catalog(source)
    write_corrected(catalog, source, output)
    assert output.read_bytes() == messy, "no correction changes no byte"
    corrections = [
        Correction("a", "genre", "jazz", "folk; soul"),
        Correction("c", "genre", "pop", "rock"),
        Correction("c", "year", "", "1999"),
        Correction("b", "note", "spaced", ""),
    ]
    write_corrected(apply_corrections(catalog, corrections), source, output)
    expected = messy.decode(encoding).replace("; jazz;", ';"folk; soul";').replace('"pop";;', '"rock";1999;')
    assert output.read_bytes().decode(encoding) == expected.replace("; spaced ", ";")
    assert source.read_bytes() == messy


def test_a_new_column_comes_last_and_is_all_that_changes(tmp_path: Path) -> None:
    source, output = tmp_path / "catalog.csv", tmp_path / "corrected.csv"
    source.write_bytes(MESSY.encode())
    write_corrected(
        apply_corrections(read_catalog(source), [Correction("b", "mood", "", "calm")]), source, output
    )
    lines = (
        MESSY.replace("note\r", "note;mood\r")
        .replace('twice"', 'twice";')
        .replace(" spaced ", " spaced ;calm")
    )
    assert output.read_bytes().decode() == lines.replace(";;;;;\r", ";;;;;;\r").replace('lines"', 'lines";')


def test_numbers_keep_the_decimal_mark_of_their_column(tmp_path: Path) -> None:
    source = written(tmp_path, "track_id;path;duration\na;a.mp3;13,230\nb;b.mp3;12,5\n")
    catalog = apply_corrections(read_catalog(source), [Correction("b", "duration", "12.5", "14,25")])
    write_corrected(catalog, source, tmp_path / "corrected.csv")
    assert (
        tmp_path / "corrected.csv"
    ).read_text() == "track_id;path;duration\na;a.mp3;13,230\nb;b.mp3;14,25\n"


def test_untouched_columns_of_parquet_keep_types_and_metadata(tmp_path: Path) -> None:
    columns = {
        "track_id": pa.array(["a", "b", "c"], pa.large_string()),
        "path": pa.array(["a", "b", "c"]),
        "genre": pa.array([["jazz"], None, ["pop", "rock"]]),
        "year": pa.array([1985.0, float("nan"), None]),
        "artist": pa.array(["Ann", "Ann", "Bob"]).dictionary_encode(),
        "plays": pa.array([7, None, 9], pa.int16()),
        "info": pa.array([b"1", b"2", None]),
    }
    schema = pa.table(columns).schema.with_metadata({"who": "ann"})
    schema = schema.set(5, schema.field(5).with_metadata({"unit": "plays"}))
    table = pa.table(columns, schema=schema)
    source, output = tmp_path / "catalog.parquet", tmp_path / "corrected.parquet"
    pa.parquet.write_table(table, source, compression="zstd")
    corrections = [
        Correction("b", "genre", "", "folk; soul"),
        Correction("c", "year", "", "1999"),
        Correction("b", "artist", "Ann", "Cid"),
        Correction("a", "mood", "", "calm"),
    ]
    write_corrected(apply_corrections(read_catalog(source), corrections), source, output)
    again = pa.parquet.read_table(output)
    assert again.schema.remove(7).equals(pa.parquet.read_schema(source), check_metadata=True)
    assert again["genre"].to_pylist() == [["jazz"], ["folk", "soul"], ["pop", "rock"]]
    assert again["artist"].to_pylist() == ["Ann", "Cid", "Bob"] and again["mood"].to_pylist() == [
        "calm",
        None,
        None,
    ]
    assert again["year"].to_pylist()[::2] == [1985.0, 1999.0] and np.isnan(again["year"].to_pylist()[1])
    for name in ("track_id", "path", "plays", "info"):
        assert again[name].equals(table[name])
    assert pa.parquet.read_metadata(output).row_group(0).column(0).compression == "ZSTD"
    wrong = apply_corrections(read_catalog(source), [Correction("a", "plays", "7", "many")])
    with pytest.raises(CatalogError, match=r"column plays holds int16, and no such text\. Name an output"):
        write_corrected(wrong, source, output)


def test_a_review_that_a_spreadsheet_saved(tmp_path: Path) -> None:
    source = written(
        tmp_path, "track_id,path,genre,year,duration,live\n007,a.mp3,jazz,1965,12.5,true\n8,b.mp3,,,,\n"
    )
    rows = "8;genre;;folk;;funk;\r\n8;year;;1999,0;ACCEPT;;\r\n"
    content = f"track_id;column;given;suggested;decision;value;reason\r\n{rows}".encode("utf-8-sig")
    (tmp_path / "review.csv").write_bytes(content)
    found = read_review(tmp_path / "review.csv", "ann", "now").corrections
    corrected = apply_corrections(read_catalog(source), found)
    assert corrected.values("genre") == [("jazz",), ("funk",)] and corrected.values("year") == [
        ("1965",),
        ("1999",),
    ]
    saved = [
        Correction("007", "year", "1965.0", "1966.0"),
        Correction("007", "duration", "12,5", "13,5"),
        Correction("007", "live", "TRUE", "FALSE"),
    ]
    corrected = apply_corrections(read_catalog(source), saved)
    assert corrected.values("year")[0] == ("1966",) and corrected.frame["duration"].iloc[0] == 13.5
    assert corrected.values("live")[0] == ("FALSE",)
    with pytest.raises(
        CatalogError, match=r"track_id=7 is not in .*; a spreadsheet may have made it of 007: import"
    ):
        apply_corrections(read_catalog(source), [Correction("7", "genre", "jazz", "soul")])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.text("ab,;\"' \t\r\n", max_size=6), min_size=3, max_size=3), min_size=1, max_size=5),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_any_table_that_can_be_read_is_rewritten_alike(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str, end: str, quoted: bool
) -> None:
    folder = tmp_path_factory.mktemp("cells")
    with (folder / "catalog.csv").open("w", newline="") as file:
        quoting = csv.QUOTE_ALL if quoted or end == "\n" else csv.QUOTE_MINIMAL
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
        writer.writerows(
            [["track_id", "path", "x", "y", "z"], *([f"t{n}", "p", *row] for n, row in enumerate(rows))]
        )
    source, output = folder / "catalog.csv", folder / "corrected.csv"
    catalog = read_catalog(source)
    write_corrected(catalog, source, output)
    assert output.read_bytes() == source.read_bytes()
    corrected = apply_corrections(
        catalog, [Correction("t0", "y", cell_text(catalog, "t0", "y"), 'new; "one",')]
    )
    write_corrected(corrected, source, output)
    pd.testing.assert_frame_equal(read_catalog(output).frame, corrected.frame, check_dtype=False)
