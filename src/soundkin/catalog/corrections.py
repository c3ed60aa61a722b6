"""Corrections of labels, kept apart from the catalog: nothing that somebody wrote into a tag is ever
overwritten.

    corrections.csv   track_id, column, was, value, reason, by, timestamp

`was` is what the catalog holds, empty where it holds nothing; `value` is what is right, empty to take the
label away. A correction fits one catalog only: where a cell is no longer what it was, somebody else has
changed it, and we ask.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundkin.catalog.cells import Changes, write_changed
from soundkin.catalog.table import SPLITS, Catalog, read_catalog, write_catalog, years_of
from soundkin.catalog.table_io import number_of, read_rows, refuse, refuse_empty, refuse_repeats, write_rows
from soundkin.errors import CatalogError

COLUMNS = ("track_id", "column", "was", "value", "reason", "by", "timestamp")
FIXED = ("track_id", "path", "audio_folder")
REVIEW_COLUMNS = ("track_id", "column", "given", "suggested", "decision", "value")
KEEP, ACCEPT, REMOVE = "keep", "accept", "remove"
DECISIONS = (KEEP, ACCEPT, REMOVE)
EXPECTED = {"split": "train, valid or test", "year": "a year such as 1999", "duration": "a number of seconds"}


@dataclass(frozen=True)
class Correction:
    """One cell of the catalog, as it was and as it should be; `` for an empty cell."""

    track_id: str
    column: str
    was: str
    value: str
    reason: str = ""
    by: str = ""
    timestamp: str = ""  # ISO 8601, UTC


@dataclass(frozen=True)
class Review:
    """What people have decided: corrections, and how many labels they kept or have not looked at."""

    corrections: tuple[Correction, ...]
    kept: int
    undecided: int


def read_corrections(path: Path) -> tuple[Correction, ...]:
    """Read and check a file of corrections, CSV or Parquet, in its order. `reason`, `by`, `timestamp` may be
    absent.

    Raises:
        CatalogError: names the file, the row, the column, the value, and the mend.
    """
    path = Path(path)
    source = f"corrections {path}"
    frame = read_rows(path, source, required=COLUMNS[:4])
    for column in ("track_id", "column"):
        refuse_empty(frame, source, column)
    _refuse_fixed(frame, source)
    refuse_repeats(frame, source, ["track_id", "column"], "Keep the row that is right, and delete the other.")
    cells = frame.reindex(columns=list(COLUMNS)).astype(object).fillna("")
    return tuple(Correction(*map(str, row)) for row in cells.itertuples(index=False))


def write_corrections(corrections: Iterable[Correction], path: Path) -> None:
    """Write corrections as CSV or Parquet, by the suffix of `path`; the file is whole or unchanged.

    Raises:
        CatalogError: another suffix.
        OutputError: the folder cannot be written, or the disk is full.
    """
    write_rows(pd.DataFrame(list(corrections), columns=list(COLUMNS), dtype=object), Path(path))


def apply_corrections(
    catalog: Catalog, corrections: Iterable[Correction], source: str = "corrections"
) -> Catalog:
    """The catalog with these labels corrected; the one given stays as it is.

    `source` opens messages: `corrections runs/corrections.csv`.

    Raises:
        CatalogError: a track is unknown, a cell no longer holds what it was, or a value does not fit its
            column; all
            such tracks are counted, and the first is named.
    """
    corrections = tuple(corrections)
    known = frozenset(catalog.track_ids)
    refused = [complaint for one in corrections if (complaint := _complaint(catalog, known, one))]
    if refused:
        more = f" (and {len(refused) - 1} more of {len(corrections)} corrections)" if len(refused) > 1 else ""
        raise CatalogError(f"{source}: {refused[0]}{more}. Nothing was corrected. Mend or delete these rows.")
    frame = catalog.frame.copy()
    for column in dict.fromkeys(one.column for one in corrections):
        ours = [one for one in corrections if one.column == column]
        cells = (
            frame[column].astype(object) if column in frame else pd.Series(pd.NA, frame.index, dtype=object)
        )
        cells.iloc[[catalog.row(one.track_id) for one in ours]] = [one.value or pd.NA for one in ours]
        frame[column] = _typed(cells, column)
    return replace(catalog, frame=frame)


def write_corrected(catalog: Catalog, source: Path, output: Path) -> None:
    """Write a corrected catalog that was read from `source` to `output`; its paths lead to the same audio.

    Where both have the same suffix, only the cells that were corrected are written anew; the others stay as
    they are.

    Raises:
        CatalogError: `output` is the source itself, or has another suffix than .csv or .parquet.
        OutputError: the folder cannot be written, or the disk is full.
    """
    source, output = Path(source), Path(output)
    if output.resolve() == source.resolve():
        raise CatalogError(
            f"catalog {output} is the source, which stays as it is. Name another file with -o."
        )
    elsewhere = output.absolute().parent.resolve() != source.absolute().parent.resolve()
    frame = catalog.frame.assign(audio_folder=str(catalog.folder.absolute())) if elsewhere else catalog.frame
    if source.suffix.lower() != output.suffix.lower():
        write_catalog(frame, output)
        return
    rows = read_rows(source, f"catalog {source}", required=("track_id", "path")).index
    write_changed(source, output, _changes(read_catalog(source).frame, frame, rows))


def read_review(path: Path, by: str, timestamp: str) -> Review:
    """Turn a review table that people have filled in into corrections.

    In each row, `decision` is `keep` (the given label is right), `accept` (the suggested one is) or `remove`
    (none is known); or `value` holds the right label; a row with neither is undecided. A column `reason` is
    taken over.

    Raises:
        CatalogError: names the file, the row, the column, the value, and the mend.
    """
    path = Path(path)
    source = f"review {path}"
    frame = read_rows(path, source, required=REVIEW_COLUMNS)
    for column in ("track_id", "column"):
        refuse_empty(frame, source, column)
    _refuse_fixed(frame, source)
    frame["decision"] = (
        frame["decision"].str.casefold() if frame["decision"].notna().any() else frame["decision"]
    )
    decision, value = frame["decision"], frame["value"]
    mend = f"Write {', '.join(DECISIONS)}, or leave it empty and write the right label into value."
    refuse(frame, source, "decision", decision.notna() & ~decision.isin(DECISIONS), "is not a decision", mend)
    mend = "Empty one of the two."
    refuse(frame, source, "value", value.notna() & decision.notna(), "stands beside a decision", mend)
    nothing = (decision == ACCEPT) & frame["suggested"].isna()
    refuse(
        frame, source, "decision", nothing, "accepts a suggestion, and there is none", "Write it into value."
    )
    decided = value.notna() | decision.isin((ACCEPT, REMOVE))
    twice = frame[decided].duplicated(["track_id", "column"]).reindex(frame.index, fill_value=False)
    refuse(
        frame, source, "track_id", twice, "is decided on in an earlier row too", "Decide in one of the two."
    )
    right = value.where(decision != ACCEPT, frame["suggested"])
    cells = pd.DataFrame(
        {
            **{
                "track_id": frame["track_id"],
                "column": frame["column"],
                "was": frame["given"],
                "value": right,
            },
            "reason": frame.get("reason", ""),
        }
    )[decided]
    corrections = [
        Correction(track_id, column, was, value, reason, by, timestamp)
        for track_id, column, was, value, reason in cells.astype(object)
        .fillna("")
        .astype(str)
        .to_numpy()
        .tolist()
    ]
    changed = tuple(one for one in corrections if one.was != one.value)
    kept = int((decision == KEEP).sum()) + len(corrections) - len(changed)
    return Review(changed, kept, int((~decided & (decision != KEEP)).sum()))


def merge_corrections(earlier: Iterable[Correction], later: Iterable[Correction]) -> tuple[Correction, ...]:
    """Earlier corrections with later ones added; a later one about the same cell takes the place of the
    earlier.

    Raises:
        CatalogError: a later one knows the cell neither as the source has it nor as the earlier one left it.
    """
    merged = {(one.track_id, one.column): one for one in earlier}
    for one in later:
        before = merged.get((one.track_id, one.column))
        if before and one.was not in (before.was, before.value):
            raise CatalogError(
                f"track_id={one.track_id}: {one.column} was {_shown(before.was)} and is corrected to "
                f"{_shown(before.value)} already; the review knows it as {_shown(one.was)}. Review it again."
            )
        merged[one.track_id, one.column] = replace(one, was=before.was) if before else one
    return tuple(one for one in merged.values() if one.was != one.value)


def cell_text(catalog: Catalog, track_id: str, column: str) -> str:
    """What a cell holds, as the file has it; `` where it is empty or the catalog has no such column."""
    if column not in catalog.frame:
        return ""
    return _cell_text(catalog.frame[column].iloc[catalog.row(track_id)])


def _cell_text(cell: Any) -> str:
    if pd.isna(cell):
        return ""
    return f"{cell:.15g}" if isinstance(cell, float) else str(cell)


def _changes(before: pd.DataFrame, after: pd.DataFrame, rows: pd.Index) -> Changes:
    """The cells that differ, by column and row number, as text."""
    changes = {}
    for column in after:
        was = before[column] if column in before else pd.Series(pd.NA, before.index, dtype=object)
        differs = ~((was == after[column]).fillna(False).astype(bool) | (was.isna() & after[column].isna()))
        if differs.any():
            cells = map(_cell_text, after[column][differs])
            changes[str(column)] = dict(zip(rows[differs].tolist(), cells, strict=True))
    return changes


def _refuse_fixed(frame: pd.DataFrame, source: str) -> None:
    mend = "Correct labels only; to move audio, edit the catalog."
    refuse(frame, source, "column", frame["column"].isin(FIXED), "cannot be corrected", mend)


def _complaint(catalog: Catalog, known: frozenset[str], one: Correction) -> str:
    """Why a correction cannot be applied; `` if it can."""
    if one.track_id not in known:
        return f"track_id={one.track_id} is not in {catalog.source}{catalog.id_hint(one.track_id)}"
    found = cell_text(catalog, one.track_id, one.column)
    if not _same_cell(found, one.was):
        return f"track_id={one.track_id}: {one.column} was {_shown(one.was)}, and is now {_shown(found)}"
    if one.value and not _fits(one.column, one.value):
        return f"track_id={one.track_id}: {one.column}={one.value} is not {EXPECTED[one.column]}"
    return ""


def _same_cell(found: str, was: str) -> bool:
    """Whether both are the same, or were before a spreadsheet saved one as `1965.0`, `12,5` or `TRUE`."""
    if found == was or {found.casefold(), was.casefold()} in ({"true"}, {"false"}):
        return True
    number = number_of(was)
    return number is not None and number == number_of(found)


def _fits(column: str, value: str) -> bool:
    if column == "split":
        return value in SPLITS
    if column == "year":
        return bool(years_of(pd.Series([value])).notna().all())
    if column == "duration":
        number = number_of(value)
        return number is not None and np.isfinite(number)
    return True


def _typed(cells: pd.Series, column: str) -> pd.Series:
    if column == "year":
        return years_of(cells.astype("str"))
    if column == "duration":
        return cells.map(lambda cell: number_of(str(cell)), na_action="ignore").astype("float64")
    return cells


def _shown(cell: str) -> str:
    return repr(cell) if cell else "empty"
