"""Embeds tracks into an embeddings folder (`store`) so that a kill loses nothing and leaves no trace.

Computed vectors go to `unfinished/` every second, in any order, as parts of a few tracks; a part of the
result is written once all its tracks have an outcome. Parts hold fixed runs of catalog rows, so their bytes
depend on catalog, audio and model alone: not on workers, kills, or earlier runs.
"""

import csv
import logging
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow.parquet as pq

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.table import Catalog
from soundkin.embedding.default_model import stored_model
from soundkin.embedding.embedder import Embedder, TrackEmbedding, hash_of_lyrics
from soundkin.embedding.part_files import Rows, content_name, rows_of, with_ids, write_part
from soundkin.embedding.store import EmbeddingsManifest, Part, part_path, read_tracks, write_manifest
from soundkin.errors import AudioError, OutputError, Skipped
from soundkin.features.frontends.interface import TrackInput
from soundkin.files import explaining_output, locked, path_from, replacing, sha256_of
from soundkin.parallel import in_processes
from soundkin.progress import progress

TRACKS_PER_PART = 1000
# What was computed waits so long in memory, and no more of it: a file a track took a twentieth of all time.
SECONDS_WAITING, TRACKS_WAITING = 1.0, 1000
WARNINGS_LOGGED = 20
OURS = version("soundkin")
SKIPPED_COLUMNS = ("track_id", "path", "reason", "audio_hash", "soundkin")

log = logging.getLogger(__name__)


class Content(NamedTuple):
    """What a vector is made of: audio, and lyrics where the model reads them."""

    audio_hash: str
    lyrics_hash: str = ""


class Unusable(NamedTuple):
    """A track that cannot be embedded; `audio_hash` is empty where the file could not even be read."""

    skipped: Skipped
    audio_hash: str = ""


# What was computed; or the content that an earlier run computed a vector of; or why there is none.
Outcome = TrackEmbedding | Content | Unusable


@dataclass(frozen=True)
class EmbedResult:
    """How many tracks were embedded now, how many by earlier runs, and which were left out."""

    output: Path
    embedded: int
    reused: int
    skipped: list[Skipped]


def embed_tracks(
    embedder: Embedder,
    catalog: Catalog,
    folder: Path,
    model_path: Path,
    catalog_path: Path,
    workers: int = 1,
    patches: bool = False,
    keep_others: bool = False,
) -> EmbedResult:
    """Embed all tracks of `catalog` into `folder`, but for the content that it has vectors of by this model.

    Its manifest names `model_path` and `catalog_path`; `read_embeddings(folder)` gives the vectors: with
    `keep_others`, after those of `catalog`, of tracks that only earlier runs were about.
    """
    lyrics = lyrics_of(catalog) if embedder.reads_lyrics else [""] * len(catalog)
    inputs = embedder.bundle.front_end.track_inputs(catalog.audio_paths(), catalog.track_ids)
    tracks = list(zip(catalog.frame["path"], inputs, lyrics, strict=True))
    counts: Counter[type[Outcome]] = Counter()
    warned = 0
    with Export(Path(folder), catalog.track_ids, embedder.hash, embedder.embedding_size, patches) as export:
        if keep_others:
            export.keep_others()
        embed = partial(_embed_if_new, embedder, export.known, export.known_unusable())
        with closing(in_processes(embed, tracks, workers)) as outcomes:
            for row, outcome in progress(outcomes, "embed", total=len(catalog)):
                export.record(row, outcome)
                counts[type(outcome)] += 1
                if isinstance(outcome, TrackEmbedding) and outcome.warnings:
                    warned += 1
                    if warned <= WARNINGS_LOGGED:
                        log.warning("%s: %s", inputs[row], "; ".join(outcome.warnings))
        if warned > WARNINGS_LOGGED:
            more = warned - WARNINGS_LOGGED
            log.warning("and %d more files with warnings: see the column warnings of %s", more, folder)
        export.finish(model_path, catalog_path)
    return EmbedResult(Path(folder), counts[TrackEmbedding], counts[Content], export.skipped)


def _embed_if_new(
    embedder: Embedder, known: Set[Content], unusable: Mapping[str, str], track: tuple[str, TrackInput, str]
) -> Outcome:
    """Embed a track (path in the catalog, input, lyrics) unless an earlier run did, or could not."""
    path, source, lyrics = track
    audio_hash = ""
    try:
        audio_hash = embedder.bundle.front_end.input_hash(source)
        if audio_hash in unusable:
            return Unusable(Skipped(path, unusable[audio_hash]), audio_hash)
        content = Content(audio_hash, hash_of_lyrics(lyrics))
        return content if content in known else embedder.embed_file(source, audio_hash, lyrics)
    except AudioError as error:
        return Unusable(Skipped.because(source, error, path), audio_hash)


