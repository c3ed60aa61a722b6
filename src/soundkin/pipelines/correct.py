"""Correct: what people decided about doubtful labels becomes an overlay, and the overlay a catalog of its
own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from soundkin.catalog.corrections import (
    Review,
    apply_corrections,
    merge_corrections,
    read_corrections,
    read_review,
    write_corrected,
    write_corrections,
)
from soundkin.catalog.table import read_catalog
from soundkin.catalog.table_io import check_suffix
from soundkin.errors import UsageError


@dataclass(frozen=True)
class Decided:
    """What a review came to: its own corrections, and all that the file of corrections now holds."""

    review: Review
    in_all: int


@dataclass(frozen=True)
class Corrected:
    """How many cells, of how many tracks, a corrected catalog has anew."""

    cells: int
    tracks: int


def corrections_of_review(
    catalog_path: Path, review_path: Path, output: Path, by: str, now: datetime
) -> Decided:
    """Turn the decisions in a review table into corrections at `output`, beside those that stand there
    already.

    Raises:
        CatalogError: the catalog or the review cannot be used, a decision does not fit the catalog, or
            contradicts an
            earlier correction.
        UsageError: nothing was decided.
        OutputError: `output` cannot be written.
    """
    output = Path(output)
    check_suffix(output, f"corrections {output}")
    timestamp = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    review = read_review(Path(review_path), by, timestamp)
    if not review.corrections and not review.kept:
        raise UsageError(
            f"review {review_path}: nothing is decided in {review.undecided} rows. Fill in `decision` (keep, accept, "
            "remove), or the right label in `value`."
        )
    earlier = read_corrections(output) if output.exists() else ()
    merged = merge_corrections(earlier, review.corrections)
    apply_corrections(read_catalog(Path(catalog_path)), merged, f"review {review_path}")
    if merged or output.exists():
        write_corrections(merged, output)
    return Decided(review, len(merged))


def apply_to_catalog(catalog_path: Path, corrections_path: Path, output: Path) -> Corrected:
    """Write the catalog with its labels corrected to `output`; the catalog itself is never changed.

    Raises:
        CatalogError: catalog or corrections cannot be used, a correction no longer fits, or `output` is the
            catalog.
        OutputError: `output` cannot be written.
    """
    catalog_path, output = Path(catalog_path), Path(output)
    check_suffix(output, f"catalog {output}")
    corrections = read_corrections(Path(corrections_path))
    corrected = apply_corrections(read_catalog(catalog_path), corrections, f"corrections {corrections_path}")
    write_corrected(corrected, catalog_path, output)
    read_catalog(output)
    return Corrected(len(corrections), len({one.track_id for one in corrections}))
