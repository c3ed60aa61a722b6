"""`soundkin recommend`."""

from collections.abc import Sequence
from typing import Annotated, Any

from soundkin.cli.answer_table import AS_JSON, COLUMNS, cells_to_read, print_answers
from soundkin.cli.verbs import command_of
from soundkin.pipelines.recommend import recommend


@command_of(recommend)
def command(
    columns: Annotated[Sequence[str] | None, COLUMNS] = None,
    as_json: Annotated[bool, AS_JSON] = False,
    **options: Any,
) -> None:
    answers = recommend(**options, columns=cells_to_read(columns, as_json))
    print_answers(f"for {options['user'] or options['history']}", answers, columns, as_json)
