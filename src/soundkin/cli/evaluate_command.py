"""`soundkin evaluate`."""

from pathlib import Path

import click

from soundkin.cli.output import end, print_json, print_rows, say

HELP = """Measure MODEL on unheard tracks of CATALOG, beside an untrained network, MFCC statistics and chance.

MODEL is a model bundle, a folder that soundkin embed wrote, or a table of anybody's vectors by track_id (.npz,
.parquet); --against, as often as you like, puts others beside it on the same tracks. NAME=PATH names one. Labels
that a model was trained on are asked by retrieval only, where artists it has not heard can tell whether it learnt
anything; --trained-too asks them by probes as well.

With --ratings, systems are also asked whom held-out tracks should be offered to. With --triplets and --judgements,
they are held to what people said.

\b
Examples:
  soundkin evaluate runs/first/model catalog.csv -o runs/first/evaluation
  soundkin evaluate runs/first/embeddings catalog.csv --against clap=clap.npz -o compared
  soundkin evaluate runs/first/model catalog.csv --ratings ratings.csv --triplets triplets.csv --by language
"""
LONG = 24  # rows; longer tables are for the page, or for --every-metric


@click.command(help=HELP)
@click.argument("model", metavar="MODEL", type=str)
@click.argument("catalog", type=click.Path(path_type=Path))
@click.option(
    "--against", multiple=True, metavar="[NAME=]PATH", help="Another model, embeddings or table of vectors."
)
@click.option(
    "--split",
    type=click.Choice(["train", "valid", "test", "all"]),
    help="Default: test, by the rule of the first model; all where no model is at hand.",
)
@click.option(
    "--labels", metavar="LABEL,...", help="Columns to ask about. Default: genre, artist, album, decade."
)
@click.option("--trained-too", is_flag=True, help="Probe labels too that a model was trained on.")
@click.option(
    "--ratings", type=click.Path(path_type=Path), help="Ratings of all tracks, the held-out ones too."
)
@click.option(
    "--truth", metavar="FOLDER", type=click.Path(path_type=Path), help="Corpus that tells the users' tastes."
)
@click.option(
    "--triplets", type=click.Path(path_type=Path), help="Which of two tracks people find closer to a third."
)
@click.option(
    "--judgements",
    type=click.Path(path_type=Path),
    help="Neighbours marked good or bad, as judge.html saves.",
)
@click.option(
    "--by", multiple=True, metavar="COLUMN", help="Split scores by this column, beside genre and decade."
)
@click.option(
    "--no-artist", multiple=True, metavar="NAME", help="A name that is no artist's, as Various Artists is."
)
@click.option(
    "--robustness", is_flag=True, help="Distort some tracks and see what is still found. Takes minutes."
)
@click.option(
    "--query", "queries", multiple=True, metavar="TRACK", help="A track_id to listen to in the pages."
)
@click.option("--queries", "query_count", type=click.IntRange(min=1), default=6, show_default=True,
              help="How many to judge, where none is named.")  # fmt: skip
@click.option(
    "--vectors", type=click.Path(path_type=Path), help="Table of frozen vectors, where it has moved or grown."
)
@click.option(
    "--model", "made_by", type=click.Path(path_type=Path), help="Model that made the embeddings, if moved."
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that decode."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for report.json, report.html and judge.html; or a .json file, to write that alone.",
)
@click.option(
    "--every-metric", is_flag=True, help="Show nDCG, recall, MRR, AUC and others too, and long tables."
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
def command(
    model: str,
    catalog: Path,
    against: tuple[str, ...],
    split: str | None,
    labels: str | None,
    trained_too: bool,
    ratings: Path | None,
    truth: Path | None,
    triplets: Path | None,
    judgements: Path | None,
    by: tuple[str, ...],
    no_artist: tuple[str, ...],
    robustness: bool,
    queries: tuple[str, ...],
    query_count: int,
    vectors: Path | None,
    made_by: Path | None,
    workers: int,
    output: Path | None,
    as_json: bool,
    every_metric: bool,
) -> int:
    from soundkin.pipelines.evaluate import evaluate

    result = evaluate(
        model,
        catalog,
        split=split,
        workers=workers,
        labels=[label.strip() for label in labels.split(",")] if labels else None,
        output=output,
        ratings=ratings,
        truth=truth,
        vectors=vectors,
        against=against,
        trained_too=trained_too,
        triplets=triplets,
        judgements=judgements,
        by=by,
        no_artist=no_artist,
        robustness=robustness,
        queries=queries,
        query_count=query_count,
        model=made_by,
    )
    if as_json:
        print_json(result.to_json())
        return end(result.skipped)
    print_rows(f"{model} on the {result.provenance['split']} tracks of {catalog}", result.table(every_metric))
    say(f"{result.verdict}\n")
    for section in result.sections.values():
        rows = section.table()
        if len(rows) <= LONG or every_metric:
            print_rows(section.title, rows)
        say(f"{section.title}: {section.verdict}\n")
    if output is not None and output.suffix != ".json":
        say(f"Read it: {output}/report.html. Judge by ear: {output}/judge.html")
    return end(result.skipped)
