"""`soundkin assess`."""

from typing import Annotated, Any

from soundkin.cli.output import print_rows, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.assess import open_assessment
from soundkin.pipelines.options import Option


@command_of(open_assessment)
def command(
    host: Annotated[str, Option("0.0.0.0 lets others in; they need no password.")] = "127.0.0.1",
    port: Annotated[int, Option("0 takes any free one.", minimum=0)] = 8000,
    **options: Any,
) -> None:
    from soundkin.service.assess_page import serve

    assessment = open_assessment(**options)
    try:
        serve(assessment, host, port, announce=lambda address: say(f"Open {address} (Ctrl-C ends)"))
        collected = assessment.summary()
    finally:
        assessment.close()
    if collected.annotators:
        print_rows("annotators", collected.annotators)
    checks = f"{collected.checks} others are in {assessment.checks}"
    say(f"{options['output']} has {collected.answers} answers to learn from; {checks}")
