"""`soundkin transfer`."""

from typing import Annotated, Any

from soundkin.cli.output import end, print_json, print_rows, say
from soundkin.cli.verbs import command_of
from soundkin.experiments.transfer import transfer
from soundkin.pipelines.options import Option


@command_of(transfer)
def command(
    every_metric: Annotated[bool, Option("Show nDCG, recall, MRR, AUC and others too.")] = False,
    json: Annotated[bool, Option("JSON instead of tables.")] = False,
    **options: Any,
) -> int:
    result = transfer(**options)
    if json:
        print_json(result.to_json())
    else:
        for name, part in result.parts.items():
            print_rows(f"{name}: {part.size}", part.table(every_metric))
            say(f"{name}: {result.verdicts[name]}\n")
    return end(result.skipped)
