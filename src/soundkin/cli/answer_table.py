"""How answers of a query or a recommendation look: which columns, as a table or as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundkin.cli.output import print_json, print_table

if TYPE_CHECKING:
    from soundkin.pipelines.answers import Answer

DEFAULT = ("rank", "score", "artist", "title")
OWN = ("rank", "score", "track_id", "title", "artist", "path")  # of an answer, whatever the catalog holds

columns_option = click.option(
    "--columns",
    metavar="COLUMN,...",
    help=f"Columns to show: {', '.join(OWN)}, and all that the catalog has. Default: {','.join(DEFAULT)}.",
)


def chosen(columns: str | None) -> list[str]:
    """The columns to show, in the order given."""
    return [name.strip() for name in columns.split(",") if name.strip()] if columns else []


def cells_to_read(names: Sequence[str], as_json: bool) -> list[str] | None:
    """Which columns of the catalog are wanted: all of them in JSON."""
    return None if as_json else [name for name in names if name not in OWN]


def print_answers(
    title: str, answers: Sequence["Answer"], names: Sequence[str] = (), as_json: bool = False
) -> None:
    """Print answers; without `names` by default columns, each answer on a line, a track without a title by
    its file.
    """
    if as_json:
        print_json([asdict(answer) for answer in answers])
        return
    rows = [[_cell(answer, name, titled=not names) for name in names or DEFAULT] for answer in answers]
    if rows:
        print_table(title, names or DEFAULT, rows, shorten=not names)


def _cell(answer: "Answer", name: str, titled: bool) -> str:
    if name == "score":
        return f"{answer.score:.3f}"
    if name == "title" and titled:
        return answer.title or Path(answer.path).name
    value = getattr(answer, name) if name in OWN else answer.catalog[name]
    return "" if value is None else str(value)
