"""Tables of text cells, read from CSV or Parquet, and errors that point at the cell that is off.

A cell is a string without surrounding white space, or missing (NaN) where it is empty; only `path` keeps its spaces,
since file names may have some. Rows count as in a spreadsheet: the header is row 1, and blank lines do not count.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import ArrayLike

from soundkin.errors import CatalogError
from soundkin.files import replacing

SUFFIXES = (".csv", ".parquet")


def read_rows(path: Path, source: str, required: Sequence[str]) -> pd.DataFrame:
    """Read a CSV (UTF-8, with or without a byte order mark) or Parquet file as text, list columns joined by `;`.

    `source` opens every message: `catalog music/tracks.csv`.

    Raises:
        CatalogError: the file is absent, empty, not a table, ragged or not UTF-8, or lacks a required column.
    """
    _check_is_file(path, source)
    check_suffix(path, source)
    table = _read_csv(path, source) if path.suffix.lower() == ".csv" else _read_parquet(path, source)
    twice = [name for name in table.column_names if table.column_names.count(name) > 1]
    if twice:
        raise CatalogError(f"{source}, row 1: column {twice[0]} stands there twice. Rename or delete one.")
    missing = [column for column in required if column not in table.column_names]
    if missing:
        found = ", ".join(map(repr, table.column_names))
        raise CatalogError(f"{source}: no column {', '.join(missing)}. Its header row has {found}: name it so there.")
    columns = [_text(table[name], name, source) for name in table.column_names]
    frame: pd.DataFrame = pa.table(columns, names=table.column_names).to_pandas(ignore_metadata=True)
    if frame.empty:
        raise _no_rows(source)
    return frame


def write_rows(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` as CSV or Parquet, by the suffix of `path`; the file is whole or unchanged.

    Raises:
        CatalogError: another suffix.
        OutputError: the folder cannot be written, or the disk is full.
    """
    check_suffix(path, "table")
    if path.suffix.lower() == ".csv":
        # The writer quotes a carriage return only where lines end in one.
        texts = (frame[name].astype("str") for name in frame.select_dtypes(exclude="number"))
        line_end = "\r\n" if any(text.str.contains("\r", regex=False).any() for text in texts) else "\n"
        with replacing(path, "w") as file:
            frame.to_csv(file, index=False, lineterminator=line_end)
    else:
        with replacing(path) as file:
            pa.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), file)


def check_suffix(path: Path, source: str) -> None:
    """Raise CatalogError unless `path` ends as a table does."""
    if path.suffix.lower() not in SUFFIXES:
        raise CatalogError(f"{source}: {path.name!r} ends in {path.suffix!r}. Use a file ending in .csv or .parquet.")


def refuse(frame: pd.DataFrame, source: str, column: str, bad: ArrayLike, problem: str, mend: str) -> None:
    """Raise CatalogError about the first row marked in `bad` ([rows]), if any; `{}` in `problem` is the cell."""
    rows = np.flatnonzero(np.asarray(bad, dtype=bool))
    if not len(rows):
        return
    cell = frame[column].iloc[rows[0]]
    shown = column if pd.isna(cell) else f"{column}={_shown(cell)}"
    more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
    raise CatalogError(f"{source}, row {rows[0] + 2}: {shown} {problem}{more}. {mend}")


def refuse_empty(frame: pd.DataFrame, source: str, column: str) -> None:
    """Raise CatalogError where a required cell is missing."""
    refuse(frame, source, column, frame[column].isna(), "is empty", "Fill it in, or delete the row.")


def refuse_repeats(frame: pd.DataFrame, source: str, columns: list[str], mend: str) -> None:
    """Raise CatalogError naming both rows where the same values stand in `columns` twice."""
    repeats = np.flatnonzero(frame.duplicated(columns))
    if not len(repeats):
        return
    again = repeats[0]
    cells_again = frame[columns].iloc[again]
    same = frame[columns].eq(cells_again) | (frame[columns].isna() & cells_again.isna())
    first = int(np.flatnonzero(same.all(axis="columns"))[0])
    cells = ", ".join(f"{column}={_shown(cells_again[column])}" for column in columns)
    raise CatalogError(f"{source}, row {again + 2}: {cells} stands in row {first + 2} already. {mend}")


def numbers(frame: pd.DataFrame, source: str, column: str, problem: str, mend: str) -> "pd.Series[float]":
    """The column as finite float64, NaN where missing.

    Raises:
        CatalogError: a cell is not a finite number.
    """
    values = pd.to_numeric(frame[column], errors="coerce").astype("float64")
    refuse(frame, source, column, frame[column].notna() & ~np.isfinite(values), problem, mend)
    return values


