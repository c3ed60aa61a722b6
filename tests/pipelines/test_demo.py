"""The whole job in one go, on a folder of someone's own music."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from soundkin.embedding.bundle import load_bundle, save_bundle
from soundkin.errors import CatalogError, UsageError
from soundkin.pipelines.demo import demo
from soundkin.pipelines.report import write_report

SMALL = (
    "start=random",
    "trainer.epochs=2",
    "trainer.steps_per_epoch=4",
    "data.batch_patches=8",
    "patch.frames=64",
    "logger=csv",
)


@pytest.mark.slow
def test_it_leaves_all_that_it_promises_and_runs_again(
    small_catalog: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    music = small_catalog.parent / "music"
    result = demo(tmp_path, music, workers=1, overrides=SMALL)
    for name in (
        "catalog.csv",
        "model/config.json",
        "embeddings/manifest.json",
        "index/CURRENT",
        "metrics.json",
    ):
        assert (tmp_path / name).exists(), name
    page = result.report.read_text()
    assert "<audio" in page and 'src="http' not in page and 'href="http' not in page
    assert json.loads((tmp_path / "metrics.json").read_text())["verdict"] == result.evaluation.verdict
    assert (
        "The line marks the epoch whose weights were kept." in page and "Training stopped early" not in page
    )
    assert (
        page.count('(prefers-color-scheme: dark)" srcset=') == 2 and (tmp_path / "curves-dark.png").is_file()
    )
    assert {"model", "MFCC", "untrained", "chance"} <= set(result.evaluation.systems)
    assert len(result.answers) == 5 and not result.skipped
    assert "train: the network is trained" in caplog.text
    caplog.clear()
    assert demo(tmp_path, music, workers=1, overrides=SMALL).evaluation.rows == result.evaluation.rows
    assert "train: the network is trained" not in caplog.text and "train: not needed" in caplog.text
    bundle = load_bundle(tmp_path / "model")
    cut_short = bundle.provenance | {"training": bundle.provenance["training"] | {"epochs_run": 1}}
    save_bundle(replace(bundle, provenance=cut_short), tmp_path / "model")
    assert "Training stopped early" in write_report(tmp_path).read_text()


@pytest.mark.slow
def test_a_folder_with_its_own_catalog_and_no_genres(small_catalog: Path, tmp_path: Path) -> None:
    folder = small_catalog.parent
    catalog = pd.read_csv(small_catalog).drop(columns=["genre"]).assign(audio_folder=str(folder))
    (tmp_path / "mine").mkdir()
    catalog.to_csv(tmp_path / "mine" / "tracks.csv", index=False)
    result = demo(tmp_path / "run", tmp_path / "mine", workers=1, overrides=SMALL)
    assert list(json.loads((tmp_path / "run/model/config.json").read_text())["tasks"]) == ["artist"]
    assert result.evaluation.headline is not None and result.evaluation.headline.label == "artist"


@pytest.mark.slow
def test_nothing_to_learn_from(small_catalog: Path, tmp_path: Path) -> None:
    catalog = pd.read_csv(small_catalog)[["track_id", "path"]].assign(audio_folder=str(small_catalog.parent))
    catalog.to_csv(tmp_path / "catalog.csv", index=False)
    with pytest.raises(CatalogError, match=r"no labels to learn from\. Fill in genre or artist"):
        demo(tmp_path / "run", tmp_path, workers=1, overrides=SMALL)


def test_a_wrong_setting_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for wrong, answer in (
        ("trainer.epoch=3", r"Did you mean trainer\.epochs"),
        ("task=[gnre]", "Did you mean genre"),
        ("trainer=gpu", "no GPU"),
        ("ratings=(", "does not exist"),
    ):
        with pytest.raises(UsageError, match=answer):
            demo(tmp_path / "run", overrides=(wrong,))
    assert not (tmp_path / "run").exists() and not caplog.text


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        demo(tmp_path / "run", tmp_path / "none", overrides=SMALL)
