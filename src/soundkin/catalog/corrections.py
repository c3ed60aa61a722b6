"""Corrections of labels, kept apart from the catalog, which is never overwritten.

    corrections.csv   track_id, column, was, value, reason, by, timestamp

`was` is what the catalog holds, empty where it holds nothing; `value` is what is right, empty to take the
label away. A correction whose cell is no longer what it was is rejected: somebody else has changed it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from soundkin.catalog.cell_edits import Changes, write_changed
from soundkin.catalog.columns import Column, id_columns, read_table
from soundkin.catalog.table import COLUMNS as CATALOG_COLUMNS
from soundkin.catalog.table import Catalog, read_tracks, write_catalog
from soundkin.catalog.table_io import number_of, reject_repeats, reject_rows, write_rows
from soundkin.errors import CatalogError

COLUMNS = ("track_id", "column", "was", "value", "reason", "by", "timestamp")
FIXED = ("track_id", "path", "audio_folder")
KEEP, ACCEPT, REMOVE = "keep", "accept", "remove"
DECISIONS = (KEEP, ACCEPT, REMOVE)
CHECKED = {column.name: column for column in CATALOG_COLUMNS if column.kind != "text"}


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
    """Read and check corrections, CSV or Parquet; `reason`, `by` and `timestamp` may be absent."""
    source = f"corrections {path}"
    frame = _read(path, source, ("was", "value"))
    reject_repeats(frame, source, ["track_id", "column"], "Keep the row that is right, and delete the other.")
    return _to_corrections(frame)


def write_corrections(corrections: Iterable[Correction], path: Path) -> None:
    """Write corrections as CSV or Parquet, by the suffix of `path`; the file is whole or unchanged."""
    write_rows(pd.DataFrame(list(corrections), columns=list(COLUMNS), dtype=object), Path(path))


def apply_corrections(
    catalog: Catalog, corrections: Iterable[Correction], source: str = "corrections"
) -> Catalog:
    """A copy of the catalog with these labels corrected. `source` opens messages: `corrections mine.csv`.

    Raises CatalogError, which counts the misfits and names the first, where a track is unknown, a cell no
    longer holds what it was, or a value does not fit its column.
    """
    corrections = tuple(corrections)
    known = frozenset(catalog.track_ids)
    misfits = [problem for correction in corrections if (problem := _misfit(catalog, known, correction))]
    if misfits:
        more = f" (and {len(misfits) - 1} more of {len(corrections)} corrections)" if len(misfits) > 1 else ""
        hint = "Nothing was corrected. Correct or delete these rows."
        raise CatalogError(f"{source}: {misfits[0]}{more}. {hint}")
    frame = catalog.frame.copy()
    for name in dict.fromkeys(correction.column for correction in corrections):
        values = {catalog.row(c.track_id): c.value or pd.NA for c in corrections if c.column == name}
        cells = frame[name].astype(object) if name in frame else pd.Series(pd.NA, frame.index, dtype=object)
        cells.iloc[list(values)] = list(values.values())
        frame[name] = CHECKED[name].parse(cells.astype("str"), True) if name in CHECKED else cells
    return replace(catalog, frame=frame)


def write_corrected(catalog: Catalog, source: Path, output: Path) -> None:
    """Write a corrected catalog that was read from `source` to `output`; its paths lead to the same audio.

    Where both have the same suffix, only the corrected cells are written anew; the others keep their bytes.
    Raises CatalogError if `output` is the source itself.
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
    before = read_tracks(source, f"catalog {source}", CATALOG_COLUMNS)
    write_changed(source, output, _changes(before, frame.set_axis(before.index)))


def read_review(path: Path, by: str, timestamp: str) -> Review:
    """Turn a review table that people have filled in into corrections.

    In each row, `decision` is `keep` (the given label is right), `accept` (the suggested one is) or `remove`
    (none is known); or `value` holds the right label; a row with neither is undecided. A column `reason` is
    taken over.
    """
    source = f"review {path}"
    frame = _read(path, source, ("given", "suggested", "decision", "value"))
    frame["decision"] = frame["decision"].astype("str").str.casefold()
    decision, value = frame["decision"], frame["value"]
    hint = f"Write {', '.join(DECISIONS)}, or leave it empty and write the right label into value."
    unknown = decision.notna() & ~decision.isin(DECISIONS)
    reject_rows(frame, source, "decision", unknown, "is not a decision", hint)
    both = value.notna() & decision.notna()
    reject_rows(frame, source, "value", both, "is given in addition to a decision", "Empty one of the two.")
    nothing = (decision == ACCEPT) & frame["suggested"].isna()
    problem = "accepts a suggestion, and there is none"
    reject_rows(frame, source, "decision", nothing, problem, "Write it into value.")
    decided = value.notna() | decision.isin((ACCEPT, REMOVE))
    twice = frame[decided].duplicated(["track_id", "column"]).reindex(frame.index, fill_value=False)
    problem = "is decided on in an earlier row too"
    reject_rows(frame, source, "track_id", twice, problem, "Decide in one of the two.")
    right = value.where(decision != ACCEPT, frame["suggested"])
    frame = frame.assign(was=frame["given"], value=right, by=by, timestamp=timestamp)
    corrections = _to_corrections(frame[decided])
    changed = tuple(correction for correction in corrections if correction.was != correction.value)
    kept = int((decision == KEEP).sum()) + len(corrections) - len(changed)
    return Review(changed, kept, int((~decided & (decision != KEEP)).sum()))


