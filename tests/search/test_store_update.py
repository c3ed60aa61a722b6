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
from soundkin.errors import ArtefactError, OutputError
from soundkin.pipelines.query import query
from soundkin.search import library_sample, lmdb_files, store_update
from soundkin.search.edits import compact, edit_tracks
from soundkin.search.neighbour_lists import BatchQuery
from soundkin.search.neighbour_store import ListSettings, NeighbourStore, StoredAnswer, key_of
from soundkin.search.store_update import update_store
from soundkin.search.vector_index import Index, build_index, open_index

Track = tuple[str, tuple[float, ...], str]  # id, vector, artist
Answers = dict[str, list[StoredAnswer]]


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


def lists_in(location: object) -> Answers:
    with NeighbourStore.open(str(location)) as store:
        return {track_id: store.answers(track_id) for track_id in store.ids if track_id is not None}


def fresh(folder: Path, index: Index, asked: ListSettings) -> Answers:
    (folder / "fresh.lmdb").unlink(missing_ok=True)
    update_store(folder / "fresh.lmdb", index, asked)
    return lists_in(folder / "fresh.lmdb")


# Few distinct vectors, artists and titles: equal cosines, copies, full caps and short lists are common.
IDS = st.sampled_from([f"t{n}" for n in range(14)])
VECTORS = st.tuples(*[st.sampled_from([-1.0, 0.0, 0.5, 1.0])] * 3)
ARTISTS = st.sampled_from(["", "Ann", "Bob", "Ann; Bob", "Cy"])
TITLES = st.sampled_from(["Blue Train", "Blue Train (Live)", "Naima"])
LIBRARIES = st.dictionaries(IDS, st.tuples(VECTORS, ARTISTS, TITLES), min_size=1, max_size=14)


@given(st.lists(LIBRARIES, min_size=2, max_size=5), st.integers(1, 5), st.booleans())
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_edits_give_the_lists_of_a_fresh_build(
    tmp_path_factory: pytest.TempPathFactory,
    libraries: list[dict[str, tuple[tuple[float, ...], str, str]]],
    k: int,
    corrected: bool,
) -> None:
    folder, asked = tmp_path_factory.mktemp("edits"), ListSettings(k=k)
    index_of(folder, [(f"base-{n}", (1.0, 0.0, float(n)), "Eve") for n in range(3)])
    everything: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library_sample, "ENOUGH_TRACKS", 3 if corrected else 100)
        for library in libraries:  # tracks come, change and, now and then, go
            gone = sorted(name for name in everything if len(library) > 7 and name not in library)
            _edit(folder, library, gone)
            everything = (everything | set(library)).difference(gone)
            index = open_index(folder / "index")
            update_store(folder / "store.lmdb", index, asked, replace=True)
            assert lists_in(folder / "store.lmdb") == fresh(folder, index, asked)


def _edit(folder: Path, library: dict[str, tuple[tuple[float, ...], str, str]], gone: list[str]) -> None:
    """Put `library` into the index, and take `gone` out."""
    ids, tracks = list(library), library.values()
    vectors = np.array([vector for vector, _, _ in tracks], np.float32)
    embeddings = Embeddings(ids, vectors, [], [], "model-1", folder / "model", folder / "catalog.csv")
    named = {"artist": [artist for _, artist, _ in tracks], "title": [title for *_, title in tracks]}
    edit_tracks(folder / "index", embeddings, pa.table({"track_id": ids, "path": ids, **named}), folder, gone)


