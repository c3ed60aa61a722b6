"""What a new scan keeps of the catalog before it: ids, columns of one's own, and cells that a person wrote.

Next to `catalog.csv` are two tables of ours. `catalog.scanned.csv` has, for each track, the tags as the last
scan read them: a cell that differs was written by a person and stays, one that does not follows its file.
`catalog.gone.csv` has the rows whose file is gone, whole: the next scan reads them back when the file
returns. It is kept apart because every other verb takes each row of a catalog for a file that can be read.
"""

import logging
import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path

import pandas as pd

from soundkin.catalog.audio_files import track_id
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
NUMBERS = ("year", "duration")
SAME_SECONDS = 0.1  # what tags at the end of a file can change of its claimed length

Cells = dict[str, str]


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
    def tags(self) -> Mapping[str, str]:
        """What the tags said at the last scan; empty if unknown."""
        guessed = self.scanned.get(GUESSED, "").split(";")
        names = FIELDS if self.scanned else ()
        return {name: "" if name in guessed else self.scanned.get(name, "") for name in names}

    @property
    def content(self) -> str:
        """Hash of the sound, `` if unknown."""
        return self.scanned.get("content", "")


Files = Mapping[str, ScannedFile]  # by absolute path, as `EarlierRow.place`
Pairs = list[tuple[str, EarlierRow]]


def scanned_table(catalog: Path) -> Path:
    """The table of the tags as last read."""
    return catalog.with_name(f"{catalog.stem}.scanned{catalog.suffix}")


def gone_table(catalog: Path) -> Path:
    """The table of the rows whose file is gone."""
    return catalog.with_name(f"{catalog.stem}.gone{catalog.suffix}")


def read_earlier(catalog: Path) -> list[EarlierRow]:
    """The rows that an earlier scan, or a person, left in `catalog` and in the table of those that are gone."""
    scanned = _read_scanned(scanned_table(catalog))
    rows: dict[str, EarlierRow] = {}
    for table, gone in ((catalog, False), (gone_table(catalog), True)):
        if not table.exists():
            continue
        base = cache(partial(_folder_of_audio, table.absolute().parent))
        for cells in _cells(read_tracks(table, f"catalog {table}")):
            place = str(Path(base(cells.get("audio_folder", "")), cells["path"]))
            track = cells["track_id"]  # a scan that was killed may have left it in both tables
            rows.setdefault(track, EarlierRow(track, place, cells, gone, scanned.get(track, {})))
    if not all(row.scanned for row in rows.values()):
        log.info(
            "%s: of some rows it is not known what their tags said at the last scan (%s). There a tag goes before "
            "the cell in the catalog, and where tags are silent that cell stays.",
            catalog,
            scanned_table(catalog),
        )
    return list(rows.values())


def known_files(earlier: Iterable[EarlierRow]) -> dict[str, ScannedFile]:
    """What the last scan read, by absolute path; of two rows of one file, the first counts."""
    known: dict[str, ScannedFile] = {}
    for row in earlier:
        if row.scanned:
            known.setdefault(row.place, ScannedFile("", row.tags, row.scanned["signature"], row.content))
    return known


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


def _folder_of_audio(own_folder: Path, audio_folder: str) -> str:
    return from_disk(os.path.realpath(own_folder / on_disk(audio_folder)))


def match_rows(files: Files, earlier: Collection[EarlierRow]) -> dict[str, EarlierRow]:
    """The earlier row of each file, by its absolute path.

    A row stays with its place unless other sound is there now; else it goes where its sound has gone. Of
    equal copies, the one with the same name, folder and tags is meant; where two are meant as much, neither.
    """
    matched: dict[str, EarlierRow] = {}
    taken: set[str] = set()
    same_sound = [partial(_same_sound, gone, alike) for gone in (False, True) for alike in LIKENESSES]
    for find in (_unchanged, *same_sound, _in_place, _converted, _moved_with_the_folder):
        loose = {place: file for place, file in files.items() if place not in matched}
        for place, row in find(loose, [row for row in earlier if row.track_id not in taken]):
            matched[place] = row
            taken.add(row.track_id)
    return matched


def _in_place(files: Files, rows: list[EarlierRow]) -> Pairs:
    by_place = {
        row.place: row for row in reversed(rows)
    }  # of two rows the one in the catalog, which is first
    return [(place, by_place[place]) for place in files if place in by_place]


