"""Transfer as a user runs it: every source tested once by a model that was never trained on it, and gone on
with after a kill.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from small_start import RUN, make_start
from smallest_run import SMALLEST
from soundkin.catalog.table import read_catalog, write_catalog
from soundkin.cli.main import main
from soundkin.errors import CatalogError, ConfigError, UsageError
from soundkin.experiments.transfer import Transfer, transfer
from soundkin.files import sha256_of

SMALL = [*SMALLEST, "trainer.epochs=1", "task=[artist]"]
ASKED: dict[str, Any] = {"source": "game", "apart": "kind", "folds": 2, "overrides": SMALL}


@pytest.fixture(scope="module")
def catalog(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six games of recorded and two of rendered music; one artist is in two games, one file is gone."""
    tracks = read_catalog(small_catalog)
    artists, names = pd.factorize(tracks.frame["artist"])
    games = [f"game {artist // 2}" for artist in artists]
    frame = tracks.frame.assign(game=games, audio_folder=str(tracks.folder))
    frame["kind"] = ["rendered" if artist // 2 >= 6 else "recorded" for artist in artists]
    frame.loc[np.flatnonzero(artists == 0)[1], "game"] = "game 1"
    frame.loc[np.flatnonzero(artists == 8)[0], "path"] = "gone.ogg"
    assert len(names) == 16
    path = tmp_path_factory.mktemp("games") / "catalog.csv"
    write_catalog(frame, path)
    return path


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "transfer"


@pytest.fixture(scope="module")
def result(catalog: Path, run_dir: Path) -> Transfer:
    return transfer(catalog, run_dir, output=run_dir / "transfer.json", **ASKED)


@pytest.mark.slow
def test_every_source_is_tested_once_by_a_model_that_met_neither_it_nor_its_artists(
    result: Transfer, catalog: Path, run_dir: Path
) -> None:
    whole = pd.read_csv(catalog)
    of_folds = [pd.read_csv(run_dir / f"fold-{fold}" / "catalog.csv") for fold in (1, 2)]
    tested = pd.concat([fold[fold["split"] == "test"] for fold in of_folds])
    assert sorted(tested["track_id"]) == sorted(whole["track_id"])
    for fold, report in zip(of_folds, result.folds, strict=True):
        for column in ("game", "artist"):
            met = set(fold.loc[fold["split"].isin(["train", "valid"]), column])
            assert not met & set(fold.loc[fold["split"] == "test", column])
        assert report.tracks == fold["split"].value_counts().to_dict()
        assert report.left_out == len(whole) - len(fold)
    assert sum(report.left_out for report in result.folds) in (0, 2), (
        "the artist of two games, if folds part them"
    )
    assert sum(report.sources for report in result.folds) == 8


@pytest.mark.slow
def test_kinds_are_evaluated_apart_with_intervals_and_compared_with_what_there_is_to_beat(
    result: Transfer, run_dir: Path
) -> None:
    assert {name: part.tracks for name, part in result.parts.items()} == {"recorded": 23, "rendered": 8}
    assert [Path(skipped.path).name for skipped in result.skipped] == ["gone.ogg"]
    for name, part in result.parts.items():
        assert part.systems == ("model", "MFCC", "untrained", "chance")
        row = next(row for row in part.rows if row.label == "artist" and row.metric == "mAP@10")
        assert row.trained and (row.scores[0].low is None) == (row.groups < 8)
        assert "artist mAP@10" in result.verdicts[name]
        assert result.verdicts[name].startswith("too few artists to say") == (row.groups < 8)
        assert part.notes[0].startswith(
            "No model was trained on a game, or on an artist, that it is evaluated on."
        )
    saved = json.loads((run_dir / "transfer.json").read_text())
    assert saved == json.loads(json.dumps(result.to_json()))
    assert saved["parts"]["recorded"]["verdict"] == result.verdicts["recorded"]
    assert {"catalog_sha256", "source", "apart", "folds", "overrides"} <= saved["provenance"].keys()
    assert (run_dir.parent / "cache").is_dir() and not (run_dir / "cache").exists(), (
        "one cache serves all folds"
    )


@pytest.mark.slow
def test_a_trained_start_is_compared_as_it_is(catalog: Path, tmp_path: Path) -> None:
    start = make_start(tmp_path / "start")
    overrides = [*RUN, "trainer.epochs=1", "task=[artist]", f"start={start}"]
    result = transfer(catalog, tmp_path / "transfer", **ASKED | {"overrides": overrides})
    for part in result.parts.values():
        assert part.systems == ("model", "start", "MFCC", "untrained", "chance")


@pytest.mark.slow
def test_what_is_done_is_not_done_again(result: Transfer, catalog: Path, run_dir: Path) -> None:
    fold = run_dir / "fold-1"
    model = {path: path.stat().st_mtime_ns for path in (fold / "model").rglob("*") if path.is_file()}
    vectors = {path: sha256_of(path) for path in (fold / "vectors").rglob("*.parquet")}
    assert model and vectors
    assert transfer(catalog, run_dir, **ASKED) == result
    assert model == {path: path.stat().st_mtime_ns for path in model}
    assert vectors == {path: sha256_of(path) for path in vectors}


@pytest.mark.slow
def test_another_plan_or_config_is_refused(
    result: Transfer, catalog: Path, run_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"another plan \(folds: 2 -> 3\)\. Choose another run_dir"):
        transfer(catalog, run_dir, **ASKED | {"folds": 3})
    with pytest.raises(ConfigError, match=r"fold-1 holds a run of another config \(random_seed: 0 -> 1\)"):
        transfer(catalog, run_dir, **ASKED | {"overrides": [*SMALL, "random_seed=1"]})
    write_catalog(pd.read_csv(catalog).iloc[1:], tmp_path / "catalog.csv")
    with pytest.raises(ConfigError, match=r"another plan \(catalog_sha256: .*tracks: 32 -> 31"):
        transfer(tmp_path / "catalog.csv", run_dir, **ASKED)


@pytest.mark.slow
def test_the_command_prints_a_table_and_a_verdict_for_each_kind(
    result: Transfer, catalog: Path, run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "transfer",
        catalog,
        "--source",
        "game",
        "--apart",
        "kind",
        "--folds",
        2,
        "--run-dir",
        run_dir,
        *SMALL,
    ]
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert ended.value.code == 3 and "gone.ogg" in said.err
    for name, verdict in result.verdicts.items():
        assert f"{name}: {verdict}" in said.out.splitlines()
    assert "rendered: 8 tracks by 4 artists" in said.out and "MFCC" in said.out


def test_what_cannot_be_done_is_said_before_anything_is(catalog: Path, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], type[UsageError], str]] = [
        ({"source": "gmae"}, CatalogError, "no column gmae"),
        ({"apart": "sort"}, CatalogError, "no column sort"),
        ({"labels": ["mood"]}, CatalogError, "mood"),
        ({"folds": 9}, UsageError, "game tells 8 sources apart. Give from 2 to 8 folds"),
        ({"overrides": ["trainer.epoch=3"]}, ConfigError, r"Did you mean trainer\.epochs"),
        (
            {"overrides": ["catalog=mine.csv"]},
            ConfigError,
            "config catalog=mine.csv: each fold has a catalog of its own",
        ),
        ({"overrides": ["ratings=músic (2).csv"]}, CatalogError, r"ratings músic \(2\)\.csv does not exist"),
        ({"overrides": ["task=[playlist]"]}, CatalogError, "no file of them was named"),
        ({"overrides": ["task=[tags]"]}, CatalogError, "no column tags"),
        ({"overrides": ["trainer.watched=nonsense"]}, ConfigError, "no such score here"),
        ({"overrides": ["trainer.strategy=dpp"]}, ConfigError, "should be 'auto' or 'ddp'"),
        (
            {"overrides": ["features=external", "features.path=nowhere.npz"]},
            UsageError,
            r"nowhere\.npz does not exist",
        ),
        ({"overrides": ["trainer.epochs=(3"]}, ConfigError, "cannot be read"),
        ({"overrides": ["+run_dir=here"]}, ConfigError, "each fold has a run_dir of its own"),
    ]
    for change, kind, answer in wrong:
        with pytest.raises(kind, match=answer):
            transfer(catalog, tmp_path / "run", **ASKED | change)
    assert not (tmp_path / "run").exists()
