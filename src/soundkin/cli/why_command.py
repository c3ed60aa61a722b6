"""`soundkin why`."""

from dataclasses import asdict
from typing import Annotated, Any

from soundkin.cli.answer_table import AS_JSON
from soundkin.cli.output import note, print_json, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.why import why


@command_of(why)
def command(as_json: Annotated[bool, AS_JSON] = False, **options: Any) -> None:
    found = why(**options)
    if as_json:
        print_json(asdict(found))
    else:
        for line in found.lines():
            say(line)
    if options["output"]:
        note(f"{options['output']} plays both moments")
