"""The columns of tables that people bring, described once, and the reader that checks cells against them.

Every rejected cell is named by file, row, column and value, with what to do about it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from soundkin.catalog.table_io import read_rows, reject_empty, reject_rows, to_numbers
from soundkin.catalog.times import read_times, read_unix_seconds
from soundkin.errors import CatalogError

if TYPE_CHECKING:
    from soundkin.catalog.table import Catalog

log = logging.getLogger(__name__)

YEAR = r"^([12]\d{3})(?:[.,]0*)?$"
ISO_DATE = r"[12]\d{3}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])(?:[T ]\d{2}:.*)?)?"


@dataclass(frozen=True)
class Column:
    """One column: `required` columns have to be there, and no cell of a `filled` one may be empty.

    A `number` becomes float64, a `year` Int64, a `time` datetime64[ns, UTC] and a `unix_time` float64
    seconds; a `choice` is one of `choices`; `text` may be anything. Empty cells are missing values.
    `problem` and `hint` say what is wrong with another cell, and what to do.
    """

    name: str
    kind: Literal["text", "number", "year", "time", "unix_time", "choice"] = "text"
    required: bool = False
    filled: bool = False
    choices: tuple[str, ...] = ()
    minimum: float = -inf
    maximum: float = inf
    problem: str = "is not a number"
    hint: str = "Correct it, or leave the cell empty."

    def parse(self, cells: "pd.Series[str]", decimal_comma: bool = False) -> pd.Series:
        """Text cells as values of this kind (but for times), missing where they do not fit."""
        if self.kind == "number":
            return to_numbers(cells, decimal_comma)
        if self.kind == "year":
            return years_of(cells)
        return cells.where(cells.isin(self.choices)) if self.kind == "choice" else cells


def id_columns(*names: str) -> tuple[Column, ...]:
    """Text columns that are required and filled, such as ids."""
    return tuple(Column(name, required=True, filled=True) for name in names)


def read_table(
    path: Path, source: str, columns: Sequence[Column], different: Sequence[str] = ()
) -> pd.DataFrame:
    """Read a CSV or Parquet file, and check and convert its `columns`; further ones stay text.

    No row may hold the same id in two of the columns in `different`. Row numbers are the index.
    """
    frame = read_rows(path, source, [column.name for column in columns if column.required])
    for column in columns:
        if column.name in frame:
            frame[column.name] = _checked(frame, source, column)
    for first, second in combinations(different, 2):
        hint = f"Name {len(different)} different tracks, or delete the row."
        reject_rows(frame, source, second, frame[first] == frame[second], f"is the {first} too", hint)
    return frame


def _checked(frame: pd.DataFrame, source: str, column: Column) -> pd.Series:
    if column.filled:
        reject_empty(frame, source, column.name)
    if column.kind == "time":
        return read_times(frame, source, column.name)
    if column.kind == "unix_time":
        return read_unix_seconds(frame, source, column.name)
    values = column.parse(frame[column.name], bool(frame.attrs.get("decimal_comma")))
    bad = frame[column.name].notna() & values.isna()
    reject_rows(frame, source, column.name, bad, column.problem, column.hint)
    if column.kind == "number":
        low, high = column.minimum, column.maximum
        beyond = f"is below {low:g}" if high == inf else f"is not from {low:g} to {high:g}"
        reject_rows(frame, source, column.name, (values < low) | (values > high), beyond, column.hint)
    return values


def years_of(cells: "pd.Series[str]") -> "pd.Series[int]":
    """Years from 1000 to 2999 in text cells, as Int64: `1999`, `1999.0` or an ISO date; else missing."""
    text = cells.astype("str")
    years = text.str.extract(YEAR, expand=False)
    dated = text.str.fullmatch(ISO_DATE).fillna(False).astype(bool)
    years[dated] = text[dated].str[:4]
    return pd.to_numeric(years).astype("Int64")


def keep_known(frame: pd.DataFrame, source: str, ids: list[str], catalog: "Catalog") -> pd.DataFrame:
    """The rows whose `ids` are all in the catalog, at least one; the log says how many are left out."""
    known = frame[ids].isin(set(catalog.track_ids)).all(axis="columns").to_numpy(bool)
    if not known.any():
        cells = ", ".join(f"{column}={frame[column].iloc[0]}" for column in ids)
        hint = catalog.id_hint(str(frame[ids[0]].iloc[0])) or ". Use its track_id"
        where = f"row {frame.index[0]} has {cells}{hint}"
        raise CatalogError(f"{source}: no row is about tracks of {catalog.source}; {where}.")
    if not known.all():
        message = "%s: left out %d of %d rows, about tracks that %s lacks, the first in row %d"
        log.warning(message, source, (~known).sum(), len(frame), catalog.source, frame.index[~known][0])
    return frame[known].reset_index(drop=True)
