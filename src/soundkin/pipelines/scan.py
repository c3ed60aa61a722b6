"""Scan: a folder of music becomes a catalog."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pandas as pd

from soundkin.catalog.audio_files import AUDIO_SUFFIXES, FILM_SUFFIXES, Found, find_audio, new_ids
from soundkin.catalog.content import content_hash, signature
from soundkin.catalog.file_tags import NoAudioError, read_tags
from soundkin.catalog.paths import from_disk, on_disk, printable
from soundkin.catalog.rescan import (
    FIELDS,
    GUESSED,
    Cells,
    EarlierRow,
    ScannedFile,
    match_rows,
    merged,
    read_earlier,
    retagged,
    write_gone,
    write_scanned,
)
from soundkin.catalog.table import Catalog, read_catalog, write_catalog
from soundkin.catalog.table_io import check_suffix
from soundkin.errors import AudioError, CatalogError, Skipped, UsageError
from soundkin.files import explaining_output
from soundkin.progress import progress


@dataclass(frozen=True)
class Changes:
    """What has changed since the catalog before, each track once: paths within the folder (`gone`: the
    catalog's).
    """

    new: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    retagged: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ScanResult:
    """The catalog as written, what has changed since the one before, and the files that are not in it.

    `skipped` cannot be read; `passed_over` is hidden or linked twice; `others` counts files that are no
    audio. `changes` is None for a first scan. `waiting` counts the rows kept for files that are gone.
    """

    catalog: Catalog
    skipped: list[Skipped]
    passed_over: list[Skipped]
    others: int
    changes: Changes | None
    waiting: int


def scan(folder: Path, output: Path, workers: int = 1, guess: bool = True) -> ScanResult:
    """List the audio files of `folder` with their tags in a catalog at `output`, .csv or .parquet, by path.

    Where `output` holds an earlier catalog, each track keeps its `track_id` for as long as its file can be
    found, by its path or by its sound. Columns of other origin and cells that a person wrote stay; other
    cells follow the tags. Rows whose file is gone wait in a table beside the catalog until it returns
    (docs/scan.md). Paths are relative to the catalog; where it lies neither in `folder` nor above it,
    `audio_folder` names the folder.

    Args:
        folder: searched with all folders below it.
        output: the catalog to write.
        workers: files read at the same time; more than 1 helps on a cold disk or over a network.
        guess: take title, artist and album from the path where tags are silent; column `guessed` says which.

    Raises:
        UsageError: `folder` is no folder, or holds no audio.
        CatalogError: `output` is no name for a catalog, or holds a broken one.
        OutputError: `output` cannot be written.
    """
    folder, output = Path(folder), Path(output)
    check_suffix(output, f"catalog {output}")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder. Name the folder that holds the music.")
    earlier = read_earlier(output)
    found = find_audio(folder, _base(folder, output))
    if not found.audio:
        raise UsageError(_no_audio(folder, found) + (f" {output} stays as it is." if earlier else ""))
    files = _read_files(folder, found, earlier, workers)
    if not files:
        reason = found.skipped[-1].reason if found.skipped else "there is no audio in it"
        raise UsageError(
            f"none of the {len(found.audio)} audio files in {folder} can be opened. First: {reason}."
        )
    matched = match_rows(files, earlier)
    ids = new_ids(
        (file.path for place, file in files.items() if place not in matched), {r.track_id for r in earlier}
    )
    rows: list[Cells] = []
    scanned: dict[str, Mapping[str, str]] = {}
    for place, file in files.items():
        row = matched.get(place)
        track = row.track_id if row else ids[file.path]
        cells, scanned[track] = merged(file, row, guess)
        rows.append({"track_id": track, "path": file.path, **cells})
    gone = [row for row in earlier if row.track_id not in scanned]
    # In this order a scan that is killed loses nothing, and the next one puts right what it left.
    write_gone(output, [row for row in earlier if row.gone or row.track_id not in scanned])
    catalog = _replace(_table(rows, earlier, folder, output), output)
    write_scanned(output, {row.track_id: row.scanned for row in gone if row.scanned} | scanned)
    write_gone(output, gone)
    changes = _changes(files, matched, gone) if earlier else None
    return ScanResult(catalog, found.skipped, found.passed_over, found.others, changes, len(gone))


def _no_audio(folder: Path, found: Found) -> str:
    kinds = f"{' '.join(AUDIO_SUFFIXES[:10])} and {len(AUDIO_SUFFIXES + FILM_SUFFIXES) - 10} more kinds"
    passed = [*found.skipped, *found.passed_over]
    first = f" Passed over: {len(passed)}, the first {passed[0].path}: {passed[0].reason}." if passed else ""
    return f"{folder} holds no audio ({kinds}).{first} Name the folder that holds the music."


def _read_files(
    folder: Path, found: Found, earlier: list[EarlierRow], workers: int
) -> dict[str, ScannedFile]:
    """The files that could be read, by absolute path; the others go into `found`."""
    top = from_disk(os.path.realpath(folder))
    known = {row.place: row for row in reversed(earlier) if row.scanned}

    def read(path: str) -> ScannedFile | AudioError:
        try:
            state = signature(folder / on_disk(path))
            row = known.get(f"{top}/{path}")
            if row and row.scanned["signature"] == state:
                return ScannedFile(path, row.read, state, row.content)
            tags = asdict(read_tags(folder / on_disk(path)))
            cells = {name: "" if tags[name] is None else str(tags[name]) for name in FIELDS}
            return ScannedFile(path, cells, state, content_hash(folder / on_disk(path)))
        except AudioError as error:
            return error
        except OSError as error:
            return AudioError(f"it cannot be reached: {error.strerror}")

    files = {}
    # Threads: a file takes 1 ms of computing, the rest is waiting for the disk.
    with ThreadPool(workers) as pool:
        answers = list(
            progress(pool.imap(read, found.audio, chunksize=16), "reading tags", total=len(found.audio))
        )
    for path, answer in zip(found.audio, answers, strict=True):
        if isinstance(answer, ScannedFile):
            files[f"{top}/{path}"] = answer
        elif path.lower().endswith(AUDIO_SUFFIXES) or (
            path.lower().endswith(FILM_SUFFIXES) and not isinstance(answer, NoAudioError)
        ):
            found.skipped.append(Skipped(printable(folder / on_disk(path)), str(answer)))
        else:
            found.others += 1
    return files


def _base(folder: Path, output: Path) -> Path:
    """What paths are relative to: the catalog's folder, if it holds the music, or else that of the music."""
    music, own_folder = folder.resolve(), output.absolute().parent.resolve()
    return own_folder if music.is_relative_to(own_folder) else music


def _table(rows: list[Cells], earlier: list[EarlierRow], folder: Path, output: Path) -> pd.DataFrame:
    """One row per track, paths as seen from the catalog; columns in the order in which they stood."""
    music, base = folder.resolve(), _base(folder, output)
    above = base == output.absolute().parent.resolve()
    prefix = f"{from_disk(music.relative_to(base))}/" if music != base else ""
    frame = pd.DataFrame(rows)
    frame["path"] = prefix + frame["path"]
    frame["audio_folder"] = from_disk(music)
    standing = [name for row in earlier[:1] + earlier[-1:] for name in row.cells]
    columns = dict.fromkeys([*standing, "track_id", "path", *FIELDS, GUESSED, "audio_folder"])
    left_out = {"audio_folder"} if above else set()
    left_out |= set() if frame[GUESSED].any() else {GUESSED}
    frame = frame.reindex(columns=[name for name in columns if name not in left_out]).replace("", pd.NA)
    if output.suffix.lower() == ".parquet":
        with suppress(ValueError):  # what is no number comes out when the table is read back
            frame["year"] = pd.to_numeric(frame["year"]).astype("Int64")
            frame["duration"] = pd.to_numeric(frame["duration"]).astype("Float64")
    return frame


def _replace(frame: pd.DataFrame, output: Path) -> Catalog:
    """Write the catalog once it has been read back as any verb would read it."""
    temporary = output.with_name(f".{output.stem}.{os.getpid()}.new{output.suffix}")
    try:
        write_catalog(frame, temporary)
        try:
            back = read_catalog(temporary)
        except CatalogError as error:
            complaint = str(error).replace(str(temporary), str(output))
            raise CatalogError(f"{complaint} The catalog stays as it was.") from error
        if (
            back.frame[["track_id", "path"]].astype(str).values.tolist()
            != frame[["track_id", "path"]].values.tolist()
        ):
            raise CatalogError(
                f"catalog {output}: it reads back otherwise than it was written, and stays as it was."
            )
        with explaining_output(output):
            temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    return replace(back, source=f"catalog {output}")


def _changes(
    files: Mapping[str, ScannedFile], matched: Mapping[str, EarlierRow], gone: list[EarlierRow]
) -> Changes:
    changes = Changes(gone=[row.cells["path"] for row in gone if not row.gone])
    for place, file in files.items():
        row = matched.get(place)
        if row is None:
            changes.new.append(file.path)
        elif row.gone:
            changes.returned.append(file.path)
        elif row.place != place:
            changes.moved.append(file.path)
        elif retagged(file, row):
            changes.retagged.append(file.path)
    return changes
