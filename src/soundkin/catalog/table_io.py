"""Tables of text cells, read from CSV or Parquet, and errors that name the cell at fault.

A cell is a string without surrounding white space, or missing (NaN) where it is empty; only `path` keeps its
spaces, since file names may have some. Tables are indexed by the row number that a spreadsheet shows: the
header is row 1, and blank rows count, although they are left out.
"""

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import ArrayLike

from soundkin.catalog.csv_table import NO_ROWS, find_format, read_csv
from soundkin.errors import CatalogError
from soundkin.files import replacing

log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".parquet")
TEXT_SUFFIXES = (".csv", ".tsv")  # of tables that are read
LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view)
DECIMAL_COMMA = r"^([+-]?\d*),(\d+)$"


def read_rows(path: Path, source: str, required: Sequence[str]) -> pd.DataFrame:
    """Read a CSV or TSV (as spreadsheets save it: `csv_table`) or Parquet file, list columns joined by `;`.

    In a CSV whose cells are not separated by commas, `3,5` is the number 3.5 where a whole column is numbers.
    `source` opens every message: `catalog music/tracks.csv`. Raises CatalogError if the file is absent,
    empty, not a table, ragged or not UTF-8, or lacks a `required` column.
    """
    _check_is_file(path, source)
    decimal_comma, first_row = False, 2
    if path.suffix.lower() in TEXT_SUFFIXES:
        form = find_format(path, source, required)
        names = [name.strip() for name in form.names]
        decimal_comma, first_row = form.delimiter != ",", form.header_row + 1
        _check_names(names, source, required)
        table = read_csv(path, source, form)
    else:
        check_suffix(path, source)
        try:
            table = pa.parquet.read_table(path)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise CatalogError(f"{source} is not a Parquet file that can be read: {reason}") from error
        names = table.column_names
        _check_names(names, source, required)
    pairs = zip(names, table.columns, strict=True)
    columns = [(name, _text(column, name, source, first_row)) for name, column in pairs]
    # Spreadsheets save rows and columns that were emptied as separators.
    kept = [(name, column) for name, column in columns if name or column.null_count < len(column)]
    arrow = pa.table([column for _, column in kept], names=[name for name, _ in kept])
    frame: pd.DataFrame = arrow.to_pandas(ignore_metadata=True)
    frame.index = pd.RangeIndex(first_row, first_row + len(frame))
    blank = frame.isna().all(axis="columns").to_numpy(bool)
    if blank.any():
        frame = frame[~blank]
    if frame.empty:
        raise CatalogError(f"{source} {NO_ROWS}")
    return _with_decimal_points(frame) if decimal_comma else frame


