"""Tracks in an order of ours: what a path and a playlist give back, and how they are written to a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soundkin.config import nearest
from soundkin.errors import UsageError
from soundkin.pipelines.answers import Answer
from soundkin.search.tracks import seconds_in

if TYPE_CHECKING:
    from soundkin.search.vector_index import Index

NO_SECONDS = -1  # as `#EXTINF` has it where nobody knows how long a track is


@dataclass(frozen=True)
class ListedTrack(Answer):
    """An answer in its place. `score` is the cosine with the track before or, in a playlist, how alike it is
    to what was asked for; `seconds` is its length, -1 where not known.
    """

    seconds: float = NO_SECONDS


def listed_tracks(
    index: "Index", rows: Sequence[int], scores: Iterable[float], columns: Sequence[str] | None = ()
) -> list[ListedTrack]:
    """The tracks in these rows, in their order, with the cells of `columns` (None: all)."""
    known = index.tracks.columns
    for name in columns or ():
        if name not in known:
            raise UsageError(f"there is no column {name}.{nearest(name, known)}")
    listed = []
    for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=1):
        track_id, title, artist, path = index.tracks.label(row)
        wanted = known if columns is None else columns
        cells = {name: index.tracks.batch.column(name)[row].as_py() for name in wanted}
        known_cells = {name: cell if cell == cell else None for name, cell in cells.items()}  # None for NaN
        seconds = seconds_of(index, row)
        listed.append(
            ListedTrack(
                rank, track_id, title, artist, score, index.audio_path(path), known_cells, seconds=seconds
            )
        )
    return listed


def seconds_of(index: "Index", row: int) -> float:
    """How long a track is by the catalog's column `duration`; -1 where it does not say."""
    if "duration" not in index.tracks.columns:
        return NO_SECONDS
    return seconds_in(index.tracks.batch.column("duration")[row].as_py()) or NO_SECONDS


def all_seconds(index: "Index") -> list[float]:
    """`seconds_of` every row."""
    if "duration" not in index.tracks.columns:
        return [NO_SECONDS] * len(index)
    return [seconds_in(cell) or NO_SECONDS for cell in index.tracks.batch.column("duration").to_pylist()]


def write_tracks_as_playlist(tracks: Sequence[ListedTrack], output: Path, title: str) -> None:
    """Write a playlist by the suffix of `output`, in place of one that is there."""
    from soundkin.catalog.playlist_files import ListedFile, write_playlist

    entries = [ListedFile(t.track_id, t.path, t.title, t.artist, t.seconds) for t in tracks]
    write_playlist(entries, output, title)
