"""docs/files.md says what is in every file that we write: the files are written for real, and compared."""

import csv
import json
import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import lmdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from arc_index import arc, make_index
from smallest_run import SMALLEST
from soundkin.assess.answer_files import AnswerFiles
from soundkin.catalog.table import read_catalog
from soundkin.pipelines.audit import audit
from soundkin.pipelines.correct import corrections_of_review
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.evaluate import evaluate
from soundkin.pipelines.evaluation_pages import VERDICT_COLUMNS
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.make_playlist import playlist
from soundkin.pipelines.precompute import precompute_neighbours
from soundkin.pipelines.train import train
from soundkin.search.tracks import ARTIST_KEYS, RECORDING, WARNINGS
from soundkin.training.compose import compose

DOC = Path(__file__).parents[1] / "docs/files.md"


def documented(name: str) -> dict[str, str]:
    """What the page says of a file: the type of each column or key."""
    [section] = re.findall(
        rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", DOC.read_text(), flags=re.DOTALL | re.MULTILINE
    )
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", section, flags=re.MULTILINE))


def check(name: str, found: list[str]) -> None:
    """Every column is documented, and every documented one is there unless it says `optional`."""
    said = documented(name)
    unknown = [column for column in found if not any(fnmatchcase(column, pattern) for pattern in said)]
    assert not unknown, f"docs/files.md does not say what {unknown} of {name} hold"
    missing = [
        pattern
        for pattern, kind in said.items()
        if "optional" not in kind and not any(fnmatchcase(column, pattern) for column in found)
    ]
    assert not missing, f"docs/files.md says that {name} has {missing}"


def check_csv(name: str, path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    check(name, header)
    for column, cells in zip(header, zip(*rows, strict=True), strict=False):
        kind = documented(name).get(column, "")
        for cell in filter(None, cells):
            assert not kind.startswith("integer") or cell.lstrip("-").isdigit(), (name, column, cell)
            assert not kind.startswith("number") or np.isfinite(float(cell)), (name, column, cell)


def check_schema(name: str, schema: pa.Schema) -> None:
    check(name, schema.names)
    words = {"string": "text", "double": "number", "fixed_size_list": "vector", "list": "list of text"}
    for field in schema:
        assert documented(name)[field.name] == words[re.split(r"[<\[]", str(field.type))[0]]


def check_json(name: str, path: Path) -> None:
    check(name, list(json.loads(path.read_text(encoding="utf-8"))))


@pytest.mark.slow
def test_files_are_as_documented(small_catalog: Path, tmp_path: Path) -> None:
    corpus, run, embeddings = small_catalog.parent, tmp_path / "run", tmp_path / "embeddings"
    check_csv("catalog.csv", small_catalog)
    check_csv("corpus/ratings.csv", corpus / "ratings.csv")
    places = [
        f"catalog={small_catalog}",
        f"ratings={corpus / 'ratings.csv'}",
        f"run_dir={run}",
        "trainer.epochs=1",
    ]
    train(compose([*places, "task=[genre,ratings]", *SMALLEST]))
    for name in ("tracks.csv", "metrics.csv", "skipped.csv"):
        check_csv(f"run/{name}", run / name)
    check_json("model/config.json", run / "model/config.json")
    check_schema("model/users.parquet", pa.parquet.read_schema(run / "model/users.parquet"))

    embed_catalog(run / "model", small_catalog, embeddings, patches=True)
    check_json("embeddings/manifest.json", embeddings / "manifest.json")
    check_csv("embeddings/skipped.csv", embeddings / "skipped.csv")
    for kind in ("tracks", "patches"):
        [part] = (embeddings / kind).iterdir()
        check_schema(f"embeddings/{kind}/*.parquet", pa.parquet.read_schema(part))

    index_embeddings(embeddings, tmp_path / "index")
    check_csv("embeddings/copies.csv", embeddings / "copies.csv")
    with pa.ipc.open_file(tmp_path / "index/v1/tracks.arrow") as file:
        columns = file.schema.names
    catalog = read_catalog(small_catalog)
    assert columns == ["label", *catalog.frame.columns.drop("lyrics"), RECORDING, WARNINGS, ARTIST_KEYS]
    check("index/v1/tracks.arrow", columns)
    check_json("index/v1/manifest.json", tmp_path / "index/v1/manifest.json")

    precompute_neighbours(tmp_path / "index", tmp_path / "neighbours.lmdb", k=5)
    file = lmdb.open(str(tmp_path / "neighbours.lmdb"), subdir=False, readonly=True, lock=False)
    with file, file.begin() as values:
        check("neighbours.lmdb", [key.decode() for key, _ in values.cursor()])

    evaluate(embeddings, small_catalog, output=tmp_path / "evaluation.json", split="all")
    check_json("evaluation.json", tmp_path / "evaluation.json")

    audit(
        small_catalog,
        tmp_path / "audit",
        embeddings=embeddings,
        triplets=corpus / "triplets.csv",
        audio=False,
    )
    check_json("audit.json", tmp_path / "audit/audit.json")
    check_csv("review.csv", tmp_path / "audit/review.csv")
    check_csv("annotators.csv", tmp_path / "audit/annotators.csv")
    review = pd.read_csv(tmp_path / "audit/review.csv", dtype=str)
    decided = review.iloc[[0]] if len(review) else pd.DataFrame([dict.fromkeys(review.columns)])
    row = {"track_id": catalog.track_ids[0], "column": "genre", "given": catalog.frame["genre"].iloc[0]}
    decided.assign(**row, decision="", value="polka").to_csv(tmp_path / "review.csv", index=False)
    now = datetime.now(UTC)
    corrections_of_review(small_catalog, tmp_path / "review.csv", tmp_path / "corrections.csv", "ann", now)
    check_csv("corrections.csv", tmp_path / "corrections.csv")

    AnswerFiles(tmp_path / "triplets.csv").close()
    check_csv("triplets.csv", tmp_path / "triplets.csv")


def test_verdicts_are_as_documented() -> None:
    check("verdicts.csv", list(VERDICT_COLUMNS))


def test_a_difference_is_noticed() -> None:
    assert documented("catalog.csv")["year"] == "integer" and len(documented("catalog.csv")) == 13
    with pytest.raises(AssertionError, match="does not say what"):
        check("triplets.csv", [*documented("triplets.csv"), "mood"])
    with pytest.raises(AssertionError, match="says that"):
        check("triplets.csv", ["anchor_id"])


def test_anchors(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(3), ["Ann", "Bob", "Cy"])
    playlist(index, ["00", "01"], length=1, save_anchor="mood")
    [track, _] = json.loads((tmp_path / "anchors.json").read_text())["mood"]
    assert track.keys() == documented("anchors.json").keys()
