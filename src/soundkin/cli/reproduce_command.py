"""`soundkin reproduce`."""

from pathlib import Path

import click

from soundkin.cli.output import end, note, print_json, print_rows, say

HELP = """Compare what PAPER compares, by its protocol, on the tracks and ratings at hand.

vandenoord2013: "Deep content-based music recommendation". Plays of the training tracks are factorised; linear
regression and a perceptron on MFCC codewords, and a convolutional network under two losses, learn to foretell a track's
factors from its sound; then all users rank the test tracks. Any KEY=VALUE goes to the training config (soundkin train
--help). Run the same command again after a kill, and it goes on where it stopped. data/README.md says how to lay out
the Million Song Dataset, which the paper used.

\b
Example:
  soundkin reproduce vandenoord2013 --catalog catalog.csv --ratings ratings.csv --run-dir runs/2013 trainer.epochs=50
"""


@click.command(help=HELP)
@click.argument("paper")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", type=click.UNPROCESSED)
@click.option("--catalog", type=click.Path(path_type=Path), required=True, help="The tracks.")
@click.option(
    "--ratings", type=click.Path(path_type=Path), required=True, help="Plays of all tracks, test ones too."
)
@click.option(
    "--run-dir", type=click.Path(path_type=Path), required=True, help="Folder for all that comes about."
)
@click.option(
    "--codewords", type=click.IntRange(min=1), default=4_000, show_default=True, help="The paper's number."
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that decode."
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
def command(
    paper: str,
    overrides: tuple[str, ...],
    catalog: Path,
    ratings: Path,
    run_dir: Path,
    codewords: int,
    workers: int,
    as_json: bool,
) -> int:
    from soundkin.experiments.vandenoord2013 import reproduce

    result = reproduce(paper, catalog, ratings, run_dir, overrides, codewords=codewords, workers=workers)
    if as_json:
        print_json(result.to_json())
    else:
        title = f"{paper}: {result.tracks['test']} test tracks offered to {result.comparison.users} users"
        print_rows(title, result.table())
        say(result.verdict)
        for line in result.notes:
            note(line)
    return end(result.skipped)
