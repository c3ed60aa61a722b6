"""What a new scan keeps of the catalog before it: ids, columns of one's own, and cells that a person wrote.

Next to `catalog.csv` are two tables of ours. `catalog.scanned.csv` has, for each track, the tags as the last
scan read them: a cell that differs was written by a person and stays, one that does not follows its file.
`catalog.gone.csv` has the rows whose file is gone, whole: the next scan reads them back when the file
returns. It is kept apart because every other verb takes each row of a catalog for a file that can be read.
"""

import logging
import os
import unicodedata
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pandas as pd

from soundkin.catalog.guesses import fill_silent
from soundkin.catalog.paths import from_disk, on_disk
from soundkin.catalog.scanned_files import FIELDS, ScannedFile
from soundkin.catalog.table import Catalog, read_catalog, read_tracks, write_catalog
from soundkin.catalog.table_io import read_rows, write_rows
from soundkin.errors import CatalogError
from soundkin.files import explaining_output

log = logging.getLogger(__name__)

GUESSED = "guessed"
OURS = ("track_id", "path", "audio_folder", GUESSED, *FIELDS)
MARKS = ("signature", "content", "sound")  # of a `ScannedFile`
NUMBERS = ("year", "duration")
SAME_SECONDS = 0.1  # what tags at the end of a file can change of its claimed length

Cells = dict[str, str]
Key = Callable[[ScannedFile], Hashable]


@dataclass(frozen=True)
class EarlierRow:
    """A row of the catalog before this scan, or (`gone`) of a track whose file was gone by then.

    `scanned` is its row in the table of the last scan, empty if none, and `file` what that scan read: of an
    unknown file only the place.
    """

    track_id: str
    cells: Mapping[str, str]
    gone: bool
    scanned: Mapping[str, str]
    file: ScannedFile


def gone_table(catalog: Path) -> Path:
    """The table of the rows whose file is gone."""
    return catalog.with_name(f"{catalog.stem}.gone{catalog.suffix}")


def _scanned_table(catalog: Path) -> Path:
    return catalog.with_name(f"{catalog.stem}.scanned{catalog.suffix}")


def read_earlier(catalog: Path) -> list[EarlierRow]:
    """The rows that an earlier scan, or a person, left in `catalog` and in `gone_table`."""
    scanned = _read_scanned(_scanned_table(catalog))
    rows: dict[str, EarlierRow] = {}
    for table, gone in ((catalog, False), (gone_table(catalog), True)):
        if not table.exists():
            continue
        real_folder = cache(os.path.realpath)
        for cells in _cells(read_tracks(table, f"catalog {table}")):
            track = cells["track_id"]  # a scan that was killed may have left it in both tables
            folder = real_folder(table.absolute().parent / on_disk(cells.get("audio_folder", "")))
            place, read = str(Path(from_disk(folder), cells["path"])), scanned.get(track, {})
            guessed = read.get(GUESSED, "").split(";")
            tags = {name: "" if name in guessed else read.get(name, "") for name in FIELDS} if read else {}
            marks = (read.get(name, "") for name in MARKS)
            file = ScannedFile(place, cells["path"], track, tags, *marks)
            rows.setdefault(track, EarlierRow(track, cells, gone, read, file))
    if not all(row.scanned for row in rows.values()):
        message = (
            "%s: of some rows it is not known what their tags said at the last scan (%s). There a tag goes "
            "before the cell in the catalog, and where tags are silent that cell stays."
        )
        log.info(message, catalog, _scanned_table(catalog))
    return list(rows.values())


def _read_scanned(table: Path) -> dict[str, Cells]:
    if not table.exists():
        return {}
    try:
        frame = read_rows(table, f"table {table}", required=("track_id", "signature", "content"))
    except CatalogError as error:
        log.warning("%s It is made anew.", error)
        return {}
    return {row["track_id"]: row for row in _cells(frame)}


def _cells(frame: pd.DataFrame) -> list[Cells]:
    rows = frame.fillna("").to_dict("records")
    return [{str(name): str(cell) for name, cell in row.items()} for row in rows]


def _labels(file: ScannedFile) -> Hashable:
    return tuple(file.tags.get(name, "") for name in ("title", "artist", "album"))


