"""`soundkin audit`."""

from typing import Annotated, Any

from soundkin.cli.output import end, note, print_json, print_rows, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.audit import audit
from soundkin.pipelines.options import Option


@command_of(audit)
def command(
    without_audio: Annotated[bool, Option("Open no audio file: no near-duplicates, no players.")] = False,
    as_json: Annotated[bool, Option("JSON instead of tables.", ("--json",))] = False,
    **options: Any,
) -> int:
    result = audit(**options, audio=not without_audio)
    if as_json:
        print_json(result.to_json())
    else:
        for section in result.sections:
            if rows := section.table():
                print_rows(section.title, rows)
            say(f"{section.title}: {section.verdict}\n")
        for line in result.notes:
            note(line)
    if options["output"] is not None:
        output, count = options["output"], len(result.review)
        note(f"{output}: audit.html, audit.json, and {count} labels to decide on in review.csv")
    return end(result.skipped)
