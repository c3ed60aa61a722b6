"""Conditions on tracks, such as `genre=rock` or `year>=1990`, as masks over the columns of the tracks table.

`=` asks whether one of the values in a cell (`pop; rock` holds two) is the given one, whatever the case of its letters;
`genre=` asks for tracks without a genre. `!=` is everything that `=` leaves out. `<`, `<=`, `>`, `>=` compare numbers
where cell and value are numbers, and text otherwise (2001-05-31 < 2001-06-01); an empty cell is neither less nor more.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.config import nearest
from soundkin.errors import UsageError
from soundkin.shapes import Bool

BLANK = r"[\x09-\x0d\x1c-\x20\x85\p{Z}]"  # what str.strip takes away

COMPARE: dict[str, Callable[[pa.Array, pa.Scalar], pa.BooleanArray]] = {
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


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
        raise UsageError(f"--where {text!r} is not a condition. Write one such as genre=rock or 'year>=1990'.")
    column, operator, value = match.groups()
    return Condition(column, operator.replace("==", "="), value)


def mask_where(tracks: pa.RecordBatch, conditions: Iterable[Condition]) -> Bool[np.ndarray, " tracks"]:
    """Which tracks meet all conditions.

    Raises:
        UsageError: a column is unknown (names the nearest), or holds numbers and the value is none.
    """
    mask = np.ones(len(tracks), dtype=bool)
    for condition in conditions:
        if condition.column not in tracks.schema.names:
            known = nearest(condition.column, tracks.schema.names)
            raise UsageError(f"--where {condition}: there is no column {condition.column}.{known}")
        mask &= _mask(tracks.column(condition.column), condition)
    return mask


def mask_any(column: pa.Array, values: Collection[str]) -> Bool[np.ndarray, " tracks"]:
    """Which cells of a text column hold one of `values`, whatever the case of its letters."""
    return _per_distinct(column, lambda cells: _holds(cells, values))


def _mask(column: pa.Array, condition: Condition) -> Bool[np.ndarray, " tracks"]:
    if condition.operator == "!=":
        return ~_mask(column, Condition(condition.column, "=", condition.value))
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _mask_of_numbers(column, condition)
    if condition.operator == "=":
        return mask_any(column, [condition.value])
    return _per_distinct(column, lambda cells: _compare_text(cells, condition))


def _mask_of_numbers(column: pa.Array, condition: Condition) -> Bool[np.ndarray, " tracks"]:
    if condition.operator == "=" and not condition.value:
        return _as_numpy(pc.is_null(column, nan_is_null=True))
    number = _number(condition.value)
    if number is None:
        raise UsageError(f"--where {condition}: {condition.column} holds numbers, and {condition.value!r} is none.")
    return _as_numpy(COMPARE.get(condition.operator, pc.equal)(column, number))


def _compare_text(cells: pa.Array, condition: Condition) -> pa.BooleanArray:
    filled = pc.if_else(pc.equal(cells, ""), None, cells)
    number = _number(condition.value)
    if number is not None:
        try:
            return COMPARE[condition.operator](filled.cast(pa.float64()), number)
        except pa.ArrowInvalid:  # some cell is no number
            pass
    return COMPARE[condition.operator](filled, pa.scalar(condition.value, cells.type))


def _holds(cells: pa.Array, values: Collection[str]) -> pa.BooleanArray:
    choices = "|".join(re.escape(value) for value in values if value)
    holding = rf"(^|;){BLANK}*({choices}){BLANK}*(;|$)"
    empty = rf"^({BLANK}|;)*$"
    patterns = [holding] * bool(choices) + [empty] * ("" in values)
    return pc.match_substring_regex(cells, "|".join(patterns), ignore_case=True)


def _per_distinct(column: pa.Array, test: Callable[[pa.Array], pa.BooleanArray]) -> Bool[np.ndarray, " tracks"]:
    """Run `test` once for each distinct value where the column knows them."""
    if pa.types.is_dictionary(column.type):
        per_value = _as_numpy(test(column.dictionary))
        return np.asarray(per_value[column.indices.to_numpy()])
    return _as_numpy(test(column))


def _as_numpy(mask: pa.BooleanArray) -> Bool[np.ndarray, " tracks"]:
    found: np.ndarray = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