def write_rows(frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` as CSV or Parquet, by the suffix of `path`; the file is whole or unchanged."""
    check_suffix(path, "table")
    if path.suffix.lower() == ".csv":
        with replacing(path, "w") as file:
            # A lone carriage return ends a row for most readers, and csv leaves it bare.
            texts = frame.select_dtypes(["object", "string", "category"])
            returns = any(texts[name].astype("str").str.contains("\r").any() for name in texts)
            quoting: Literal[0, 1] = csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
            frame.to_csv(file, index=False, lineterminator="\n", quoting=quoting)
    else:
        with replacing(path) as file:
            pa.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), file)


def read_remembered(path: Path, columns: Sequence[str]) -> dict[str, str]:
    """A table of two columns that `write_remembered` wrote; empty where there is none, or it cannot be read.

    For what can be found out again.
    """
    try:
        frame = read_rows(path, f"table {path}", required=columns) if path.exists() else pd.DataFrame()
    except CatalogError:
        return {}
    return dict(zip(*(frame[name] for name in columns), strict=True)) if len(frame) else {}


def write_remembered(remembered: Mapping[str, str], path: Path, columns: Sequence[str]) -> None:
    """Write a table of two columns."""
    write_rows(pd.DataFrame(list(remembered.items()), columns=list(columns)), path)


def check_suffix(path: Path, source: str) -> None:
    """Raise CatalogError unless `path` ends as a table does."""
    if path.suffix.lower() not in SUFFIXES:
        raise CatalogError(
            f"{source}: {path.name!r} ends in {path.suffix!r}. Use a file ending in .csv or .parquet."
        )


def reject_rows(
    frame: pd.DataFrame, source: str, column: str, bad: ArrayLike, problem: str, hint: str
) -> None:
    """Raise CatalogError about the first row marked in `bad` ([rows]), if any, by its index in `frame`."""
    rows = np.flatnonzero(np.asarray(bad, dtype=bool))
    if not len(rows):
        return
    cell = frame[column].iloc[rows[0]]
    shown = column if pd.isna(cell) else f"{column}={_shown(cell)}"
    more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
    raise CatalogError(f"{source}, row {frame.index[rows[0]]}: {shown} {problem}{more}. {hint}")


def reject_empty(frame: pd.DataFrame, source: str, column: str) -> None:
    """Raise CatalogError where a required cell is missing."""
    reject_rows(frame, source, column, frame[column].isna(), "is empty", "Fill it in, or delete the row.")


def reject_repeats(frame: pd.DataFrame, source: str, columns: list[str], hint: str) -> None:
    """Raise CatalogError naming both rows where two rows have the same values in `columns`."""
    repeats = np.flatnonzero(frame.duplicated(columns))
    if len(repeats):
        repeat = frame[columns].iloc[repeats[0]]
        same = (frame[columns].eq(repeat) | (frame[columns].isna() & repeat.isna())).all(axis="columns")
        cells = ", ".join(f"{column}={_shown(repeat[column])}" for column in columns)
        rows = f"row {frame.index[repeats[0]]}: {cells} repeats row {frame.index[same][0]}"
        raise CatalogError(f"{source}, {rows}. {hint}")


def merge_repeats(
    frame: pd.DataFrame, source: str, columns: list[str], among: ArrayLike = True
) -> pd.DataFrame:
    """Drop the rows marked in `among` ([rows]) that repeat `columns` of an earlier one, and log how many."""
    repeats = frame.duplicated(columns).to_numpy(bool) & among
    if repeats.any():
        message = "%s: merged %d of %d rows, which repeat an earlier one, the first of them row %d"
        log.warning(message, source, repeats.sum(), len(frame), frame.index[repeats][0])
    return frame[~repeats]


def to_numbers(cells: "pd.Series[str]", decimal_comma: bool) -> "pd.Series[float]":
    """Text cells as finite float64, NaN where they hold no number."""
    text = cells.str.replace(DECIMAL_COMMA, r"\1.\2", regex=True) if decimal_comma else cells
    values = pd.to_numeric(text, errors="coerce").astype("float64")
    return values.where(np.isfinite(values))


def number_of(text: str) -> float | None:
    """The number that one cell holds, with a decimal point or comma; None if it holds none."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _shown(cell: object) -> str:
    """A cell on one line of a message, however long or odd."""
    text = str(cell)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _check_is_file(path: Path, source: str) -> None:
    if path.is_dir():
        tables = [path / name for name in ("catalog.csv", "tracks.csv") if (path / name).is_file()]
        example = f": {tables[0]}" if tables else ""
        raise CatalogError(f"{source} is a folder. Name the table itself{example}.")
    if not path.exists():
        made = f"; `soundkin scan MUSIC -o {path}` makes a catalog" if source.startswith("catalog ") else ""
        raise CatalogError(f"{source} does not exist. Check the name{made}.")
    if not path.is_file():
        raise CatalogError(f"{source} is not a regular file. Name a .csv or .parquet file.")
    if path.stat().st_size == 0:
        raise CatalogError(f"{source} is empty. It needs a header row and rows below it.")


def _check_names(names: Sequence[str], source: str, required: Sequence[str]) -> None:
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise CatalogError(f"{source}, row 1: column {twice[0]} appears twice. Rename or delete one.")
    missing = [column for column in required if column not in names]
    if missing:
        header = ", ".join(map(repr, names))
        raise CatalogError(
            f"{source}: no column {', '.join(missing)}. Its header row has {header}: name it so there."
        )


def _with_decimal_points(frame: pd.DataFrame) -> pd.DataFrame:
    """Decimal commas become points in columns of numbers alone; `to_numbers` reads other ones."""
    frame.attrs["decimal_comma"] = True
    for column in frame:
        cells = frame[column].dropna()
        if cells.str.fullmatch(r"[+-]?\d*,\d+|[+-]?\d+").all() and cells.str.contains(",").any():
            frame[column] = frame[column].str.replace(DECIMAL_COMMA, r"\1.\2", regex=True)
    return frame


def _text(column: pa.ChunkedArray, name: str, source: str, first_row: int) -> pa.ChunkedArray:
    """One column as trimmed strings, null where only white space, or no number (NaN), is left."""
    kind = column.type
    try:
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        if any(is_kind(kind) for is_kind in LISTS):
            rows = [
                None
                if cells is None
                else [cell for cell in cells if cell is not None and cell == cell]  # no NaN
                for cells in column.to_pylist()
            ]
            lists = pa.array(rows, pa.list_(kind.value_type)).cast(pa.list_(pa.string()))
            column = pa.chunked_array([pc.binary_join(lists, ";")])
        elif pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column.cast(pa.float64())), None, column)
        column = column.cast(pa.string())
    except pa.ArrowException as error:
        raise CatalogError(f"{source}: column {name} holds {kind}. Turn it into text or numbers.") from error
    nul = pc.index(pc.match_substring(column, "\0"), pa.scalar(True)).as_py()
    if nul >= 0:
        raise CatalogError(f"{source}, row {nul + first_row}: {name} holds a NUL character. Delete it.")
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), None, column if name == "path" else trimmed)
