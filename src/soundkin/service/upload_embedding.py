"""Audio from strangers, decoded and embedded in a process of its own, which is killed when it takes too long.

The process has little memory beyond what the model takes, so that a bomb ends it and not the server; the next
upload starts another.
"""

import multiprocessing
import resource
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundkin.errors import SoundkinError
from soundkin.service.problems import BusyError, RefusedUploadError
from soundkin.shapes import Float32

if TYPE_CHECKING:
    from soundkin.search.vector_index import Index

START_SECONDS = 120.0  # to import torch and load the model
MOST_BYTES = 4 << 30  # of memory that the process may write to
MOST_WAITING = 8  # uploads

Vector = Float32[np.ndarray, " embedding"]


class UploadEmbedder:
    """Embeds one upload after another, none for longer than `seconds` or with more than `most_bytes`."""

    def __init__(self, seconds: float, most_bytes: int = MOST_BYTES) -> None:
        self.seconds, self.most_bytes = seconds, most_bytes
        self._one_at_a_time = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def embed(self, audio: Path, index: "Index") -> Vector:
        """The unit vector of a file, by the model of the index.

        Raises:
            RefusedUploadError: it cannot be decoded, or not in time, or not in so much memory.
            BusyError: too many wait.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("too many uploads wait. Ask again in a moment.")
        try:
            with self._one_at_a_time:
                return self._embed(audio, index)
        finally:
            self._places.release()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def _embed(self, audio: Path, index: "Index") -> Vector:
        try:
            connection = self._started()
            connection.send((index.folder, index.manifest.model_hash, audio))
            if not (connection.poll(START_SECONDS) and connection.recv() and connection.poll(self.seconds)):
                self.close()
                detail = f"the upload took more than {self.seconds:g} s to decode. Send a part of it."
                raise RefusedUploadError(detail)
            answer: Vector | SoundkinError = connection.recv()
        except (EOFError, OSError) as error:
            self.close()
            detail = "decoding the upload broke off, as it does for want of memory. Send a part of it."
            raise RefusedUploadError(detail) from error
        if isinstance(answer, SoundkinError):
            raise RefusedUploadError(str(answer).replace(str(audio), "the upload")) from answer
        return answer

    def _started(self) -> Connection:
        if self._connection is None or self._process is None or not self._process.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_work, args=(theirs, self.most_bytes), daemon=True)
            self._process.start()
            theirs.close()
        return self._connection


def _work(connection: Connection, most_bytes: int) -> None:
    """Answer (index folder, model hash, file) with True once the model is loaded, then with the vector."""
    from soundkin.pipelines.seeds import embedder_of, resolve_seeds
    from soundkin.search.query_description import Seed
    from soundkin.search.vector_index import open_index

    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    index = None
    while True:
        try:
            folder, model_hash, audio = connection.recv()
        except EOFError:
            return
        answer: Vector | SoundkinError
        try:
            if index is None or index.manifest.model_hash != model_hash:
                index = open_index(folder)
            embedder_of(index, None, "the upload")
            connection.send(True)
            [seed] = resolve_seeds(index, [Seed(name=str(audio), kind="file")])
            answer = seed.vector
        except SoundkinError as error:
            answer = error
        connection.send(answer)
