import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundkin.embedding.store import Embeddings
from soundkin.errors import ArtefactError, CatalogError, OutputError, UsageError
from soundkin.files import sha256_of
from soundkin.search.kinds import KINDS
from soundkin.search.vector_index import build_index, open_index
from soundkin.statistics.scaling import unit_length

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def embeddings_of(vectors, ids):
    count = len(ids)
    return Embeddings(
        ids, vectors, [30.0] * count, ["0"] * count, "model-1", Path("/models/one"), Path("/catalog.csv")
    )


def tracks_of(ids):
    return pa.table({"track_id": ids, "path": ids})


def build(folder, ids, vectors=None, **options):
    vectors = (
        np.random.default_rng(0).standard_normal((len(ids), 8)).astype(np.float32)
        if vectors is None
        else vectors
    )
    return build_index(
        embeddings_of(vectors, ids), tracks_of(options.pop("listed", ids)), folder, folder, **options
    )


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "v1").iterdir())}


def test_the_manifest_says_what_the_index_is(tmp_path):
    manifest = build(tmp_path / "index", ["b", "a", "c"])
    written = json.loads((tmp_path / "index" / "v1" / "manifest.json").read_text())
    assert written["format"] == "soundkin index" and written["format_version"] == 1
    assert (manifest.count, manifest.embedding_size, manifest.kind, manifest.metric) == (
        3,
        8,
        "exact",
        "cosine",
    )
    assert manifest.model_hash == "model-1"
    assert manifest.model_path == "/models/one"
    assert "chosen for 3 tracks of 8 numbers" in manifest.reason
    assert manifest.files.keys() == {"vectors.faiss", "tracks.arrow"}
    assert open_index(tmp_path / "index").manifest == manifest


@EVERY_KIND
def test_the_order_of_tracks_changes_nothing(make_index, tmp_path, kind):
    make_index(kind=kind)
    before = files_of(tmp_path / "index")
    shutil.rmtree(tmp_path / "index")
    make_index(kind=kind, order=np.random.default_rng(3).permutation(1200))
    assert files_of(tmp_path / "index") == before


def test_rows_are_in_order_of_id_and_vectors_have_length_one(tmp_path):
    vectors = np.array([[3, 4], [0, 2], [-5, 0]], np.float32)
    build(tmp_path, ["é", "z", "a"], vectors)
    index = open_index(tmp_path)
    assert [index.tracks.label(row).track_id for row in range(3)] == ["a", "z", "é"]
    np.testing.assert_allclose(
        [index.vector(index.row(x)) for x in "éza"], [[0.6, 0.8], [0, 1], [-1, 0]], atol=1e-6
    )


def test_an_index_and_what_it_names_can_move_together(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    ids = ["a", "b"]
    embeddings = Embeddings(
        ids, np.eye(2, dtype=np.float32), [], [], "m", here / "model", here / "catalog.csv"
    )
    build_index(embeddings, tracks_of(ids), here / "music", here / "index")
    here.rename(there)
    index = open_index(there / "index")
    assert index.model_path.resolve() == there / "model"
    assert index.audio_path("x.ogg") == str(there / "music" / "x.ogg")
    assert index.row_of_file(there / "music" / "b") == 1
    assert index.row_of_file(there / "b") is None
    assert index.row_of_file(there / "music" / os.fsdecode(b"caf\xe9")) is None, "no UTF-8"


def test_paths_do_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    build(tmp_path / "index", ["a"])
    monkeypatch.chdir(tmp_path)
    assert open_index(Path("index")).audio_path("x.ogg") == str(tmp_path / "index" / "x.ogg")


@EVERY_KIND
def test_flipped_bytes_are_noticed(make_index, tmp_path, kind):
    """Anywhere in any file; FAISS and Arrow would read on in silence."""
    make_index(kind=kind)
    random = np.random.default_rng(0)
    paths = [tmp_path / "index" / "CURRENT", *(tmp_path / "index" / "v1").iterdir()]
    assert len(paths) == 4 + len(KINDS[kind].files)
    for path in paths:
        content = path.read_bytes()
        for place in [0, len(content) - 1, *random.integers(0, len(content), 6)]:
            changed = bytearray(content)
            changed[place] ^= 1 << int(random.integers(8))
            path.write_bytes(changed)
            with pytest.raises(ArtefactError):
                open_index(tmp_path / "index")
        path.write_bytes(content[:-1])
        with pytest.raises(ArtefactError):
            open_index(tmp_path / "index")
        path.write_bytes(content)
    open_index(tmp_path / "index")


def rewrite_manifest(folder, **changes):
    path = folder / "v1" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    (folder / "CURRENT").write_text(f"v1 {sha256_of(path)}\n")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 3}, "format version 3; this soundkin reads version 2. Update soundkin"),
        ({"format": "soundkin embeddings"}, "does not describe soundkin index"),
        ({"count": "many"}, "is corrupt: config count='many'"),
        ({"kind": "hnsw"}, "Build the index again"),
    ],
)
def test_manifests_of_other_versions(tmp_path, changes, message):
    build(tmp_path, ["a", "b"])
    rewrite_manifest(tmp_path, **changes)
    with pytest.raises(ArtefactError, match=message):
        open_index(tmp_path)


