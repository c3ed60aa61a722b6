"""`soundkin demo`."""

from typing import Any

from soundkin.cli.answer_table import print_answers
from soundkin.cli.output import end, print_rows, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.demo import demo


@command_of(demo)
def command(**options: Any) -> int:
    result = demo(**options)
    print_answers(f"sounds like {result.seed}", result.answers)
    print_rows("on tracks by artists that are not in training", result.evaluation.table())
    say(result.evaluation.verdict)
    say(f"See and hear it: {result.report}")
    return end(result.skipped)
