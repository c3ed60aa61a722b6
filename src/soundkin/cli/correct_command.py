"""`soundkin correct`."""

from typing import Any

from soundkin.cli.output import say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.correct import Corrected, correct


@command_of(correct)
def command(**options: Any) -> None:
    result, output, catalog = correct(**options), options["output"], options["catalog"]
    if isinstance(result, Corrected):
        say(f"{output}: {result.cells} labels of {result.tracks} tracks corrected; {catalog} is as it was")
        return
    review = result.review
    rest = f"{review.kept} labels kept, {review.undecided} undecided"
    if not result.in_all:
        say(f"nothing to correct: {rest}")
    else:
        new = f"{len(review.corrections)} of them from {options['review']}"
        say(f"{output}: {result.in_all} corrections, {new}; {rest}")
