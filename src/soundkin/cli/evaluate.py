"""`soundkin evaluate`."""

from pathlib import Path

import click

from soundkin.cli.output import end, print_json, print_rows

HELP = """Measure MODEL on held-out tracks of CATALOG, beside an untrained network, MFCC statistics and chance.

With --ratings, a model that was trained on ratings is also asked whom these tracks should be offered to: a second table
says how many of the plays it foretold, beside what could be known of tracks once they are played.

\b
Examples:
  soundkin evaluate runs/first/model catalog.csv -o metrics.json
  soundkin evaluate runs/first/model catalog.csv --ratings ratings.csv
"""


@click.command(help=HELP)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("catalog", type=click.Path(path_type=Path))
@click.option("--split", type=click.Choice(["train", "valid", "test", "all"]), default="test", show_default=True)
@click.option("--ratings", type=click.Path(path_type=Path), help="Ratings of all tracks, the held-out ones too.")
@click.option("--truth", metavar="FOLDER", type=click.Path(path_type=Path), help="Corpus that tells the users' tastes.")
@click.option(
    "--vectors", type=click.Path(path_type=Path), help="Table of frozen vectors, where it has moved or grown."
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that decode.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON here.")
@click.option("--every-metric", is_flag=True, help="Show nDCG, recall, MRR, AUC and others too.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
def command(
    model: Path,
    catalog: Path,
    split: str,
    ratings: Path | None,
    truth: Path | None,
    vectors: Path | None,
    workers: int,
    output: Path | None,
    as_json: bool,
    every_metric: bool,
) -> int:
    from soundkin.pipelines.evaluate import evaluate

    result = evaluate(
        model, catalog, split=split, workers=workers, output=output, ratings=ratings, truth=truth, vectors=vectors
    )
    if as_json:
        print_json(result.to_json())
    else:
        print_rows(f"{model} on the {split} tracks of {catalog}", result.table(every_metric))
        click.echo(result.verdict)
        if result.cold_start:
            print_rows(f"the {split} tracks offered to {result.cold_start.users} users", result.cold_start.table())
            click.echo(result.cold_start.verdict)
    return end(result.skipped)
