"""Single cells of a table are rewritten, and all else stays as it was.

In a CSV every other byte: order, quotes, separators, line ends, byte order mark, `1985.0` and `007`. In a
Parquet file every other value, and all types and metadata.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from soundkin.catalog.csv_table import CsvFormat, find_format
from soundkin.errors import CatalogError
from soundkin.files import replacing

# By column and row number, as `read_rows` counts; `` empties a cell.
Changes = Mapping[str, Mapping[int, str]]


def write_changed(source: Path, output: Path, changes: Changes) -> None:
    """Copy the table `source` to `output`, of the same suffix, with some cells changed; new columns last."""
    if source.suffix.lower() == ".csv":
        content = _changed_csv(source, changes)
        with replacing(output) as file:
            file.write(content)
    else:
        table = _changed_parquet(source, changes)
        stored = pa.parquet.read_metadata(source)
        codec = stored.row_group(0).column(0).compression if stored.num_row_groups else "SNAPPY"
        with replacing(output) as file:
            pa.parquet.write_table(table, file, compression="NONE" if codec == "UNCOMPRESSED" else codec)


def _changed_csv(path: Path, changes: Changes) -> bytes:
    form = find_format(path, f"table {path}", tuple(changes))
    text = path.read_bytes().decode(form.encoding)[len(form.preamble) :]
    names = [name.strip() for name in form.names]
    added = [column for column in changes if column not in names]
    places = {name: place for place, name in enumerate([*names, *added])}
    pieces = [form.preamble]
    for number, (cells, end) in enumerate(_rows(text, form.delimiter), start=1):
        if cells != [""]:  # not a blank line
            cells += added if number == form.header_row else [""] * len(added)
            for column, by_row in changes.items():
                if number in by_row:
                    cells[places[column]] = _quoted(by_row[number], cells[places[column]], form)
        pieces += [form.delimiter.join(cells), end]
    return "".join(pieces).encode(form.encoding)


def _rows(text: str, delimiter: str) -> Iterator[tuple[list[str], str]]:
    """The cells of each row as they are written, quotes and all, and the line end after them."""
    mark = re.escape(delimiter)
    pattern = re.compile(rf'((?:"(?:[^"]|"")*")?[^{mark}\r\n]*)({mark}|\r\n|\r|\n|\Z)')
    cells: list[str] = []
    for cell in pattern.finditer(text):
        if cell.start() == len(text) and not cells:
            return
        cells.append(cell[1])
        if cell[2] != delimiter:
            yield cells, cell[2]
            cells = []


def _quoted(value: str, before: str, form: CsvFormat) -> str:
    """A value as a cell, in quotes or with a decimal comma if it needs them or the cell had some."""
    if form.delimiter != "," and re.fullmatch(r'"?[+-]?\d+,\d+"?', before):
        value = re.sub(r"^([+-]?\d+)\.(\d+)$", r"\1,\2", value)
    if value and (before.startswith('"') or re.search(rf'[{re.escape(form.delimiter)}"\r\n]', value)):
        return '"' + value.replace('"', '""') + '"'
    return value


def _changed_parquet(path: Path, changes: Changes) -> pa.Table:
    table = pa.parquet.read_table(path)
    for column, cells in changes.items():
        if column not in table.column_names:
            table = table.append_column(column, pa.nulls(len(table), pa.string()))
        place = table.column_names.index(column)
        field, values = table.schema.field(place), table[column].to_pylist()
        try:
            for row, text in cells.items():
                values[row - 2] = _value(text, field.type)
            table = table.set_column(place, field, pa.array(values, field.type))
        except pa.ArrowException as error:
            hint = f"Name an output that ends in .csv ({str(error).splitlines()[0]})"
            raise CatalogError(
                f"table {path}: column {column} holds {field.type}, and no such text. {hint}."
            ) from error
    return table


def _value(text: str, kind: pa.DataType) -> object:
    """A cell's text as a value of a Parquet column."""
    if not text:
        return None
    if pa.types.is_dictionary(kind):
        return _value(text, kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [_value(part.strip(), kind.value_type) for part in text.split(";") if part.strip()]
    return pa.scalar(text).cast(kind).as_py()
