"""What is opened stays as it was, whatever is written; and what did not change is shared."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Event

import numpy as np
import pytest

from edited_index import TRACKS, add, build, embeddings_of, ids_of, sounds_of, table_of
from soundkin.search.edits import compact, edit_tracks, remove_tracks
from soundkin.search.kinds import KINDS
from soundkin.search.vector_index import open_index
from soundkin.statistics.scaling import unit_length

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def test_the_newest_version_shares_what_did_not_change(small):
    index = open_index(small)
    assert index.newest() is index
    add(small, [30])
    remove_tracks(small, ids_of([3]))
    newer = index.newest()
    assert newer.segments[0].kind is index.segments[0].kind
    assert len(index) == len(newer) == 20
    assert newer.tracks.row("track-00030") is not None and newer.tracks.row("track-00003") is None
    compact(small)
    assert newer.newest().segments[0].kind is not index.segments[0].kind
    shutil.rmtree(small)
    build(small, range(5))
    assert len(index.newest()) == 5


@EVERY_KIND
def test_readers_are_not_disturbed_by_a_writer(built, tmp_path, kind):
    """Each edit exchanges one lot of tracks for another at once; no reader ever sees some of both."""
    folder = tmp_path / "index"
    shutil.copytree(built / kind, folder)
    lots = [range(TRACKS + 50 * n, TRACKS + 50 * (n + 1)) for n in range(6)]
    add(folder, lots[0])
    query, done = sounds_of([lots[0][0]])[0], Event()

    def read(seed):
        random, index, seen = np.random.default_rng(seed), open_index(folder), 0
        while not done.is_set() or seen < 3:
            index = index.newest() if seed % 2 else open_index(folder)
            ids = index.tracks.batch.column("track_id").to_pylist()
            numbers = np.array([int(track_id[6:]) for track_id in ids])
            allowed = random.random(len(index)) < random.choice([0.02, 0.5, 1])
            for mask in (None, allowed, numbers >= TRACKS):
                scores, rows = index.search(query[None], 60, mask)
                rows = rows[rows >= 0]
                assert mask is None or mask[rows].all()
                found = index.vectors(rows) @ unit_length(query[None])[0]
                np.testing.assert_allclose(scores[0, : len(rows)], found, atol=1e-5)
            assert len(rows) == 50 and len({(number - TRACKS) // 50 for number in numbers[rows]}) == 1
            seen += 1
        return seen

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read, seed) for seed in range(4)]
        try:
            for before, after in pairwise(lots):
                vectors = embeddings_of(ids_of(after), sounds_of(after))
                edit_tracks(folder, vectors, table_of(after), folder, remove=ids_of(before))
                if before is lots[3]:
                    compact(folder)
        finally:
            done.set()
        assert all(reader.result() >= 3 for reader in readers)
