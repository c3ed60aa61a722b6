"""Scan: a folder of music becomes a catalog."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pandas as pd

from soundkin.catalog.rows import check_suffix
from soundkin.catalog.scan import AUDIO_SUFFIXES, find_audio, track_id
from soundkin.catalog.table import Catalog, read_catalog, write_catalog
from soundkin.catalog.tags import Tags, read_tags
from soundkin.errors import AudioError, Skipped, UsageError
from soundkin.progress import progress


@dataclass(frozen=True)
class ScanResult:
    """The catalog as written, and the files that could not be listed in it."""

    catalog: Catalog
    skipped: list[Skipped]


def scan(folder: Path, output: Path, workers: int = 1) -> ScanResult:
    """List the audio files of `folder` with their tags in a catalog at `output` (.csv or .parquet), sorted by path.

    A track keeps its `track_id` for as long as its path within `folder` stays. Where `output` holds an earlier catalog,
    cells that the tags say nothing about, and columns of other origin, keep what stood there.
    Paths are relative to the catalog; where it lies neither in `folder` nor above it, `audio_folder` names the folder.

    Args:
        folder: searched with all folders below it.
        output: the catalog to write.
        workers: files read at the same time; more than 1 helps on a cold disk or over a network.

    Raises:
        UsageError: `folder` is no folder, or holds no audio.
        CatalogError: `output` is no name for a catalog, or holds a broken one.
        OutputError: `output` cannot be written.
    """
    folder, output = Path(folder), Path(output)
    check_suffix(output, f"catalog {output}")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder. Name the folder that holds the music.")
    earlier = read_catalog(output) if output.exists() else None
    paths, skipped = find_audio(folder)
    if not paths:
        raise UsageError(f"{folder} holds no audio ({' '.join(AUDIO_SUFFIXES)}). Name the folder that holds the music.")
    tags: dict[str, Tags] = {}
    for path, answer in _read_all(folder, paths, workers):
        if isinstance(answer, Tags):
            tags[path] = answer
        else:
            skipped.append(Skipped(str(folder / path), answer))
    if not tags:
        raise UsageError(
            f"none of the {len(paths)} audio files in {folder} can be opened. First: {skipped[-1].reason}."
        )
    frame = _table(tags, folder, output)
    write_catalog(_keep_earlier(frame, earlier) if earlier else frame, output)
    return ScanResult(read_catalog(output), skipped)


def _read_all(folder: Path, paths: list[str], workers: int) -> Iterator[tuple[str, Tags | str]]:
    """Each path with its tags, or with the reason why it has none, in order."""

    def read(path: str) -> tuple[str, Tags | str]:
        try:
            return path, read_tags(folder / path)
        except AudioError as error:
            return path, str(error)

    # Threads: a file takes 0.2 ms of computing, the rest is waiting for the disk.
    with ThreadPool(workers) as pool:
        yield from progress(pool.imap(read, paths, chunksize=16), "reading tags", total=len(paths))


def _table(tags: dict[str, Tags], folder: Path, output: Path) -> pd.DataFrame:
    """One row per track, paths as seen from the catalog."""
    music, own_folder = folder.resolve(), output.absolute().parent.resolve()
    above = music.is_relative_to(own_folder)
    prefix = f"{music.relative_to(own_folder).as_posix()}/" if above and music != own_folder else ""
    frame = pd.DataFrame([asdict(row) for row in tags.values()]).astype({"year": "Int64", "duration": "float64"})
    frame.insert(0, "track_id", [track_id(path) for path in tags])
    frame.insert(1, "path", [prefix + path for path in tags])
    if not above:
        frame["audio_folder"] = str(music)
    return frame.replace("", pd.NA)


def _keep_earlier(frame: pd.DataFrame, earlier: Catalog) -> pd.DataFrame:
    """Fill what the tags left open from the catalog that is about to be replaced, track by track."""
    known = earlier.frame.set_index("track_id").drop(columns=["path", "audio_folder"], errors="ignore")
    known = known.reindex(frame["track_id"]).reset_index(drop=True)
    for column in known:
        frame[column] = frame[column].fillna(known[column]) if column in frame else known[column]
    return frame
