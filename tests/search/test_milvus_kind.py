"""Indexes in Milvus against those of FAISS, after the same edits; and a Milvus that fails."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from importlib import import_module

import numpy as np
import pymilvus
import pytest

from edited_index import (
    add,
    build,
    contents,
    embeddings_of,
    ids_of,
    sounds_of,
    table_of,
    update,
    write_embeddings,
)
from soundkin.errors import ArtefactError, MissingExtraError, StoreError, UsageError
from soundkin.pipelines.index import index_embeddings
from soundkin.search import milvus_collection, milvus_kind
from soundkin.search.blend import Blend
from soundkin.search.conditions import mask_where, parse_condition
from soundkin.search.edits import add_tracks, compact, remove_tracks, rollback, snapshot, update_tracks
from soundkin.search.index_status import status
from soundkin.search.milvus_collection import MilvusCollection
from soundkin.search.ranking import Order, rank
from soundkin.search.vector_index import build_index, open_index
from soundkin.statistics.scaling import unit_length

COUNT = 120


def build_there(folder, numbers, uri, kind="auto", model="model-1"):
    embeddings = embeddings_of(ids_of(numbers), sounds_of(numbers), model)
    return build_index(embeddings, table_of(numbers), folder, folder, kind, str(uri))


def collections(uri):
    return set(milvus_collection._client_of(str(uri), os.getpid()).list_collections())


def named(folder):
    """The collections that versions of an index name."""
    files = [*folder.glob("v*/collection.json"), *folder.glob("v*/new-collection.json")]
    return {json.loads(file.read_text())["collection"] for file in files}


@pytest.fixture
def pair(tmp_path):
    """The same index twice: in FAISS and in Milvus."""
    build(tmp_path / "faiss", range(COUNT))
    build_there(tmp_path / "milvus", range(COUNT), tmp_path / "here.db")
    return tmp_path / "faiss", tmp_path / "milvus"


def answers(index, seed, where=(), artist_cap=None):
    """Track ids and cosines of a query by a track."""
    row = index.row(seed)
    allowed = mask_where(index.tracks.batch, [parse_condition(text) for text in where]) if where else None
    blend = Blend(index.vector(row)[None], np.ones(1), np.empty((0, 16), np.float32), np.empty(0))
    order = Order(k=10, artist_cap=artist_cap, fold_versions=True, hub_correction=True)
    ranking = rank(index, blend, order, allowed, {row})
    return [index.tracks.label(it.row).track_id for it in ranking], [it.similarity for it in ranking]


def assert_same(pair):
    """Both indexes hold the same, and answer filtered and capped queries alike."""
    ours, theirs = map(open_index, pair)
    held, there = contents(ours), contents(theirs)
    assert {track_id: title for track_id, (title, _) in held.items()} == {
        track_id: title for track_id, (title, _) in there.items()
    }
    for track_id, (_, vector) in held.items():
        np.testing.assert_allclose(there[track_id][1], vector, atol=1e-6)
    for seed in list(held)[::40]:
        for asked in ({}, {"where": ["genre=rock"]}, {"where": ["year>=2000"], "artist_cap": 1}):
            ids, cosines = answers(ours, seed, **asked)
            found, scores = answers(theirs, seed, **asked)
            assert found == ids
            np.testing.assert_allclose(scores, cosines, atol=1e-5)


@pytest.mark.slow
def test_edits_do_what_they_do_in_faiss(pair):
    assert_same(pair)
    for folder in pair:
        add(folder, range(COUNT, COUNT + 15))
    assert_same(pair)
    for folder in pair:
        remove_tracks(folder, ids_of([3, 50, COUNT + 2]))
        update(folder, [4, COUNT + 3])
    assert_same(pair)
    assert named(pair[1]) <= collections(pair[1].parent / "here.db")
    for folder in pair:
        compact(folder)
    assert_same(pair)
    assert not (pair[1] / open_index(pair[1]).version / "new-collection.json").exists()


def test_collections_go_with_the_versions_that_name_them(pair):
    _, folder = pair
    snapshot(folder, "first")
    for number in range(COUNT, COUNT + 3):
        add(folder, [number])
    assert named(folder) == collections(folder.parent / "here.db")
    assert len(rollback(folder, "first")) == COUNT
    add(folder, [COUNT + 9])
    assert len(open_index(folder)) == COUNT + 1
    assert named(folder) == collections(folder.parent / "here.db")


def test_new_cells_leave_the_vector(pair):
    for folder in pair:
        update_tracks(folder, None, table_of([4], "Anew"), folder)
    assert_same(pair)


def test_status_says_where_the_vectors_are(pair):
    said = status(pair[1])
    assert said.kind == "milvus" and said.count == COUNT
    assert said.reason.startswith("asked for; collection soundkin_")
    assert said.reason.endswith("/here.db: comparing with all tracks")


def test_a_graph_states_the_recall_it_measured(tmp_path):
    manifest = build_there(tmp_path / "index", range(300), tmp_path / "here.db", "hnsw")
    assert manifest.settings["index"] == "HNSW" and manifest.settings["kind"] == "hnsw"
    assert "candidates finds " in manifest.reason and "measured with 300 of the tracks" in manifest.reason


def test_another_model_is_refused(pair):
    embeddings = embeddings_of(ids_of([999]), sounds_of([999]), "model-2")
    before = collections(pair[1].parent / "here.db")
    with pytest.raises(ArtefactError, match="model-2"):
        add_tracks(pair[1], embeddings, table_of([999]), pair[1])
    assert len(open_index(pair[1])) == COUNT
    assert collections(pair[1].parent / "here.db") == before


def run(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "soundkin", *words], cwd=folder, capture_output=True, text=True
    )


@pytest.mark.slow
def test_each_command_opens_it_anew(tmp_path):
    write_embeddings(tmp_path, range(30))
    build = ("index", "embeddings", "-o", "index", "--engine", "milvus", "--uri", "here.db")
    edits = ("index", "remove", "index", *ids_of([3])), ("index", "add", "index", "embeddings")
    ask = ("query", "index", "--like", ids_of([7])[0], "-k", "5", "--where", "genre=jazz", "--json")
    outcomes = [run(tmp_path, *words) for words in (build, ask, *edits, ("index", "compact", "index"), ask)]
    assert [(it.returncode, it.stderr) for it in outcomes if it.returncode or "Traceback" in it.stderr] == []
    assert outcomes[1].stdout == outcomes[-1].stdout and len(json.loads(outcomes[-1].stdout)) == 5


@pytest.mark.slow
def test_no_milvus_there(tmp_path):
    write_embeddings(tmp_path, range(30))
    words = ("index", "embeddings", "-o", "index", "--engine", "milvus", "--uri", "http://127.0.0.1:1")
    done = run(tmp_path, *words)
    assert done.returncode == 1 and done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("soundkin: Milvus at http://127.0.0.1:1 does not answer")
    assert list((tmp_path / "index").iterdir()) == []


def test_two_models_in_one_collection(pair):
    [name] = named(pair[1])
    collection = MilvusCollection(str(pair[1].parent / "here.db"), name)
    client = milvus_collection._client_of(collection.uri, os.getpid())
    stranger = {"row": 3, "track_id": "x", "model_hash": "model-2", "vector": [0.25] * 16}
    client.upsert(name, [stranger])
    with pytest.raises(ArtefactError, match="holds vectors of model model-2 among those of model model-1"):
        open_index(pair[1])
    collection.insert(COUNT, sounds_of([1]), ["y"], "model-1")
    with pytest.raises(ArtefactError, match=f"holds {COUNT + 1} vectors, and the index has {COUNT}"):
        open_index(pair[1])


def test_a_collection_that_is_gone(pair):
    [name] = named(pair[1])
    index = open_index(pair[1])
    MilvusCollection(str(pair[1].parent / "here.db"), name).drop()
    for ask in (lambda: open_index(pair[1]), lambda: index.search(sounds_of([1]), 5)):
        with pytest.raises(ArtefactError, match=r"open it again. Build the index again: soundkin index"):
            ask()


def test_a_build_that_fails_leaves_nothing_in_milvus(tmp_path, monkeypatch):
    uri = tmp_path / "here.db"
    build_there(tmp_path / "index", range(20), uri)
    before, insert = collections(uri), MilvusCollection.insert

    def fail(self, first, vectors, track_ids, model_hash):
        insert(self, first, vectors[:7], track_ids[:7], model_hash)

    monkeypatch.setattr(MilvusCollection, "insert", fail)
    with pytest.raises(StoreError, match=r"kept 7 of 30 vectors. Run the command again"):
        build_there(tmp_path / "index", range(30), uri)
    assert collections(uri) == before and len(open_index(tmp_path / "index")) == 20


def test_what_a_killed_build_left_is_dropped_by_the_next_edit(pair):
    _, folder = pair
    uri = str(folder.parent / "here.db")
    left, other = (MilvusCollection(uri, name) for name in ("soundkin_0123456789abcdef", "another"))
    for collection in (left, other):
        collection.create(16, "FLAT")
    with (folder / ".collections").open("a") as file:
        file.write(f"{uri}\t{left.name}\n")
    add(folder, [COUNT])
    assert collections(uri) == {*named(folder), "another"}


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://me:secret@host:19530", "a password would be kept in the index. Give it as SOUNDKIN_MIL"),
        ("redis://host", r"write http://HOST:19530, or a path that ends in .db"),
        ("folder", r"write http://HOST:19530, or a path that ends in .db"),
        ("/nowhere/here.db", "there is no folder /nowhere. Make it first"),
    ],
)  # fmt: skip
def test_what_is_no_place(tmp_path, uri, said):
    with pytest.raises(UsageError, match=said):
        build_there(tmp_path / "index", range(5), uri)
    assert not (tmp_path / "index" / "CURRENT").exists()


def test_engine_and_uri_go_together(tmp_path):
    embeddings = write_embeddings(tmp_path, range(5))
    with pytest.raises(UsageError, match=r"engine=milvus needs to know where: --uri http://HOST:19530"):
        index_embeddings(embeddings, tmp_path / "index", engine="milvus")
    with pytest.raises(UsageError, match=r"uri=here.db is for --engine milvus"):
        index_embeddings(embeddings, tmp_path / "index", uri="here.db")


def test_an_unknown_kind(tmp_path):
    with pytest.raises(UsageError, match=r"kind=ivf is none of Milvus. Choose exact, hnsw or auto"):
        build_there(tmp_path / "index", range(5), tmp_path / "here.db", "ivf")


def test_another_pymilvus(tmp_path, monkeypatch):
    monkeypatch.setattr(pymilvus, "__version__", "2.6.1")
    with pytest.raises(MissingExtraError, match=r"needs pymilvus 3, and 2.6.1 is installed: pip install"):
        build_there(tmp_path / "index", range(5), tmp_path / "here.db")


def test_no_pymilvus(monkeypatch):
    monkeypatch.setitem(import_module("soundkin.extras").EXTRAS, "milvus", ("nowhere_to_be_found",))
    monkeypatch.delitem(sys.modules, "soundkin.search.milvus_collection")
    with pytest.raises(MissingExtraError, match=r"in Milvus needs nowhere_to_be_found, .*soundkin\[milvus\]"):
        import_module("soundkin.search.milvus_collection")


class Server:
    """A Milvus Lite behind gRPC, as a process that can be killed."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri, self._folder = f"http://127.0.0.1:{self.port}", folder

    def start(self):
        words = ["server", "--data-dir", str(self._folder), "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "milvus_lite", *words], stdout=subprocess.DEVNULL
        )
        while True:
            assert self._process.poll() is None, "milvus_lite ended"
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.05)

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self._process.wait()


