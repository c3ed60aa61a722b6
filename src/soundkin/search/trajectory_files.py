"""Trajectories of a library on disk: a file for each part of its embeddings, made when it is first asked for.

    trajectories/HASH.npz   track_ids, and vectors in their order; HASH is that of the part's patches

Patches of a part never change, so after an edit only parts that are new are computed. Whoever removes the
folder loses the time that it takes to make it again.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from weakref import WeakKeyDictionary
from zipfile import BadZipFile

import numpy as np

from soundkin.embedding.library import Library
from soundkin.embedding.store import EmbeddingsManifest, Part, read_manifest, read_part_patches
from soundkin.errors import OutputError
from soundkin.files import replacing
from soundkin.search.library_sample import LibrarySample
from soundkin.search.trajectory import PLACES, trajectory
from soundkin.search.vector_index import Index
from soundkin.shapes import Float32

SAMPLE = 512  # tracks that say how alike two are usually
FORMAT_VERSION = 1  # of files and of what is in them: goes up when `trajectory` changes
Trajectory = Float32[np.ndarray, " places"]

log = logging.getLogger(__name__)


class Trajectories:
    """Those of all tracks of an index, by row; zeros where there is none."""

    def __init__(self, vectors: Float32[np.ndarray, "tracks places"]) -> None:
        self.vectors = vectors
        self.known = vectors.any(axis=1)
        self.unknown = set(np.flatnonzero(~self.known).tolist())
        rows = np.flatnonzero(self.known)
        self.sample = LibrarySample(vectors[rows[:: max(1, len(rows) // SAMPLE)]])


_trajectories: "WeakKeyDictionary[Index, Trajectories]" = WeakKeyDictionary()


def trajectories_of(index: Index, library: Library) -> Trajectories:
    """The trajectories of an opened index of `library`; a process reads them once.

    Raises UsageError where the library holds no patch vectors.
    """
    if index not in _trajectories:
        vectors = np.zeros((len(index), PLACES), np.float32)
        for track_id, found in read_trajectories(library):
            row = index.tracks.row(track_id)
            if row is not None:
                vectors[row] = found
        _trajectories[index] = Trajectories(vectors)
    return _trajectories[index]


def read_trajectories(library: Library) -> Iterator[tuple[str, Trajectory]]:
    """Track_id and trajectory of all tracks of a library, zeros where there is none.

    What is not on disk is made and stored; where the folder cannot be written to, the log says so.
    Raises UsageError where the library holds no patch vectors.
    """
    manifest = read_manifest(library.embeddings)
    files = [library.trajectories / f"{part.patches_sha256}.npz" for part in manifest.parts]
    for part, file in zip(manifest.parts, files, strict=True):
        yield from _stored(file, part.count) or _make(library, manifest, part, file)
    with suppress(OSError):  # another process was first, or the folder is read-only
        for stale in {*library.trajectories.glob("*.npz")} - {*files}:
            stale.unlink()


def _stored(file: Path, count: int) -> list[tuple[str, Trajectory]]:
    """What a file holds; nothing where it is not there, damaged or of another version."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            if stored["format_version"] != FORMAT_VERSION:
                return []
            track_ids, vectors = stored["track_ids"], stored["vectors"]
    except (OSError, EOFError, KeyError, ValueError, BadZipFile):
        return []
    fits = len(track_ids) == count and vectors.shape == (count, PLACES) and vectors.dtype == np.float32
    return list(zip(track_ids.tolist(), vectors, strict=True)) if fits else []


def _make(
    library: Library, manifest: EmbeddingsManifest, part: Part, file: Path
) -> list[tuple[str, Trajectory]]:
    """Compute those of a part, and store them."""
    made = [
        (patches.track_id, trajectory(patches.vectors))
        for patches in read_part_patches(library.embeddings, manifest, part)
    ]
    arrays = {
        "format_version": np.array(FORMAT_VERSION),
        "track_ids": np.array([track_id for track_id, _ in made], str),
        "vectors": np.array([vector for _, vector in made], np.float32).reshape(-1, PLACES),
    }
    try:
        with replacing(file) as stream:
            np.savez(stream, allow_pickle=False, **arrays)
    except OutputError as error:
        log.info("trajectories are computed anew by each process: %s", error)
    return made