def _shown(cell: object) -> str:
    """A cell on one line of a message, however long or odd."""
    text = str(cell)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _check_is_file(path: Path, source: str) -> None:
    if path.is_dir():
        inside = [name for name in ("catalog.csv", "tracks.csv") if (path / name).is_file()]
        raise CatalogError(f"{source} is a folder. Name the table itself{f': {path / inside[0]}' if inside else ''}.")
    if not path.exists():
        made = f"; `soundkin scan MUSIC -o {path}` makes a catalog" if source.startswith("catalog ") else ""
        raise CatalogError(f"{source} does not exist. Check the name{made}.")
    if not path.is_file():
        raise CatalogError(f"{source} is not a regular file. Name a .csv or .parquet file.")
    if path.stat().st_size == 0:
        raise CatalogError(f"{source} is empty. It needs a header row and rows below it.")


def _read_csv(path: Path, source: str, encoding_checked: bool = True) -> pa.Table:
    """All columns as text; as bytes when the encoding is not to be checked."""
    kind = pa.string() if encoding_checked else pa.binary()
    try:
        names = _header(path, source)
        table = pa.csv.read_csv(
            path,
            # One thread reads a million rows in half a second, and knows the number of a ragged row.
            pa.csv.ReadOptions(use_threads=False),
            pa.csv.ParseOptions(newlines_in_values=True),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(names, kind), strings_can_be_null=True, null_values=[""]),
        )
    except OSError as error:
        raise CatalogError(f"{source} cannot be read: {error.strerror or error}.") from error
    except pa.ArrowInvalid as error:
        raise _explain_parsing(path, source, str(error)) from error
    return table.rename_columns([name.strip() for name in names])


def _header(path: Path, source: str) -> list[str]:
    """The names in the first row that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            names = next((row for row in csv.reader(file) if row), [])
        "".join(names).encode()
    except (UnicodeEncodeError, csv.Error) as error:
        raise _not_text(source) from error
    if any("\0" in name for name in names):
        raise _not_text(source)
    return names


def _explain_parsing(path: Path, source: str, complaint: str) -> CatalogError:
    """What pyarrow's complaint means to the person who wrote the table."""
    if "UTF8" in complaint:
        return _explain_encoding(path, source)
    if "Empty CSV" in complaint:
        return _no_rows(source)
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", complaint)
    if ragged:
        row, expected, got = ragged.groups()
        mend = "Put cells that hold commas or line ends in double quotes, and close every quote"
        return CatalogError(f"{source}, row {row}: {got} cells, and the header has {expected}. {mend}.")
    return CatalogError(f"{source} cannot be read as CSV: {complaint.splitlines()[0]}.")


def _no_rows(source: str) -> CatalogError:
    return CatalogError(f"{source} has no rows below its header. Add at least one.")


def _not_text(source: str) -> CatalogError:
    return CatalogError(f"{source} is not a text table in UTF-8. Save it from the spreadsheet as `CSV UTF-8`.")


def _explain_encoding(path: Path, source: str) -> CatalogError:
    """Read again as bytes, to find the cell that is not UTF-8."""
    table = _read_csv(path, source, encoding_checked=False)
    for name in table.column_names:
        for row, cell in enumerate(table[name].to_pylist()):
            try:
                (cell or b"").decode()
            except UnicodeDecodeError:
                place = f"{source}, row {row + 2}: {name}={cell.decode(errors='replace')!r}"
                return CatalogError(f"{place} is not UTF-8. Save it from the spreadsheet as `CSV UTF-8`.")
    return _not_text(source)


def _read_parquet(path: Path, source: str) -> pa.Table:
    try:
        return pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise CatalogError(f"{source} is not a Parquet file that can be read: {str(error).splitlines()[0]}") from error


def _text(column: pa.ChunkedArray, name: str, source: str) -> pa.ChunkedArray:
    """One column as trimmed strings, null where nothing but white space is left."""
    try:
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            column = pc.binary_join(column.cast(pa.list_(pa.string())), ";")
        column = column.cast(pa.string())
    except pa.ArrowException as error:
        raise CatalogError(f"{source}: column {name} holds {column.type}. Turn it into text or numbers.") from error
    nul = pc.index(pc.match_substring(column, "\0"), pa.scalar(True)).as_py()
    if nul >= 0:
        raise CatalogError(f"{source}, row {nul + 2}: {name} holds a NUL character. Delete it.")
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), None, column if name == "path" else trimmed)
