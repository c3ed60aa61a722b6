"""Conditions on tracks, such as `genre=rock` or `year>=1990`, as masks over the columns of the tracks table.

`=` asks whether a value of the cell (`pop; rock` holds two) is the given one, ignoring case; in a column of
numbers 1990 and 1990.0 are equal. `genre=` asks for tracks without a genre. `artist=Ann & Bob` asks for
tracks that both have a part in, however spelled (`catalog/artists.py`). `!=` is all the rest.

`<`, `<=`, `>`, `>=` compare numbers with a number, ISO dates with a date or a year, and other text with text;
one of several values in a cell is enough. An empty cell is neither less nor more, nor is one without a number
(a date) where numbers (dates) are compared: a warning says how many of these were left out.
"""

import logging
import operator
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.catalog.artists import artist_key, no_artist_keys, split_credit
from soundkin.config import nearest
from soundkin.errors import UsageError
from soundkin.search.tracks import artist_keys, is_numeric, shown_columns
from soundkin.shapes import Bool

log = logging.getLogger(__name__)

CONDITION = re.compile(r"\s*([^<>=!\s][^<>=!]*?)\s*(!=|<=|>=|==|=|<|>)\s*(.*?)\s*", re.DOTALL)
BLANK = r"[\x09-\x0d\x1c-\x20\x85\p{Z}]"  # what str.strip takes away

# Each operator on Python values, and on a column of numbers.
OPERATORS: dict[str, tuple[Callable[[Any, Any], bool], Callable[[pa.Array, Any], pa.BooleanArray]]] = {
    "=": (operator.eq, pc.equal),
    "<": (operator.lt, pc.less),
    "<=": (operator.le, pc.less_equal),
    ">": (operator.gt, pc.greater),
    ">=": (operator.ge, pc.greater_equal),
}

PLAIN_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?(?:0,\d+|\d+,(?!\d{3}$)\d+)")
CODE = re.compile(r"[+-]?0\d")  # 007 is another than 7
ISO_DATE = re.compile(r"\d{4}-\d\d(?:-\d\d(?:[T ]\d\d:?\d\d.*)?)?")
YEAR = re.compile(r"\d{4}")


@dataclass(frozen=True)
class Condition:
    """`column operator value`, the operator being one of = != < <= > >=."""

    column: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.column}{self.operator}{self.value}"


def parse_condition(text: str) -> Condition:
    """`year >= 1990` as a condition; raises UsageError where there is no operator, or nothing before it."""
    match = CONDITION.fullmatch(text)
    if match is None:
        raise UsageError(f"--where {text!r} is not a condition. Write one: genre=rock or 'year>=1990'.")
    return Condition(match[1], match[2].replace("==", "="), match[3])


def mask_where(tracks: pa.RecordBatch, conditions: Iterable[Condition]) -> Bool[np.ndarray, " tracks"]:
    """Which tracks meet all conditions; raises UsageError for an unknown column or an unfit value."""
    mask = np.ones(len(tracks), dtype=bool)
    for condition in conditions:
        if condition.column not in shown_columns(tracks):
            known = nearest(condition.column, shown_columns(tracks))
            raise UsageError(f"--where {condition}: there is no column {condition.column}.{known}")
        mask &= _mask(tracks, condition)
    return mask


def mask_any(column: pa.Array, values: Collection[str]) -> Bool[np.ndarray, " tracks"]:
    """Which cells of a text column hold one of `values`, ignoring case."""
    choices = "|".join(re.escape(value) for value in values if value)
    holding = rf"(^|;){BLANK}*({choices}){BLANK}*(;|$)"
    empty = rf"^({BLANK}|;)*$"
    pattern = "|".join([holding] * bool(choices) + [empty] * ("" in values))
    if not pa.types.is_dictionary(column.type):
        return _as_numpy(pc.match_substring_regex(column, pattern, ignore_case=True))
    per_cell = _as_numpy(pc.match_substring_regex(column.dictionary, pattern, ignore_case=True))
    return np.asarray(
        np.take(per_cell, np.asarray(np.from_dlpack(column.indices)))
    )  # half the time of indexing


def number(text: str) -> Decimal | None:
    """What a cell such as ` 120 `, `1e3`, `-inf` or `120,5` says; None where it is no number.

    `1,200` is none: it may be a thousand and more, or one and a fifth. Nor is `nan`.
    """
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not PLAIN_NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond all bounds
        return None


def _mask(tracks: pa.RecordBatch, condition: Condition) -> Bool[np.ndarray, " tracks"]:
    if condition.operator == "!=":
        return ~_mask(tracks, replace(condition, operator="="))
    column = tracks.column(condition.column)
    if is_numeric(column.type):
        return _compare_numbers(column, condition)
    if condition.operator != "=":
        return _compare_text(column, condition)
    if condition.column == "artist" and (wanted := _wanted_artists(tracks, condition.value)):
        masks = [mask_any(artist_keys(tracks), [key]) for key in wanted]
        return np.asarray(np.logical_and.reduce(masks))
    mask = mask_any(column, [condition.value])
    if NUMBER.fits(condition.value):
        cells = _Cells(column)
        if 2 * cells.count(NUMBER.fits) > cells.count():
            mask |= cells.where(lambda value: _same_number(value, condition.value))
    return mask


