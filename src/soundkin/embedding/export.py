"""Writing an embeddings folder so that a kill loses nothing and leaves no trace in the result.

Each track's vectors go to `unfinished/` as soon as they are computed, in any order, as a part of one track.
Once every track of a part has an outcome, the part is written. Parts hold fixed runs of catalog rows, so
their bytes depend on catalog, audio and model alone: not on workers, kills, or what was known before.
"""

import csv
import logging
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa

from soundkin.embedding.embedder import TrackEmbedding
from soundkin.embedding.parts import (
    Part,
    PartReader,
    TrackTables,
    is_whole,
    part_path,
    patch_schema,
    read_tracks,
    track_schema,
    vector_column,
    write_part,
)
from soundkin.embedding.store import Manifest, write_manifest
from soundkin.errors import OutputError, Skipped
from soundkin.files import explaining_output, locked, path_from, replacing

TRACKS_PER_PART = 1000
OURS = version("soundkin")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Content:
    """What a vector is made of: audio, and lyrics where the model reads them."""

    audio_hash: str
    lyrics_hash: str = ""


@dataclass(frozen=True)
class Known:
    """The outcome of a track whose content an earlier run embedded."""

    content: Content


@dataclass(frozen=True)
class Unusable:
    """The outcome of a track that cannot be embedded; `audio_hash` is empty where the file could not even be
    read.
    """

    skipped: Skipped
    audio_hash: str = ""


Outcome = TrackEmbedding | Known | Unusable


class _Place(NamedTuple):
    """Where a track's vectors lie: in row `row` of a part."""

    folder: Path
    part: str
    row: int


