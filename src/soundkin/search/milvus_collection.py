"""A collection in Milvus that holds the vectors of a segment: filled once, and never changed.

    row         where the track is in the segment, from 0: the primary key
    track_id    for others who ask the collection
    model_hash  the model that made the vector
    vector      of length one

A URI is http://HOST:PORT or https://HOST:PORT, with /DATABASE behind it where that is not the default, or a
path that ends in .db: Milvus Lite, a folder that one process at a time can open.
"""

import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from soundkin.errors import ArtefactError, MissingExtraError, StoreError, UsageError
from soundkin.extras import require

require("milvus", "an index in Milvus")

import grpc  # noqa: E402
import pymilvus  # noqa: E402
from pymilvus import DataType, MilvusClient, MilvusException  # noqa: E402
from pymilvus.client.types import LoadState  # noqa: E402

from soundkin.search.exact_kind import Rows, Scores, Vectors  # noqa: E402

TOKEN = "SOUNDKIN_MILVUS_TOKEN"  # of the environment: user:password, or an API key
MAJOR = "3"  # of pymilvus: what of it is asked here changes with it
CONNECT_SECONDS, ANSWER_SECONDS, WRITE_SECONDS = 5.0, 10.0, 60.0
READY_SECONDS = 6 * 3600.0  # for the graph of a large collection
ROWS_AT_ONCE = 4_000  # a message of gRPC holds 64 MB, and an answer of Milvus 16,384 rows
MOST_NEIGHBOURS = 16_384
NO_COLLECTION = 100  # Milvus' code
AGAIN = "Build the index again: soundkin index EMBEDDINGS -o INDEX --engine milvus"
HNSW = {"M": 16, "efConstruction": 200}

Row = dict[str, Any]


class MilvusCollection:
    """A collection by its name, on the server at `uri`."""

    def __init__(self, uri: str, name: str) -> None:
        self.uri, self.name = uri, name

    @property
    def _client(self) -> MilvusClient:
        return _client_of(self.uri, os.getpid())

    def connect(self) -> None:
        """Raise StoreError where Milvus does not answer."""
        with asking(self.uri):
            self._client.list_collections(timeout=CONNECT_SECONDS)

    def create(self, embedding_size: int, index_type: str) -> None:
        """Make it, empty; `index_type` is FLAT or HNSW."""
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("track_id", DataType.VARCHAR, max_length=65_535)
        schema.add_field("model_hash", DataType.VARCHAR, max_length=256)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=embedding_size)
        index = MilvusClient.prepare_index_params()
        built_with = HNSW if index_type == "HNSW" else {}
        index.add_index("vector", index_type=index_type, metric_type="IP", params=built_with)
        with asking(self.uri):
            self._client.create_collection(
                self.name, schema=schema, index_params=index, timeout=WRITE_SECONDS
            )

    def insert(self, first: int, vectors: Vectors, track_ids: Sequence[str], model_hash: str) -> None:
        """Put in some vectors; `first` is the row of the first."""
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            some = zip(vectors[start:][:ROWS_AT_ONCE], track_ids[start:][:ROWS_AT_ONCE], strict=True)
            rows = [
                {"row": first + start + n, "track_id": track_id, "model_hash": model_hash, "vector": vector}
                for n, (vector, track_id) in enumerate(some)
            ]
            with asking(self.uri):
                self._client.insert(self.name, rows, timeout=WRITE_SECONDS)

    def complete(self, count: int) -> None:
        """Have it all on disk and ready for searches; raises StoreError where it is not `count` rows."""
        with asking(self.uri):
            self._client.flush(self.name, timeout=WRITE_SECONDS)
        self._load()
        if (found := self.count()) != count:
            raise StoreError(f"Milvus at {self.uri} kept {found} of {count} vectors. Run the command again.")

    def _load(self) -> None:
        """Have Milvus make it ready for searches, which takes as long as its graph does.

        In short calls: pymilvus tries each again until its time is over where the server is gone.
        """
        started = time.monotonic()
        with asking(self.uri):
            self._client.load_collection(self.name, timeout=WRITE_SECONDS, _async=True)
            while self._client.get_load_state(self.name, timeout=ANSWER_SECONDS)["state"] != LoadState.Loaded:
                if time.monotonic() - started > READY_SECONDS:
                    raise StoreError(f"Milvus at {self.uri} does not get collection {self.name} ready.")
                time.sleep(0.05)

    def count(self) -> int:
        """How many rows it holds; this waits until all that was inserted can be seen."""
        with asking(self.uri):
            counted = self._client.query(
                self.name, output_fields=["count(*)"], timeout=ANSWER_SECONDS, consistency_level="Strong"
            )
        return int(counted[0]["count(*)"])

    def check(self, count: int, model_hash: str) -> None:
        """Make it ready for searches; raise ArtefactError unless it holds `count` vectors of this model."""
        self._load()  # Milvus Lite forgets what was ready when its process ends
        found = self.count()
        if found != count:
            raise ArtefactError(
                f"collection {self.name} in Milvus at {self.uri} holds {found} vectors, and the index has "
                f"{count}. {AGAIN}"
            )
        with asking(self.uri):
            strangers = self._client.query(
                self.name, f'model_hash != "{model_hash}"', ["model_hash"], timeout=ANSWER_SECONDS, limit=1
            )
        if strangers:
            raise ArtefactError(
                f"collection {self.name} in Milvus at {self.uri} holds vectors of model "
                f"{strangers[0]['model_hash']} among those of model {model_hash}; vectors of two models "
                f"cannot be compared. {AGAIN}"
            )

    def search(self, queries: Vectors, k: int, condition: str, looked_at: int) -> tuple[Scores, Rows]:
        """The nearest `k` rows that meet a condition, best first; row -1 where there are fewer."""
        if k > MOST_NEIGHBOURS:
            raise UsageError(
                f"Milvus gives at most {MOST_NEIGHBOURS:,} neighbours, not {k:,}. Ask for fewer."
            )
        scores = np.full((len(queries), k), np.finfo(np.float32).min, np.float32)
        rows = np.full((len(queries), k), -1)
        with asking(self.uri):
            answers = self._client.search(
                self.name,
                data=list(queries),
                filter=condition,
                limit=k,
                output_fields=["row"],
                search_params={"params": {"ef": looked_at}},
                timeout=ANSWER_SECONDS,
            )
        for query, hits in enumerate(answers):
            for place, hit in enumerate(hits):
                scores[query, place], rows[query, place] = hit["distance"], hit["row"]
        return scores, rows

    def vectors(self, rows: Sequence[int]) -> dict[int, list[float]]:
        """The vectors of some rows."""
        found: dict[int, list[float]] = {}
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = list(rows[start : start + ROWS_AT_ONCE])
            with asking(self.uri):
                got = self._client.get(self.name, some, ["row", "vector"], timeout=ANSWER_SECONDS)
            found |= {row["row"]: row["vector"] for row in got}
        if len(found) < len(rows):
            raise ArtefactError(f"collection {self.name} in Milvus at {self.uri} lacks rows of the index.")
        return found

    def drop(self) -> None:
        """Remove it, if it is there."""
        with asking(self.uri):
            self._client.drop_collection(self.name, timeout=WRITE_SECONDS)


