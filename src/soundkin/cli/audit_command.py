"""`soundkin audit`."""

from pathlib import Path

import click

from soundkin.cli.output import end, note, print_json, print_rows, say

HELP = """Ask whether CATALOG can be trusted: what it covers, what leaks between splits, which labels to doubt.

With --embeddings, labels that do not sound right are doubted, and audio that stands there twice is found; with
--triplets or --ratings, the people behind them are judged. -o writes audit.html (players, and buttons to decide with),
audit.json, and review.csv, which soundkin correct reads once it is filled in.

\b
Examples:
  soundkin audit catalog.csv
  soundkin audit catalog.csv --embeddings embeddings -o audit
  soundkin audit catalog.csv --embeddings embeddings --labels genre --labels artist -o audit
  soundkin audit catalog.csv --target population.csv --column country --triplets triplets.csv
"""


@click.command(help=HELP)
@click.argument("catalog", type=click.Path(path_type=Path))
@click.option(
    "--embeddings", type=click.Path(path_type=Path), help="Folder by soundkin embed, or a table of vectors."
)
@click.option("--ratings", type=click.Path(path_type=Path), help="Judge how users rate.")
@click.option("--triplets", type=click.Path(path_type=Path), help="Judge the annotators.")
@click.option(
    "--gold", type=click.Path(path_type=Path), help="Triplets whose answer is known, to judge annotators by."
)
@click.option(
    "--target", type=click.Path(path_type=Path), help="What should be there: CSV of column, value, share."
)
@click.option(
    "--column", "columns", multiple=True, metavar="COLUMN", help="Tell what this column covers too."
)
@click.option(
    "--labels", "--label", "labels", multiple=True, metavar="COLUMN", help="Doubt these; default: genre."
)
@click.option(
    "--no-artist", multiple=True, metavar="NAME", help="A name that is no artist's, as Various Artists is."
)
@click.option("--without-audio", is_flag=True, help="Open no audio file: no near-duplicates, no players.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that decode."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
def command(
    catalog: Path,
    embeddings: Path | None,
    ratings: Path | None,
    triplets: Path | None,
    gold: Path | None,
    target: Path | None,
    columns: tuple[str, ...],
    labels: tuple[str, ...],
    no_artist: tuple[str, ...],
    without_audio: bool,
    workers: int,
    output: Path | None,
    as_json: bool,
) -> int:
    from soundkin.pipelines.audit import DEFAULT_LABELS, audit

    result = audit(
        catalog,
        output,
        embeddings=embeddings,
        ratings=ratings,
        triplets=triplets,
        gold=gold,
        target=target,
        columns=columns,
        labels=labels or DEFAULT_LABELS,
        no_artist=no_artist,
        audio=not without_audio,
        workers=workers,
    )
    if as_json:
        print_json(result.to_json())
    else:
        for section in result.sections:
            if rows := section.table():
                print_rows(section.title, rows)
            say(f"{section.title}: {section.verdict}\n")
        for line in result.notes:
            note(line)
    if output is not None:
        note(f"{output}: audit.html, audit.json, and {len(result.review)} labels to decide on in review.csv")
    return end(result.skipped)
