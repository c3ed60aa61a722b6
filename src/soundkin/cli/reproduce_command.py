"""`soundkin reproduce`."""

from typing import Annotated, Any

from soundkin.cli.output import end, note, print_json, print_rows, say
from soundkin.cli.verbs import command_of
from soundkin.experiments.reproduce import reproduce
from soundkin.pipelines.options import Option


@command_of(reproduce)
def command(json: Annotated[bool, Option("JSON instead of a table.")] = False, **options: Any) -> int:
    result = reproduce(**options)
    if json:
        print_json(result.to_json())
    else:
        tested, users = result.tracks["test"], result.comparison.users
        print_rows(f"{result.paper}: {tested} test tracks for {users} users to rank", result.table())
        say(result.verdict)
        for line in result.notes:
            note(line)
    return end(result.skipped)