class _Place(NamedTuple):
    """Where a track's vectors lie: in row `row` of a part."""

    folder: Path
    part: str
    row: int


@dataclass
class Export:
    """One run of embedding the tracks `track_ids` into `folder`; use it in a `with` statement."""

    folder: Path
    track_ids: Sequence[str]
    model_hash: str
    embedding_size: int
    patches: bool
    tracks_per_part: int = TRACKS_PER_PART

    def __post_init__(self) -> None:
        self._unfinished = self.folder / "unfinished"
        self._outcomes: dict[int, dict[int, Content | Unusable]] = defaultdict(dict)
        self._parts: dict[int, Part] = {}
        self._unusable: dict[int, Unusable] = {}
        self._earlier: dict[str, Content] = {}  # by track id
        self._waiting: dict[Content, TrackEmbedding] = {}
        self._written_at = time.monotonic()
        self._lock = ExitStack()

    def __enter__(self) -> Self:
        with explaining_output(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            names = {path.name for path in self.folder.iterdir()}
        if names and not names & {"manifest.json", "unfinished"}:
            odd = min(names)
            raise OutputError(f"{self.folder} holds other files, such as {odd}. Choose an empty folder.")
        self._lock.enter_context(locked(self.folder))
        with explaining_output(self.folder):
            for folder in (self._unfinished, self.folder):
                for kind in ("tracks", "patches"):
                    (folder / kind).mkdir(parents=True, exist_ok=True)
        self._places = dict(self._find_known())
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
        try:
            with (self.folder / "skipped.csv").open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, ValueError):
            return {}
        ours = (row for row in rows if row.get("audio_hash") and row.get("soundkin") == OURS)
        return {row["audio_hash"]: row["reason"] for row in ours}

    def keep_others(self) -> None:
        """Carry over the tracks of earlier runs that this one is not about; before anything is recorded."""
        own, first = set(self.track_ids), len(self.track_ids)
        others = {track_id: content for track_id, content in self._earlier.items() if track_id not in own}
        self.track_ids = [*self.track_ids, *others]
        for row, content in enumerate(others.values(), first):
            self.record(row, content)

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
        number = row // self.tracks_per_part
        outcomes = self._outcomes[number]
        outcomes[row] = outcome
        if len(outcomes) == min(self.tracks_per_part, len(self.track_ids) - number * self.tracks_per_part):
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

    def _find_known(self) -> Iterator[tuple[Content, _Place]]:
        for folder in (self._unfinished, self.folder):
            for path in sorted((folder / "tracks").glob("[!.]*.parquet")):
                for row, content in enumerate(self._contents_of(folder, path.stem)):
                    yield content, _Place(folder, path.stem, row)

    def _contents_of(self, folder: Path, name: str) -> list[Content]:
        """What a part's rows are made of; none where it is damaged, of another model, or lacks patches."""
        tracks, patches = part_path(folder, "tracks", name), part_path(folder, "patches", name)
        patches_sha256 = sha256_of(patches) if patches.exists() else None
        number = name.split("-")[0]
        if not number.isdecimal() or name != content_name(int(number), sha256_of(tracks), patches_sha256):
            log.warning("%s is damaged; its tracks are embedded again", tracks)
            return []
        table = read_tracks(folder, name, ["track_id", "model_hash", "audio_hash", "lyrics_hash"])
        if set(table["model_hash"].to_pylist()) != {self.model_hash} or (self.patches and not patches_sha256):
            return []
        contents = list(map(Content, table["audio_hash"].to_pylist(), table["lyrics_hash"].to_pylist()))
        if folder == self.folder:
            self._earlier |= zip(table["track_id"].to_pylist(), contents, strict=True)
        return contents

    def _write_waiting(self) -> None:
        """Put on disk what waits for it."""
        waiting, self._waiting = self._waiting, {}
        if waiting:
            rows = rows_of(list(waiting.values()), self.model_hash, self.patches)
            part = self._write_part(self._unfinished, len(self._places), [rows], sync=False)
            self._places |= {
                content: _Place(self._unfinished, part.name, place) for place, content in enumerate(waiting)
            }
            self._unfinished_tracks[part.name] = len(waiting)
        self._written_at = time.monotonic()

    def _complete(self, number: int, outcomes: dict[int, Content | Unusable]) -> None:
        """Write part `number`, now that all its tracks have an outcome."""
        self._unusable |= {row: outcome for row, outcome in outcomes.items() if isinstance(outcome, Unusable)}
        known = [(row, outcome) for row, outcome in sorted(outcomes.items()) if isinstance(outcome, Content)]
        if not known:
            return
        self._write_waiting()
        part = self._write_part(self.folder, number, self._read_known(known), sync=True)
        self._parts[number] = part
        for place, (_, content) in enumerate(known):
            before = self._places[content]
            self._places[content] = _Place(self.folder, part.name, place)
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
