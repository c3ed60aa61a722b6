"""CSV files: how they are written, by their first bytes and lines, and their cells as text.

Spreadsheets save CSV in the manner of their country: cells separated by commas, semicolons or tabs, named or
not in a first line such as `sep=;`, in UTF-8 with or without a byte order mark, or in UTF-16.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from soundkin.errors import CatalogError

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SEPARATOR_LINE = re.compile(r'\A"?sep=(.)"?[ \t]*(\r\n|\r|\n)', re.IGNORECASE)
HEADER_BYTES = 1 << 20
NOT_TEXT = "is not a text table in UTF-8. Save it from the spreadsheet as `CSV UTF-8`."
NO_ROWS = "has no rows below its header. Add at least one."


@dataclass(frozen=True)
class CsvFormat:
    """`preamble` is the text before the first row (byte order mark, `sep=;`), decoded."""

    encoding: str
    preamble: str
    delimiter: str
    names: tuple[str, ...]
    header_row: int  # counted from 1; blank lines above it count, as in a spreadsheet


def find_format(path: Path, source: str, required: Sequence[str]) -> CsvFormat:
    """How the file is written; the delimiter is the one by which the header has most `required` columns."""
    with path.open("rb") as file:
        start = file.read(HEADER_BYTES)
    encoding = _encoding(start)
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    content = codecs.getincrementaldecoder(encoding)(errors).decode(start)
    preamble = "\ufeff" if content.startswith("\ufeff") else ""
    separator = SEPARATOR_LINE.match(content[len(preamble) :])
    if separator:
        preamble += separator[0]
    body = content[len(preamble) :]
    headers: dict[str, tuple[int, list[str]]] = {}
    try:
        for mark in separator[1] if separator else DELIMITERS:
            headers[mark] = next((row for row in _rows(body, mark) if row[1]), (1, []))
    except csv.Error as error:
        raise CatalogError(f"{source} {NOT_TEXT}") from error

    def fit(mark: str) -> tuple[int, int]:
        names = headers[mark][1]
        return len({name.strip() for name in names} & set(required)), len(names)

    delimiter = max(headers, key=fit)  # of equals the first, a comma
    row, names = headers[delimiter]
    if re.search("[\0\ufffd\ud800-\udfff]", "".join(names)):  # what cannot be decoded is one of these
        raise CatalogError(f"{source} {NOT_TEXT}")
    if not any(names) or not re.search(r"[\r\n]", body.lstrip()):
        raise CatalogError(f"{source} {NO_ROWS}")
    return CsvFormat(encoding, preamble, delimiter, tuple(names), row)


def read_csv(path: Path, source: str, form: CsvFormat) -> pa.Table:
    """All columns as text, one row a line below the header, blank lines too."""
    places = [str(place) for place in range(len(form.names))]  # a name may be there twice
    plain = form.encoding == "utf-8" and form.preamble in ("", "\ufeff")
    try:
        return pa.csv.read_csv(
            path if plain else io.BytesIO(_text(path, form).encode(errors="surrogateescape")),
            # One thread reads a million rows in half a second, and knows the number of a ragged row.
            pa.csv.ReadOptions(use_threads=False, column_names=places, skip_rows_after_names=form.header_row),
            pa.csv.ParseOptions(delimiter=form.delimiter, newlines_in_values=True, ignore_empty_lines=False),
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except OSError as error:
        raise CatalogError(f"{source} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise CatalogError(f"{source} {NOT_TEXT}") from error
    except pa.ArrowInvalid as error:
        raise CatalogError(f"{source}{_explain(path, form, str(error))}") from error


def _encoding(start: bytes) -> str:
    """UTF-16 with a byte order mark or, without one, by the zero byte of its first letter; else UTF-8."""
    if start.startswith(codecs.BOM_UTF16_LE) or (len(start) > 1 and start[0] and not start[1]):
        return "utf-16-le"
    if start.startswith(codecs.BOM_UTF16_BE) or (len(start) > 1 and not start[0] and start[1]):
        return "utf-16-be"
    return "utf-8"


def _rows(body: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with their numbers; blank ones are empty."""
    return enumerate(csv.reader(io.StringIO(body, newline=""), delimiter=delimiter), start=1)


def _text(path: Path, form: CsvFormat) -> str:
    """All below the preamble; bytes that are not UTF-8 as surrogates."""
    errors = "surrogateescape" if form.encoding == "utf-8" else "strict"
    return path.read_bytes().decode(form.encoding, errors)[len(form.preamble) :]


def _explain(path: Path, form: CsvFormat, complaint: str) -> str:
    """What pyarrow's complaint means to the person who wrote the table."""
    if "UTF8" in complaint:
        return _explain_encoding(path, form)
    if "Empty CSV" in complaint:
        return f" {NO_ROWS}"
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", complaint)
    if ragged:
        row, expected, got = ragged.groups()
        marks = DELIMITERS.get(form.delimiter, repr(form.delimiter))
        hint = f"Put cells that hold {marks} or line ends in double quotes, and close every quote."
        return f", row {row}: {got} cells, and the header has {expected}. {hint}"
    return f" cannot be read as CSV: {complaint.splitlines()[0]}."


def _explain_encoding(path: Path, form: CsvFormat) -> str:
    """Name the first cell that is not UTF-8."""
    try:
        for number, row in _rows(_text(path, form), form.delimiter):
            for name, cell in zip(form.names, row, strict=False):
                if re.search("[\udc80-\udcff]", cell):
                    shown = cell.encode(errors="surrogateescape").decode(errors="replace")
                    hint = "Save it from the spreadsheet as `CSV UTF-8`."
                    return f", row {number}: {name.strip()}={shown!r} is not UTF-8. {hint}"
    except csv.Error:  # a cell longer than Python's reader takes
        pass
    return f" {NOT_TEXT}"
