"""Tables that fit a width: text folds or is shortened, and where that is not enough a further table follows.

A number is never cut, nor torn from the interval's brackets behind it: `[0.74, 0.89]` stays on one line.
"""

import re
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

GAP = 2  # spaces between columns
LONGEST_WORD = 16  # a longer word may be folded, unless it is a number
SHORTEST = 6  # what is shortened keeps this width at least
UNIT = re.compile(r"\S*\[[-+.,%\d ]*\]\S*|\S+")  # a word, or an interval in brackets
NUMBER = re.compile(r"[-+(]?\.?\d[^A-Za-z]*")


def lay_out(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    shorten: bool = False,
    unicode: bool = True,
) -> list[list[str]]:
    """The lines of the table, header first and then a rule; of several tables if one is wider than `width`.

    Long text is folded, or with `shorten` ends in an ellipsis. Tables after the first repeat the leading
    columns of text, which say what a row is about.
    """
    cells = [[columns[place], *(row[place] for row in rows)] for place in range(len(columns))]
    widest = [max(map(cell_len, column)) for column in cells]
    least = [min(wide, _least_width(column, shorten)) for wide, column in zip(widest, cells, strict=True)]
    style = _Style(shorten, unicode, folding=False)
    if not columns or _total(widest) <= width:
        return [_lines(cells, widest, style)]
    style = _Style(shorten, unicode, folding=not shorten)
    return [
        _lines(
            [cells[i] for i in part], _fit([widest[i] for i in part], [least[i] for i in part], width), style
        )
        for part in _parts(cells, least, width)
    ]


class _Style:
    """How cells look: shortened or folded, and by which signs."""

    def __init__(self, shorten: bool, unicode: bool, folding: bool) -> None:
        self.shorten, self.folding = shorten, folding
        self.rule, self.ellipsis = ("─", "…") if unicode else ("-", "...")


def is_number(cell: str) -> bool:
    """Whether a cell is a figure, with or without its interval."""
    return NUMBER.fullmatch(cell) is not None


def _least_width(column: Sequence[str], shorten: bool) -> int:
    if shorten and not _is_numeric(column):
        return SHORTEST
    units = [unit for cell in column for unit in UNIT.findall(cell)]
    return max(
        (cell_len(u) if is_number(u) or "[" in u else min(cell_len(u), LONGEST_WORD) for u in units),
        default=1,
    )


def _parts(cells: Sequence[Sequence[str]], least: Sequence[int], width: int) -> list[list[int]]:
    """The columns of each table: leading columns of text, and as many others as there is room for."""
    values = [place for place, column in enumerate(cells) if place and _is_numeric(column)]
    keys = list(range(values[0] if values else 1))
    while len(keys) > 1 and _total([least[i] for i in keys]) > width // 2:
        keys.pop()
    parts = [list(keys)]
    for place in range(len(keys), len(cells)):
        full = _total([least[i] for i in [*parts[-1], place]]) > width
        if full and len(parts[-1]) > len(keys):
            parts.append(list(keys))
        parts[-1].append(place)
    return parts


def _is_numeric(column: Sequence[str]) -> bool:
    """Whether all cells below the header that hold anything are figures, and some are."""
    filled = [cell for cell in column[1:] if cell]
    return bool(filled) and all(map(is_number, filled))


def _fit(widest: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Widths between `least` and `widest`: the widest columns give first."""
    widths = list(widest)
    while _total(widths) > width:
        giving = [place for place in range(len(widths)) if widths[place] > least[place]]
        if not giving:
            break
        widths[max(giving, key=lambda place: widths[place])] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _lines(cells: Sequence[Sequence[str]], widths: Sequence[int], style: _Style) -> list[str]:
    right = [_is_numeric(column) for column in cells]
    header, *rows = zip(*cells, strict=True) if cells else [()]
    rule = (" " * GAP).join(style.rule * width for width in widths)
    blocks = [_row(row, widths, right, style) for row in rows]
    tall = any(len(block) > 1 for block in blocks)  # a blank line between rows of several lines
    below = [line for block in blocks for line in ([""] * (tall and block is not blocks[0]) + block)]
    folded_header = _row(header, widths, right, _Style(False, True, folding=True))
    return [*folded_header, rule, *below]


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], style: _Style) -> list[str]:
    """One row of the table, in as many lines as its tallest cell."""
    columns = [_cell(cell, width, style) for cell, width in zip(cells, widths, strict=True)]
    height = max(map(len, columns), default=1)
    lines = []
    for line in range(height):
        parts = [column[line] if line < len(column) else "" for column in columns]
        padded = [_pad(*cell) for cell in zip(parts, widths, right, strict=True)]
        lines.append((" " * GAP).join(padded).rstrip())
    return lines


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _cell(cell: str, width: int, style: _Style) -> list[str]:
    if cell_len(cell) <= width:
        return [cell]
    if style.shorten and not is_number(cell):
        room = max(1, width - len(style.ellipsis))
        return [set_cell_size(cell, room).rstrip() + style.ellipsis]
    return _fold(cell, width)


def _fold(cell: str, width: int) -> list[str]:
    """Lines of at most `width`, broken between words, and inside a word that is longer than a line."""
    lines = [""]
    for unit in UNIT.findall(cell):
        joined = f"{lines[-1]} {unit}".strip()
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        lines += [unit] if lines[-1] else []
        lines[-1] = unit
        while cell_len(lines[-1]) > width and not is_number(unit) and "[" not in unit:
            head = set_cell_size(lines[-1], width).rstrip() or lines[-1][0]
            head = head[: max(map(head.rfind, "-_/.")) + 1] or head
            lines[-1:] = [head, lines[-1][len(head) :]]
    return lines