def merge_corrections(earlier: Iterable[Correction], later: Iterable[Correction]) -> tuple[Correction, ...]:
    """Earlier corrections with later ones added, which replace earlier ones of the same cell."""
    merged = {(correction.track_id, correction.column): correction for correction in earlier}
    for correction in later:
        cell = correction.track_id, correction.column
        before = merged.get(cell)
        if before and correction.was not in (before.was, before.value):
            raise CatalogError(
                f"track_id={cell[0]}: {cell[1]} was {_shown(before.was)} and is corrected to "
                f"{_shown(before.value)} already; the review knows it as {_shown(correction.was)}. "
                "Review it again."
            )
        merged[cell] = replace(correction, was=before.was) if before else correction
    return tuple(correction for correction in merged.values() if correction.was != correction.value)


def cell_text(catalog: Catalog, track_id: str, column: str) -> str:
    """What a cell holds, as the file has it; `` where it is empty or the catalog has no such column."""
    return _text(catalog.frame[column].iloc[catalog.row(track_id)]) if column in catalog.frame else ""


def _text(cell: Any) -> str:
    if pd.isna(cell):
        return ""
    return f"{cell:.15g}" if isinstance(cell, float) else str(cell)


def _read(path: Path, source: str, required: Sequence[str]) -> pd.DataFrame:
    """A table about cells of the catalog: track_id, column, and further required columns."""
    columns = (*id_columns("track_id", "column"), *(Column(name, required=True) for name in required))
    frame = read_table(Path(path), source, columns)
    hint = "Correct labels only; to move audio, edit the catalog."
    reject_rows(frame, source, "column", frame["column"].isin(FIXED), "cannot be corrected", hint)
    return frame


def _to_corrections(frame: pd.DataFrame) -> tuple[Correction, ...]:
    cells = frame.reindex(columns=list(COLUMNS)).astype(object).fillna("")
    return tuple(Correction(*map(str, row)) for row in cells.itertuples(index=False))


def _changes(before: pd.DataFrame, after: pd.DataFrame) -> Changes:
    """The cells that differ, by column and row number, as text."""
    changes = {}
    for column in after.columns.drop(["track_id", "path"]):
        was = before.get(column, pd.Series(pd.NA, before.index, dtype=object))
        differs = ~((was == after[column]).fillna(False).astype(bool) | (was.isna() & after[column].isna()))
        if differs.any():
            cells = after[column][differs]
            changes[str(column)] = dict(zip(cells.index.tolist(), map(_text, cells), strict=True))
    return changes


def _misfit(catalog: Catalog, known: frozenset[str], correction: Correction) -> str:
    """Why a correction cannot be applied; `` if it can."""
    track_id, name, value = correction.track_id, correction.column, correction.value
    if track_id not in known:
        return f"track_id={track_id} is not in {catalog.source}{catalog.id_hint(track_id)}"
    cell = cell_text(catalog, track_id, name)
    if not _same_cell(cell, correction.was):
        return f"track_id={track_id}: {name} was {_shown(correction.was)}, and is now {_shown(cell)}"
    if value and name in CHECKED and CHECKED[name].parse(pd.Series([value], dtype="str"), True).isna().all():
        return f"track_id={track_id}: {name}={value} {CHECKED[name].problem}"
    return ""


def _same_cell(now: str, was: str) -> bool:
    """Whether both are the same, or were before a spreadsheet saved one as `1965.0`, `12,5` or `TRUE`."""
    if now == was or {now.casefold(), was.casefold()} in ({"true"}, {"false"}):
        return True
    number = number_of(was)
    return number is not None and number == number_of(now)


def _shown(cell: str) -> str:
    return repr(cell) if cell else "empty"
