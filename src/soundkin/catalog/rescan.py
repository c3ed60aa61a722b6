"""What a new scan keeps of the catalog before it: ids, columns of one's own, and cells that a person wrote.

Beside `catalog.csv` stand two tables of ours. `catalog.scanned.csv` has, for each track, the tags as the last
scan read them: a cell that differs was written by a person and stays, one that does not follows its file.
`catalog.gone.csv` has the rows whose file is gone, whole: the next scan reads them back when the file
returns. It is kept apart because every other verb takes each row of a catalog for a file that can be read.
"""

import logging
import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache, cached_property, partial
from pathlib import Path

import pandas as pd

from soundkin.catalog.audio_files import track_id
from soundkin.catalog.file_tags import Tags
from soundkin.catalog.guesses import fill_silent
from soundkin.catalog.paths import from_disk, on_disk
from soundkin.catalog.table_io import read_rows, refuse_empty, refuse_repeats, write_rows
from soundkin.errors import CatalogError
from soundkin.files import explaining_output

log = logging.getLogger(__name__)

FIELDS = tuple(one.name for one in fields(Tags))
GUESSED = "guessed"
OURS = ("track_id", "path", "audio_folder", GUESSED, *FIELDS)
NUMBERS = ("year", "duration")
SAME_SECONDS = 0.1  # what tags at the end of a file can change of its claimed length

Cells = dict[str, str]


@dataclass(frozen=True)
class ScannedFile:
    """A file as a scan read it: its tags as cells, by `FIELDS`, its signature and hash of content.py."""

    path: str
    tags: Mapping[str, str]
    signature: str
    content: str


@dataclass(frozen=True)
class EarlierRow:
    """A row of the catalog before this scan, or (`gone`) of a track whose file was gone by then.

    `place` is the absolute path of its file, `scanned` its row in the table of the last scan, empty if none.
    """

    track_id: str
    place: str
    cells: Mapping[str, str]
    gone: bool
    scanned: Mapping[str, str]

    @cached_property
    def read(self) -> Mapping[str, str]:
        """What the tags said at the last scan."""
        guessed = self.scanned.get(GUESSED, "").split(";")
        return {
            name: "" if name in guessed else self.scanned.get(name, "") for name in FIELDS if self.scanned
        }

    @property
    def content(self) -> str:
        """Hash of the sound, `` if unknown."""
        return self.scanned.get("content", "")


Files = Mapping[str, ScannedFile]
Pairs = list[tuple[str, EarlierRow]]


def scanned_table(catalog: Path) -> Path:
    """Where the tags as last read stand."""
    return catalog.with_name(f"{catalog.stem}.scanned{catalog.suffix}")


def gone_table(catalog: Path) -> Path:
    """Where the rows of files that are gone stand."""
    return catalog.with_name(f"{catalog.stem}.gone{catalog.suffix}")


def read_earlier(catalog: Path) -> list[EarlierRow]:
    """The rows that an earlier scan, or a person, left in `catalog` and in the table of those that are gone.

    Raises:
        CatalogError: one of the two is broken.
    """
    scanned = _read_scanned(catalog)
    rows: dict[str, EarlierRow] = {}
    for table, gone in ((catalog, False), (gone_table(catalog), True)):
        if not table.exists():
            continue
        base = cache(partial(_folder_of_audio, table.absolute().parent))
        for cells in _rows(_read_table(table)):
            place = str(Path(base(cells.get("audio_folder", "")), cells["path"]))
            track = cells["track_id"]  # a scan that was killed may have left it in both tables
            rows.setdefault(track, EarlierRow(track, place, cells, gone, scanned.get(track, {})))
    if not all(row.scanned for row in rows.values()):
        log.info(
            "%s: of some rows it is not known what their tags said at the last scan (%s). There a tag goes before "
            "what stands in the catalog, and where tags are silent that stays.",
            catalog,
            scanned_table(catalog),
        )
    return list(rows.values())