def _same_sound(alike: Key) -> Key:
    return lambda file: file.content and (file.content, alike(file))


def _same_length(file: ScannedFile, earlier: ScannedFile, seconds: float = SAME_SECONDS) -> bool:
    lengths = [float(either.tags.get("duration") or 0) for either in (file, earlier)]
    return abs(lengths[0] - lengths[1]) <= seconds


def _may_be_same(file: ScannedFile, earlier: ScannedFile) -> bool:
    return not (file.content and earlier.content) or file.content == earlier.content


def _converted(file: ScannedFile, earlier: ScannedFile) -> bool:
    return bool(earlier.tags) and _same_length(file, earlier, seconds=1.0)


def _in_moved_folder(file: ScannedFile, earlier: ScannedFile) -> bool:
    path, place = (unicodedata.normalize("NFC", text) for text in (file.path, earlier.place))
    return place.endswith(f"/{path}")


# How rows are matched to files, the surest way first: what both share and no others, what else has to hold,
# and whether the row's file was gone (None: either). Files of equal sound are told apart by the strictest
# likeness.
LIKENESSES: tuple[Key, ...] = (
    lambda file: (),
    lambda file: (Path(file.place).parts[-2:], _labels(file)),
    lambda file: (Path(file.place).name, _labels(file)),
    lambda file: Path(file.place).parts[-2:],
    _labels,
    lambda file: Path(file.place).name,
)
Step = tuple[Key, Callable[[ScannedFile, ScannedFile], bool], bool | None]
STEPS: tuple[Step, ...] = (
    (lambda file: file.place, _may_be_same, None),
    *((_same_sound(alike), _same_length, gone) for gone in (False, True) for alike in LIKENESSES),
    (lambda file: file.place, lambda file, earlier: True, None),
    (lambda file: file.place.rpartition(".")[0], _converted, None),  # `song.flac` instead of `song.mp3`
    (lambda file: file.default_id, _in_moved_folder, None),
)


def match_rows(files: Collection[ScannedFile], earlier: Sequence[EarlierRow]) -> dict[str, EarlierRow]:
    """The earlier row of each file, by its place.

    A row stays with its place unless other sound is there now; else it goes where its sound has gone. Of
    equal copies, the one with the same name, folder and tags is meant; where two are meant as much, neither.
    Of two rows with one place, the first counts.
    """
    matched: dict[str, EarlierRow] = {}
    loose, left = list(files), list(earlier)
    for key, accept, gone in STEPS:
        by_place = {row.file.place: row for row in reversed(left) if gone in (None, row.gone)}
        ours = _unique(loose, key)
        theirs = _unique((row.file for row in by_place.values()), key)
        for shared, file in ours.items():
            before = theirs.get(shared)
            if shared and file and before and accept(file, before):
                matched[file.place] = by_place[before.place]
        taken = {row.track_id for row in matched.values()}
        loose = [file for file in loose if file.place not in matched]
        left = [row for row in left if row.track_id not in taken]
    return matched


def _unique(files: Iterable[ScannedFile], key: Key) -> dict[Hashable, ScannedFile | None]:
    """Files by a key that no other of them has; None where several have it."""
    unique: dict[Hashable, ScannedFile | None] = {}
    for file in files:
        shared = key(file)
        unique[shared] = None if shared in unique else file
    return unique


def merge_cells(file: ScannedFile, row: EarlierRow | None, guess: bool) -> tuple[Cells, Cells]:
    """The cells of a track in the new catalog, and its row in the table for the next scan.

    What a person wrote stays. Other cells follow the tags and, with `guess`, the path where these are silent.
    """
    guesses = fill_silent(file.tags, file.path) if guess else {}
    written = {**file.tags, **guesses}
    before = row.cells if row else {}
    cells = {name: cell for name, cell in before.items() if name not in OURS}
    for name in FIELDS:
        cells[name] = written[name]
        if row and not row.scanned:
            cells[name] = file.tags[name] or before.get(name, "") or written[name]
        elif row and name in before and not _same_cell(name, before[name], row.scanned.get(name, "")):
            cells[name] = before[name]
    cells[GUESSED] = ";".join(sorted(name for name in guesses if cells[name] == guesses[name]))
    marks = {**{name: getattr(file, name) for name in MARKS}, GUESSED: ";".join(sorted(guesses))}
    return cells, {**written, **marks}


