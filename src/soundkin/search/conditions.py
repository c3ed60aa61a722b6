"""Conditions on tracks, such as `genre=rock` or `year>=1990`, as masks over the columns of the tracks table.

`=` asks whether one of the values in a cell (`pop; rock` holds two) is the given one, whatever the case of
its letters; in a column of numbers 1990 and 1990.0 are one. `genre=` asks for tracks without a genre.
`artist=Ann & Bob` asks for tracks that both have a part in, however spelled (`catalog/artists.py`). `!=` is
everything that `=` leaves out.

`<`, `<=`, `>`, `>=` compare numbers with a number, ISO dates with a date or a year (2001-05-31 < 2001-06-01),
and other text with text. One of several values in a cell is enough. An empty cell is neither less nor more,
and nor is one that is no number (no date) where numbers (dates) are compared: a warning says how many of
these were left out.
"""

import logging
import operator as operators
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.catalog.artists import artist_key, no_artist_keys, split_credit
from soundkin.config import nearest
from soundkin.errors import UsageError
from soundkin.search.numbers import (
    is_date,
    is_date_or_year,
    is_number,
    is_other_number,
    is_year,
    number,
    same_number,
)
from soundkin.search.tracks import artist_keys, shown_columns
from soundkin.shapes import Bool, Int

log = logging.getLogger(__name__)

BLANK = r"[\x09-\x0d\x1c-\x20\x85\p{Z}]"  # what str.strip takes away

COMPARE = {"<": operators.lt, "<=": operators.le, ">": operators.gt, ">=": operators.ge}
COMPARE_COLUMN = {"=": pc.equal, "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal}


@dataclass(frozen=True)
class Condition:
    """`column operator value`, operator being one of = != < <= > >=."""

    column: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.column}{self.operator}{self.value}"


def parse_condition(text: str) -> Condition:
    """`year >= 1990` as a condition.

    Raises:
        UsageError: there is no operator, or nothing before it.
    """
    match = re.fullmatch(r"\s*([^<>=!\s][^<>=!]*?)\s*(!=|<=|>=|==|=|<|>)\s*(.*?)\s*", text, re.DOTALL)
    if match is None:
        raise UsageError(
            f"--where {text!r} is not a condition. Write one such as genre=rock or 'year>=1990'."
        )
    column, operator, value = match.groups()
    return Condition(column, operator.replace("==", "="), value)


def mask_where(tracks: pa.RecordBatch, conditions: Iterable[Condition]) -> Bool[np.ndarray, " tracks"]:
    """Which tracks meet all conditions.

    Raises:
        UsageError: a column is unknown (names the nearest), or holds numbers (dates) and the value is none.
    """
    mask = np.ones(len(tracks), dtype=bool)
    for condition in conditions:
        if condition.column not in shown_columns(tracks):
            known = nearest(condition.column, shown_columns(tracks))
            raise UsageError(f"--where {condition}: there is no column {condition.column}.{known}")
        mask &= _mask(tracks, condition)
    return mask


def mask_any(column: pa.Array, values: Collection[str]) -> Bool[np.ndarray, " tracks"]:
    """Which cells of a text column hold one of `values`, whatever the case of its letters."""
    return _per_distinct(column, lambda cells: _holds(cells, values))


def _mask(tracks: pa.RecordBatch, condition: Condition) -> Bool[np.ndarray, " tracks"]:
    if condition.operator == "!=":
        return ~_mask(tracks, Condition(condition.column, "=", condition.value))
    column = tracks.column(condition.column)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _mask_of_numbers(column, condition)
    if condition.operator != "=":
        return _compared(column, condition)
    if condition.column == "artist" and (wanted := _wanted_artists(tracks, condition.value)):
        keys = artist_keys(tracks)
        return np.asarray(np.logical_and.reduce([mask_any(keys, [key]) for key in wanted]))
    return np.asarray(mask_any(column, [condition.value]) | _same_number(column, condition.value))


def _wanted_artists(tracks: pa.RecordBatch, credit: str) -> list[str]:
    """The keys of all artists that a credit names; none where it names nobody, such as Various Artists."""
    known = {key for cell in artist_keys(tracks).unique().to_pylist() for key in cell.split(";")}
    keys = dict.fromkeys(artist_key(name) for name in split_credit(credit, known))
    return [key for key in keys if key not in no_artist_keys()]


def _mask_of_numbers(column: pa.Array, condition: Condition) -> Bool[np.ndarray, " tracks"]:
    if condition.operator == "=" and not condition.value:
        return _as_numpy(pc.is_null(column, nan_is_null=True))
    wanted = number(condition.value)
    if wanted is None:
        raise UsageError(
            f"--where {condition}: {condition.column} holds numbers, and {condition.value!r} is none."
        )
    compare = COMPARE_COLUMN[condition.operator]
    if pa.types.is_integer(column.type) and abs(wanted) < 2**63 and wanted == int(wanted):
        return _as_numpy(compare(column, int(wanted)))  # as a float it would lose digits
    if pa.types.is_integer(column.type):
        column = column.cast(pa.float64(), safe=False)
    return _as_numpy(compare(column, pa.scalar(float(wanted), column.type)))