def check_uri(uri: str) -> None:
    """Raise UsageError for what is no URI of a Milvus, or holds a password."""
    if re.match(r"https?://", uri):
        if "@" in uri:
            raise UsageError(f"--uri: a password would be kept in the index. Give it as {TOKEN} instead.")
    elif "://" in uri or not uri.endswith(".db"):
        raise UsageError(f"--uri {uri}: write http://HOST:19530, or a path that ends in .db for Milvus Lite.")
    elif not Path(uri).absolute().parent.is_dir():
        raise UsageError(f"--uri {uri}: there is no folder {Path(uri).parent}. Make it first.")


@lru_cache
def _client_of(uri: str, process: int) -> MilvusClient:
    """One client a process: connections are not for its children."""
    if pymilvus.__version__.split(".")[0] != MAJOR:
        raise MissingExtraError(
            f"an index in Milvus needs pymilvus {MAJOR}, and {pymilvus.__version__} is installed: "
            "pip install 'soundkin[milvus]'"
        )
    for name in ("pymilvus", "milvus_lite", "grpc"):  # they log what they raise, with a traceback
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with asking(uri):
        return MilvusClient(uri, token=os.environ.get(TOKEN, ""), timeout=CONNECT_SECONDS)


@contextmanager
def asking(uri: str) -> Iterator[None]:
    """Turn what Milvus says into an error that says what to do."""
    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        is_milvus = isinstance(error, MilvusException)
        said = " ".join(str(error.message if is_milvus else error.details()).split()).rstrip(".")
        if is_milvus and error.code == NO_COLLECTION:
            raise ArtefactError(
                f"Milvus at {uri}: {said}. If the index was edited or built meanwhile, open it again. {AGAIN}"
            ) from error
        hint = f"Is it running? Its token, if it wants one, is taken from {TOKEN}."
        if uri.endswith(".db"):
            hint = "Only one process at a time can open it: is another asking it?"
        raise StoreError(f"Milvus at {uri} does not answer, or refuses us ({said}). {hint}") from error