def _read_table(table: Path) -> pd.DataFrame:
    source = f"catalog {table}"
    frame = read_rows(table, source, required=("track_id", "path"))
    for column in ("track_id", "path"):
        refuse_empty(frame, source, column)
    refuse_repeats(frame, source, ["track_id"], "Give every track an id of its own.")
    return frame


def _read_scanned(catalog: Path) -> dict[str, Cells]:
    table = scanned_table(catalog)
    if not table.exists():
        return {}
    try:
        frame = read_rows(table, f"table {table}", required=("track_id", "signature", "content"))
    except CatalogError as error:
        log.warning("%s It is made anew.", error)
        return {}
    return {row["track_id"]: row for row in _rows(frame)}


def _rows(frame: pd.DataFrame) -> list[Cells]:
    return [
        {str(name): str(cell) for name, cell in row.items()} for row in frame.fillna("").to_dict("records")
    ]


def _folder_of_audio(own_folder: Path, audio_folder: str) -> str:
    return from_disk(os.path.realpath(own_folder / on_disk(audio_folder)))


def match_rows(files: Files, earlier: Collection[EarlierRow]) -> dict[str, EarlierRow]:
    """The earlier row of each file; `files` are keyed by absolute path, as `EarlierRow.place`.

    A row stays with its place unless other sound is there now; else it goes where its sound has gone. Of
    equal copies, the one with the same name, folder and tags is meant; where two are meant as much, neither.
    """
    matched: dict[str, EarlierRow] = {}
    taken: set[str] = set()
    for find in (_unchanged, _moved, _moved_while_gone, _in_place, _converted, _moved_with_the_folder):
        loose = {place: file for place, file in files.items() if place not in matched}
        for place, row in find(loose, [row for row in earlier if row.track_id not in taken]):
            matched[place] = row
            taken.add(row.track_id)
    return matched


def _unchanged(files: Files, rows: list[EarlierRow]) -> Pairs:
    def may_be(file: ScannedFile, row: EarlierRow) -> bool:
        return not (file.content and row.content) or file.content == row.content

    return [(place, row) for place, row in _in_place(files, rows) if may_be(files[place], row)]


def _in_place(files: Files, rows: list[EarlierRow]) -> Pairs:
    by_place = {
        row.place: row for row in reversed(rows)
    }  # of two rows the one in the catalog, which is first
    return [(place, by_place[place]) for place in files if place in by_place]


def _moved(files: Files, rows: list[EarlierRow]) -> Pairs:
    return _with_equal_sound(files, [row for row in rows if not row.gone])


def _moved_while_gone(files: Files, rows: list[EarlierRow]) -> Pairs:
    return _with_equal_sound(files, [row for row in rows if row.gone])


def _converted(files: Files, rows: list[EarlierRow]) -> Pairs:
    """By the place but for the suffix: `song.flac` instead of `song.mp3`."""
    groups: dict[str, tuple[list[str], list[EarlierRow]]] = defaultdict(lambda: ([], []))
    for place in files:
        groups[place.rpartition(".")[0]][0].append(place)
    for row in rows:
        groups[row.place.rpartition(".")[0]][1].append(row)
    single = [(ours[0], theirs[0]) for ours, theirs in groups.values() if len(ours) == len(theirs) == 1]
    return [
        (place, row) for place, row in single if row.read and _same_length(files[place], row, seconds=1.0)
    ]


def _moved_with_the_folder(files: Files, rows: list[EarlierRow]) -> Pairs:
    """By the id, which is the same wherever the whole folder lies."""
    by_id = {row.track_id: row for row in rows}
    pairs = [
        (place, by_id[track]) for place, file in files.items() if (track := track_id(file.path)) in by_id
    ]
    return [
        (place, row)
        for place, row in pairs
        if _composed(row.place).endswith(f"/{_composed(files[place].path)}")
    ]


