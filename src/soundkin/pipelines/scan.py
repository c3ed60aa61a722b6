"""Scan: a folder of music becomes a catalog."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import Skipped, UsageError
from soundkin.pipelines.options import FOLLOW_LINKS, Option, argument

if TYPE_CHECKING:
    from soundkin.catalog.audio_files import FolderFiles
    from soundkin.catalog.rescan import EarlierRow
    from soundkin.catalog.scanned_files import ScannedFile
    from soundkin.catalog.table import Catalog


@dataclass(frozen=True)
class Changes:
    """What changed since the last catalog, each track once: paths in the folder (`gone`: in the catalog)."""

    new: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    retagged: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)  # other sound in the same place


@dataclass(frozen=True)
class ScanResult:
    """The catalog as written, what has changed since the one before, and the files that are not in it.

    `skipped` cannot be read; `passed_over` is hidden or linked twice; `others` counts files that are no
    audio. `changes` is None for a first scan. `waiting` counts the rows kept for files that are gone, in
    `gone_table`.
    """

    catalog: "Catalog"
    skipped: list[Skipped]
    passed_over: list[Skipped]
    others: int
    changes: Changes | None
    waiting: int
    gone_table: Path


@dataclass(frozen=True)
class Findings:
    """What a scan finds out before it writes anything: files, and the earlier row of each by its place."""

    folder: Path
    output: Path
    listing: "FolderFiles"
    files: "list[ScannedFile]"
    earlier: "list[EarlierRow]"
    matched: "Mapping[str, EarlierRow]"

    @property
    def gone(self) -> "list[EarlierRow]":
        """Rows that no file has any more."""
        found = {row.track_id for row in self.matched.values()}
        return [row for row in self.earlier if row.track_id not in found]

    @property
    def before(self) -> int:
        """How many tracks the catalog had."""
        return sum(not row.gone for row in self.earlier)

    def changes(self) -> Changes:
        """What is different from the earlier catalog."""
        from soundkin.catalog.rescan import is_changed, is_retagged

        changes = Changes(gone=[row.cells["path"] for row in self.gone if not row.gone])
        for file in self.files:
            row = self.matched.get(file.place)
            if row is None:
                changes.new.append(file.path)
            elif row.gone:
                changes.returned.append(file.path)
            elif row.file.place != file.place:
                changes.moved.append(file.path)
            elif is_changed(file, row):
                changes.changed.append(file.path)
            elif is_retagged(file, row):
                changes.retagged.append(file.path)
        return changes


def scan(
    folder: Annotated[Path, argument()],
    output: Annotated[Path, Option("Catalog to write: .csv or .parquet.", ("-o", "--output"))],
    workers: Annotated[int, Option("Files read at the same time.", minimum=1)] = 2,
    guess: Annotated[bool, Option("Titles, artists, albums from paths where tags are silent.")] = True,
    follow_links: Annotated[bool, FOLLOW_LINKS] = False,
) -> ScanResult:
    """Read the tags of every audio file under FOLDER into a catalog.

    Reads mp3, flac, m4a, ogg, opus, wav and about sixty kinds more, the sound of films too: title, artist,
    album, genres, year and lyrics; also .lrc and .txt files next to the audio. Where tags are silent, title,
    artist and album come from paths such as `Artist/Album/01 Title.mp3`; the column `guessed` says which.

    Run it again when the music has changed: ids, columns of your own and cells that you wrote stay, even when
    files move. Rows whose file is gone wait in CATALOG.gone.csv until it returns.

    Example:
      soundkin scan ~/music -o catalog.csv

    Raises:
        UsageError: `folder` is no folder, or holds no audio.
        CatalogError: `output` is no name for a catalog, or holds a broken one.
        OutputError: `output` cannot be written.
    """
    return write_catalog(find_out(Path(folder), Path(output), workers, follow_links), guess)


def find_out(folder: Path, output: Path, workers: int, follow_links: bool = False) -> Findings:
    """Read the files in `folder` that the catalog `output` does not know as they are; raises as `scan`."""
    from soundkin.catalog import rescan
    from soundkin.catalog.audio_files import find_audio
    from soundkin.catalog.scanned_files import read_files
    from soundkin.catalog.table_io import check_suffix

    check_suffix(output, f"catalog {output}")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder. Name the folder that holds the music.")
    earlier = rescan.read_earlier(output)
    listing = find_audio(folder, rescan.base_folder(folder, output), follow_links)
    if not listing.audio:
        stays = f" {output} stays as it is." if earlier else ""
        raise UsageError(_no_audio(folder, listing) + stays)
    known = {row.file.place: row.file for row in reversed(earlier) if row.scanned}
    files = read_files(folder, listing, known, workers)
    if not files:
        reason = listing.skipped[-1].reason if listing.skipped else "there is no audio in it"
        raise UsageError(
            f"none of the {len(listing.audio)} audio files in {folder} can be opened. First: {reason}."
        )
    return Findings(folder, output, listing, files, earlier, rescan.match_rows(files, earlier))


def write_catalog(found: Findings, guess: bool = True, keep_gone: bool = True) -> ScanResult:
    """Write the catalog of what was found, and beside it the rows of what is gone; raises as `scan`."""
    from soundkin.catalog import rescan
    from soundkin.catalog.audio_files import new_ids
    from soundkin.catalog.paths import allow_folders

    output, earlier, listing = found.output, found.earlier, found.listing
    new = (file.path for file in found.files if file.place not in found.matched)
    ids = new_ids(new, {row.track_id for row in earlier})
    rows: list[rescan.Cells] = []
    scanned: dict[str, Mapping[str, str]] = {}
    for file in found.files:
        row = found.matched.get(file.place)
        track = row.track_id if row else ids[file.path]
        cells, scanned[track] = rescan.merge_cells(file, row, guess)
        rows.append({"track_id": track, "path": file.path, **cells})
    gone = found.gone if keep_gone else []
    allow_folders(listing.linked_folders)  # or no command would read this catalog
    # In this order a scan that is killed loses nothing, and the next one puts right what it left.
    rescan.write_gone(output, [row for row in earlier if row.gone or row.track_id not in scanned])
    catalog = rescan.replace_catalog(rows, earlier, found.folder, output)
    rescan.write_scanned(output, {row.track_id: row.scanned for row in gone if row.scanned} | scanned)
    rescan.write_gone(output, gone)
    changes = found.changes() if earlier else None
    aside = rescan.gone_table(output)
    return ScanResult(
        catalog, listing.skipped, listing.passed_over, listing.others, changes, len(gone), aside
    )


def _no_audio(folder: Path, listing: "FolderFiles") -> str:
    from soundkin.catalog.audio_files import AUDIO_SUFFIXES, FILM_SUFFIXES

    kinds = f"{' '.join(AUDIO_SUFFIXES[:10])} and {len(AUDIO_SUFFIXES + FILM_SUFFIXES) - 10} more kinds"
    passed = [*listing.skipped, *listing.passed_over]
    first = f" Passed over: {len(passed)}, the first {passed[0].path}: {passed[0].reason}." if passed else ""
    return f"{folder} holds no audio ({kinds}).{first} Name the folder that holds the music."
