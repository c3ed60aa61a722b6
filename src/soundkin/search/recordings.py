"""What an index keeps of a catalog, and what the audio says: which recording a track is, and what is off.

Tracks are one recording where their audio is the same byte for byte, where tags name the same recording of
MusicBrainz or the catalog's own column `recording` does, and where fingerprints match (`features.alignment`)
of two that are near by vector and as long as each other. So copies are found that have other names or none.
What was compared is kept beside the embeddings, by audio hash, and not compared again.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import read_remembered, write_remembered
from soundkin.embedding.store import Embeddings
from soundkin.errors import AudioError, OutputError
from soundkin.parallel import in_processes
from soundkin.progress import progress
from soundkin.search.recording_names import named_by_first
from soundkin.search.tracks import RECORDING, WARNINGS
from soundkin.shapes import Bool, Float, Float32, Int
from soundkin.statistics.connected import connected
from soundkin.statistics.nearest_neighbours import chunk_size, largest
from soundkin.statistics.scaling import unit_length

if TYPE_CHECKING:
    from soundkin.features.alignment import Fingerprint

COPIES = "copies.csv"  # in an embeddings folder: `copy_of` is the audio hash of one of the copies, or its own
COLUMNS = ("audio_hash", "copy_of")

NEAR_COSINE, NEAR_SECONDS = 0.98, 1.0  # of two tracks worth comparing
MOST_COMPARED = 20  # with one track
COMPARED_SECONDS = 60.0  # from the beginning of each
# Least similarity of fingerprints, at most NEAR_SECONDS apart. Of copies, down to 8 kHz, it is .9 and more;
# of pieces that share three of four sections .75; of other pieces on open music .25.
SAME_SIMILARITY = 0.85

Sound = tuple[str, Path]  # audio hash and file


def tracks_to_index(catalog: Catalog, embeddings: Embeddings, folder: Path, workers: int = 1) -> pa.Table:
    """The catalog's columns but the lyrics, and the columns RECORDING and WARNINGS.

    RECORDING names, for embedded tracks that share their recording, one of them; it is empty for others.
    `folder` is that of the embeddings: what was compared is looked up and kept there, if it can be written.
    """
    frame = catalog.frame.drop(columns="lyrics", errors="ignore").copy()
    recordings = _recordings(catalog, _copies(catalog, embeddings, folder / COPIES, workers))
    embedded = set(embeddings.track_ids)
    recordings = named_by_first({name: it for name, it in recordings.items() if name in embedded})
    frame[RECORDING] = [recordings.get(track_id) for track_id in catalog.track_ids]
    if WARNINGS not in frame and embeddings.warnings:
        texts = map("; ".join, embeddings.warnings)
        warnings = dict(zip(embeddings.track_ids, texts, strict=True))
        frame[WARNINGS] = [warnings.get(track_id) or None for track_id in catalog.track_ids]
    text = [RECORDING, WARNINGS] if WARNINGS in frame else [RECORDING]
    return pa.Table.from_pandas(frame.astype(dict.fromkeys(text, "str")), preserve_index=False)


def _recordings(catalog: Catalog, copy_of: Mapping[str, str]) -> dict[str, str]:
    """A name for the recording of each track that shares it: the first of its track ids."""
    first: dict[tuple[str, str], str] = {}
    links = []
    columns = [name for name in (RECORDING, "recording_mbid") if name in catalog.frame]
    shared = pd.DataFrame(
        {
            "copy_of": pd.Series(catalog.track_ids).map(copy_of),
            **catalog.frame[columns].reset_index(drop=True),
        }
    )
    for name in shared:
        for track_id, value in zip(catalog.track_ids, shared[name].astype("str").fillna(""), strict=True):
            if value and (earlier := first.setdefault((str(name), value), track_id)) != track_id:
                links.append((earlier, track_id))
    return {member: group[0] for group in connected(links) for member in group}


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
    before = read_remembered(known_file, COLUMNS)
    known = {name: copy for name, copy in before.items() if name in sounds}
    links = list(known.items())
    files = [(name, paths[track_id]) for name, track_id in sounds.items()]
    new = np.array([name not in known for name in sounds], bool)
    near: Iterable[tuple[int, int]] = ()
    if new.any():
        at = np.array([rows[track_id] for track_id in sounds.values()])
        near = candidates(embeddings.vectors, at, np.array(embeddings.duration_seconds, float)[at], new)
    pairs = [(files[one], files[other]) for one, other in near]
    unread = set()
    with closing(in_processes(same_recording, pairs, workers)) as outcomes:
        for number, same in progress(outcomes, "compare copies", total=len(pairs), unit="pair"):
            (one, _), (other, _) = pairs[number]
            if same is None:
                unread |= {one, other}
            elif same:
                links.append((one, other))
    groups = {member: group[0] for group in connected(links) for member in group}
    copy_of = {name: groups.get(name, name) for name in sounds}
    found = {name: copy for name, copy in copy_of.items() if name not in unread}
    if found != before and known_file.parent.is_dir():
        with suppress(OutputError):  # of somebody else: compared again the next time
            write_remembered(dict(sorted(found.items())), known_file, COLUMNS)
    return {track_id: copy_of[audio_hash] for track_id, audio_hash in listed}


def candidates(
    vectors: Float32[np.ndarray, "tracks embedding"],
    at: Int[np.ndarray, " sounds"],
    seconds: Float[np.ndarray, " sounds"],
    new: Bool[np.ndarray, " sounds"],
) -> Iterator[tuple[int, int]]:
    """Pairs of sounds, one of them new, that are near by cosine and as long as each other.

    The vector of a sound is in the row of `vectors` that `at` says; those of some lengths are in memory at
    once.
    """
    order = np.argsort(seconds, kind="stable")
    lengths, rows = seconds[order], np.flatnonzero(new[order])
    start = 0
    while start < len(rows):
        low = np.searchsorted(lengths, lengths[rows[start]] - NEAR_SECONDS)
        block = rows[start : start + chunk_size(len(order))]
        high = np.searchsorted(lengths, lengths[block[-1]] + NEAR_SECONDS, side="right")
        some, others = (unit_length(vectors[at[order[part]]]) for part in (block, slice(low, high)))
        cosines = some @ others.T
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
