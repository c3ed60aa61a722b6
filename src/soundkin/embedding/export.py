"""Embeds tracks into an embeddings folder (`store`) so that a kill loses nothing and leaves no trace.

Computed vectors go to `unfinished/` every second, in any order, as parts of a few tracks; a part of the
result is written once all its tracks have an outcome. Parts hold fixed runs of catalog rows, so their bytes
depend on catalog, audio and model alone: not on workers, kills, or earlier runs. Where tracks keep the places
that earlier runs gave them (`Export.keep_places`), only parts in which something changes are written.
"""

import csv
import logging
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow.parquet as pq

from soundkin.embedding.default_model import stored_model
from soundkin.embedding.embedder import TrackEmbedding
from soundkin.embedding.part_files import Rows, rows_of, with_ids, write_part
from soundkin.embedding.store import EmbeddingsManifest, Part, part_path, read_tracks, write_manifest
from soundkin.embedding.stored_vectors import Content, StoredRow, StoredVectors
from soundkin.embedding.up_to_date import OURS, known_unusable
from soundkin.errors import OutputError, OutputPlaceError, Skipped
from soundkin.files import explaining_output, locked, path_from, replacing

TRACKS_PER_PART = 1000
# What was computed waits so long in memory, and no more of it: a file a track took a twentieth of all time.
SECONDS_WAITING, TRACKS_WAITING = 1.0, 1000
SKIPPED_COLUMNS = ("track_id", "path", "reason", "audio_hash", "soundkin")

log = logging.getLogger(__name__)


class Unusable(NamedTuple):
    """A track that cannot be embedded; `audio_hash` is empty where the file could not even be read."""

    skipped: Skipped
    audio_hash: str = ""


# What was computed; or the content that an earlier run computed a vector of; or why there is none.
Outcome = TrackEmbedding | Content | Unusable


