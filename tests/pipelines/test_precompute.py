"""The neighbours of a library, computed ahead and kept current; and the command that does it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from redis_server import RedisServer
from soundkin import NeighbourStore, precompute_neighbours, query
from soundkin.cli.main import main
from soundkin.embedding.library import Library
from soundkin.embedding.store import Embeddings
from soundkin.errors import OtherModelError, OutputError, StoreError, UsageError
from soundkin.pipelines.precompute import library_of, refresh_neighbours, stored_neighbours, stores_of
from soundkin.search.vector_index import build_index, open_index

Said = tuple[int, str, str]


def fill(folder: Path, count: int, model: str = "model-1") -> None:
    """Write the index of a library; its other parts are of no concern here."""
    vectors = np.random.default_rng(0).standard_normal((count, 8)).astype(np.float32)
    ids = [f"track-{n:03}" for n in range(count)]
    table = pa.table({"track_id": ids, "path": ids, "artist": [f"Artist {n % 9}" for n in range(count)]})
    embeddings = Embeddings(ids, vectors, [], [], model, folder / "model", folder / "catalog.csv")
    build_index(embeddings, table, folder, folder / "index")
    (folder / "catalog.csv").touch()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    fill(tmp_path / "library", 40)
    return tmp_path / "library"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def call(*words: object) -> Said:
        with pytest.raises(SystemExit) as ended:
            main(["neighbours", *map(str, words)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return int(ended.value.code or 0), said.out, said.err

    return call


def test_a_library_keeps_its_own(library: Path) -> None:
    done = precompute_neighbours(library, k=5)
    assert (done.store, done.tracks, done.computed) == (str(Library(library).neighbours), 40, 40)
    asked = query(library, ["track-007"], 5)
    answers = [(answer.track_id, pytest.approx(answer.score, abs=1e-6)) for answer in asked]
    with NeighbourStore.open(Library(library).neighbours, open_index(library)) as store:
        assert store.neighbours("track-007") == answers
    for place in (library, library / "index", Library(library).neighbours):
        assert stored_neighbours(place, "track-007") == answers
    assert len(stored_neighbours(library, "track-007", k=3)) == 3
    assert len(stored_neighbours(library, "track-007", k=99)) == 5


def test_an_index_alone_has_no_place_for_them(library: Path) -> None:
    (library / "catalog.csv").unlink()
    assert library_of(library / "index") is None
    with pytest.raises(UsageError, match=r"index is no library, so say where .*: -o FILE"):
        precompute_neighbours(library / "index")
    precompute_neighbours(library / "index", library.parent / "store", k=5)
    assert refresh_neighbours(library / "index") == []


def test_k_is_checked(library: Path) -> None:
    for k in (0, -1):
        with pytest.raises(UsageError, match=f"k={k}: keep at least 1"):
            precompute_neighbours(library, k=k)
    precompute_neighbours(library, k=10**4)
    assert (
        len(stored_neighbours(library, "track-007")) == 39
    )  # all others: two by each of nine artists would be too few


def test_a_library_without_any_has_nothing_to_refresh(library: Path) -> None:
    assert refresh_neighbours(library) == []


def test_all_stores_of_a_library_follow_its_index(
    library: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{redis_server.tcp_url}?name=library"
    precompute_neighbours(library, k=5)
    precompute_neighbours(library, address.replace("//", "//default:secret@"), k=7)
    precompute_neighbours(library, address.replace("//", "//default@"), k=7)
    own, elsewhere = stores_of(Library(library))
    assert own == str(library / "neighbours.lmdb") and "secret" not in elsewhere
    fill(library, 43)
    done = refresh_neighbours(library)
    assert [(each.tracks, each.new) for each in done] == [(43, 3)] * len(done)
    index = open_index(library)
    for location, k in ((own, 5), (address, 7)):
        with NeighbourStore.open(location, index) as store:
            assert store.about.settings.k == k
    fill(library, 43, model="model-2")
    with pytest.raises(OtherModelError):
        precompute_neighbours(library, k=5)
    assert {each.computed for each in refresh_neighbours(library)} == {43}
    Path(own).write_bytes(Path(own).read_bytes()[:9000])
    assert len(refresh_neighbours(library)) == len(done)
    assert stored_neighbours(library, "track-042") != []


def test_commands(library: Path, run: Callable[..., Said]) -> None:
    code, out, _ = run(library, "-k", 5, "--workers", 1)
    assert code == 0
    assert out == f"{library}/neighbours.lmdb: 40 tracks, 40 new or changed, 0 gone; 40 lists computed\n"
    code, out, _ = run(library, "--of", "track-007")
    assert code == 0 and len(out.splitlines()) == 8 and out.startswith("neighbours of track-007")
    code, out, _ = run(library / "neighbours.lmdb", "--of", "track-007", "-k", 2, "--json")
    assert code == 0 and [set(found) for found in json.loads(out)] == [{"track_id", "score"}] * 2


def test_mistakes_are_one_line(library: Path, run: Callable[..., Said], tmp_path: Path) -> None:
    run(library, "-k", 5, "--workers", 1)
    unreachable = "unix:///none.sock"
    (tmp_path / "file").touch()
    cases = [
        ([library, "--of", "track-7"], 2, "is not a track_id in"),
        ([tmp_path, "-o", tmp_path / "x"], 2, "is not an index"),
        ([tmp_path / "none.lmdb", "--of", "x"], 2, "there is no store of neighbours"),
        ([library, "-o", library / "catalog.csv"], 2, "is another file than a store"),
        ([library, "-o", tmp_path / "file" / "x"], 2, "cannot write"),
        ([library, "-o", "/proc/x"], 2, "cannot write"),
        ([library, "-o", unreachable], 1, "cannot be reached"),
        ([unreachable, "--of", "x"], 1, "cannot be reached"),
        ([library, "-o", "redis://a:b"], 2, "Write redis://HOST:PORT"),
        ([library, "-k", "0"], 2, "-k"),
    ]
    for words, expected, message in cases:
        code, out, err = run(*words)
        assert (code, out) == (expected, "") and message in err.replace("\n", " "), (words, code, err)
        assert (err.startswith("soundkin: ") and err.count("\n") == 1) or "Usage:" in err, err
    assert stored_neighbours(library, "track-007") != []


def test_errors_from_python(library: Path) -> None:
    with pytest.raises(StoreError):
        precompute_neighbours(library, "unix:///none.sock")
    with pytest.raises(OutputError):
        precompute_neighbours(library, "/proc/store")
