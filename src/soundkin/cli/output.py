"""How results look: a table or JSON on stdout; what was skipped, on stderr and in the exit code."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from soundkin.errors import Skipped

SOME_SKIPPED = 3
SHOWN = 10


def print_json(value: Any) -> None:
    """Print plain values as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; numbers are aligned to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for place, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[place]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = 160  # a pipe has no width; do not fold what a program reads
    console.print(table)


def print_rows(title: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows that name their columns; a row may lack some."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    print_table(title, columns, [[row.get(column, "") for column in columns] for row in rows])


def list_files(what: str, items: Sequence[Skipped]) -> None:
    """Say on stderr what is off with files, the first `SHOWN` of them by name."""
    for item in items[:SHOWN]:
        click.echo(f"{what} {item.path}: {item.reason}", err=True)
    if len(items) > SHOWN:
        click.echo(f"... and {len(items) - SHOWN} more", err=True)


def end(skipped: Sequence[Skipped], allow_skipped: bool = False) -> int:
    """List skipped files on stderr and give the exit code: 3 when there are any, unless that is allowed, else 0."""
    list_files("skipped", skipped)
    if skipped:
        click.echo(f"soundkin: done, but {len(skipped)} file(s) were skipped", err=True)
    return SOME_SKIPPED if skipped and not allow_skipped else 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
