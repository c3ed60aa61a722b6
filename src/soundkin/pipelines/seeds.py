"""Seeds: what people say that answers should sound like, as tracks of an index and vectors."""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundkin.catalog.artists import fold_name
from soundkin.catalog.playlist_files import PLAYLIST_FILES, Entry, path_keys, read_tracks_of
from soundkin.errors import ArtefactError, UsageError
from soundkin.pipelines.answers import as_text
from soundkin.search.named_tracks import (
    albums_named,
    rows_of_artist,
    rows_of_paths,
    rows_with_words,
    similar_titles,
)
from soundkin.search.query_description import Kind, Seed, as_seed
from soundkin.shapes import Float32
from soundkin.statistics.scaling import unit_length

if TYPE_CHECKING:
    from soundkin.embedding.embedder import Embedder
    from soundkin.pipelines.answers import AnswerList
    from soundkin.pipelines.listed_tracks import Playlist
    from soundkin.search.vector_index import Index

log = logging.getLogger(__name__)

MATCHES_SHOWN = 10
NOT_ASKED = "not asked for"  # in place of the hash of a file


@dataclass(frozen=True, eq=False)
class ResolvedSeed:
    """A seed as the tracks of the index that it names, in their order, and one unit vector.

    An audio file that is not in the index has no rows; of several tracks the vector is their mean direction.
    """

    name: str
    rows: tuple[int, ...]
    vector: Float32[np.ndarray, " embedding"]
    weight: float = 1.0
    kind: Kind = "track"

    def shown(self, index: "Index") -> str:
        """As people read it: of one track that is named by id or words, what it is; else its name."""
        weight = f"^{self.weight:g}" if self.weight != 1 else ""
        if self.kind in ("track", "words"):
            return _shown(index, self.rows[0]) + weight
        return (f"{self.kind}:" if self.kind in ("album", "artist") else "") + self.name + weight


def resolve_seeds(
    index: "Index", seeds: Iterable[Seed | ResolvedSeed | str], model: Path | str | None = None
) -> list[ResolvedSeed]:
    """Find what each seed names; audio files that the index does not hold are embedded with `model`.

    Those that were found before are taken as they are. `model` is by default the one that the index was made
    with. Entries of playlists that are not in the index
    are left out, and counted in the log.

    Raises:
        UsageError: the index is empty, or there is nothing of that name, or several tracks or albums: names
            the nearest, or lists them.
        CatalogError: a playlist cannot be read.
        ArtefactError: `model` is not the one that the index was made with.
        AudioError: a file cannot be decoded.
    """
    if not len(index):
        raise UsageError(
            f"index {index.folder} holds no track. Add some: soundkin sync, or soundkin index add."
        )
    resolved = []
    for seed in seeds:
        if not isinstance(seed, ResolvedSeed):
            seed = _resolve(index, as_seed(seed), model)
            for row in seed.rows if seed.kind != "file" else ():
                if row in index.tracks.warnings:
                    _warn(_shown(index, row), index.tracks.warnings[row])
        resolved.append(seed)
    return resolved


def name_of_selection(seed: str) -> str:
    """A seed as a picture names it: a playlist without its folder."""
    kind, _, name = seed.partition(":")
    return f"playlist:{Path(name).stem}" if kind == "playlist" else seed


def title_with_seeds(begin: str, index: "Index", answers: "AnswerList | Playlist") -> str:
    """`sounds like SEED, SEED, unlike SEED`, of answers that an open index gave."""
    sides = {"like": answers.likes, "unlike": answers.unlikes}
    named = [
        f"{side} {', '.join(seed.shown(index) for seed in seeds)}" for side, seeds in sides.items() if seeds
    ]
    return f"{begin} {', '.join(named)}".strip()