@dataclass
class Export:
    """One run of embedding the tracks `track_ids` into `folder`; use it in a `with` statement."""

    folder: Path
    track_ids: Sequence[str]
    model_hash: str
    embedding_size: int
    patches: bool
    tracks_per_part: int = TRACKS_PER_PART
    trusting: bool = False  # as of `StoredVectors`

    def __post_init__(self) -> None:
        self._number(self.track_ids, {})
        self._outcomes: dict[int, dict[int, Content | Unusable]] = defaultdict(dict)
        self._parts: dict[int, Part] = {}
        self._unusable: dict[int, Unusable] = {}
        self._audio_hashes: dict[str, str] = {}
        self._waiting: dict[Content, TrackEmbedding] = {}
        self._written_at = time.monotonic()
        self._lock = ExitStack()

    def __enter__(self) -> Self:
        with explaining_output(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            names = {path.name for path in self.folder.iterdir()}
        if names and not names & {"manifest.json", "unfinished"}:
            odd = min(names)
            raise OutputPlaceError(f"{self.folder} holds other files, such as {odd}. Choose an empty folder.")
        self._lock.enter_context(locked(self.folder))
        with explaining_output(self.folder):
            for folder in (self.folder / "unfinished", self.folder):
                for kind in ("tracks", "patches"):
                    (folder / kind).mkdir(parents=True, exist_ok=True)
        self._stored = StoredVectors(self.folder, self.model_hash, self.patches, self.trusting)
        self._places, self._unfinished = self._stored.places, self._stored.unfinished
        in_unfinished = (place.part for place in self._places.values() if place.folder == self._unfinished)
        self._unfinished_tracks = Counter(in_unfinished)  # by part
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock, suppress(OutputError):  # a disk that is full says so again in the next run
            self._write_waiting()

    @property
    def known(self) -> frozenset[Content]:
        """What need not be embedded again."""
        return frozenset({*self._places, *self._waiting})

    def known_unusable(self) -> dict[str, str]:
        """By audio hash, why this version of soundkin could not use a file in an earlier run."""
        return known_unusable(self.folder)

    def keep_others(self) -> None:
        """Carry over the tracks of earlier runs that this one is not about; before anything is recorded."""
        own = set(self.track_ids)
        others = [track_id for track_id in self._stored.of_tracks if track_id not in own]
        self._number([*self.track_ids, *others], {})
        self._record_stored(others)

    def keep_places(self, others: bool) -> None:
        """Leave tracks in the parts where earlier runs put them, and append new ones; `others` as above.

        So only parts in which something changes are written. Before anything is recorded.
        """
        own = set(self.track_ids)
        places = {
            track_id: number
            for number, kept in sorted(self._stored.kept.items())
            for track_id, _ in kept.rows
            if others or track_id in own
        }
        new = [track_id for track_id in self.track_ids if track_id not in places]
        self._number([*places, *new], places)
        self._record_stored([track_id for track_id in places if track_id not in own])

    def row(self, track_id: str) -> int:
        """The number that a track has."""
        return self._rows[track_id]

    def _number(self, track_ids: Sequence[str], places: Mapping[str, int]) -> None:
        """Number the tracks, and give each that has no part in `places` one behind those."""
        self.track_ids = track_ids
        self._rows = {track_id: row for row, track_id in enumerate(track_ids)}
        self._sizes = Counter(places.values())  # by part
        self._part_of = []  # by row
        last = max(places.values(), default=0)
        for track_id in track_ids:
            if track_id not in places:
                last += self._sizes[last] >= self.tracks_per_part
                self._sizes[last] += 1
            self._part_of.append(places.get(track_id, last))

    def _record_stored(self, track_ids: Iterable[str]) -> None:
        for track_id in track_ids:
            self.record(self.row(track_id), self._stored.of_tracks[track_id])

    @property
    def audio_hashes(self) -> dict[str, str]:
        """By track id, what audio each track is known by, if it could be read."""
        return {track_id: hash_ for track_id, hash_ in self._audio_hashes.items() if hash_}

    @property
    def skipped(self) -> list[Skipped]:
        """What was left out, in catalog order."""
        return [self._unusable[row].skipped for row in sorted(self._unusable)]

    def record(self, row: int, outcome: Outcome) -> None:
        """Take the outcome of track number `row`, for the disk; the last one of a part completes the part."""
        if isinstance(outcome, TrackEmbedding):
            content = Content(outcome.audio_hash, outcome.lyrics_hash)
            if content not in self._places:
                self._waiting[content] = outcome
            outcome = content
            waited = time.monotonic() - self._written_at
            if waited >= SECONDS_WAITING or len(self._waiting) >= TRACKS_WAITING:
                self._write_waiting()
        self._audio_hashes[self.track_ids[row]] = outcome.audio_hash
        number = self._part_of[row]
        outcomes = self._outcomes[number]
        outcomes[row] = outcome
        if len(outcomes) == self._sizes[number]:
            self._complete(number, self._outcomes.pop(number))

    def finish(self, model_path: Path, catalog_path: Path) -> None:
        """Make the parts the folder's content by naming them in its manifest; clear everything else away."""
        parts = tuple(self._parts[number] for number in sorted(self._parts))
        with replacing(self.folder / "skipped.csv", "w") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(SKIPPED_COLUMNS)
            for row, (skipped, audio_hash) in sorted(self._unusable.items()):
                writer.writerow([self.track_ids[row], skipped.path, skipped.reason, audio_hash, OURS])
        manifest = EmbeddingsManifest(
            model_hash=self.model_hash,
            model_path=stored_model(model_path, self.folder),
            catalog_path=path_from(self.folder, catalog_path),
            embedding_size=self.embedding_size,
            count=sum(part.count for part in parts),
            skipped=len(self._unusable),
            parts=parts,
        )
        write_manifest(self.folder, manifest)
        self._clear({part.name for part in parts})

    def _write_waiting(self) -> None:
        """Put on disk what waits for it."""
        waiting, self._waiting = self._waiting, {}
        if waiting:
            rows = rows_of(list(waiting.values()), self.model_hash, self.patches)
            part = self._write_part(self._unfinished, len(self._places), [rows], sync=False)
            self._places |= {
                content: StoredRow(self._unfinished, part.name, place)
                for place, content in enumerate(waiting)
            }
            self._unfinished_tracks[part.name] = len(waiting)
        self._written_at = time.monotonic()

    def _complete(self, number: int, outcomes: dict[int, Content | Unusable]) -> None:
        """Write part `number`, now that all its tracks have an outcome, unless it is there already."""
        self._unusable |= {row: outcome for row, outcome in outcomes.items() if isinstance(outcome, Unusable)}
        known = [(row, outcome) for row, outcome in sorted(outcomes.items()) if isinstance(outcome, Content)]
        if not known:
            return
        kept = self._stored.kept.get(number)
        if kept and kept.rows == [(self.track_ids[row], content) for row, content in known]:
            self._parts[number] = kept.part
            return
        self._write_waiting()
        part = self._write_part(self.folder, number, self._read_known(known), sync=True)
        self._parts[number] = part
        for place, (_, content) in enumerate(known):
            before = self._places[content]
            self._places[content] = StoredRow(self.folder, part.name, place)
            if before.folder == self._unfinished:
                self._unfinished_tracks[before.part] -= 1
                if not self._unfinished_tracks[before.part]:
                    for kind in ("tracks", "patches"):
                        part_path(before.folder, kind, before.part).unlink(missing_ok=True)

    def _read_known(self, known: Sequence[tuple[int, Content]]) -> Iterator[Rows]:
        """The rows of tracks out of the parts that hold them, in their order, one part open at a time."""
        tracks = ((self.track_ids[row], self._places[content]) for row, content in known)
        for (folder, name), run in groupby(tracks, key=lambda track: track[1][:2]):
            track_ids, places = zip(*run, strict=True)
            rows = [place.row for place in places]
            self._stored.check_patches(name)
            table = with_ids(read_tracks(folder, name).take(rows), track_ids)
            if not self.patches:
                yield table, ()
                continue
            with pq.ParquetFile(part_path(folder, "patches", name)) as file:
                patches = map(file.read_row_group, rows)
                yield (
                    table,
                    (
                        with_ids(it, [track_id] * len(it))
                        for track_id, it in zip(track_ids, patches, strict=True)
                    ),
                )

    def _write_part(self, folder: Path, number: int, runs: Iterable[Rows], sync: bool) -> Part:
        return write_part(folder, number, runs, self.embedding_size, self.patches, sync)

    def _clear(self, names: set[str]) -> None:
        """Remove what the manifest does not name: parts of earlier runs, and what kills left."""
        for pattern in ("tracks/*.parquet", "patches/*.parquet", ".*.tmp", "*.writing"):
            for path in self.folder.glob(pattern):
                if path.stem not in names:
                    path.unlink()
        shutil.rmtree(self._unfinished)
        if not self.patches:
            (self.folder / "patches").rmdir()
