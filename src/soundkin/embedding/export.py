"""Embeds tracks into an embeddings folder (`store`) so that a kill loses nothing and leaves no trace.

Each track's vectors go to `unfinished/` as soon as they are computed, in any order, as a part of one track; a
part of the result is written once all its tracks have an outcome. Parts hold fixed runs of catalog rows, so
their bytes depend on catalog, audio and model alone: not on workers, kills, or earlier runs.
"""

import csv
import hashlib
import logging
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.table import Catalog
from soundkin.embedding.default_model import stored_model
from soundkin.embedding.embedder import Embedder, TrackEmbedding, hash_of_lyrics
from soundkin.embedding.store import (
    EmbeddingsManifest,
    Part,
    part_path,
    read_tracks,
    track_schema,
    write_manifest,
)
from soundkin.errors import AudioError, OutputError, Skipped
from soundkin.features.frontends.interface import TrackInput
from soundkin.files import explaining_output, locked, path_from, replacing, sha256_of
from soundkin.parallel import in_processes
from soundkin.progress import progress

TRACKS_PER_PART = 1000
WARNINGS_LOGGED = 20
OURS = version("soundkin")
SKIPPED_COLUMNS = ("track_id", "path", "reason", "audio_hash", "soundkin")

# Vectors do not compress. Page checksums let other readers of Parquet notice damage too.
PARQUET: dict[str, Any] = {
    "compression": "none",
    "use_dictionary": ["model_hash"],
    "write_page_checksum": True,
}

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


