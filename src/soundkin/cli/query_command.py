"""`soundkin query`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from soundkin.cli.answer_table import AS_JSON, COLUMNS, cells_to_read, print_answers
from soundkin.cli.verbs import command_of
from soundkin.pipelines.options import Option
from soundkin.pipelines.query import query

if TYPE_CHECKING:
    from soundkin.pipelines.query_trajectories import Explanation

WHY = Option(
    "Say of each answer why: where it sounds, or goes, most like a seed (here), and what they share."
)


@command_of(query)
def command(
    columns: Annotated[Sequence[str] | None, COLUMNS] = None,
    as_json: Annotated[bool, AS_JSON] = False,
    why: Annotated[bool, WHY] = False,
    **options: Any,
) -> None:
    from soundkin.pipelines.answers import opened_index
    from soundkin.pipelines.seeds import title_with_seeds

    options["index"] = opened_index(options["index"])
    answers = query(**options, columns=cells_to_read(columns, as_json))
    reasons: Sequence[Explanation] = []
    if why and answers:
        from soundkin.pipelines.query_trajectories import common_courses
        from soundkin.pipelines.why import why_answers

        explain = why_answers if answers.by == "sound" else common_courses
        reasons = explain(options["index"], answers.likes, answers, options["model"])
    verb = "sounds" if answers.by == "sound" else "goes"
    title = title_with_seeds(verb, options["index"], answers)
    print_answers(title, answers, columns, as_json, reasons)