def _unchanged(files: Files, rows: list[EarlierRow]) -> Pairs:
    def may_be(file: ScannedFile, row: EarlierRow) -> bool:
        return not (file.content and row.content) or file.content == row.content

    return [(place, row) for place, row in _in_place(files, rows) if may_be(files[place], row)]


def _converted(files: Files, rows: list[EarlierRow]) -> Pairs:
    """By the place but for the suffix: `song.flac` instead of `song.mp3`."""
    pairs = _unique_pairs(files, rows, _without_suffix, lambda row: _without_suffix(row.place))
    return [(place, row) for place, row in pairs if row.tags and _same_length(files[place], row, seconds=1.0)]


def _without_suffix(place: str) -> str:
    return place.rpartition(".")[0]


def _moved_with_the_folder(files: Files, rows: list[EarlierRow]) -> Pairs:
    """By the id, which is the same wherever the whole folder lies."""
    by_id = {row.track_id: row for row in rows}
    pairs = [(place, by_id.get(track_id(file.path))) for place, file in files.items()]
    ends = {place: "/" + unicodedata.normalize("NFC", file.path) for place, file in files.items()}
    return [
        (place, row)
        for place, row in pairs
        if row and unicodedata.normalize("NFC", row.place).endswith(ends[place])
    ]


Likeness = Callable[[str, Mapping[str, str]], Hashable]


def _names(cells: Mapping[str, str]) -> Hashable:
    return tuple(cells.get(name, "") for name in ("title", "artist", "album"))


# What tells files of equal sound apart, given place and tags: nothing where there is but one, else the
# strictest likeness that leaves one choice.
LIKENESSES: tuple[Likeness, ...] = (
    lambda place, cells: (),
    lambda place, cells: (Path(place).parts[-2:], _names(cells)),
    lambda place, cells: (Path(place).name, _names(cells)),
    lambda place, cells: Path(place).parts[-2:],
    lambda place, cells: _names(cells),
    lambda place, cells: Path(place).name,
)


def _same_sound(gone: bool, alike: Likeness, files: Files, rows: list[EarlierRow]) -> Pairs:
    pairs = _unique_pairs(
        [place for place, file in files.items() if file.content],
        [row for row in rows if row.content and row.gone == gone],
        lambda place: (files[place].content, alike(place, files[place].tags)),
        lambda row: (row.content, alike(row.place, row.tags)),
    )
    return [(place, row) for place, row in pairs if _same_length(files[place], row)]


def _unique_pairs(
    places: Iterable[str],
    rows: Iterable[EarlierRow],
    place_key: Callable[[str], Hashable],
    row_key: Callable[[EarlierRow], Hashable],
) -> Pairs:
    """Places and rows of equal key, where no other place or row has it."""
    groups: dict[Hashable, tuple[list[str], list[EarlierRow]]] = defaultdict(lambda: ([], []))
    for place in places:
        groups[place_key(place)][0].append(place)
    for row in rows:
        groups[row_key(row)][1].append(row)
    return [(ours[0], theirs[0]) for ours, theirs in groups.values() if len(ours) == len(theirs) == 1]


def _same_length(file: ScannedFile, row: EarlierRow, seconds: float = SAME_SECONDS) -> bool:
    return abs(float(file.tags["duration"] or 0) - float(row.tags["duration"] or 0)) <= seconds


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
    marks = {"signature": file.signature, "content": file.content, GUESSED: ";".join(sorted(guesses))}
    return cells, {**written, **marks}


def is_retagged(file: ScannedFile, row: EarlierRow) -> bool:
    """Whether the tags say something else than at the last scan."""
    return any(not _same_cell(name, file.tags[name], cell) for name, cell in row.tags.items())


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
    frame = pd.DataFrame(rows, columns=["track_id", "signature", "content", GUESSED, *FIELDS])
    write_rows(frame.replace("", pd.NA), scanned_table(catalog))


def write_gone(catalog: Path, rows: Collection[EarlierRow]) -> None:
    """Put the rows of files that are gone aside, or take the table away when there are none."""
    if rows:
        write_rows(pd.DataFrame([dict(row.cells) for row in rows]).replace("", pd.NA), gone_table(catalog))
    else:
        with explaining_output(gone_table(catalog)):
            gone_table(catalog).unlink(missing_ok=True)
