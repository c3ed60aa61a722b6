"""How a CSV file is written, found out from its first bytes and lines, and its cells as text.

Spreadsheets save CSV in the manner of their country: cells apart by commas, semicolons or tabs, said or not
in a first line such as `sep=;`, in UTF-8 with or without a byte order mark, or in UTF-16.
"""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from soundkin.errors import CatalogError

DELIMITERS = ",;\t|"
SEPARATOR_LINE = re.compile(r'\A"?sep=(.)"?[ \t]*(\r\n|\r|\n)', re.IGNORECASE)
HEADER_BYTES = 1 << 20
SAVE_AS = "Save it from the spreadsheet as `CSV UTF-8`."


@dataclass(frozen=True)
class CsvFormat:
    """`preamble` is what stands before the first row (byte order mark, `sep=;`), decoded."""

    encoding: str
    preamble: str
    delimiter: str
    names: tuple[str, ...]
    header_row: int  # counted from 1; blank lines above it count, as in a spreadsheet
    empty: bool  # there is nothing but the header

    @property
    def plain(self) -> bool:
        """Whether the bytes can be parsed as they are."""
        return self.encoding == "utf-8" and self.preamble in ("", "\ufeff")


def find_format(path: Path, source: str, required: Sequence[str]) -> CsvFormat:
    """How the file is written; among the delimiters the one by which the header has most of the `required`
    columns.

    Raises:
        CatalogError: it is no text table in UTF-8 or UTF-16.
    """
    with path.open("rb") as file:
        start = file.read(HEADER_BYTES)
    encoding = _encoding(start)
    text = codecs.getincrementaldecoder(encoding)(
        errors="surrogateescape" if encoding == "utf-8" else "replace"
    )
    content = text.decode(start)
    preamble = "\ufeff" if content.startswith("\ufeff") else ""
    said = SEPARATOR_LINE.match(content[len(preamble) :])
    if said:
        preamble += said[0]
    body = content[len(preamble) :]
    headers = {mark: _header(body, mark, source) for mark in ([said[1]] if said else DELIMITERS)}

    def fit(mark: str) -> tuple[int, int]:
        names = headers[mark][1]
        return len({name.strip() for name in names} & set(required)), len(names)

    delimiter = max(headers, key=fit)  # of equals the first, a comma
    row, names = headers[delimiter]
    _check_text(names, source)
    return CsvFormat(
        encoding, preamble, delimiter, tuple(names), row, not re.search(r"[\r\n]", body.lstrip())
    )


def read_csv(path: Path, source: str, form: CsvFormat, encoding_checked: bool = True) -> pa.Table:
    """All columns as text, one row a line below the header, blank lines too; as bytes if the encoding is not
    checked.

    Raises:
        CatalogError: the file is ragged, not in its encoding, or has no row below the header.
    """
    kind = pa.string() if encoding_checked else pa.binary()
    if form.empty:
        raise no_rows(source)
    places = [str(place) for place in range(len(form.names))]  # names may be there twice
    try:
        return pa.csv.read_csv(
            path if form.plain else io.BytesIO(_utf8_body(path, source, form)),
            # One thread reads a million rows in half a second, and knows the number of a ragged row.
            pa.csv.ReadOptions(use_threads=False, column_names=places, skip_rows_after_names=form.header_row),
            pa.csv.ParseOptions(delimiter=form.delimiter, newlines_in_values=True, ignore_empty_lines=False),
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(places, kind), strings_can_be_null=True, null_values=[""]
            ),
        )
    except OSError as error:
        raise CatalogError(f"{source} cannot be read: {error.strerror or error}.") from error
    except pa.ArrowInvalid as error:
        raise _explain_parsing(path, source, form, str(error)) from error


def no_rows(source: str) -> CatalogError:
    """The complaint about a header with nothing below it."""
    return CatalogError(f"{source} has no rows below its header. Add at least one.")


def _encoding(start: bytes) -> str:
    """UTF-16 with a byte order mark or, without one, by the zero byte of its first letter; else UTF-8."""
    if start.startswith(codecs.BOM_UTF16_LE) or (len(start) > 1 and start[0] and not start[1]):
        return "utf-16-le"
    if start.startswith(codecs.BOM_UTF16_BE) or (len(start) > 1 and not start[0] and start[1]):
        return "utf-16-be"
    return "utf-8"


def _header(body: str, delimiter: str, source: str) -> tuple[int, list[str]]:
    """The row number and the cells of the first row that is not blank."""
    try:
        rows = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter)
        return next(((number, row) for number, row in enumerate(rows, start=1) if row), (1, []))
    except csv.Error as error:
        raise _not_text(source) from error


def _check_text(names: Sequence[str], source: str) -> None:
    header = "".join(names)
    if not header:
        raise no_rows(source)
    if re.search("[\0\ufffd\ud800-\udfff]", header):  # what cannot be decoded is one of these
        raise _not_text(source)


def _utf8_body(path: Path, source: str, form: CsvFormat) -> bytes:
    try:
        text = path.read_bytes().decode(form.encoding)
    except UnicodeDecodeError as error:
        if form.encoding != "utf-8":
            raise _not_text(source) from error
        return path.read_bytes()[
            len(form.preamble.encode()) :
        ]  # the cell that is off is found when it is parsed
    return text[len(form.preamble) :].encode()


def _explain_parsing(path: Path, source: str, form: CsvFormat, complaint: str) -> CatalogError:
    """What pyarrow's complaint means to the person who wrote the table."""
    if "UTF8" in complaint:
        return _explain_encoding(path, source, form)
    if "Empty CSV" in complaint:
        return no_rows(source)
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", complaint)
    if ragged:
        row, expected, got = ragged.groups()
        mark = {",": "commas", ";": "semicolons", "\t": "tabs"}.get(form.delimiter, repr(form.delimiter))
        mend = f"Put cells that hold {mark} or line ends in double quotes, and close every quote"
        return CatalogError(f"{source}, row {row}: {got} cells, and the header has {expected}. {mend}.")
    return CatalogError(f"{source} cannot be read as CSV: {complaint.splitlines()[0]}.")


def _explain_encoding(path: Path, source: str, form: CsvFormat) -> CatalogError:
    """Read again as bytes, to find the cell that is not UTF-8."""
    table = read_csv(path, source, form, encoding_checked=False)
    for place, name in enumerate(form.names):
        for row, cell in enumerate(table[place].to_pylist(), start=form.header_row + 1):
            try:
                (cell or b"").decode()
            except UnicodeDecodeError:
                shown = cell.decode(errors="replace")
                return CatalogError(f"{source}, row {row}: {name.strip()}={shown!r} is not UTF-8. {SAVE_AS}")
    return _not_text(source)


def _not_text(source: str) -> CatalogError:
    return CatalogError(f"{source} is not a text table in UTF-8. {SAVE_AS}")
