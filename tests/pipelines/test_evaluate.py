import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from soundkin.catalog.splits import SplitConfig, SplitRule, make_split_rule
from soundkin.catalog.table import read_catalog, write_catalog
from soundkin.embedding.bundle import Bundle, load_bundle, save_bundle
from soundkin.errors import ArtefactError, CatalogError, UsageError
from soundkin.evaluation.protocol import read_evaluation
from soundkin.features.log_mel import FrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.evaluate import evaluate, split_rule, trained_labels
from soundkin.pipelines.report import write_report
from soundkin.pipelines.train import compose, train


def small_bundle(rule: SplitRule, random_seed: int = 0) -> Bundle:
    torch.manual_seed(random_seed)
    config = NetworkConfig(convolutions=(ConvConfig(filters=8, pool=4),), dense=(), embedding_size=6)
    front_end = FrontEnd()
    tasks = {"genre": {"config": {}, "vocabulary": [], "columns": ["genre"]}}
    network = build_network(config, front_end.mel_bands)
    provenance = {"split": rule.model_dump(mode="json")}
    return Bundle(front_end, PatchConfig(frames=64), config, network, tasks=tasks, provenance=provenance)


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
    bundle.tasks = {"artist": {"columns": ["artist"]}, "year": {"columns": ["year"]}}
    assert trained_labels(bundle) == {"artist", "year", "decade"}


@pytest.mark.slow
def test_two_workers_find_the_same_as_one(model, small_catalog):
    one, two = (evaluate(model, small_catalog, labels=["genre"], workers=workers) for workers in (1, 2))
    assert one == two


LEARNT_USERS = [
    "trainer.epochs=1",
    "trainer.steps_per_epoch=2",
    "trainer.threads=1",
    "data.batch_patches=8",
    "data.cache_workers=1",
    "data.split={train:0.5,valid:0.1,test:0.4}",
    "patch.frames=64",
    "model.embedding_size=8",
    "model.convolutions=[{filters:8,width:5,pool:4,padded:true}]",
    "logger=csv",
]


@pytest.fixture(scope="module")
def knowing(small_catalog, tmp_path_factory) -> Path:
    """A model that learnt from ratings."""
    folder = tmp_path_factory.mktemp("knowing")
    places = [f"catalog={small_catalog}", f"ratings={small_catalog.parent / 'ratings.csv'}", f"run_dir={folder}"]
    return train(compose([*places, "task=[latent_factors,ratings]", *LEARNT_USERS])).model


@pytest.mark.slow
def test_users_are_offered_the_held_out_tracks_and_judged_by_what_they_played(knowing, small_catalog, tmp_path):
    ratings = small_catalog.parent / "ratings.csv"
    evaluation = evaluate(knowing, small_catalog, ratings=ratings, output=tmp_path / "metrics.json")
    found = evaluation.cold_start
    assert found.systems == ("model", "shuffled", "popularity (oracle)", "upper bound", "chance")
    rule = SplitRule(**evaluation.provenance["split_rule"])
    held_out = read_catalog(small_catalog).select(
        [place == "test" for place in rule.assign(read_catalog(small_catalog))]
    )
    plays = pd.read_csv(ratings)
    plays = plays[
        plays["track_id"].isin(held_out.track_ids) & plays["user_id"].isin(load_bundle(knowing).users["ratings"])
    ]
    assert (found.tracks, found.plays, found.users) == (len(held_out), len(plays), plays["user_id"].nunique())
    assert "saw no play of these tracks" in found.notes[0] and "factorisation of all ratings" in found.notes[1]
    assert read_evaluation(tmp_path / "metrics.json") == evaluation
    assert json.loads((tmp_path / "metrics.json").read_text())["cold_start"]["verdict"] == found.verdict
    assert found.verdict.startswith("model: recall@20")


@pytest.mark.slow
def test_planted_tastes_are_the_bound_where_there_are_any(knowing, small_catalog, tmp_path):
    corpus = small_catalog.parent
    found = evaluate(knowing, small_catalog, ratings=corpus / "ratings.csv", truth=corpus).cold_start
    assert "planted" in found.notes[1]
    auc = {score.system: score.mean for row in found.rows if row.metric == "AUC" for score in row.scores}
    assert auc["upper bound"] > 0.7 and auc["chance"] == 0.5
    shutil.copytree(corpus / "truth", tmp_path / "truth")
    with np.load(corpus / "truth/factors.npz") as stored:
        np.savez(tmp_path / "truth/factors.npz", **{**stored, "user_ids": stored["user_ids"][1:]})
    with pytest.raises(UsageError, match=r"has no user user-0000 \(1 such users\)"):
        evaluate(knowing, small_catalog, ratings=corpus / "ratings.csv", truth=tmp_path)


@pytest.mark.slow
def test_tracks_whose_plays_were_learnt_are_no_cold_start(knowing, small_catalog):
    found = evaluate(knowing, small_catalog, "train", ratings=small_catalog.parent / "ratings.csv").cold_start
    assert "this is no cold start" in found.notes[0]


def test_what_hinders_a_cold_start_is_said_at_once(model, small_catalog):
    with pytest.raises(UsageError, match=r"knows no users: it was trained on genre\. Train one on ratings"):
        evaluate(model, small_catalog, ratings=small_catalog.parent / "ratings.csv")
    with pytest.raises(UsageError, match="give their ratings too"):
        evaluate(model, small_catalog, truth=small_catalog.parent)


@pytest.mark.slow
def test_users_without_names_cannot_be_judged(knowing, small_catalog, tmp_path):
    shutil.copytree(knowing, tmp_path / "model")
    (tmp_path / "model/users.parquet").unlink()
    with pytest.raises(UsageError, match=r"came without users\.parquet"):
        evaluate(tmp_path / "model", small_catalog, ratings=small_catalog.parent / "ratings.csv")


@pytest.mark.slow
def test_held_out_tracks_that_nobody_played_are_named(knowing, small_catalog, tmp_path):
    plays = pd.read_csv(small_catalog.parent / "ratings.csv")
    plays.assign(user_id="somebody else").drop_duplicates("track_id").to_csv(tmp_path / "ratings.csv", index=False)
    with pytest.raises(UsageError, match=r"none of the \d+ users that the model knows likes any of the \d+ tracks"):
        evaluate(knowing, small_catalog, ratings=tmp_path / "ratings.csv")


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
