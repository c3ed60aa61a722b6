"""The kind of index whose vectors are in Milvus; the catalog's columns stay in the index folder.

Each segment is a collection, which the file collection.json or new-collection.json of a version names. It is
filled before any version names it, and dropped once none that is kept does: `.collections` in the index
folder lists those that there may be.
"""

import json
import logging
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from soundkin.errors import ArtefactError, OutputError, SoundkinError, UsageError
from soundkin.files import locked, path_from, replacing, write_json
from soundkin.search.exact_kind import Exact, Mask, Rows, Scores, Vectors
from soundkin.search.index_manifest import COLLECTION, COLLECTIONS, MILVUS, NEW_COLLECTION, IndexManifest
from soundkin.search.kinds import ASKED, EXACT_NUMBERS
from soundkin.search.milvus_collection import HNSW, MilvusCollection, check_uri
from soundkin.shapes import Float32, Int

INDEX_TYPES = {"exact": "FLAT", "hnsw": "HNSW"}  # by kind
ENOUGH_RECALL = 0.995
RECALL_NEIGHBOURS, RECALL_QUERIES = 10, 300
SEARCHED_LISTS = (64, 128, 256, 512, 1024)  # how many candidates HNSW keeps while it searches: its ef
COMPARED_HERE = 2_000  # vectors: 2 MB of 256 numbers each to be fetched

log = logging.getLogger(__name__)


class MilvusVectors:
    """The vectors of a collection, to be taken out by row as from an array [tracks, embedding]."""

    def __init__(self, collection: MilvusCollection, count: int, embedding_size: int) -> None:
        self.collection, self.shape = collection, (count, embedding_size)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(
        self, rows: "int | slice | Int[np.ndarray, ' rows'] | Mask"
    ) -> Float32[np.ndarray, "..."]:
        wanted = np.arange(len(self))[rows]
        distinct, places = np.unique(wanted, return_inverse=True)
        found = self.collection.vectors(distinct.tolist())
        vectors = np.array([found[row] for row in distinct.tolist()], np.float32)
        return vectors.reshape(len(distinct), self.shape[1])[places.reshape(wanted.shape)]


class Milvus(Exact):
    """Asks a collection: by comparing with every vector (FLAT), or along a graph (HNSW)."""

    name: ClassVar[str] = MILVUS
    most_looked_at: ClassVar[int] = 1_000  # a longer answer takes longer than the list of those allowed

    def __init__(
        self, collection: MilvusCollection, count: int, embedding_size: int, index_type: str, looked_at: int
    ) -> None:
        self.collection, self.uri, self._looked_at = collection, collection.uri, looked_at
        self._array = MilvusVectors(collection, count, embedding_size)
        self.settings = {"collection": collection.name, "index": index_type, "ef": looked_at}

    @property
    def array(self) -> MilvusVectors:  # type: ignore[override]
        """The vectors, which are fetched where rows of it are taken."""
        return self._array

    @classmethod
    def open(cls, file: Path, count: int, manifest: IndexManifest) -> Self:
        """The collection that a file of a version names, if it holds what it should.

        Raises ArtefactError where it does not, StoreError where Milvus does not answer.
        """
        named = read_collection(file)
        collection = MilvusCollection(named["uri"], named["collection"])
        collection.check(count, manifest.model_hash)
        return cls(collection, count, manifest.embedding_size, named["index"], named["ef"])

    def nearest(self, queries: Vectors, k: int) -> tuple[Scores, Rows]:
        """The nearest `k` of all tracks."""
        return self.collection.search(queries, k, "", max(k, self._looked_at))

    def nearest_among(self, queries: Vectors, k: int, allowed: Mask) -> tuple[Scores, Rows]:
        """The nearest `k` that are allowed, by telling Milvus which these are.

        On a graph, a search for few among many ends before it has met them; so few are compared here.
        """
        matching = np.flatnonzero(allowed)
        if not len(matching) or (self.settings["index"] == "HNSW" and len(matching) <= COMPARED_HERE):
            return self._compare(queries, k, matching)
        is_most = 2 * len(matching) > len(allowed)
        told = ",".join(map(str, (np.flatnonzero(~allowed) if is_most else matching).tolist()))
        condition = f"row {'not in' if is_most else 'in'} [{told}]" if told else ""
        scores, rows = self.collection.search(queries, k, condition, max(k, self._looked_at))
        if (rows[:, min(k, len(matching)) - 1] < 0).any():
            return self._compare(queries, k, matching)
        return scores, rows

    def _compare(
        self, queries: Vectors, k: int, matching: Int[np.ndarray, " matching"]
    ) -> tuple[Scores, Rows]:
        """The nearest `k` of a few rows, whose vectors are fetched."""
        scores = np.full((len(queries), k), np.finfo(np.float32).min, np.float32)
        rows = np.full((len(queries), k), -1)
        cosines = queries @ self._array[matching].T
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        scores[:, : order.shape[1]] = np.take_along_axis(cosines, order, axis=1)
        rows[:, : order.shape[1]] = matching[order]
        return scores, rows