def is_changed(file: ScannedFile, row: EarlierRow) -> bool:
    """Whether the sound is another than at the last scan."""
    before = row.file
    if file.sound and before.sound:
        return file.sound != before.sound
    return not _may_be_same(file, before)


def is_retagged(file: ScannedFile, row: EarlierRow) -> bool:
    """Whether the tags say something else than at the last scan."""
    return any(not _same_cell(name, file.tags[name], cell) for name, cell in row.file.tags.items())


def _same_cell(name: str, now: str, before: str) -> bool:
    """Whether two cells say the same, whatever a spreadsheet made of them: line ends, `1999.0`."""
    if name in NUMBERS and now and before:
        with suppress(ValueError):
            return float(now) == float(before)
    return now == before or now.split() == before.split()


def replace_catalog(rows: list[Cells], earlier: list[EarlierRow], folder: Path, output: Path) -> Catalog:
    """Write the catalog of a scan of `folder`, once it has been read back as any verb would read it."""
    frame = _catalog_frame(rows, earlier, folder, output)
    temporary = output.with_name(f".{output.stem}.{os.getpid()}.new{output.suffix}")
    ids = ["track_id", "path"]
    try:
        write_catalog(frame, temporary)
        try:
            back = read_catalog(temporary)
        except CatalogError as error:
            complaint = str(error).replace(str(temporary), str(output))
            raise CatalogError(f"{complaint} The catalog stays as it was.") from error
        if back.frame[ids].astype(str).values.tolist() != frame[ids].values.tolist():
            raise CatalogError(
                f"catalog {output}: it reads back otherwise than it was written, and stays as it was."
            )
        with explaining_output(output):
            temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    return replace(back, source=f"catalog {output}")


def base_folder(folder: Path, output: Path) -> Path:
    """What paths are relative to: the catalog's folder, if it holds the music, or else that of the music."""
    music, own_folder = folder.resolve(), output.absolute().parent.resolve()
    return own_folder if music.is_relative_to(own_folder) else music


def _catalog_frame(rows: list[Cells], earlier: list[EarlierRow], folder: Path, output: Path) -> pd.DataFrame:
    """One row per track, paths as seen from the catalog; columns in the order that they had."""
    music, base = folder.resolve(), base_folder(folder, output)
    prefix = f"{from_disk(music.relative_to(base))}/" if music != base else ""
    frame = pd.DataFrame(rows)
    frame["path"] = prefix + frame["path"]
    frame["audio_folder"] = from_disk(music)
    before = [name for row in earlier[:1] + earlier[-1:] for name in row.cells]
    columns = dict.fromkeys([*before, "track_id", "path", *FIELDS, GUESSED, "audio_folder"])
    if base == output.absolute().parent.resolve():
        columns.pop("audio_folder")
    if not frame[GUESSED].any():
        columns.pop(GUESSED)
    frame = frame.reindex(columns=list(columns)).replace("", pd.NA)
    if output.suffix.lower() == ".parquet":
        with suppress(ValueError):  # what is no number comes out when the table is read back
            frame["year"] = pd.to_numeric(frame["year"]).astype("Int64")
            frame["duration"] = pd.to_numeric(frame["duration"]).astype("Float64")
    return frame


def write_scanned(catalog: Path, scanned: Mapping[str, Mapping[str, str]]) -> None:
    """Keep, by track id, what a scan read and wrote, for the next one."""
    rows = [{**cells, "track_id": track} for track, cells in scanned.items()]
    frame = pd.DataFrame(rows, columns=["track_id", *MARKS, GUESSED, *FIELDS])
    write_rows(frame.replace("", pd.NA), _scanned_table(catalog))


def write_gone(catalog: Path, rows: Collection[EarlierRow]) -> None:
    """Put the rows of files that are gone aside, or take the table away when there are none."""
    if rows:
        write_rows(pd.DataFrame([dict(row.cells) for row in rows]).replace("", pd.NA), gone_table(catalog))
    else:
        with explaining_output(gone_table(catalog)):
            gone_table(catalog).unlink(missing_ok=True)
