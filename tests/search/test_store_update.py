"""Updates against fresh builds, over sequences of edits; kills at any moment; what cannot be written."""

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_server import RedisServer
from soundkin.embedding.store import Embeddings
from soundkin.errors import ArtefactError, OtherModelError, OutputError
from soundkin.search import lmdb_files, store_update
from soundkin.search.edits import edit_tracks
from soundkin.search.neighbour_lists import BatchQuery
from soundkin.search.neighbour_store import ListSettings, NeighbourStore, key_of
from soundkin.search.store_update import update_store
from soundkin.search.vector_index import Index, build_index, open_index

Track = tuple[str, tuple[float, ...], str]  # id, vector, artist


def index_of(folder: Path, tracks: list[Track]) -> Index:
    ids, rows, artists = zip(*tracks, strict=True)
    vectors = np.array(rows, np.float32)
    embeddings = Embeddings(list(ids), vectors, [], [], "model-1", folder / "model", folder / "catalog.csv")
    table = pa.table({"track_id": ids, "path": ids, "artist": artists})
    build_index(embeddings, table, folder, folder / "index")
    return open_index(folder / "index")


def random_tracks(count: int, seed: int = 0) -> list[Track]:
    vectors = np.random.default_rng(seed).standard_normal((count, 6))
    return [(f"track-{n:04}", tuple(vector), f"Artist {n % 7}") for n, vector in enumerate(vectors)]


def lists_in(location: object) -> dict[str, list[tuple[str, float]]]:
    with NeighbourStore.open(str(location)) as store:
        return {track_id: store.neighbours(track_id) for track_id in store.ids if track_id is not None}


def fresh(folder: Path, index: Index, asked: ListSettings) -> dict[str, list[tuple[str, float]]]:
    (folder / "fresh.lmdb").unlink(missing_ok=True)
    update_store(folder / "fresh.lmdb", index, asked)
    return lists_in(folder / "fresh.lmdb")


# Few distinct vectors and artists: equal cosines, copies, full caps and short lists are common.
IDS = st.sampled_from([f"t{n}" for n in range(14)])
VECTORS = st.tuples(*[st.sampled_from([-1.0, 0.0, 0.5, 1.0])] * 3)
ARTISTS = st.sampled_from(["", "Ann", "Bob", "Ann; Bob", "Cy"])
LIBRARIES = st.dictionaries(IDS, st.tuples(VECTORS, ARTISTS), min_size=1, max_size=14)


@given(st.lists(LIBRARIES, min_size=2, max_size=5), st.integers(1, 5), st.sampled_from([None, 1, 2]))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_edits_give_the_lists_of_a_fresh_build(
    tmp_path_factory: pytest.TempPathFactory,
    libraries: list[dict[str, tuple[tuple[float, ...], str]]],
    k: int,
    artist_cap: int | None,
) -> None:
    folder, asked = tmp_path_factory.mktemp("edits"), ListSettings(k=k, artist_cap=artist_cap)
    everything = libraries[0]
    index_of(folder, [(name, *track) for name, track in everything.items()])
    for library in libraries:  # tracks come, change and, now and then, go
        gone = [name for name in everything if len(library) > 7 and name not in library]
        _edit(folder, library, gone)
        everything = {name: track for name, track in (everything | library).items() if name not in gone}
        try:
            update_store(folder / "store.lmdb", open_index(folder / "index"), asked)
        except OtherModelError:  # most of its tracks are gone
            update_store(folder / "store.lmdb", open_index(folder / "index"), asked, replace=True)
        tracks = [(name, *track) for name, track in everything.items()]
        (folder / "new").mkdir(exist_ok=True)
        assert lists_in(folder / "store.lmdb") == fresh(folder, index_of(folder / "new", tracks), asked)


def _edit(folder: Path, library: dict[str, tuple[tuple[float, ...], str]], gone: list[str]) -> None:
    """Put `library` into the index, and take `gone` out."""
    ids, tracks = list(library), library.values()
    vectors = np.array([vector for vector, _ in tracks], np.float32)
    embeddings = Embeddings(ids, vectors, [], [], "model-1", folder / "model", folder / "catalog.csv")
    table = pa.table({"track_id": ids, "path": ids, "artist": [artist for _, artist in tracks]})
    edit_tracks(folder / "index", embeddings, table, folder, gone)


