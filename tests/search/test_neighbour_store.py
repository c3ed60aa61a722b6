"""One contract over every place that a store of neighbours can be in."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from redis_server import RedisServer
from soundkin.embedding.store import Embeddings
from soundkin.errors import ArtefactError, OtherModelError, OutputError, UsageError
from soundkin.pipelines.query import query
from soundkin.search.neighbour_store import ListSettings, NeighbourStore, key_of, place_at
from soundkin.search.store_update import update_store
from soundkin.search.vector_index import Index, build_index, open_index

SETTINGS = ListSettings(k=10)

MakeIndex = Callable[..., Index]


@pytest.fixture(params=["lmdb", "redis"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be made; there is none yet."""
    if request.param == "lmdb":
        return str(tmp_path / "neighbours.lmdb")
    server: RedisServer = request.getfixturevalue("redis_server")
    return f"{server.url}?name={tmp_path.name}"


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


def lists_in(location: str) -> dict[str, list[tuple[str, float]]]:
    with NeighbourStore.open(location) as store:
        return {track_id: store.neighbours(track_id) for track_id in store.ids if track_id is not None}


def test_it_answers_what_a_query_does(shared_index: Callable[[str], Index], location: str) -> None:
    index = shared_index("exact")
    done = update_store(location, index, SETTINGS)
    assert (done.tracks, done.new, done.gone, done.computed) == (1200, 1200, 0, 1200)
    with NeighbourStore.open(location, index) as store:
        assert len(store) == 1200 and store.about.model_hash == "model-1"
        for row in range(0, 1200, 37):
            track_id = index.tracks.label(row).track_id
            answers = store.answers(track_id)
            for answer, asked in zip(answers, query(index, f"track:{track_id}", k=10), strict=True):
                assert (answer.track_id, answer.folded) == (asked.track_id, asked.folded)
                assert answer.score == pytest.approx(asked.score, abs=1e-6)
                assert answer.closer_than == pytest.approx(asked.closer_than, abs=1e-3)
            found = store.neighbours(track_id)
            assert found == [(answer.track_id, answer.score) for answer in answers]
            assert store.neighbours(track_id, k=3) == found[:3] and store.answers(track_id, 3) == answers[:3]


def test_tracks_alike_and_tracks_of_zeros(make_index: MakeIndex, location: str) -> None:
    same = np.ones((30, 8), np.float32)
    same[7] = 0
    update_store(location, make_index(vectors=same), SETTINGS)
    lists = lists_in(location)
    assert lists["track-0007"] == []
    assert [name for name, _ in lists["track-0002"]] == [
        f"track-{n:04}" for n in (0, 1, 3, 4, 5, 6, 8, 9, 10, 11)
    ]
    assert {round(score, 6) for _, score in lists["track-0002"]} == {1.0}


@pytest.mark.parametrize("count", [1, 2])
def test_hardly_any_tracks(make_index: MakeIndex, location: str, count: int) -> None:
    update_store(location, make_index(vectors=vectors(count)), SETTINGS)
    assert [len(found) for found in lists_in(location).values()] == [count - 1] * count


def test_ids_of_all_sorts(location: str, tmp_path: Path) -> None:
    ids = ["", "é\n\0", "x" * 5000, "about", "=1"]
    embeddings = Embeddings(ids, vectors(5), [], [], "model-1", tmp_path / "model", tmp_path / "catalog.csv")
    build_index(embeddings, pa.table({"track_id": ids, "path": ids}), tmp_path, tmp_path / "index")
    update_store(location, open_index(tmp_path / "index"), SETTINGS)
    lists = lists_in(location)
    assert set(lists) == set(ids)
    assert all({name for name, _ in found} == set(ids) - {track_id} for track_id, found in lists.items())


def test_nothing_is_done_twice(make_index: MakeIndex, location: str, tmp_path: Path) -> None:
    index = make_index(vectors=vectors(20))
    update_store(location, index, SETTINGS)
    done = update_store(location, index, SETTINGS)
    assert (done.tracks, done.new, done.gone, done.computed) == (20, 0, 0, 0)
    assert not list(tmp_path.glob(".*"))


def test_a_reader_keeps_the_version_that_it_opened(make_index: MakeIndex, location: str) -> None:
    update_store(location, make_index(vectors=vectors(20)), SETTINGS)
    reader = NeighbourStore.open(location)
    before = reader.neighbours("track-0003")
    assert reader.is_current()
    update_store(location, make_index(vectors=vectors(20, seed=1)), SETTINGS)
    assert not reader.is_current()
    assert reader.neighbours("track-0003") == before
    with NeighbourStore.open(location) as fresh:
        assert fresh.is_current() and fresh.neighbours("track-0003") != before
        assert reader.neighbours("track-0003") == before
    reader.close()