def _wanted_artists(tracks: pa.RecordBatch, credit: str) -> list[str]:
    """The keys of all artists that a credit names; none where it names nobody, such as Various Artists."""
    known = {key for cell in artist_keys(tracks).unique().to_pylist() for key in cell.split(";")}
    keys = dict.fromkeys(artist_key(name) for name in split_credit(credit, known))
    return [key for key in keys if key not in no_artist_keys()]


def _same_number(cell: str, value: str) -> bool:
    """Whether two texts say the same number: 1990 and 1990.0, but not 7 and 007."""
    is_code = CODE.match(cell) or CODE.match(value)
    return not is_code and number(cell) == number(value)


def _compare_numbers(column: pa.Array, condition: Condition) -> Bool[np.ndarray, " tracks"]:
    if condition.operator == "=" and not condition.value:
        return _as_numpy(pc.is_null(column, nan_is_null=True))
    wanted = number(condition.value)
    if wanted is None:
        name, value = condition.column, condition.value
        raise UsageError(f"--where {condition}: {name} holds numbers, and {value!r} is none.")
    compare = OPERATORS[condition.operator][1]
    if pa.types.is_integer(column.type):
        if abs(wanted) < 2**63 and wanted == int(wanted):
            return _as_numpy(compare(column, int(wanted)))  # as a float it would lose digits
        column = column.cast(pa.float64(), safe=False)
    return _as_numpy(compare(column, pa.scalar(float(wanted), column.type)))


@dataclass(frozen=True)
class ValueKind:
    """What values of a text column are compared as: which of them fit, and the key that orders them."""

    name: str
    example: str
    fits: Callable[[str], Any]
    key: Callable[[str], Any]


NUMBER = ValueKind("number", "120", lambda value: number(value) is not None, number)
DATE = ValueKind(
    "date",
    "2001-05-31",
    lambda value: ISO_DATE.fullmatch(value) or YEAR.fullmatch(value),
    lambda value: value.replace("T", " "),
)
TEXT = ValueKind("text", "", bool, str)


class _Cells:
    """The values in each distinct cell of a text column, and which of these cells each track has."""

    def __init__(self, column: pa.Array) -> None:
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        cells = [(cell or "").split(";") for cell in encoded.dictionary.to_pylist()]
        self.values = [[value for value in map(str.strip, cell) if value] for cell in cells]
        self._cell_of_track = np.asarray(np.from_dlpack(encoded.indices))

    def where(self, test: Callable[[str], Any]) -> Bool[np.ndarray, " tracks"]:
        """The tracks of which a value passes."""
        passes = [any(map(test, values)) for values in self.values]
        return np.asarray(np.take(np.array(passes, dtype=bool), self._cell_of_track))

    def count(self, test: Callable[[str], Any] = bool) -> int:
        """How many tracks have a value that passes."""
        return int(self.where(test).sum())


def _compare_text(column: pa.Array, condition: Condition) -> Bool[np.ndarray, " tracks"]:
    """By number, by date, or as text, whichever the value and the cells are."""
    cells = _Cells(column)
    kind = _kind(cells, condition)
    odd = [values[0] for values in cells.values if values and not any(map(kind.fits, values))]
    if odd:
        left_out = cells.count() - cells.count(kind.fits)
        log.warning(
            "--where %s: %d of %d tracks have no %s in %s (such as %r), and are left out",
            condition, left_out, len(column), kind.name, condition.column, odd[0],
        )  # fmt: skip
    compare, wanted = OPERATORS[condition.operator][0], kind.key(condition.value)
    return cells.where(lambda value: kind.fits(value) and compare(kind.key(value), wanted))


def _kind(cells: _Cells, condition: Condition) -> ValueKind:
    """What to compare a column as; raises UsageError where its cells and the value are of two kinds."""
    value, filled, dates = condition.value, cells.count(), cells.count(ISO_DATE.fullmatch)
    holds = f"--where {condition}: {condition.column} holds"
    if NUMBER.fits(value) or DATE.fits(value):
        other_numbers = cells.count(lambda cell: NUMBER.fits(cell) and not YEAR.fullmatch(cell))
        as_date = ISO_DATE.fullmatch(value) or (YEAR.fullmatch(value) and dates > other_numbers)
        kind = DATE if as_date else NUMBER
        if filled and not cells.count(kind.fits):
            advice = "Ask for a value by `=`."
            raise UsageError(f"{holds} no {kind.name}s, so it cannot be compared with {value!r}. {advice}")
        return kind
    for kind, count in ((NUMBER, cells.count(NUMBER.fits)), (DATE, dates)):
        if 2 * count > filled:
            advice = f"Compare with one such as {kind.example}."
            raise UsageError(f"{holds} {kind.name}s, and {value!r} is none. {advice}")
    return TEXT


def _as_numpy(mask: pa.BooleanArray) -> Bool[np.ndarray, " tracks"]:
    if mask.null_count:
        mask = pc.fill_null(mask, False)
    numbers = mask.cast(pa.uint8())  # mask.to_numpy() would import pandas
    return np.asarray(np.from_dlpack(numbers).astype(bool))
