"""What an index keeps of a catalog, and what the audio says: which recording a track is, and what is off.

Tracks are one recording where their audio is the same byte for byte, where tags name the same recording of
MusicBrainz or the catalog's own column `recording` does, and where fingerprints match (`features.alignment`)
of two that are near by vector and as long as each other. So copies are found that have other names or none.
What was compared is kept beside the embeddings, by audio hash, and not compared again.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import read_rows, write_rows
from soundkin.embedding.store import Embeddings
from soundkin.errors import AudioError, CatalogError, OutputError
from soundkin.parallel import in_processes
from soundkin.progress import progress
from soundkin.search.tracks import RECORDING, WARNINGS
from soundkin.shapes import Bool, Float, Float32
from soundkin.statistics.nearest_neighbours import chunk_size, largest
from soundkin.statistics.scaling import unit_length

if TYPE_CHECKING:
    from soundkin.features.alignment import Fingerprint

COPIES = "copies.csv"  # in an embeddings folder: `copy_of` is the audio hash of an earlier copy, or its own
COLUMNS = ["audio_hash", "copy_of"]

NEAR_COSINE, NEAR_SECONDS = 0.98, 1.0  # of two tracks worth comparing
MOST_COMPARED = 20  # with one track
COMPARED_SECONDS = 60.0  # from the beginning of each
# Least similarity of fingerprints, at most NEAR_SECONDS apart. Of copies, down to 8 kHz, it is .9 and more;
# of pieces that share three of four sections .75; of other pieces on open music .25.
SAME_SIMILARITY = 0.85

Sound = tuple[str, Path]  # audio hash and file


def tracks_to_index(catalog: Catalog, embeddings: Embeddings, folder: Path, workers: int = 1) -> pa.Table:
    """The catalog's columns but the lyrics, and the columns RECORDING and WARNINGS.

    RECORDING names, for tracks that share their recording, one of them; it is empty for others. `folder` is
    that of the embeddings: what was compared is looked up and kept there, if it can be written.
    """
    frame = catalog.frame.drop(columns="lyrics", errors="ignore").copy()
    recordings = _recordings(catalog, _copies(catalog, embeddings, folder / COPIES, workers))
    frame[RECORDING] = [recordings.get(track_id) for track_id in catalog.track_ids]
    if WARNINGS not in frame and embeddings.warnings:
        texts = map("; ".join, embeddings.warnings)
        warnings = dict(zip(embeddings.track_ids, texts, strict=True))
        frame[WARNINGS] = [warnings.get(track_id) or None for track_id in catalog.track_ids]
    text = [RECORDING, WARNINGS] if WARNINGS in frame else [RECORDING]
    return pa.Table.from_pandas(frame.astype(dict.fromkeys(text, "str")), preserve_index=False)


def _recordings(catalog: Catalog, copy_of: Mapping[str, str]) -> dict[str, str]:
    """A name for the recording of each track that shares it: the first of its track ids."""
    parents = {track_id: track_id for track_id in catalog.track_ids}
    first: dict[tuple[str, str], str] = {}
    columns = [name for name in (RECORDING, "recording_mbid") if name in catalog.frame]
    shared = pd.DataFrame(
        {
            "copy_of": pd.Series(catalog.track_ids).map(copy_of),
            **catalog.frame[columns].reset_index(drop=True),
        }
    )
    for name in shared:
        for track_id, value in zip(catalog.track_ids, shared[name].fillna("").astype(str), strict=True):
            if value:
                _join(parents, first.setdefault((str(name), value), track_id), track_id)
    groups = defaultdict(list)
    for track_id in catalog.track_ids:
        groups[_root(parents, track_id)].append(track_id)
    return {member: min(group) for group in groups.values() if len(group) > 1 for member in group}


def _copies(catalog: Catalog, embeddings: Embeddings, known_file: Path, workers: int) -> dict[str, str]:
    """By track id, one audio hash for all copies of a sound; compares what is new, and keeps the outcome."""
    paths = dict(zip(catalog.track_ids, catalog.audio_paths(), strict=True))
    listed = [
        (track_id, audio_hash)
        for track_id, audio_hash in zip(embeddings.track_ids, embeddings.audio_hashes, strict=False)
        if track_id in paths and audio_hash
    ]
    rows = {track_id: row for row, track_id in enumerate(embeddings.track_ids)}
    sounds = {audio_hash: track_id for track_id, audio_hash in reversed(listed)}  # the first of each
    known = {name: copy for name, copy in read_copies(known_file).items() if name in sounds}
    parents = {name: name for name in [*sounds, *known.values()]}
    for name, copy in known.items():
        _join(parents, copy, name)
    hashes = list(sounds)
    at = [rows[sounds[name]] for name in hashes]
    seconds = np.array([embeddings.duration_seconds[row] for row in at], float)
    new = np.array([name not in known for name in hashes], bool)
    pairs = [
        ((hashes[one], paths[sounds[hashes[one]]]), (hashes[other], paths[sounds[hashes[other]]]))
        for one, other in candidates(unit_length(embeddings.vectors[at]), seconds, new)
    ]
    unread = set()
    with closing(in_processes(same_recording, pairs, workers)) as outcomes:
        for number, same in progress(outcomes, "compare copies", total=len(pairs), unit="pair"):
            (one, _), (other, _) = pairs[number]
            if same is None:
                unread |= {one, other}
            elif same:
                _join(parents, one, other)
    copy_of = {name: _root(parents, name) for name in hashes}
    write_copies(known_file, {name: copy for name, copy in copy_of.items() if name not in unread})
    return {track_id: copy_of[audio_hash] for track_id, audio_hash in listed}


def candidates(
    vectors: Float32[np.ndarray, "sounds embedding"],
    seconds: Float[np.ndarray, " sounds"],
    new: Bool[np.ndarray, " sounds"],
) -> Iterator[tuple[int, int]]:
    """Pairs of rows, one of them new, that are near by unit vector and as long as each other."""
    order = np.argsort(seconds, kind="stable")
    lengths, rows = seconds[order], np.flatnonzero(new[order])
    start = 0
    while start < len(rows):
        low = np.searchsorted(lengths, lengths[rows[start]] - NEAR_SECONDS)
        block = rows[start : start + chunk_size(len(order))]
        high = np.searchsorted(lengths, lengths[block[-1]] + NEAR_SECONDS, side="right")
        cosines = vectors[order[block]] @ vectors[order[low:high]].T
        cosines[np.abs(lengths[block][:, None] - lengths[low:high]) > NEAR_SECONDS] = -1
        cosines[np.arange(len(block)), block - low] = -1  # itself
        best = largest(cosines, min(MOST_COMPARED, len(cosines[0])))
        for query, rank in np.argwhere(np.take_along_axis(cosines, best, axis=1) >= NEAR_COSINE):
            one, other = int(order[block[query]]), int(order[low + best[query, rank]])
            if one < other or not new[other]:
                yield one, other
        start += len(block)


def same_recording(pair: tuple[Sound, Sound]) -> bool | None:
    """Whether two files hold the same recording; None where one of them cannot be read."""
    from soundkin.features.alignment import align

    try:
        first, second = (_fingerprint(*sound) for sound in pair)
    except AudioError:
        return None
    alignment = align(first, second)
    return alignment.similarity >= SAME_SIMILARITY and abs(alignment.offset_seconds) <= NEAR_SECONDS


@lru_cache(maxsize=MOST_COMPARED + 1)
def _fingerprint(audio_hash: str, path: Path) -> "Fingerprint":
    from soundkin.features.alignment import fingerprint_of_file

    return fingerprint_of_file(path, COMPARED_SECONDS)


def read_copies(table: Path) -> dict[str, str]:
    """What was compared before: of each audio hash, that of its first copy; nothing if it cannot be read."""
    try:
        frame = read_rows(table, f"table {table}", required=COLUMNS) if table.exists() else pd.DataFrame()
    except CatalogError:
        return {}  # compared again
    return dict(zip(frame["audio_hash"], frame["copy_of"], strict=True)) if len(frame) else {}


def write_copies(table: Path, copy_of: Mapping[str, str]) -> None:
    """Keep what was compared, where that differs and the folder can be written."""
    if table.parent.is_dir() and copy_of != read_copies(table):
        try:
            write_rows(pd.DataFrame(sorted(copy_of.items()), columns=COLUMNS), table)
        except OutputError:
            return  # of somebody else: compared again the next time


def _root(parents: Mapping[str, str], name: str) -> str:
    while parents[name] != name:
        name = parents[name]
    return name


def _join(parents: dict[str, str], one: str, other: str) -> None:
    parents[_root(parents, other)] = _root(parents, one)