def build_milvus(
    version: Path,
    uri: str,
    kind: str,
    blocks: Iterable[Vectors],
    embedding_size: int,
    tracks: pa.Table,
    model_hash: str,
) -> tuple[Milvus, str]:
    """Put the vectors of all blocks into a new collection, which the version then names; and say how it
    searches, for people.

    `kind` is exact, hnsw, or auto, which chooses by size. Nothing is left in Milvus where this fails.
    """
    check_uri(uri)
    if kind not in {"auto", *INDEX_TYPES}:
        raise UsageError(f"kind={kind} is none of Milvus. Choose exact, hnsw or auto.")
    by_size = "exact" if len(tracks) * embedding_size <= EXACT_NUMBERS else "hnsw"
    index_type = INDEX_TYPES[by_size if kind == "auto" else kind]
    nearest = _NearestOfSome()
    collection = _fill(version, uri, index_type, nearest.watch(blocks), embedding_size, tracks, model_hash)
    for looked_at in SEARCHED_LISTS if index_type == "HNSW" else SEARCHED_LISTS[:1]:
        built = Milvus(collection, len(tracks), embedding_size, index_type, looked_at)
        recall = nearest.recall(built)
        if recall >= ENOUGH_RECALL:
            break
    how = "comparing with all tracks"
    if index_type == "HNSW":
        how = (
            f"HNSW with {HNSW['M']} links and {looked_at} candidates finds {recall:.2%} of the true ten "
            f"nearest, measured with {len(nearest.queries)} of the tracks"
        )
    _name(version / COLLECTION, collection, index_type, looked_at)
    built.settings["kind"] = kind
    return built, f"{ASKED}; collection {collection.name} at {uri}: {how}"


def write_new_collection(
    version: Path, uri: str, vectors: Vectors, tracks: pa.Table, model_hash: str
) -> None:
    """Put what is new to the base into a collection of its own, which the version then names."""
    collection = _fill(version, uri, "FLAT", [vectors], vectors.shape[1], tracks, model_hash)
    _name(version / NEW_COLLECTION, collection, "FLAT", SEARCHED_LISTS[0])


def drop_unnamed(folder: Path) -> None:
    """Drop the collections that this index made and that none of its versions names any more.

    Left to the next run where another is writing the index, or Milvus does not answer.
    """
    journal = folder / COLLECTIONS
    with suppress(OutputError), locked(folder):
        named = {
            json.loads(file.read_text())["collection"]
            for name in (COLLECTION, NEW_COLLECTION)
            for file in folder.glob(f"v*/{name}")
        }
        left = []
        for line in journal.read_text().splitlines():
            uri, name = line.split("\t")
            try:
                if name not in named:
                    MilvusCollection(uri, name).drop()
                    continue
            except SoundkinError as error:
                log.debug("collection %s is left in Milvus until the next edit: %s", name, error)
            left.append(line)
        with replacing(journal, "w") as file:
            file.writelines(f"{line}\n" for line in left)


class _NearestOfSome:
    """The true nearest of some tracks of the first block, found as the blocks go by."""

    queries: Vectors
    _scores: Scores

    def watch(self, blocks: Iterable[Vectors]) -> Iterator[Vectors]:
        """The same blocks."""
        for number, block in enumerate(blocks):
            if number == 0:
                some = np.random.default_rng(1).choice(
                    len(block), min(len(block), RECALL_QUERIES), replace=False
                )
                self.queries = np.array(block[some])
                self._scores = np.empty((len(some), 0), np.float32)
            scores = np.concatenate([self._scores, self.queries @ block.T], axis=1)
            self._scores = -np.sort(-scores, axis=1)[:, : RECALL_NEIGHBOURS + 1]  # the first is itself
            yield block

    def recall(self, kind: Milvus) -> float:
        """The share of them that `kind` finds: by score, since of equal vectors any will do."""
        scores, _ = kind.nearest(self.queries, self._scores.shape[1])
        return float((scores >= self._scores[:, -1:] - 1e-5).mean()) if scores.size else 1.0


def _fill(
    version: Path,
    uri: str,
    index_type: str,
    blocks: Iterable[Vectors],
    embedding_size: int,
    tracks: pa.Table,
    model_hash: str,
) -> MilvusCollection:
    """A new collection of these vectors, `tracks` being in their order."""
    uri = uri if "://" in uri else os.path.realpath(uri)
    collection = MilvusCollection(uri, f"soundkin_{secrets.token_hex(8)}")
    collection.connect()
    with (version.parent / COLLECTIONS).open("a") as journal:  # first, so that a kill leaves nothing behind
        journal.write(f"{uri}\t{collection.name}\n")
    track_ids, start = tracks["track_id"].to_pylist(), 0
    collection.create(embedding_size, index_type)
    for block in blocks:
        collection.insert(start, block, track_ids[start : start + len(block)], model_hash)
        start += len(block)
    collection.complete(start)
    return collection


def read_collection(file: Path) -> dict[str, Any]:
    """What `collection.json` or `new-collection.json` of a version names; a path as `uri` is absolute.

    Raises ArtefactError where it cannot be read.
    """
    try:
        named: dict[str, Any] = json.loads(file.read_text())
        if "://" not in named["uri"]:
            named["uri"] = str((file.parent.parent / named["uri"]).resolve())
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ArtefactError(f"{file} is corrupt ({error}). Build the index again.") from error
    return named


def _name(file: Path, collection: MilvusCollection, index_type: str, looked_at: int) -> None:
    """Write which collection a version has."""
    uri = collection.uri
    uri = uri if "://" in uri else path_from(file.parent.parent, Path(uri))
    write_json(file, {"uri": uri, "collection": collection.name, "index": index_type, "ef": looked_at})
