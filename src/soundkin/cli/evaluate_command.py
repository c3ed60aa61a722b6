"""`soundkin evaluate`."""

from typing import Annotated, Any

from soundkin.cli.output import end, print_json, print_rows, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.evaluate import evaluate
from soundkin.pipelines.options import Option

LONG = 24  # rows; longer tables are for the page, or for --every-metric


@command_of(evaluate)
def command(
    every_metric: Annotated[
        bool, Option("Show nDCG, recall, MRR, AUC and others too, and long tables.")
    ] = False,
    as_json: Annotated[bool, Option("JSON instead of a table.", ("--json",))] = False,
    **options: Any,
) -> int:
    result = evaluate(**options)
    if as_json:
        print_json(result.to_json())
        return end(result.skipped)
    title = f"{options['ours']} on the {result.provenance['split']} tracks of {options['catalog_path']}"
    print_rows(title, result.table(every_metric))
    say(f"{result.verdict}\n")
    for section in result.sections.values():
        rows = section.table()
        if len(rows) <= LONG or every_metric:
            print_rows(section.title, rows)
        say(f"{section.title}: {section.verdict}\n")
    output = options["output"]
    if output is not None and output.suffix != ".json":
        say(f"Read it: {output}/report.html. Judge by ear: {output}/judge.html")
    return end(result.skipped)