@pytest.mark.parametrize("artist_cap", [None, 2])
def test_only_what_an_edit_touches_is_computed(tmp_path: Path, artist_cap: int | None) -> None:
    asked, tracks = ListSettings(k=5, artist_cap=artist_cap), random_tracks(600)
    store = tmp_path / "store.lmdb"
    update_store(store, index_of(tmp_path, tracks), asked)
    before = lists_in(store)
    edited = [
        *tracks[3:],
        *[(f"new-{n}", vector, "New") for n, (_, vector, _) in enumerate(random_tracks(2, 9))],
    ]
    index = index_of(tmp_path, edited)
    done = update_store(store, index, asked)
    after = lists_in(store)
    assert after == fresh(tmp_path, index, asked)
    differ = {track_id for track_id in after if after[track_id] != before.get(track_id)}
    assert (done.new, done.gone) == (2, 3) and len(differ) <= done.computed < len(differ) + 3


def test_cells_that_decide_nothing_touch_no_list(tmp_path: Path) -> None:
    asked, tracks = ListSettings(k=5), random_tracks(50)
    update_store(tmp_path / "store.lmdb", index_of(tmp_path, tracks), asked)
    done = update_store(tmp_path / "store.lmdb", index_of(tmp_path, [*tracks[:-1]]), asked)
    assert done.gone == 1
    before = open_index(tmp_path / "index").manifest
    table = pa.table(
        {"track_id": [t for t, _, _ in tracks], "path": ["moved"] * 50, "artist": [a for *_, a in tracks]}
    )
    vectors = np.array([vector for _, vector, _ in tracks[:-1]], np.float32)
    ids = [track_id for track_id, _, _ in tracks[:-1]]
    embeddings = Embeddings(ids, vectors, [], [], "model-1", tmp_path / "model", tmp_path / "catalog.csv")
    assert build_index(embeddings, table, tmp_path, tmp_path / "index") != before
    done = update_store(tmp_path / "store.lmdb", open_index(tmp_path / "index"), asked)
    assert (done.new, done.gone, done.computed) == (0, 0, 0)
    NeighbourStore.open(tmp_path / "store.lmdb", open_index(tmp_path / "index")).close()


def test_freed_numbers_are_used_again(tmp_path: Path) -> None:
    asked, tracks = ListSettings(k=5), random_tracks(40)
    update_store(tmp_path / "store.lmdb", index_of(tmp_path, tracks), asked)
    for seed in range(1, 6):
        others = [(f"{seed}-{name}", vector, artist) for name, vector, artist in random_tracks(10, seed)]
        update_store(tmp_path / "store.lmdb", index_of(tmp_path, [*tracks[:30], *others]), asked)
    with NeighbourStore.open(tmp_path / "store.lmdb") as store:
        assert len(store.ids) == 40


@pytest.mark.slow
def test_several_workers_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_update, "TRACKS_AT_ONCE", 20)
    index, asked = index_of(tmp_path, random_tracks(300)), ListSettings(k=5, artist_cap=2)
    update_store(tmp_path / "store.lmdb", index, asked, workers=2)
    assert lists_in(tmp_path / "store.lmdb") == fresh(tmp_path, index, asked)


@pytest.mark.slow
def test_an_index_that_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_update, "TRACKS_AT_ONCE", 20)
    index, asked = index_of(tmp_path, random_tracks(300)), ListSettings(k=5)
    index_of(tmp_path, random_tracks(301))
    with pytest.raises(ArtefactError, match=r"was changed meanwhile. Run the same command again"):
        update_store(tmp_path / "store.lmdb", index, asked, workers=2)
    index = open_index(tmp_path / "index")
    update_store(tmp_path / "store.lmdb", index, asked, workers=2)
    assert lists_in(tmp_path / "store.lmdb") == fresh(tmp_path, index, asked)


def test_a_run_goes_on_where_a_failed_one_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_update, "TRACKS_AT_ONCE", 20)
    index, asked = index_of(tmp_path, random_tracks(100)), ListSettings(k=5)
    computed: list[int] = []
    lists = BatchQuery.lists

    def fail_late(self: BatchQuery, rows: np.ndarray) -> object:
        if len(computed) == 3:
            raise KeyboardInterrupt
        computed.append(int(rows[0]))
        return lists(self, rows)

    monkeypatch.setattr(BatchQuery, "lists", fail_late)
    with pytest.raises(KeyboardInterrupt):
        update_store(tmp_path / "store.lmdb", index, asked)
    assert not (tmp_path / "store.lmdb").exists()
    computed.append(-1)
    update_store(tmp_path / "store.lmdb", index, asked)
    assert computed == [0, 20, 40, -1, 60, 80]
    monkeypatch.undo()
    assert lists_in(tmp_path / "store.lmdb") == fresh(tmp_path, index, asked)
    assert not list(tmp_path.glob(".*"))