def _with_equal_sound(files: Files, rows: list[EarlierRow]) -> Pairs:
    rows_of: dict[str, list[EarlierRow]] = defaultdict(list)
    for row in rows:
        rows_of[row.content].append(row)
    places_of: dict[str, list[str]] = defaultdict(list)
    for place, file in files.items():
        places_of[file.content].append(place)
    known = [content for content in places_of if content and content in rows_of]
    return [pair for content in known for pair in _pair(places_of[content], rows_of[content], files)]


def _pair(places: list[str], rows: list[EarlierRow], files: Files) -> Pairs:
    """Pairs among places and rows with the same sound, by the strictest likeness that leaves one choice."""

    def tags(cells: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(cells.get(name, "") for name in ("title", "artist", "album"))

    likenesses: list[Callable[[str, Mapping[str, str]], Hashable]] = [
        lambda place, cells: (Path(place).parts[-2:], tags(cells)),
        lambda place, cells: (Path(place).name, tags(cells)),
        lambda place, cells: Path(place).parts[-2:],
        lambda place, cells: tags(cells),
        lambda place, cells: Path(place).name,
    ]
    if len(places) == len(rows) == 1:
        likenesses.append(lambda place, cells: None)
    pairs: Pairs = []
    for alike in likenesses:
        groups: dict[Hashable, tuple[list[str], list[EarlierRow]]] = defaultdict(lambda: ([], []))
        for place in places:
            groups[alike(place, files[place].tags)][0].append(place)
        for row in rows:
            groups[alike(row.place, row.read)][1].append(row)
        for ours, theirs in groups.values():
            if len(ours) == len(theirs) == 1 and _same_length(files[ours[0]], theirs[0]):
                pairs.append((ours[0], theirs[0]))
                places = [place for place in places if place != ours[0]]
                rows = [row for row in rows if row is not theirs[0]]
    return pairs


def _same_length(file: ScannedFile, row: EarlierRow, seconds: float = SAME_SECONDS) -> bool:
    return abs(float(file.tags["duration"] or 0) - float(row.read["duration"] or 0)) <= seconds


def merged(file: ScannedFile, row: EarlierRow | None, guess: bool) -> tuple[Cells, Cells]:
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
        elif row and name in before and not _same(name, before[name], row.scanned.get(name, "")):
            cells[name] = before[name]
    cells[GUESSED] = ";".join(sorted(name for name in guesses if cells[name] == guesses[name]))
    marks = {"signature": file.signature, "content": file.content, GUESSED: ";".join(sorted(guesses))}
    return cells, {**written, **marks}


def retagged(file: ScannedFile, row: EarlierRow) -> bool:
    """Whether the tags say something else than at the last scan."""
    return bool(row.read) and any(not _same(name, file.tags[name], row.read[name]) for name in FIELDS)


def write_scanned(catalog: Path, scanned: Mapping[str, Mapping[str, str]]) -> None:
    """Keep, by track id, what a scan read and wrote, for the next one."""
    rows = [{**cells, "track_id": track} for track, cells in scanned.items()]
    frame = pd.DataFrame(rows, columns=["track_id", "signature", "content", GUESSED, *FIELDS])
    write_rows(frame.replace("", pd.NA), scanned_table(catalog))


def write_gone(catalog: Path, rows: Collection[EarlierRow]) -> None:
    """Put the rows of files that are gone aside, or take the table away when there are none."""
    if rows:
        write_rows(pd.DataFrame([dict(row.cells) for row in rows]).replace("", pd.NA), gone_table(catalog))
    else:
        with explaining_output(gone_table(catalog)):
            gone_table(catalog).unlink(missing_ok=True)


def _same(name: str, one: str, other: str) -> bool:
    """Whether two cells say the same, whatever a spreadsheet made of them: line ends, `1999.0`."""
    if name in NUMBERS and one and other:
        with suppress(ValueError):
            return float(one) == float(other)
    return one == other or one.split() == other.split()


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)
