"""`soundkin demo`."""

from pathlib import Path

import click

from soundkin.cli.answer_table import print_answers
from soundkin.cli.output import end, print_rows, say

HELP = """The whole job in one go, from music to a report.

Synthesises a corpus (or takes --music), then: scan, train, embed, index, query, evaluate, report.

\b
Examples:
  soundkin demo
  soundkin demo --music ~/music --run-dir runs/own
"""


@click.command(help=HELP)
@click.option(
    "--music", type=click.Path(path_type=Path), help="A folder of your own; its catalog.csv or tags are read."
)
@click.option("--run-dir", type=click.Path(path_type=Path), default=Path("runs/demo"), show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes.")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def command(music: Path | None, run_dir: Path, workers: int, overrides: tuple[str, ...]) -> int:
    from soundkin.pipelines.demo import demo

    result = demo(run_dir, music, workers, overrides)
    print_answers(f"sounds like {result.seed}", result.answers)
    print_rows("on tracks by artists never heard in training", result.evaluation.table())
    say(result.evaluation.verdict)
    say(f"See and hear it: {result.report}")
    return end(result.skipped)
