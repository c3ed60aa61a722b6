"""`soundkin path`."""

from collections.abc import Sequence
from typing import Annotated, Any

from soundkin.cli.answer_table import AS_JSON, COLUMNS, cells_to_read, label, print_answers
from soundkin.cli.verbs import command_of
from soundkin.pipelines.path import path


@command_of(path)
def command(
    columns: Annotated[Sequence[str] | None, COLUMNS] = None,
    as_json: Annotated[bool, AS_JSON] = False,
    **options: Any,
) -> None:
    tracks = path(**options, columns=cells_to_read(columns, as_json))
    start, end = (label(track) for track in (tracks[0], tracks[-1]))
    print_answers(f"from {start} to {end}", tracks, columns, as_json)