# One track: a tracks table of one row, and a patches table unless patches were not asked for.
TrackTables = tuple[pa.Table, pa.Table | None]


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
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    @property
    def known(self) -> frozenset[Content]:
        """What need not be embedded again."""
        return frozenset(self._places)

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
        """Put the outcome of track number `row` on disk; the last one of a part completes the part."""
        if isinstance(outcome, TrackEmbedding):
            part = self._write_part(self._unfinished, row, [self._tables(outcome)], sync=False)
            outcome = Content(outcome.audio_hash, outcome.lyrics_hash)
            self._places[outcome] = _Place(self._unfinished, part.name, 0)
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
        if not number.isdecimal() or name != _content_name(int(number), sha256_of(tracks), patches_sha256):
            log.warning("%s is damaged; its tracks are embedded again", tracks)
            return []
        table = read_tracks(folder, name, ["track_id", "model_hash", "audio_hash", "lyrics_hash"])
        if set(table["model_hash"].to_pylist()) != {self.model_hash} or (self.patches and not patches_sha256):
            return []
        contents = list(map(Content, table["audio_hash"].to_pylist(), table["lyrics_hash"].to_pylist()))
        if folder == self.folder:
            self._earlier |= zip(table["track_id"].to_pylist(), contents, strict=True)
        return contents

    def _tables(self, embedding: TrackEmbedding) -> TrackTables:
        """An embedding as tables. The track_id comes with the whole part: audio may move to another track."""
        row = {
            "track_id": "",
            "vector": embedding.vector,
            "duration_seconds": embedding.duration_seconds,
            "model_hash": self.model_hash,
            "audio_hash": embedding.audio_hash,
            "lyrics_hash": embedding.lyrics_hash,
            "warnings": embedding.warnings,
        }
        track = pa.Table.from_pylist([row], track_schema(self.embedding_size))
        if not self.patches:
            return track, None
        patches = zip(embedding.start_seconds, embedding.patch_vectors, strict=True)
        rows = [{"track_id": "", "start_seconds": start, "vector": vector} for start, vector in patches]
        return track, pa.Table.from_pylist(rows, _patch_schema(self.embedding_size))

    def _complete(self, number: int, outcomes: dict[int, Content | Unusable]) -> None:
        """Write part `number`, now that all its tracks have an outcome."""
        self._unusable |= {row: outcome for row, outcome in outcomes.items() if isinstance(outcome, Unusable)}
        known = [(row, outcome) for row, outcome in sorted(outcomes.items()) if isinstance(outcome, Content)]
        if not known:
            return
        part = self._write_part(self.folder, number, self._read_known(known), sync=True)
        self._parts[number] = part
        for place, (_, content) in enumerate(known):
            before = self._places[content]
            self._places[content] = _Place(self.folder, part.name, place)
            if before.folder == self._unfinished:
                for kind in ("tracks", "patches"):
                    part_path(before.folder, kind, before.part).unlink(missing_ok=True)

    def _read_known(self, known: Sequence[tuple[int, Content]]) -> Iterator[TrackTables]:
        """The tables of tracks out of the parts that hold them; a part stays open until another is needed."""
        opened, patches = None, None
        with ExitStack() as stack:
            for row, content in known:
                folder, name, place = self._places[content]
                if opened != (folder, name):
                    stack.close()
                    opened, tracks = (folder, name), read_tracks(folder, name)
                    if self.patches:
                        patches = stack.enter_context(pq.ParquetFile(part_path(folder, "patches", name)))
                track_id = self.track_ids[row]
                track = _with_id(tracks.slice(place, 1), track_id)
                yield track, patches and _with_id(patches.read_row_group(place), track_id)

    def _write_part(self, folder: Path, number: int, tracks: Iterable[TrackTables], sync: bool) -> Part:
        """Write one part; patches stream through. The part is there once its tracks are: they come last.

        Without `sync`, a power cut may leave a damaged file, which the next run finds out.
        """
        rows = [track_schema(self.embedding_size).empty_table()]
        with ExitStack() as stack:
            if self.patches:
                file = stack.enter_context(_writing(folder / "patches.writing", sync))
                schema = _patch_schema(self.embedding_size)
                writer = stack.enter_context(pq.ParquetWriter(file, schema, **PARQUET))
            for track, patches in tracks:
                rows.append(track)
                if self.patches:
                    writer.write_table(patches)
        table = pa.concat_tables(rows).combine_chunks()
        with _writing(folder / "tracks.writing", sync) as file:
            pq.write_table(table, file, **PARQUET)
        tracks_sha256 = sha256_of(folder / "tracks.writing")
        patches_sha256 = sha256_of(folder / "patches.writing") if self.patches else None
        name = _content_name(number, tracks_sha256, patches_sha256)
        for kind in ("patches", "tracks") if self.patches else ("tracks",):
            (folder / f"{kind}.writing").replace(part_path(folder, kind, name))
        return Part(name=name, count=len(table), tracks_sha256=tracks_sha256, patches_sha256=patches_sha256)

    def _clear(self, names: set[str]) -> None:
        """Remove what the manifest does not name: parts of earlier runs, and what kills left."""
        for pattern in ("tracks/*.parquet", "patches/*.parquet", ".*.tmp", "*.writing"):
            for path in self.folder.glob(pattern):
                if path.stem not in names:
                    path.unlink()
        shutil.rmtree(self._unfinished)
        if not self.patches:
            (self.folder / "patches").rmdir()


def _patch_schema(embedding_size: int) -> pa.Schema:
    vector = pa.list_(pa.float32(), embedding_size)
    return pa.schema({"track_id": pa.string(), "start_seconds": pa.float64(), "vector": vector})


def _with_id(table: pa.Table, track_id: str) -> pa.Table:
    return table.set_column(0, "track_id", pa.array([track_id] * len(table), pa.string()))


def _content_name(number: int, tracks_sha256: str, patches_sha256: str | None) -> str:
    content = f"{tracks_sha256} {patches_sha256 or ''}"
    return f"{number:05d}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


@contextmanager
def _writing(path: Path, sync: bool) -> Iterator[IO[bytes]]:
    with explaining_output(path), path.open("wb") as file:
        yield file
        if sync:
            file.flush()
            os.fsync(file.fileno())