@pytest.mark.slow
@given(st.lists(st.lists(st.integers(0, 239), max_size=30), min_size=1, max_size=3), st.integers(1, 40))
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_what_is_stored_is_what_a_query_answers(
    tmp_path_factory: pytest.TempPathFactory, edits: list[list[int]], k: int
) -> None:
    """Copies and versions, hubs, full artists; fresh, and after tracks have come, changed and gone."""
    folder, asked = tmp_path_factory.mktemp("stored"), ListSettings(k=k)
    random = np.random.default_rng(k)
    sounds = random.standard_normal((240, 6)) + 1.5 * random.random((240, 1))
    sounds[150:] = sounds[:90] + 0.1 * random.standard_normal((90, 6))  # versions of the first ninety

    def put(numbers: list[int]) -> tuple[Embeddings, pa.Table]:
        ids = [f"track-{n:04}" for n in numbers]
        vectors = sounds[numbers].astype(np.float32).reshape(-1, 6)
        titles = [f"Number {n % 150}" + " (Live)" * (n >= 150) for n in numbers]
        named = {"artist": [f"Artist {n % 150 % 29}" for n in numbers], "title": titles}
        embeddings = Embeddings(ids, vectors, [], [], "model-1", folder / "model", folder / "catalog.csv")
        return embeddings, pa.table({"track_id": ids, "path": ids, **named})

    build_index(*put(list(range(200))), folder, folder / "index")
    here = set(range(200))
    for edit in [[], *edits]:
        gone = sorted({n for n in edit if n % 3 == 0} & here)
        new = sorted(n for n in set(edit) if n % 3)
        sounds[new] += 0.3 * random.standard_normal((len(new), 6))
        if new or gone:
            names = [f"track-{n:04}" for n in gone]
            embeddings, table = put(new)
            edit_tracks(folder / "index", embeddings if new else None, table if new else None, folder, names)
        here = (here | set(new)) - set(gone)
        index = open_index(folder / "index")
        update_store(folder / "store.lmdb", index, asked)
        for track_id, stored in list(lists_in(folder / "store.lmdb").items())[k % 5 :: 5]:
            live = query(index, f"track:{track_id}", k)
            assert [(each.track_id, each.folded) for each in stored] == [
                (each.track_id, each.folded) for each in live
            ]
            assert [each.score for each in stored] == pytest.approx([each.score for each in live], abs=1e-6)
            shares = [each.closer_than for each in live]
            assert [each.closer_than for each in stored] == pytest.approx(shares, abs=1e-3)


def test_only_what_an_edit_touches_is_computed(tmp_path: Path) -> None:
    asked, tracks, store = ListSettings(k=5), random_tracks(600), tmp_path / "store.lmdb"
    update_store(store, index_of(tmp_path, [(name, vector, name) for name, vector, _ in tracks]), asked)
    before = lists_in(store)
    new = {f"new-{n}": (vector, "New", "New") for n, (_, vector, _) in enumerate(random_tracks(2, 9))}
    gone = [name for name, *_ in tracks[:3]]
    vectors = {name: np.array(vector) / np.linalg.norm(vector) for name, vector, _ in tracks}
    _edit(tmp_path, new, gone)
    index = open_index(tmp_path / "index")
    done = update_store(store, index, asked)
    after = lists_in(store)
    assert after == fresh(tmp_path, index, asked)
    differ = {track_id for track_id in after if after[track_id] != before.get(track_id)}
    edited = [vectors[name] for name in gone] + [
        np.array(vector) / np.linalg.norm(vector) for vector, *_ in new.values()
    ]
    within = 0  # those for which one of the edited is, or was, among the ten that are looked at
    for name in set(after) - set(new):
        tenth = np.sort([vectors[name] @ other for other in vectors.values()])[-10]
        within += any(vectors[name] @ other > tenth - 1e-4 for other in edited)
    assert (done.new, done.gone) == (2, 3)
    assert len(differ) <= done.computed <= within + 2 + 3 < 120


def test_cells_that_decide_nothing_touch_no_list(tmp_path: Path) -> None:
    asked, tracks = ListSettings(k=5), random_tracks(150)
    update_store(tmp_path / "store.lmdb", index_of(tmp_path, tracks), asked)
    moved = [name for name, *_ in tracks[:20]]
    vectors = np.array([vector for _, vector, _ in tracks[:20]], np.float32)
    table = pa.table({"track_id": moved, "path": ["moved"] * 20, "artist": [a for *_, a in tracks[:20]]})
    embeddings = Embeddings(moved, vectors, [], [], "model-1", tmp_path / "model", tmp_path / "catalog.csv")
    edit_tracks(tmp_path / "index", embeddings, table, tmp_path, [])
    index = open_index(tmp_path / "index")
    done = update_store(tmp_path / "store.lmdb", index, asked)
    assert (done.new, done.gone, done.computed) == (0, 0, 0)
    NeighbourStore.open(tmp_path / "store.lmdb", index).close()


def test_a_compaction_takes_another_sample(tmp_path: Path) -> None:
    asked, store = ListSettings(k=5), tmp_path / "store.lmdb"
    update_store(store, index_of(tmp_path, random_tracks(150)), asked)
    _edit(tmp_path, {f"new-{n}": (v, "New", "New") for n, (_, v, _) in enumerate(random_tracks(9, 1))}, [])
    assert update_store(store, open_index(tmp_path / "index"), asked).computed < 159
    compact(tmp_path / "index")
    index = open_index(tmp_path / "index")
    done = update_store(store, index, asked)
    assert (done.computed, done.new) == (159, 0) and lists_in(store) == fresh(tmp_path, index, asked)


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
    index, asked = index_of(tmp_path, random_tracks(300)), ListSettings(k=5)
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
