"""Correct: decisions about doubtful labels become corrections, and corrections a corrected catalog."""

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import UsageError
from soundkin.pipelines.options import Option, argument

if TYPE_CHECKING:
    from soundkin.catalog.corrections import Review


@dataclass(frozen=True)
class Decided:
    """What a review came to: its own corrections, and how many the file of corrections now holds."""

    review: "Review"
    in_all: int


@dataclass(frozen=True)
class Corrected:
    """How many cells, of how many tracks, a corrected catalog has anew."""

    cells: int
    tracks: int


def correct(
    catalog: Annotated[Path, argument()],
    review: Annotated[Path | None, argument()] = None,
    corrections: Annotated[Path | None, Option("Corrections to apply.", ("--apply",), metavar="FILE")] = None,
    output: Annotated[
        Path | None, Option("File to write: .csv or .parquet.", ("-o", "--output"), required=True)
    ] = None,
    by: Annotated[
        str | None, Option("Who decided; default: the name you are logged in with.", metavar="NAME")
    ] = None,
) -> Decided | Corrected:
    """Turn decisions about doubtful labels into corrections of CATALOG, and apply them.

    REVIEW is the review.csv of `soundkin audit`, filled in: `decision` is keep, accept (the suggestion) or
    remove; or `value` holds the right label. Corrections are kept in a file of their own, and CATALOG is
    never overwritten: --apply writes a corrected one next to it. A correction whose cell has changed since is
    rejected.

    Examples:
      soundkin correct catalog.csv audit/review.csv -o corrections.csv
      soundkin correct catalog.csv --apply corrections.csv -o corrected.csv

    Raises:
        CatalogError: a table cannot be used, or a decision or correction does not fit the catalog.
        UsageError: nothing was decided, or not exactly one of `review` and `corrections` is given.
        OutputError: `output` cannot be written.
    """
    if output is None or (review is None) == (corrections is None):
        raise UsageError("Give either a REVIEW to turn into corrections, or --apply FILE.")
    if corrections is not None:
        return apply_to_catalog(catalog, corrections, output)
    assert review is not None  # as exactly one of the two is given
    return corrections_of_review(catalog, review, output, by or _own_name(), datetime.now(UTC))


def corrections_of_review(
    catalog_path: Path, review_path: Path, output: Path, by: str, now: datetime
) -> Decided:
    """Turn the decisions in a review table into corrections, added to those that `output` already holds."""
    from soundkin.catalog import corrections
    from soundkin.catalog.table import read_catalog
    from soundkin.catalog.table_io import check_suffix

    output = Path(output)
    check_suffix(output, f"corrections {output}")
    timestamp = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    review = corrections.read_review(Path(review_path), by, timestamp)
    if not review.corrections and not review.kept:
        raise UsageError(
            f"review {review_path}: nothing is decided in {review.undecided} rows. Fill in `decision` (keep, "
            "accept, remove), or the right label in `value`."
        )
    earlier = corrections.read_corrections(output) if output.exists() else ()
    merged = corrections.merge_corrections(earlier, review.corrections)
    corrections.apply_corrections(read_catalog(Path(catalog_path)), merged, f"review {review_path}")
    if merged or output.exists():
        corrections.write_corrections(merged, output)
    return Decided(review, len(merged))


def apply_to_catalog(catalog_path: Path, corrections_path: Path, output: Path) -> Corrected:
    """Write the catalog with its labels corrected to `output`; the catalog itself is never changed."""
    from soundkin.catalog.corrections import apply_corrections, read_corrections, write_corrected
    from soundkin.catalog.table import read_catalog
    from soundkin.catalog.table_io import check_suffix

    catalog_path, output = Path(catalog_path), Path(output)
    check_suffix(output, f"catalog {output}")
    corrections = read_corrections(Path(corrections_path))
    corrected = apply_corrections(read_catalog(catalog_path), corrections, f"corrections {corrections_path}")
    write_corrected(corrected, catalog_path, output)
    read_catalog(output)
    return Corrected(len(corrections), len({correction.track_id for correction in corrections}))


def _own_name() -> str:
    """The name of the logged-in user; `` where the system knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