def waited_for(ask):
    """The answer, once there is one: a client looks every other second whether its server is back."""
    while True:
        try:
            return ask()
        except StoreError:
            time.sleep(0.1)


@pytest.mark.slow
def test_a_server_that_goes_away_in_the_middle(tmp_path, monkeypatch):
    monkeypatch.setattr(milvus_collection, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(milvus_collection, "WRITE_SECONDS", 2.0)
    server = Server(tmp_path / "served.db")
    folder = tmp_path / "index"
    server.start()
    try:
        build_there(folder, range(60), server.uri)
        index, before, complete = open_index(folder), collections(server.uri), MilvusCollection.complete

        server.signal(signal.SIGSTOP)
        with pytest.raises(StoreError, match="does not answer"):
            index.search(sounds_of([1]), 5)
        server.signal(signal.SIGCONT)
        assert index.search(sounds_of([1]), 1)[1].tolist() == [[1]]

        def killed(self, count):
            server.kill()
            complete(self, count)

        monkeypatch.setattr(MilvusCollection, "complete", killed)
        with pytest.raises(
            StoreError, match=f"Milvus at {server.uri} does not answer, or refuses us .*Is it"
        ):
            add(folder, range(60, 70))
        with pytest.raises(StoreError, match="does not answer"):
            index.search(sounds_of([1]), 5)
        monkeypatch.setattr(MilvusCollection, "complete", complete)
        assert index.version == "v1" and [path.name for path in folder.glob("v*")] == ["v1"]
        server.start()
        assert waited_for(lambda: open_index(folder).search(sounds_of([1]), 1)[1].tolist()) == [[1]]
        assert collections(server.uri) != before
        add(folder, range(60, 70))
        assert len(open_index(folder)) == 70 and named(folder) == collections(server.uri)
    finally:
        server.kill()


@pytest.mark.parametrize("share", [0.01, 0.4, 0.9])
def test_filters_on_a_graph_that_milvus_applies(tmp_path, monkeypatch, share):
    monkeypatch.setattr(milvus_kind, "COMPARED_HERE", 0)
    build_there(tmp_path / "index", range(400), tmp_path / "here.db", "hnsw")
    index, queries = open_index(tmp_path / "index"), unit_length(sounds_of(range(20), seed=5))
    allowed = np.random.default_rng(0).random(400) < share
    cosines = np.where(allowed, queries @ index.vectors(np.arange(400)).T, -2)
    wanted = min(10, allowed.sum())
    scores, rows = index.search(queries, 10, allowed)
    assert (rows[:, :wanted] >= 0).all() and (rows[:, wanted:] == -1).all()
    assert allowed[rows[:, :wanted]].all()
    true = -np.sort(-cosines, axis=1)[:, wanted - 1 : wanted]
    assert (scores[:, :wanted] >= true - 1e-5).mean() >= 0.98