def _resolve(index: "Index", seed: Seed, model: Path | str | None) -> ResolvedSeed:
    name = as_text(seed.name)
    if seed.kind == "any":
        # os.path, as Path(name).is_file() takes a thirtieth of a whole query
        if os.path.isfile(seed.name):  # noqa: PTH113
            kind = "playlist" if seed.name.lower().endswith(PLAYLIST_FILES) else "file"
            return _resolve(index, seed.model_copy(update={"kind": kind}), model)
        row = index.tracks.row(name)
        if row is not None:
            return ResolvedSeed(name, (row,), index.vector(row), seed.weight)
        seed = seed.spelled_out()
        name = as_text(seed.name)
    if seed.kind == "file":
        vector = _embed(index, seed.name, model)
        row = index.row_of_file(Path(seed.name))
        return ResolvedSeed(name, () if row is None else (row,), vector, seed.weight, "file")
    rows = FINDERS[seed.kind](index, name)
    return ResolvedSeed(name, tuple(rows), mean_direction(index, rows, name), seed.weight, seed.kind)


def mean_direction(index: "Index", rows: Sequence[int], name: str = "") -> Float32[np.ndarray, " embedding"]:
    """The unit vector nearest to all of these tracks."""
    vector: Float32[np.ndarray, " embedding"] = np.mean([index.vector(row) for row in rows], axis=0)
    if len(rows) > 1 and np.abs(vector).max() < 1e-6:
        raise UsageError(f"the tracks of {name} cancel each other out, so nothing is near all of them.")
    return np.asarray(unit_length(vector))


def _tracks_with_words(index: "Index", words: str) -> list[int]:
    rows = rows_with_words(index.tracks, words)
    if not rows:
        raise _unknown(index, words)
    first = _names(index, rows[0])
    if len({_names(index, row) for row in rows}) == 1 and first[1]:
        return rows[:1]  # the same track, held twice
    if len(rows) > 1:
        groups = {"artist": [rows_of_artist(index.tracks, words)], "album": albums_named(index.tracks, words)}
        fitting = [f"{kind}:{words}" for kind, named in groups.items() if sorted(rows) in named]
        hint = f", or ask for all of them: --like '{fitting[0]}'" if fitting else ""
        raise _ambiguous(f"{words!r} fits {len(rows)} tracks. Choose one by its id{hint}", index, rows)
    return rows


def _track(index: "Index", track_id: str) -> list[int]:
    row = index.tracks.row(track_id)
    if row is None:
        raise _unknown(index, track_id)
    return [row]


def _album(index: "Index", name: str) -> list[int]:
    albums = albums_named(index.tracks, name)
    if not albums:
        raise _no_such(index, "album", name)
    if len(albums) > 1:
        problem = f"{name!r} is the title of {len(albums)} albums. Add the artist: album:{name} ARTIST"
        raise _ambiguous(problem, index, [rows[0] for rows in albums])
    return albums[0]


def _artist(index: "Index", name: str) -> list[int]:
    rows = rows_of_artist(index.tracks, name)
    if not rows:
        raise _no_such(index, "artist", name)
    return rows


def _playlist(index: "Index", file: str) -> list[int]:
    path = Path(file)
    entries = read_tracks_of(path)
    keys = [list(path_keys(entry.location, path.parent, index.audio_folder)) for entry in entries]
    by_path = rows_of_paths(index.tracks, index.audio_folder, keys)
    rows = [_row_of_entry(index, *pair) for pair in zip(entries, by_path, strict=True)]
    known = list(dict.fromkeys(row for row in rows if row is not None))
    lost = [entry.place for entry, row in zip(entries, rows, strict=True) if row is None]
    if not known:
        count = f"none of the {len(entries)} entries" if len(entries) > 1 else "the only entry"
        raise UsageError(
            f"{count} of playlist {file} is in index {index.folder}, by path, track_id, or artist and title. "
            f"Sync the folder that they are in, or give another playlist. The first is {lost[0]}"
        )
    if lost:
        message = "%s: left out %d of %d entries, which index %s does not hold, the first in %s"
        log.warning(message, file, len(lost), len(entries), index.folder, lost[0])
    return known


def _row_of_entry(index: "Index", entry: Entry, by_path: int | None) -> int | None:
    """By path, or else by track_id, or else by artist and title where just one track fits."""
    row = index.tracks.row(entry.track_id) if by_path is None else by_path
    if row is None and entry.artist and entry.title:
        rows = rows_with_words(index.tracks, f"{entry.artist} {entry.title}")
        named = [row for row in rows if _names(index, row)[1] == fold_name(entry.title)]
        row = named[0] if len(named) == 1 else None
    return row


FINDERS = {
    "track": _track,
    "words": _tracks_with_words,
    "album": _album,
    "artist": _artist,
    "playlist": _playlist,
}


