"""`soundkin correct`."""

import getpass
from datetime import UTC, datetime
from pathlib import Path

import click

from soundkin.cli.output import say

HELP = """Turn decisions about doubtful labels into corrections of CATALOG, and apply them.

REVIEW is the review.csv of `soundkin audit`, filled in: `decision` is keep, accept (the suggestion) or remove; or
`value` holds the right label. Corrections are kept in a file of their own, and CATALOG is never overwritten: --apply
writes a corrected one beside it. A correction whose cell has changed since is refused.

\b
Examples:
  soundkin correct catalog.csv audit/review.csv -o corrections.csv
  soundkin correct catalog.csv --apply corrections.csv -o corrected.csv
"""


@click.command(help=HELP)
@click.argument("catalog", type=click.Path(path_type=Path))
@click.argument("review", type=click.Path(path_type=Path), required=False)
@click.option(
    "--apply", "corrections", metavar="FILE", type=click.Path(path_type=Path), help="Corrections to apply."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="File to write: .csv or .parquet."
)
@click.option("--by", metavar="NAME", help="Who decided; default: the name you are logged in with.")
def command(
    catalog: Path, review: Path | None, corrections: Path | None, output: Path, by: str | None
) -> None:
    from soundkin.pipelines.correct import apply_to_catalog, corrections_of_review

    if (review is None) == (corrections is None):
        raise click.UsageError("Give either a REVIEW to turn into corrections, or --apply FILE.")
    if corrections is not None:
        done = apply_to_catalog(catalog, corrections, output)
        say(f"{output}: {done.cells} labels of {done.tracks} tracks corrected; {catalog} is as it was")
    elif review is not None:
        decided = corrections_of_review(catalog, review, output, by or _own_name(), datetime.now(UTC))
        found = decided.review
        if not decided.in_all:
            say(f"nothing to correct: {found.kept} labels kept, {found.undecided} undecided")
            return
        say(
            f"{output}: {decided.in_all} corrections, {len(found.corrections)} of them from {review}; "
            f"{found.kept} labels kept, {found.undecided} undecided"
        )


def _own_name() -> str:
    """The name that whoever runs us is logged in with; `` where the system knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
