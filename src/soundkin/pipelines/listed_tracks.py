"""Tracks in an order of ours: what a path and a playlist give back, and how they are written to a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soundkin.pipelines.answers import Answer, columns_to_show
from soundkin.search.tracks import cells_in, seconds_in

if TYPE_CHECKING:
    from soundkin.pipelines.seeds import ResolvedSeed
    from soundkin.search.vector_index import Index

NO_SECONDS = -1  # as `#EXTINF` has it where nobody knows how long a track is


@dataclass(frozen=True)
class ListedTrack(Answer):
    """An answer in its place. `score` is the cosine with the track before or, in a playlist, how alike it is
    to what was asked for; `seconds` is its length, -1 where not known.
    """

    seconds: float = NO_SECONDS


class Playlist(list[ListedTrack]):
    """The tracks of a playlist; `likes` and `unlikes` are the seeds that it was asked for with."""

    likes: "Sequence[ResolvedSeed]" = ()
    unlikes: "Sequence[ResolvedSeed]" = ()


def listed_tracks(
    index: "Index", rows: Sequence[int], scores: Iterable[float], columns: Sequence[str] | None = ()
) -> list[ListedTrack]:
    """The tracks in these rows, in their order, with the cells of `columns` (None: all)."""
    wanted = columns_to_show(index, columns)
    listed = []
    for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=1):
        track_id, title, artist, path = index.tracks.label(row)
        cells = cells_in(index.tracks.batch, row, wanted)
        seconds = seconds_of(index, row)
        listed.append(
            ListedTrack(rank, track_id, title, artist, score, index.audio_path(path), cells, seconds=seconds)
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
