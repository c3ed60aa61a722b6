"""Vectors of tracks that were heard before, so that the next evaluation need not hear them again.

    FOLDER/FINGERPRINT/PART.npz     `keys` of some tracks, and an array of their vectors for each system

A fingerprint tells what listened, a key what was heard. Parts are only ever added: a killed run leaves those
that it had finished.
"""

import uuid
import zipfile
from pathlib import Path

import numpy as np

from soundkin.errors import ArtefactError
from soundkin.files import replacing
from soundkin.shapes import Float32

Vectors = dict[str, Float32[np.ndarray, " _"]]

TRACKS_PER_PART = 64


class VectorCache:
    """What one listener has made of tracks, on disk.

    Raises:
        ArtefactError: a part is corrupt.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = Path(folder) / fingerprint
        self._known: dict[str, Vectors] = {}
        self._new: dict[str, Vectors] = {}
        for part in sorted(self.folder.glob("*.npz")):
            self._known |= _read(part)

    def get(self, key: str) -> Vectors | None:
        """A track's vector by every system, if it was heard before."""
        return self._known.get(key)

    def add(self, key: str, vectors: Vectors) -> None:
        """Keep what was heard; on disk as soon as there is enough for a part."""
        self._known[key] = self._new[key] = vectors
        if len(self._new) == TRACKS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write what is not on disk yet.

        Raises:
            OutputError: the folder cannot be written, or the disk is full.
        """
        if not self._new:
            return
        names = next(iter(self._new.values()))
        arrays = {
            f"vectors.{name}": np.stack([track[name] for track in self._new.values()]) for name in names
        }
        with replacing(self.folder / f"{uuid.uuid4().hex}.npz") as file:
            np.savez(file, keys=np.array(list(self._new), dtype=str), **arrays)  # type: ignore[arg-type]
        self._new = {}


def _read(part: Path) -> dict[str, Vectors]:
    try:
        with np.load(part, allow_pickle=False) as saved:
            arrays = {
                name.removeprefix("vectors."): saved[name] for name in saved if name.startswith("vectors.")
            }
            keys = saved["keys"].tolist()
        return {key: {name: array[row] for name, array in arrays.items()} for row, key in enumerate(keys)}
    except (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise ArtefactError(f"{part} is corrupt. Delete it and run the same command again.") from error
