"""Uploads are embedded in a process that can be killed."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundkin.search.vector_index import open_index
from soundkin.service.problems import BusyError, RefusedUploadError
from soundkin.service.upload_embedding import MOST_WAITING, UploadEmbedder


@pytest.fixture(scope="module")
def index(library):
    return open_index(library / "index")


@pytest.fixture
def embedder():
    embedder = UploadEmbedder(60)
    yield embedder
    embedder.close()


def audio_of(index, row):
    return Path(index.audio_path(index.tracks.label(row).path))


def test_the_vector_is_that_of_the_library_and_the_process_stays(index, embedder):
    np.testing.assert_allclose(embedder.embed(audio_of(index, 3), index), index.vector(3), atol=1e-6)
    process = embedder._process
    np.testing.assert_allclose(embedder.embed(audio_of(index, 8), index), index.vector(8), atol=1e-6)
    assert embedder._process is process


def test_what_takes_too_long_is_killed_and_the_next_is_embedded(index, embedder, tmp_path):
    bomb = tmp_path / "bomb.flac"  # an hour of silence is 200 kB
    with soundfile.SoundFile(bomb, "w", 44_100, 2, format="FLAC") as file:
        for _ in range(60):
            file.write(np.zeros((60 * 44_100, 2), np.int16))
    embedder.embed(audio_of(index, 3), index)
    process, embedder.seconds = embedder._process, 0.2
    with pytest.raises(RefusedUploadError, match=r"more than 0\.2 s"):
        embedder.embed(bomb, index)
    assert process.exitcode == -9
    embedder.seconds = 60
    np.testing.assert_allclose(embedder.embed(audio_of(index, 3), index), index.vector(3), atol=1e-6)


def test_a_process_without_memory_is_said_so(index):
    embedder = UploadEmbedder(60, most_bytes=1 << 20)
    with pytest.raises(RefusedUploadError, match="want of memory"):
        embedder.embed(audio_of(index, 3), index)
    embedder.close()


def test_more_than_can_wait_are_turned_away(index, embedder, tmp_path):
    for _ in range(MOST_WAITING):
        embedder._places.acquire()
    with pytest.raises(BusyError):
        embedder.embed(tmp_path / "any", index)