KILLED_UPDATE = """
import os, signal, sys
from soundkin.search import redis_hashes, store_update
from soundkin.search.lmdb_files import LmdbDraft
from soundkin.search.neighbour_store import ListSettings
from soundkin.search.redis_hashes import RedisDraft
from soundkin.search.vector_index import open_index

location, index, steps_left = sys.argv[1], sys.argv[2], int(sys.argv[3])
store_update.TRACKS_AT_ONCE = 20
redis_hashes.LOCK_SECONDS = 1

def dying(function):
    def step(*words, **options):
        global steps_left
        if steps_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        steps_left -= 1
        return function(*words, **options)
    return step

for draft in (LmdbDraft, RedisDraft):
    for name in ("restart", "put", "publish"):
        setattr(draft, name, dying(getattr(draft, name)))
store_update.update_store(location, open_index(index), ListSettings(k=5))
"""


def run_killed(location: str, index: Index, steps: int) -> int:
    """The exit code of an update that is killed after so many steps."""
    words = [sys.executable, "-c", KILLED_UPDATE, location, str(index.folder), str(steps)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lmdb", "redis"])
def test_killed_at_any_step(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    location = str(tmp_path / "store.lmdb")
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        location = f"{server.url}?name=killed"
    asked, tracks = ListSettings(k=5), random_tracks(60)
    update_store(location, index_of(tmp_path, tracks), asked)
    before = lists_in(location)
    index = index_of(
        tmp_path, [*tracks[2:], *[(f"new-{n}", v, a) for n, (_, v, a) in enumerate(tracks[:40])]]
    )
    for steps in range(4):
        assert run_killed(location, index, steps) == -signal.SIGKILL
        assert lists_in(location) == before
        if kind == "redis":
            time.sleep(1.1)  # until the killed one's lock is gone
    while run_killed(location, index, steps) == -signal.SIGKILL:
        if kind == "redis":
            time.sleep(1.1)
    assert lists_in(location) == fresh(tmp_path, index, asked)


@contextmanager
def small_disk(most: int) -> Iterator[None]:
    """A limit on the size of files stands in for a disk without space: writes fail half way alike."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("most", [5_000, 60_000])
def test_a_full_disk_loses_nothing(tmp_path: Path, most: int) -> None:
    asked, tracks = ListSettings(k=20), random_tracks(1500)
    store = tmp_path / "store.lmdb"
    update_store(store, index_of(tmp_path, tracks[:10]), asked)
    before = lists_in(store)
    index = index_of(tmp_path, tracks)
    with small_disk(most), pytest.raises(OutputError, match=r"cannot write .*store.lmdb: .*Free some space"):
        update_store(store, index, asked)
    assert lists_in(store) == before
    update_store(store, index, asked)
    assert lists_in(store) == fresh(tmp_path, index, asked)


def test_the_map_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_files, "FIRST_MAP_BYTES", 1 << 16)
    index, asked = index_of(tmp_path, random_tracks(1500)), ListSettings(k=20)
    update_store(tmp_path / "store.lmdb", index, asked)
    assert (tmp_path / "store.lmdb").stat().st_size > 1 << 17
    assert len(lists_in(tmp_path / "store.lmdb")) == 1500


def test_no_descriptors_are_left_open(tmp_path: Path) -> None:
    index = index_of(tmp_path, random_tracks(20))

    def once(k: int) -> int:
        update_store(tmp_path / "store.lmdb", index, ListSettings(k=k))
        lists_in(tmp_path / "store.lmdb")
        return len(list(Path("/proc/self/fd").iterdir()))

    assert once(3) == once(4) == once(5)


def test_lists_that_were_lost_are_computed_anew(tmp_path: Path) -> None:
    """As where Redis evicts, or a disk forgets."""
    asked, tracks = ListSettings(k=5), random_tracks(30)
    store = tmp_path / "store.lmdb"
    update_store(store, index_of(tmp_path, tracks), asked)
    with lmdb_files.LmdbFile(store).drafting() as draft:
        draft.restart(from_current=True)
        draft.put({key_of("track-0006"): b"?"}, [key_of("track-0005")])
        draft.publish()
    with NeighbourStore.open(store) as broken, pytest.raises(ArtefactError, match="is corrupt"):
        broken.neighbours("track-0006")
    index = index_of(tmp_path, tracks[1:])
    update_store(store, index, asked)
    assert lists_in(store) == fresh(tmp_path, index, asked)