def test_a_reader_keeps_its_version_while_others_are_built(tmp_path):
    ids = ["a", "b", "c"]
    build(tmp_path, ids, np.eye(3, dtype=np.float32))
    index = open_index(tmp_path)
    for _ in range(3):
        build(tmp_path, ids, -np.eye(3, dtype=np.float32))
    assert not (tmp_path / "v1").exists()
    np.testing.assert_array_equal(index.vector(0), [1, 0, 0])
    assert index.tracks.label(2).track_id == "c"


# Renames happen when the manifest is whole, when the version is, and when CURRENT names it.
KILLED_BUILD = """
import os, signal, sys
import numpy as np
from pathlib import Path
from soundkin.embedding.store import Embeddings
from soundkin.search.vector_index import build_index
import pyarrow as pa

folder, renames_left = Path(sys.argv[1]), int(sys.argv[2])

def count(event, arguments):
    global renames_left
    if event == "os.rename":
        if renames_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        renames_left -= 1

sys.addaudithook(count)
ids = ["a", "b", "c", "new"]
embeddings = Embeddings(ids, np.eye(4, dtype=np.float32), [], [], "m", Path("m"), Path("c"))
build_index(embeddings, pa.table({"track_id": ids, "path": ids}), folder, folder)
"""


@pytest.mark.slow
@pytest.mark.parametrize("renames", [0, 1, 2])
def test_killed_at_any_step_the_old_index_works(tmp_path, renames):
    build(tmp_path, ["a", "b", "c"])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BUILD, str(tmp_path), str(renames)], capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(open_index(tmp_path)) == 3
    finished = subprocess.run([sys.executable, "-c", KILLED_BUILD, str(tmp_path), "99"], capture_output=True)
    assert finished.returncode == 0, finished.stderr.decode()
    assert len(open_index(tmp_path)) == 4
    assert not list(tmp_path.glob(".v*"))


def test_a_full_disk(tmp_path):
    build(tmp_path, ["a", "b", "c"])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            build(tmp_path, [f"{n:04}" for n in range(500)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(open_index(tmp_path)) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"CURRENT", "v1"}


def test_bad_input(tmp_path):
    with pytest.raises(UsageError, match=r"kind=ivff is unknown. Did you mean ivf\?"):
        build(tmp_path, ["a"], kind="ivff")
    with pytest.raises(UsageError, match="hold no track"):
        build(tmp_path, [], np.zeros((0, 8), np.float32))
    with pytest.raises(ArtefactError, match="hold track b twice"):
        build(tmp_path, ["b", "a", "b"])
    with pytest.raises(ArtefactError, match="the vector of track b is not finite"):
        build(tmp_path, ["a", "b"], np.array([[1, 0], [np.nan, 1]], np.float32))
    with pytest.raises(CatalogError, match=r"track b is embedded but not in the catalog \(1 such"):
        build(tmp_path, ["a", "b"], listed=["a", "c"])
    assert list(tmp_path.iterdir()) == []


def test_a_query_of_another_size(tmp_path):
    build(tmp_path, ["a", "b"])
    with pytest.raises(
        ArtefactError, match="vectors of 8 numbers and the query has 5: they come from different models"
    ):
        open_index(tmp_path).search(np.ones((1, 5), np.float32), 1)


def test_an_unknown_track_names_a_similar_one(tmp_path):
    build(tmp_path, ["blue-train", "lazy-bird"])
    with pytest.raises(
        UsageError, match=r"blu-train is neither a file nor a track_id .* Did you mean blue-train\?"
    ):
        open_index(tmp_path).row("blu-train")
    with pytest.raises(UsageError, match="Ids look like blue-train"):
        open_index(tmp_path).row("###")


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), max_size=5))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_unit_vectors(rows):
    vectors = np.array(rows, np.float32).reshape(-1, 3)
    lengths = np.linalg.norm(unit_length(vectors), axis=1)
    np.testing.assert_allclose(lengths[np.linalg.norm(vectors, axis=1) > 1e-15], 1, atol=1e-5)
    assert np.isfinite(unit_length(vectors)).all()


def test_faiss_reads_a_corrupt_file_in_silence(make_index, tmp_path):
    """Why there are checksums."""
    make_index(kind="exact")
    path = tmp_path / "index" / "v1" / "vectors.faiss"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)
    assert faiss.read_index(str(path)).ntotal == 1200