def test_a_store_of_another_version_of_the_index_is_refused(make_index: MakeIndex, location: str) -> None:
    update_store(location, make_index(vectors=vectors(20)), SETTINGS)
    index = make_index(vectors=vectors(21))
    with pytest.raises(ArtefactError, match=r"another version than index .* Bring it up to date: soundkin"):
        NeighbourStore.open(location, index)
    update_store(location, index, SETTINGS)
    NeighbourStore.open(location, index).close()


def test_a_store_of_other_tracks_or_another_model_is_kept(
    make_index: MakeIndex, location: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    update_store(location, make_index(vectors=vectors(60)), SETTINGS)
    before = lists_in(location)
    index = make_index(vectors=vectors(20))
    with pytest.raises(OtherModelError, match=r"60 tracks, of which index .* has 20. .*--replace"):
        update_store(location, index, SETTINGS)
    index.manifest = index.manifest.model_copy(update={"model_hash": "model-2"})
    with pytest.raises(OtherModelError, match=r"model model-1, and index .* is of model-2. .*--replace"):
        update_store(location, index, SETTINGS)
    assert lists_in(location) == before and not list(tmp_path.glob(".*"))
    update_store(location, index, SETTINGS, replace=True)
    assert len(lists_in(location)) == 20


def test_other_settings_are_other_lists(make_index: MakeIndex, location: str) -> None:
    index = make_index(vectors=vectors(200))
    update_store(location, index, SETTINGS)
    assert update_store(location, index, ListSettings(k=4)).computed == 200
    assert {len(found) for found in lists_in(location).values()} == {4}


def test_unknown_tracks_and_too_many_answers(make_index: MakeIndex, location: str) -> None:
    with pytest.raises(UsageError, match=r"there is no store of neighbours at .*: soundkin neighbours"):
        NeighbourStore.open(location)
    update_store(location, make_index(vectors=vectors(20)), SETTINGS)
    with NeighbourStore.open(location) as store:
        with pytest.raises(UsageError, match=r"track-0O3 is not a track_id .* Did you mean track-00.3\?"):
            store.neighbours("track-0O3")
        for k in (0, -1, 11, 10**9):
            with pytest.raises(UsageError, match=rf"k={k}: .* keeps 10 neighbours a track. Ask for 1 to 10."):
                store.neighbours("track-0003", k)


def test_values_that_are_not_as_they_were_written(make_index: MakeIndex, location: str) -> None:
    update_store(location, make_index(vectors=vectors(20)), SETTINGS)
    key, other = key_of("track-0003"), key_of("track-0004")
    with NeighbourStore.open(location) as store:
        value = store.values.get(key) or b""
        flipped = bytes([value[0] ^ 1, *value[1:]])
        for wrong_key, wrong in ((key, flipped), (key, value[:-1]), (key, b""), (other, value)):
            with pytest.raises(ArtefactError, match=r"is corrupt: .* Make it again: soundkin neighbours"):
                store.read(wrong_key, wrong)


@pytest.mark.parametrize("about", [b"", b"[]", b"{}", b'{"format": "soundkin neighbours"}'])
def test_a_store_without_a_description(make_index: MakeIndex, location: str, about: bytes) -> None:
    place = place_at(location)
    with place.drafting() as draft:
        draft.put({b"about": about})
        draft.publish()
    with pytest.raises(ArtefactError, match=r"is corrupt: .* Make it again"):
        NeighbourStore.open(location)
    with pytest.raises(ArtefactError, match=r"is corrupt: .* Make it again"):
        update_store(location, make_index(vectors=vectors(5)), SETTINGS)
    update_store(location, make_index(vectors=vectors(5)), SETTINGS, replace=True)
    assert len(lists_in(location)) == 5


def test_a_store_of_a_later_soundkin(location: str) -> None:
    with place_at(location).drafting() as draft:
        draft.put({b"about": b'{"format": "soundkin neighbours", "format_version": 9}'})
        draft.publish()
    with pytest.raises(ArtefactError, match=r"of format version 9; this soundkin reads .* of version 3"):
        NeighbourStore.open(location)


def test_two_writers(make_index: MakeIndex, location: str) -> None:
    index = make_index(vectors=vectors(20))
    with place_at(location).drafting(), pytest.raises(OutputError, match="another run is writing"):
        update_store(location, index, SETTINGS)
    update_store(location, index, SETTINGS)


def test_many_readers_in_one_process_and_in_a_fork(make_index: MakeIndex, location: str) -> None:
    update_store(location, make_index(vectors=vectors(50)), SETTINGS)
    want = lists_in(location)
    stores = [NeighbourStore.open(location) for _ in range(3)]
    stores.pop().close()
    wrong = []

    def read(store: NeighbourStore) -> None:
        wrong.extend(name for name in want if store.neighbours(name) != want[name])

    threads = [threading.Thread(target=read, args=[store]) for store in stores * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    child = os.fork()
    if child == 0:
        os._exit(0 if stores[0].neighbours("track-0001") == want["track-0001"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert stores[0].neighbours("track-0001") == want["track-0001"]
