import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from soundkin.catalog.splits import SplitConfig, SplitRule, make_split_rule
from soundkin.catalog.table import read_catalog, write_catalog
from soundkin.embedding.bundle import Bundle, save_bundle
from soundkin.errors import ArtefactError, CatalogError, UsageError
from soundkin.evaluation.protocol import read_evaluation
from soundkin.features.log_mel import FrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.evaluate import evaluate, split_rule, trained_labels
from soundkin.pipelines.report import write_report


def small_bundle(rule: SplitRule, random_seed: int = 0) -> Bundle:
    torch.manual_seed(random_seed)
    config = NetworkConfig(convolutions=(ConvConfig(filters=8, pool=4),), dense=(), embedding_size=6)
    front_end = FrontEnd()
    tasks = {"genre": {"config": {}, "vocabulary": []}}
    network = build_network(config, front_end.mel_bands)
    provenance = {"split": rule.model_dump(mode="json")}
    return Bundle(front_end, PatchConfig(frames=64), "mean", config, network, tasks=tasks, provenance=provenance)


@pytest.fixture(scope="module")
def model(small_catalog, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "model"
    save_bundle(small_bundle(make_split_rule(read_catalog(small_catalog), SplitConfig(train=0.5, test=0.4))), folder)
    return folder


@pytest.fixture(scope="module")
def run(model, small_catalog) -> Path:
    """A run's folder as the demo leaves it."""
    embed_catalog(model, small_catalog, model.parent / "embeddings")
    evaluate(model, small_catalog, output=model.parent / "metrics.json")
    (model.parent / "metrics.csv").write_text("epoch,step,train/loss\n0,1,2.0\n1,2,1.5\n")
    return model.parent


def some_tracks(catalog: Path, folder: Path, **changes) -> Path:
    """The catalog in another place, with some columns changed."""
    frame = read_catalog(catalog).frame
    home = read_catalog(catalog).folder
    frame = frame.drop(columns="audio_folder", errors="ignore").assign(audio_folder=str(home), **changes)
    write_catalog(frame, folder / "catalog.csv")
    return folder / "catalog.csv"


def test_only_tracks_of_the_split_that_training_left_out_are_judged(run, model, small_catalog):
    evaluation = read_evaluation(run / "metrics.json")
    rule = SplitRule(**evaluation.provenance["split_rule"])
    assert evaluation.tracks == rule.assign(read_catalog(small_catalog)).count("test")
    assert evaluation.systems == ("model", "MFCC", "untrained", "chance")
    assert evaluation.trained_labels == ("genre",)
    assert {row.label for row in evaluation.rows} >= {"genre", "artist"}
    assert "not heard in training" in evaluation.notes[0]
    assert evaluation.verdict == json.loads((run / "metrics.json").read_text())["verdict"]


def test_files_that_cannot_be_heard_are_listed_and_the_rest_is_judged(model, small_catalog, tmp_path):
    catalog = read_catalog(small_catalog)
    broken = tmp_path / "broken.mp3"
    broken.write_text("la la la")
    frame = pd.concat([catalog.frame.iloc[:6], catalog.frame.iloc[:2]], ignore_index=True)
    frame = frame.assign(track_id=[f"t{row}" for row in range(8)], audio_folder="/")
    frame["path"] = [str(path).lstrip("/") for path in catalog.audio_paths()[:6]] + [
        str(broken).lstrip("/"),
        "nowhere/gone.ogg",
    ]
    write_catalog(frame, tmp_path / "catalog.csv")
    evaluation = evaluate(model, tmp_path / "catalog.csv", split="all")
    assert evaluation.tracks == 6
    assert [Path(skipped.path).name for skipped in evaluation.skipped] == ["broken.mp3", "gone.ogg"]
    assert all(skipped.reason for skipped in evaluation.skipped)


def test_nothing_that_can_be_heard_is_one_clear_error(model, small_catalog, tmp_path):
    catalog = some_tracks(small_catalog, tmp_path, path=[f"gone/{row}.ogg" for row in range(32)])
    with pytest.raises(UsageError, match="none of the 32 files could be heard"):
        evaluate(model, catalog, split="all")


def test_a_split_that_is_not_there_is_named(model, small_catalog, tmp_path):
    with pytest.raises(UsageError, match=r"split=tset is unknown\. Did you mean test"):
        evaluate(model, small_catalog, split="tset")
    with pytest.raises(UsageError, match="no track is in the test split"):
        evaluate(model, some_tracks(small_catalog, tmp_path, split="train"))


def test_a_label_that_is_not_there_is_named(model, small_catalog):
    with pytest.raises(CatalogError, match="mood"):
        evaluate(model, small_catalog, labels=["mood"])


def test_the_rule_of_the_training_counts_rather_than_one_made_afresh(small_catalog):
    catalog = read_catalog(small_catalog)
    rule = SplitRule(config=SplitConfig(random_seed=5), exceptions={"artist=nobody": "test"})
    assert split_rule(rule.model_dump(mode="json"), catalog) == rule
    assert split_rule({}, catalog) == make_split_rule(catalog, SplitConfig())


def test_years_teach_decades(small_catalog):
    bundle = small_bundle(SplitRule())
    bundle.tasks = {"artist": {}, "year": {}}
    assert trained_labels(bundle) == {"artist", "year", "decade"}


@pytest.mark.slow
def test_two_workers_find_the_same_as_one(model, small_catalog):
    one, two = (evaluate(model, small_catalog, labels=["genre"], workers=workers) for workers in (1, 2))
    assert one == two


def test_the_page_shows_the_run_and_plays_its_music(run):
    page = write_report(run)  # a bundle of random weights: what is shown matters here, not how good it is
    text = page.read_text(encoding="utf-8")
    assert page == run / "report.html"
    assert read_evaluation(run / "metrics.json").verdict.split(":")[0] in text
    assert text.count('src="data:audio/mpeg;base64,') == text.count("<audio") >= 12
    assert text.count('src="data:image/png;base64,') == 2
    assert (run / "map.png").exists()
    assert (run / "curves.png").exists()
    assert "heard in training" in text


def test_a_page_is_not_made_of_two_models(run, small_catalog, tmp_path):
    save_bundle(small_bundle(SplitRule(), random_seed=1), tmp_path / "model")
    embed_catalog(tmp_path / "model", small_catalog, tmp_path / "embeddings")
    (tmp_path / "metrics.json").write_bytes((run / "metrics.json").read_bytes())
    with pytest.raises(ArtefactError, match=r"metrics\.json is about model .* embeddings are by"):
        write_report(tmp_path)