class Export:
    """One run of embedding the tracks `track_ids` into `folder`; use it in a `with` statement.

    Raises:
        OutputError: the folder cannot be written, holds other files, or is being written by another run.
    """

    def __init__(
        self,
        folder: Path,
        track_ids: Sequence[str],
        model_hash: str,
        embedding_size: int,
        patches: bool,
        tracks_per_part: int = TRACKS_PER_PART,
    ) -> None:
        self.folder = Path(folder)
        self.model_hash = model_hash
        self.embedding_size = embedding_size
        self.patches = patches
        self.tracks_per_part = tracks_per_part
        self._track_ids = track_ids
        self._unfinished = self.folder / "unfinished"
        self._outcomes: dict[int, dict[int, Known | Unusable]] = defaultdict(dict)
        self._parts: dict[int, Part] = {}
        self._unusable: dict[int, Unusable] = {}
        self._reader = PartReader(patches)
        self._lock = ExitStack()

    def __enter__(self) -> Self:
        with explaining_output(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            _refuse_other_files(self.folder)
        self._lock.enter_context(locked(self.folder))
        with explaining_output(self.folder):
            for folder in (self._unfinished, self.folder):
                for kind in ("tracks", "patches"):
                    (folder / kind).mkdir(parents=True, exist_ok=True)
        self._places = dict(self._find_known())
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._lock.close()

    @property
    def known(self) -> frozenset[Content]:
        """What need not be embedded again."""
        return frozenset(self._places)

    def known_unusable(self) -> dict[str, str]:
        """By audio hash, why an earlier run could not use a file: it is decoded again when it, or soundkin,
        changes.
        """
        try:
            with (self.folder / "skipped.csv").open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, ValueError):
            return {}
        ours = (row for row in rows if row.get("audio_hash") and row.get("soundkin") == OURS)
        return {row["audio_hash"]: row["reason"] for row in ours}

    @property
    def skipped(self) -> list[Skipped]:
        """What was left out, in catalog order."""
        return [self._unusable[row].skipped for row in sorted(self._unusable)]

    def record(self, row: int, outcome: Outcome) -> None:
        """Put the outcome of track number `row` on disk; the last one of a part completes the part."""
        if isinstance(outcome, TrackEmbedding):
            part = write_part(
                self._unfinished, row, [self._tables(outcome)], self.embedding_size, self.patches, False
            )
            content = Content(outcome.audio_hash, outcome.lyrics_hash)
            self._places[content] = _Place(self._unfinished, part.name, 0)
            outcome = Known(content)
        number = row // self.tracks_per_part
        outcomes = self._outcomes[number]
        outcomes[row] = outcome
        if len(outcomes) == min(self.tracks_per_part, len(self._track_ids) - number * self.tracks_per_part):
            self._complete(number, self._outcomes.pop(number))

    def finish(self, model_folder: Path, catalog_path: Path) -> Manifest:
        """Make the parts the folder's content by naming them in its manifest, and clear everything else away."""
        parts = tuple(self._parts[number] for number in sorted(self._parts))
        manifest = Manifest(
            model_hash=self.model_hash,
            model_path=path_from(self.folder, model_folder),
            catalog_path=path_from(self.folder, catalog_path),
            embedding_size=self.embedding_size,
            count=sum(part.count for part in parts),
            skipped=len(self._unusable),
            parts=parts,
        )
        self._write_skipped()
        write_manifest(self.folder, manifest)
        self._clear({part.name for part in parts})
        return manifest

    def _find_known(self) -> Iterator[tuple[Content, _Place]]:
        for folder in (self._unfinished, self.folder):
            for path in sorted((folder / "tracks").glob("[!.]*.parquet")):
                for row, content in enumerate(self._contents_of(folder, path.stem)):
                    yield content, _Place(folder, path.stem, row)

    def _contents_of(self, folder: Path, name: str) -> list[Content]:
        """What a part's rows are made of; none where it is damaged, of another model, or lacks patches that
        we want.
        """
        if not is_whole(folder, name):
            log.warning("%s is damaged; its tracks are embedded again", part_path(folder, "tracks", name))
            return []
        table = read_tracks(folder, name, ["model_hash", "audio_hash", "lyrics_hash"])
        of_this_model = set(table["model_hash"].to_pylist()) == {self.model_hash}
        has_patches = not self.patches or part_path(folder, "patches", name).exists()
        if not (of_this_model and has_patches):
            return []
        pairs = zip(table["audio_hash"].to_pylist(), table["lyrics_hash"].to_pylist(), strict=True)
        return [Content(*pair) for pair in pairs]

    def _tables(self, embedding: TrackEmbedding) -> TrackTables:
        """A fresh embedding as tables. The track_id comes when its part is written: audio may move to
        another.
        """
        columns = [
            [""],
            vector_column(embedding.vector[None]),
            [embedding.duration_seconds],
            [self.model_hash],
            [embedding.audio_hash],
            [embedding.lyrics_hash],
            [embedding.warnings],
        ]
        track = pa.table(columns, schema=track_schema(self.embedding_size))
        if not self.patches:
            return TrackTables(track, None)
        starts = embedding.start_seconds
        patch_columns = [[""] * len(starts), starts, vector_column(embedding.patch_vectors)]
        return TrackTables(track, pa.table(patch_columns, schema=patch_schema(self.embedding_size)))

    def _complete(self, number: int, outcomes: dict[int, Known | Unusable]) -> None:
        """Write part `number`, now that all its tracks have an outcome."""
        known = []
        for row, outcome in sorted(outcomes.items()):
            if isinstance(outcome, Unusable):
                self._unusable[row] = outcome
            else:
                known.append((self._track_ids[row], outcome.content))
        if not known:
            return
        tables = (self._read(track_id, content) for track_id, content in known)
        part = write_part(self.folder, number, tables, self.embedding_size, self.patches)
        self._parts[number] = part
        for row, (_, content) in enumerate(known):
            self._move(content, _Place(self.folder, part.name, row))

    def _read(self, track_id: str, content: Content) -> TrackTables:
        track, patches = self._reader.read(*self._places[content])
        return TrackTables(
            _renamed(track, track_id), None if patches is None else _renamed(patches, track_id)
        )

    def _move(self, content: Content, place: _Place) -> None:
        before = self._places[content]
        self._places[content] = place
        if before.folder == self._unfinished:
            for kind in ("tracks", "patches"):
                part_path(before.folder, kind, before.part).unlink(missing_ok=True)

    def _write_skipped(self) -> None:
        with replacing(self.folder / "skipped.csv", "w") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["track_id", "path", "reason", "audio_hash", "soundkin"])
            for row, unusable in sorted(self._unusable.items()):
                skipped = unusable.skipped
                writer.writerow(
                    [self._track_ids[row], skipped.path, skipped.reason, unusable.audio_hash, OURS]
                )

    def _clear(self, names: set[str]) -> None:
        """Remove what the manifest does not name: parts of earlier runs, and what kills left."""
        for kind in ("tracks", "patches"):
            for path in (self.folder / kind).glob("*.parquet"):
                if path.stem not in names:
                    path.unlink()
        for pattern in (".*.tmp", "*.writing"):
            for path in self.folder.glob(pattern):
                path.unlink()
        shutil.rmtree(self._unfinished)
        if not self.patches:
            (self.folder / "patches").rmdir()


def _renamed(table: pa.Table, track_id: str) -> pa.Table:
    return table.set_column(0, "track_id", pa.array([track_id] * len(table), pa.string()))


def _refuse_other_files(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    if names and not names & {"manifest.json", "unfinished"}:
        raise OutputError(f"{folder} holds other files, such as {min(names)}. Choose a new or empty folder.")