def _names(index: "Index", row: int) -> tuple[str, str]:
    label = index.tracks.label(row)
    return fold_name(label.artist), fold_name(label.title)


def _unknown(index: "Index", name: str) -> UsageError:
    """Nothing is called so; names the nearest ids and titles."""
    by_title = similar_titles(index.tracks, name)
    by_id = [] if by_title and " " in name else map(index.row, index.tracks.similar_ids(name))
    similar = [_shown(index, row) for row in dict.fromkeys(chain(by_id, by_title))]
    hint = (
        f"Did you mean {' or '.join(similar[:3])}?"
        if similar
        else f"Ids look like {index.tracks.label(0).track_id}."
    )
    return UsageError(
        f"{name} is neither a file nor a track_id in index {index.folder}, nor words of a title, artist or "
        f"album. {hint}"
    )


def _no_such(index: "Index", column: str, name: str) -> UsageError:
    from rapidfuzz import fuzz, process

    if column not in index.tracks.columns:
        return UsageError(f"{column}:{name}: the tracks of {index.folder} have no column {column}.")
    known = {
        value: fold_name(value) for value in index.tracks.batch.column(column).unique().to_pylist() if value
    }
    close = process.extract(fold_name(name), known, scorer=fuzz.ratio, limit=3, score_cutoff=60)
    hint = f" Did you mean {' or '.join(value for _, _, value in close)}?" if close else ""
    return UsageError(f"index {index.folder} holds no {column} {name}.{hint}")


def _ambiguous(problem: str, index: "Index", rows: Sequence[int]) -> UsageError:
    shown = "".join(f"\n  {_shown(index, row)}" for row in rows[:MATCHES_SHOWN])
    more = f"\n  ... and {len(rows) - MATCHES_SHOWN} more" if len(rows) > MATCHES_SHOWN else ""
    return UsageError(f"{problem}{shown}{more}")


def _shown(index: "Index", row: int) -> str:
    """`17_night-train (Oscar Peterson - Night Train, of Night Train)`."""
    label = index.tracks.label(row)
    names = " - ".join(filter(None, (label.artist, label.title)))
    album = index.tracks.batch.column("album")[row].as_py() if "album" in index.tracks.columns else ""
    named = f"{names}, of {album}" if names and album else names
    return f"{label.track_id} ({named})" if named else label.track_id


def _embed(index: "Index", file: str, model: Path | str | None) -> Float32[np.ndarray, " embedding"]:
    """The unit vector of an audio file, by the model that the index was made with."""
    embedder = embedder_of(index, model, file)
    lyrics = ""
    if embedder.reads_lyrics:
        from soundkin.catalog.file_tags import read_tags

        lyrics = read_tags(Path(file)).lyrics
    embedded = embedder.embed_file(Path(file), audio_hash=NOT_ASKED, lyrics=lyrics)
    if embedded.warnings:
        _warn(file, "; ".join(embedded.warnings))
    return np.asarray(unit_length(embedded.vector))


def _warn(name: str, warnings: str) -> None:
    log.warning("seed %s: %s. Answers may say little", name, warnings)


def embedder_of(index: "Index", model: Path | str | None, wanted_for: str) -> "Embedder":
    """The model that the index was made with, from `model` or from where it was then."""
    from soundkin.embedding.default_model import is_default, model_folder

    folder = model_folder(model or index.model_path)
    if not folder.exists() and not is_default(folder):
        raise UsageError(f"{wanted_for}: there is no model at {folder}. Say where it is: --model MODEL")
    return _load_embedder(folder.resolve(), index.manifest.model_hash, index.folder)


@lru_cache(maxsize=2)
def _load_embedder(folder: Path, model_hash: str, index: Path) -> "Embedder":
    """Load the model with `model_hash`, once a process."""
    from soundkin.embedding.default_model import not_the_model
    from soundkin.embedding.embedder import load  # imports torch, which takes longer than a query by track

    embedder = load(folder)
    if not embedder.bundle.compares_with(model_hash):
        problem = not_the_model(f"index {index}", model_hash, folder, embedder.hash)
        raise ArtefactError(
            f"{problem}. Give the index's model with --model, or embed and index again with this one."
        )
    return embedder