@dataclass(frozen=True)
class _Cells:
    """The distinct cells of a text column, the values in each, and which of them each track has."""

    cells: list[str]
    values: list[list[str]]
    places: Int[np.ndarray, " tracks"]

    @classmethod
    def of(cls, column: pa.Array) -> "_Cells":
        if pa.types.is_dictionary(column.type):
            cells, places = column.dictionary.to_pylist(), column.indices.to_numpy()
        else:
            cells, places = column.to_pylist(), np.arange(len(column))
        values = [[value for value in map(str.strip, (cell or "").split(";")) if value] for cell in cells]
        return cls([cell or "" for cell in cells], values, places)

    def where(self, test: Callable[[str], object]) -> Bool[np.ndarray, " tracks"]:
        """The tracks of which a value passes."""
        return np.asarray(
            np.array([any(map(test, values)) for values in self.values], dtype=bool)[self.places]
        )

    def count(self, test: Callable[[str], object] = bool) -> int:
        """How many tracks have a value that passes."""
        return int(self.where(test).sum())


@dataclass(frozen=True)
class _Kind:
    """What is compared: whether a value can be, and by what."""

    name: str
    fits: Callable[[str], bool]
    key: Callable[[str], Any]


NUMBERS = _Kind("number", is_number, number)
DATES = _Kind("date", is_date_or_year, lambda value: value.replace("T", " "))


def _compared(column: pa.Array, condition: Condition) -> Bool[np.ndarray, " tracks"]:
    """By number, by date, or as text, whichever the value and the cells are."""
    found = _Cells.of(column)
    compare, value = COMPARE[condition.operator], condition.value
    kind = _kind(found, condition)
    if kind is None:
        passes = np.array([bool(cell) and compare(cell, value) for cell in found.cells], dtype=bool)
        return np.asarray(passes[found.places])
    odd = [
        cell
        for cell, values in zip(found.cells, found.values, strict=True)
        if values and not any(map(kind.fits, values))
    ]
    if odd:
        log.warning(
            "--where %s: %d of %d tracks have no %s in %s (such as %r), and are left out",
            condition, found.count() - found.count(kind.fits), len(column), kind.name, condition.column, odd[0],
        )  # fmt: skip
    wanted = kind.key(value)
    return found.where(lambda cell: kind.fits(cell) and compare(kind.key(cell), wanted))


def _kind(found: _Cells, condition: Condition) -> _Kind | None:
    """What to compare the cells of a column as; None for text.

    Raises:
        UsageError: the value is no number (no date) and the column holds these, or the other way round.
    """
    value, known, dates = condition.value, found.count(), found.count(is_date)
    asked = f"--where {condition}: {condition.column} holds"
    if is_date(value) or (is_year(value) and dates > found.count(is_other_number)):
        kind = DATES
    elif is_number(value):
        kind = NUMBERS
    elif 2 * found.count(is_number) > known:
        raise UsageError(f"{asked} numbers, and {value!r} is none. Compare with one such as 120.")
    elif 2 * dates > known:
        raise UsageError(f"{asked} dates, and {value!r} is none. Compare with one such as 2001-05-31.")
    else:
        return None
    if known and not found.count(kind.fits):
        raise UsageError(
            f"{asked} no {kind.name}s, so it cannot be compared with {value!r}. Ask for a value by `=`."
        )
    return kind


def _same_number(column: pa.Array, value: str) -> Bool[np.ndarray, " tracks"]:
    """Which cells hold the number `value`, written in whatever way, in a column mostly of numbers."""
    if not is_number(value):
        return np.zeros(len(column), dtype=bool)
    found = _Cells.of(column)
    if 2 * found.count(is_number) <= found.count():
        return np.zeros(len(column), dtype=bool)
    return found.where(lambda cell: same_number(cell, value))


def _holds(cells: pa.Array, values: Collection[str]) -> pa.BooleanArray:
    choices = "|".join(re.escape(value) for value in values if value)
    holding = rf"(^|;){BLANK}*({choices}){BLANK}*(;|$)"
    empty = rf"^({BLANK}|;)*$"
    patterns = [holding] * bool(choices) + [empty] * ("" in values)
    return pc.match_substring_regex(cells, "|".join(patterns), ignore_case=True)


def _per_distinct(
    column: pa.Array, test: Callable[[pa.Array], pa.BooleanArray]
) -> Bool[np.ndarray, " tracks"]:
    """Run `test` once for each distinct value where the column knows them."""
    if pa.types.is_dictionary(column.type):
        per_value = _as_numpy(test(column.dictionary))
        return np.asarray(per_value[column.indices.to_numpy()])
    return _as_numpy(test(column))


def _as_numpy(mask: pa.BooleanArray) -> Bool[np.ndarray, " tracks"]:
    found: np.ndarray = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return found
