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
from soundkin.evaluation.baselines import TrackEmbedder
from soundkin.evaluation.evaluation_report import read_evaluation
from soundkin.evaluation.systems import split_rule, trained_labels
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.files import sha256_of
from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.evaluate import evaluate
from soundkin.pipelines.report import write_report
from soundkin.pipelines.train import compose, train


def small_bundle(rule: SplitRule, random_seed: int = 0) -> Bundle:
    torch.manual_seed(random_seed)
    config = NetworkConfig(convolutions=(ConvConfig(filters=8, pool=4),), dense=(), embedding_size=6)
    front_end = LogMelFrontEnd()
    tasks = {"genre": {"config": {}, "vocabulary": [], "columns": ["genre"]}}
    network = build_network(config, front_end.mel_bands)
    provenance = {"split": rule.model_dump(mode="json")}
    return Bundle(front_end, PatchConfig(frames=64), config, network, tasks=tasks, provenance=provenance)


@pytest.fixture(scope="module")
def model(small_catalog, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "model"
    save_bundle(
        small_bundle(make_split_rule(read_catalog(small_catalog), SplitConfig(train=0.5, test=0.4))), folder
    )
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


@pytest.mark.slow
def test_only_tracks_of_the_split_that_training_left_out_are_judged(run, model, small_catalog):
    evaluation = read_evaluation(run / "metrics.json")
    rule = SplitRule(**evaluation.provenance["split_rule"])
    assert evaluation.tracks == rule.assign(read_catalog(small_catalog)).count("test")
    assert evaluation.systems == ("model", "MFCC", "untrained", "chance")
    assert evaluation.trained_labels == ("genre",)
    assert {row.label for row in evaluation.rows} >= {"genre", "artist"}
    assert "was not trained on" in evaluation.notes[0]
    assert evaluation.verdict == json.loads((run / "metrics.json").read_text())["verdict"]


@pytest.mark.slow
def test_files_that_cannot_be_decoded_are_listed_and_the_rest_is_judged(model, small_catalog, tmp_path):
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


def test_nothing_that_can_be_decoded_is_one_clear_error(model, small_catalog, tmp_path):
    catalog = some_tracks(small_catalog, tmp_path, path=[f"gone/{row}.ogg" for row in range(32)])
    with pytest.raises(UsageError, match="none of the 32 files could be decoded"):
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
    one, two = (evaluate(model, small_catalog, labels=["artist"], workers=workers) for workers in (1, 2))
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
    places = [
        f"catalog={small_catalog}",
        f"ratings={small_catalog.parent / 'ratings.csv'}",
        f"run_dir={folder}",
    ]
    return train(compose([*places, "task=[latent_factors,ratings]", *LEARNT_USERS])).model


@pytest.mark.slow
def test_users_are_offered_the_held_out_tracks_and_judged_by_what_they_played(
    knowing, small_catalog, tmp_path
):
    ratings = small_catalog.parent / "ratings.csv"
    evaluation = evaluate(knowing, small_catalog, ratings=ratings, output=tmp_path / "metrics.json")
    found = evaluation.cold_start
    table = found.parts[0]
    assert table.systems[:4] == ("model, its own users", "model", "MFCC", "untrained")
    assert table.systems[4:] == ("shuffled", "popularity (oracle)", "upper bound", "chance")
    rule = SplitRule(**evaluation.provenance["split_rule"])
    places = np.array(rule.assign(read_catalog(small_catalog)))
    known, held_out = (
        set(read_catalog(small_catalog).select(places == split).track_ids) for split in ("train", "test")
    )
    plays = pd.read_csv(ratings)
    plays = plays[plays["user_id"].isin(load_bundle(knowing).users["ratings"])]
    asked = set(plays["user_id"][plays["track_id"].isin(known)])
    plays = plays[plays["track_id"].isin(held_out) & plays["user_id"].isin(asked)]
    assert (table.tracks, table.plays, table.users) == (len(held_out), len(plays), plays["user_id"].nunique())
    assert "saw no play of what is offered" in " ".join(found.notes)
    assert "factorisation of all ratings" in " ".join(found.notes)
    assert read_evaluation(tmp_path / "metrics.json") == evaluation
    saved = json.loads((tmp_path / "metrics.json").read_text())["cold_start"]
    assert saved["verdict"] == found.verdict and saved["table"] == found.table()
    assert evaluation.fairness_of_users.scores


@pytest.mark.slow
def test_planted_tastes_are_the_bound_where_there_are_any(knowing, small_catalog, tmp_path):
    corpus = small_catalog.parent
    found = evaluate(knowing, small_catalog, ratings=corpus / "ratings.csv", truth=corpus).cold_start
    assert "planted" in " ".join(found.notes)
    auc = {
        score.system: score.mean for row in found.parts[0].rows if row.metric == "AUC" for score in row.scores
    }
    assert auc["upper bound"] > 0.7 and auc["chance"] == 0.5
    shutil.copytree(corpus / "truth", tmp_path / "truth")
    with np.load(corpus / "truth/factors.npz") as stored:
        without = {name: stored[name][1:] for name in ("user_ids", "user_factors")}
        np.savez(tmp_path / "truth/factors.npz", **{**stored, **without})
    with pytest.raises(UsageError, match=r"has no user user-0000 \(1 such users\)"):
        evaluate(knowing, small_catalog, ratings=corpus / "ratings.csv", truth=tmp_path)


@pytest.mark.slow
def test_a_cold_start_offers_what_was_held_out_whatever_the_rest_is_judged_on(knowing, small_catalog):
    ratings = small_catalog.parent / "ratings.csv"
    on_train, on_test = (
        evaluate(knowing, small_catalog, split, ratings=ratings) for split in ("train", "test")
    )
    assert "Offered: the tracks of the test split" in " ".join(on_train.cold_start.notes)
    assert on_train.cold_start.parts[0].rows == on_test.cold_start.parts[0].rows
    assert on_train.tracks != on_test.tracks


def test_what_hinders_a_cold_start_is_said_at_once(model, small_catalog):
    with pytest.raises(UsageError, match="give their ratings too"):
        evaluate(model, small_catalog, truth=small_catalog.parent)


@pytest.mark.slow
def test_a_model_that_learnt_no_users_gets_them_folded_in(model, small_catalog):
    found = evaluate(model, small_catalog, ratings=small_catalog.parent / "ratings.csv").cold_start
    assert found.parts[0].systems[:3] == ("model", "MFCC", "untrained")


@pytest.mark.slow
def test_users_without_names_cannot_be_judged(knowing, small_catalog, tmp_path):
    shutil.copytree(knowing, tmp_path / "model")
    (tmp_path / "model/users.parquet").unlink()
    with pytest.raises(UsageError, match=r"came without users\.parquet"):
        evaluate(tmp_path / "model", small_catalog, ratings=small_catalog.parent / "ratings.csv")


@pytest.mark.slow
def test_held_out_tracks_that_nobody_played_are_named(knowing, small_catalog, tmp_path):
    plays = pd.read_csv(small_catalog.parent / "ratings.csv")
    plays.assign(user_id="somebody else").drop_duplicates("track_id").to_csv(
        tmp_path / "ratings.csv", index=False
    )
    with pytest.raises(UsageError, match=r"none of 0 users likes both one of the \d+ tracks"):
        evaluate(knowing, small_catalog, ratings=tmp_path / "ratings.csv")


MOODS = ("calm", "dark", "merry", "wild")


@pytest.fixture(scope="module")
def planted(small_catalog, tmp_path_factory) -> Path:
    """The catalog with genres that artists got by lot, which cannot be heard."""
    artists = read_catalog(small_catalog).values("artist")
    places = {artist: place % 4 for place, artist in enumerate(dict.fromkeys(artists))}
    genres = [MOODS[places[artist]] for artist in artists]
    return some_tracks(small_catalog, tmp_path_factory.mktemp("planted"), genre=genres)


@pytest.fixture(scope="module")
def oracle(planted, tmp_path_factory) -> Path:
    """Somebody's vectors, which know each track's genre, two patches a track; of the first track there is
    none.
    """
    catalog = read_catalog(planted)
    place = np.array([MOODS.index(genre) for (genre,) in catalog.values("genre")])
    vectors = np.eye(4)[place[1:]] + 0.01 * np.random.default_rng(0).normal(size=(31, 4))
    patches = np.repeat(vectors, 2, axis=0) + np.tile(
        [[0.3], [-0.3]], (31, 1)
    )  # only their mean is the track's
    path = tmp_path_factory.mktemp("peer") / "oracle.npz"
    ids, starts = np.repeat(catalog.track_ids[1:], 2), np.tile([0.0, 2.0], 31)
    np.savez(path, track_id=ids, vectors=patches.astype(np.float32), start_seconds=starts)
    return path


def genre_scores(evaluation) -> dict[str, float]:
    row = next(
        row for row in evaluation.rows if row.metric == "mAP@10" and row.label == "genre" and row.filtered_by
    )
    return {score.system: score.mean for score in row.scores}


@pytest.mark.slow
def test_anybodys_vectors_are_judged_beside_a_model_on_the_same_tracks(model, oracle, planted):
    evaluation = evaluate(model, planted, split="all", against=[oracle])
    assert evaluation.systems == ("model", "oracle", "MFCC", "untrained", "chance")
    assert evaluation.tracks == 31
    assert genre_scores(evaluation)["oracle"] > 0.99 > genre_scores(evaluation)["model"]
    assert "oracle" in evaluation.headline.better and "below oracle" in evaluation.verdict
    said = " ".join(evaluation.notes)
    assert "1 of 32 tracks are left out because oracle has no vector of them" in said
    assert "Nothing is known of what oracle learnt from" in said


@pytest.mark.slow
def test_vectors_without_a_model_are_judged_on_all_tracks_and_that_is_said(oracle, planted):
    evaluation = evaluate(f"theirs={oracle}", planted)
    assert evaluation.systems == ("theirs", "MFCC", "untrained", "chance")
    assert (evaluation.provenance["split"], evaluation.tracks, evaluation.trained_labels) == ("all", 31, ())
    assert any("No model says" in note for note in evaluation.notes)
    assert any("the untrained network is the default one" in note for note in evaluation.notes)
    assert {row.protocol for row in evaluation.rows if row.label == "genre"} == {
        "retrieval",
        "logistic probe",
        "kNN probe",
    }


def test_vectors_without_audio_are_judged_without_what_needs_it(oracle, planted, tmp_path):
    catalog = some_tracks(planted, tmp_path, path=[f"gone/{row}.ogg" for row in range(32)])
    evaluation = evaluate(oracle, catalog, labels=["genre"])
    assert evaluation.systems == ("oracle", "chance")
    assert any("None of the tracks could be decoded" in note for note in evaluation.notes)


@pytest.mark.slow
def test_embeddings_are_judged_as_the_model_that_made_them(run, model, planted):
    ours, theirs = evaluate(model, planted), evaluate(f"model={run / 'embeddings'}", planted)
    assert ours.rows == theirs.rows
    assert ours.trained_labels == theirs.trained_labels == ("genre",)
    assert theirs.provenance["model_hash"] == ours.provenance["model_hash"]


def lose(model: Path, how: str) -> None:
    if how == "missing":
        shutil.rmtree(model)
    elif how == "corrupt":
        (model / "model.safetensors").write_bytes(b"nothing")
    elif how == "older":
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config | {"format_version": 0}))
    else:
        shutil.rmtree(model)
        save_bundle(small_bundle(SplitRule(), 7), model)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["missing", "corrupt", "older", "another"])
def test_embeddings_whose_model_is_lost_are_judged_on_all_tracks_only_where_somebody_says_so(
    how, model, planted, tmp_path
):
    shutil.copytree(model, tmp_path / "model")
    embed_catalog(tmp_path / "model", planted, tmp_path / "embeddings")
    lose(tmp_path / "model", how)
    for split in (None, "test", "valid", "train"):
        with pytest.raises(
            ArtefactError, match=r"nobody knows what its vectors were trained on\. .*--model.*--split all"
        ):
            evaluate(tmp_path / "embeddings", planted, split=split)
    told = evaluate(tmp_path / "embeddings", planted, model=model, labels=["artist"])
    assert told.provenance["split"] == "test" and told.trained_labels == ("genre",) and not told.caveat
    with pytest.raises(ArtefactError, match="Name the model that made these embeddings"):
        evaluate(tmp_path / "embeddings", planted, model=tmp_path / "model")
    if how == "missing":
        evaluation = evaluate(tmp_path / "embeddings", planted, split="all", labels=["genre"])
        assert evaluation.trained_labels == () and evaluation.tracks == 32
        assert evaluation.verdict.endswith("nobody knows whether these tracks were trained on")
        assert any("the model that made them cannot be read" in note for note in evaluation.notes)


@pytest.mark.slow
def test_a_model_that_does_not_say_what_was_held_out_is_no_judge_of_it(planted, tmp_path):
    bundle = small_bundle(SplitRule())
    bundle.provenance = {}
    save_bundle(bundle, tmp_path / "model")
    with pytest.raises(ArtefactError, match=r"does not say which tracks were held out.*--split all"):
        evaluate(tmp_path / "model", planted)
    assert evaluate(tmp_path / "model", planted, "all", labels=["artist"]).verdict.endswith(
        "those of training too"
    )


@pytest.mark.slow
def test_a_split_of_vectors_from_elsewhere_is_not_called_held_out(oracle, planted):
    evaluation = evaluate(oracle, planted, split="train", labels=["genre"])
    assert evaluation.verdict.endswith("nobody knows whether these tracks were trained on")
    assert any("the train split is one made now" in note for note in evaluation.notes)


@pytest.mark.slow
def test_the_training_tracks_of_another_model_are_counted(model, planted, tmp_path):
    save_bundle(
        small_bundle(make_split_rule(read_catalog(planted), SplitConfig(random_seed=3)), 1), tmp_path / "it"
    )
    evaluation = evaluate(model, planted, against=[tmp_path / "it"])
    assert evaluation.systems[:2] == ("model", "it")
    assert any(
        note.startswith("it was trained on ") and "its scores are too good" in note
        for note in evaluation.notes
    )


@pytest.mark.slow
def test_tracks_of_another_catalog_are_not_called_heard(planted, tmp_path):
    rule = make_split_rule(read_catalog(planted), SplitConfig(train=0.5, test=0.4))
    for name, checksum in (("here", sha256_of(planted)), ("elsewhere", "0" * 64)):
        bundle = small_bundle(rule)
        bundle.provenance["training_data"] = {"catalog_sha256": checksum}
        save_bundle(bundle, tmp_path / name)
    here = evaluate(tmp_path / "here", planted, split="all", output=tmp_path / "one")
    elsewhere = evaluate(tmp_path / "elsewhere", planted, split="all", output=tmp_path / "two")
    assert here.notes[0].startswith("model was trained on most of these tracks")
    assert elsewhere.notes[0].startswith("model was trained on another catalog")
    assert "in the training tracks" in (tmp_path / "one/report.html").read_text().partition('id="listen"')[2]
    assert (
        "in the training tracks" not in (tmp_path / "two/report.html").read_text().partition('id="listen"')[2]
    )


@pytest.mark.slow
def test_a_trained_label_is_probed_only_if_somebody_insists(model, planted):
    plain = evaluate(model, planted, split="all")
    probed = {row.label for row in plain.rows if row.protocol != "retrieval"}
    assert "genre" not in probed and "artist" in {row.label for row in plain.rows}
    assert any("No probe was asked for genre" in note for note in plain.notes)
    with pytest.raises(UsageError, match=r"model was trained on genre.*--trained-too"):
        evaluate(model, planted, labels=["genre"])
    asked = evaluate(model, planted, split="all", labels=["genre"], trained_too=True)
    assert {row.protocol for row in asked.rows} == {"retrieval", "logistic probe", "kNN probe"}
    assert all(row.trained for row in asked.rows)


def test_what_is_nothing_to_compare_is_named(model, planted, tmp_path):
    (tmp_path / "notes.txt").write_text("no vectors")
    with pytest.raises(UsageError, match=r"notes\.txt is nothing to compare\. Give a model bundle"):
        evaluate(model, planted, against=[tmp_path / "notes.txt"])
    with pytest.raises(UsageError, match="gone does not exist"):
        evaluate(tmp_path / "gone", planted)
    with pytest.raises(UsageError, match="chance is there already"):
        evaluate(model, planted, against=[f"chance={model}"])
    np.savez(tmp_path / "other.npz", track_id=np.array(["x"]), vectors=np.ones((1, 2), np.float32))
    with pytest.raises(UsageError, match=r"has no vector of any of the \d+ tracks"):
        evaluate(tmp_path / "other.npz", planted)


def test_robustness_needs_a_model(oracle, planted):
    with pytest.raises(UsageError, match="oracle cannot embed distorted audio"):
        evaluate(oracle, planted, robustness=True)


def test_a_column_to_split_by_has_to_be_there(model, planted):
    with pytest.raises(CatalogError, match="language"):
        evaluate(model, planted, by=["language"])


@pytest.fixture(scope="module")
def answers(planted, tmp_path_factory) -> Path:
    """A folder of what people said: triplets, and judgements by hand, both by genre."""
    catalog, folder = read_catalog(planted), tmp_path_factory.mktemp("answers")
    genre_of = dict(zip(catalog.track_ids, catalog.values("genre"), strict=True))
    rows = []
    for anchor in catalog.track_ids[1:]:
        near = next(
            one for one in catalog.track_ids[1:] if one != anchor and genre_of[one] == genre_of[anchor]
        )
        far = next(one for one in catalog.track_ids[1:] if genre_of[one] != genre_of[anchor])
        rows.append((anchor, near, far))
    pd.DataFrame(rows, columns=["anchor_id", "closer_id", "farther_id"]).to_csv(
        folder / "triplets.csv", index=False
    )
    verdicts = [(a, n, "good") for a, n, _ in rows] + [(a, f, "bad") for a, _, f in rows]
    frame = pd.DataFrame(verdicts, columns=["query_id", "neighbour_id", "verdict"])
    frame.assign(annotator_id="ann", timestamp=1_700_000_000).to_csv(folder / "judgements.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def reported(run, oracle, answers, planted) -> Path:
    """The folder of an evaluation with every section that takes no users."""
    evaluate(
        run / "embeddings",
        planted,
        split="all",
        against=[oracle],
        output=run / "evaluation",
        triplets=answers / "triplets.csv",
        judgements=answers / "judgements.csv",
        queries=read_catalog(planted).track_ids[1:3],
    )
    return run / "evaluation"


@pytest.mark.slow
def test_people_are_asked_about_all_systems(reported):
    evaluation = read_evaluation(reported / "report.json")
    assert list(evaluation.sections) == ["assessors", "by_hand", "geometry", "fairness"]
    assert evaluation.assessors.overall.score("oracle").mean == 1.0
    assert next(score.mean for score in evaluation.by_hand.preference if score.system == "oracle") == 1.0
    saved = json.loads((reported / "report.json").read_text())
    for name, section in evaluation.sections.items():
        assert saved[name]["verdict"] == section.verdict and saved[name]["table"] == section.table()


@pytest.mark.slow
def test_the_report_shows_every_section_and_the_way_to_judge(reported):
    text = (reported / "report.html").read_text(encoding="utf-8")
    evaluation = read_evaluation(reported / "report.json")
    for section in evaluation.sections.values():
        assert section.verdict.replace("'", "&#39;") in text
        assert all(note.split("'")[0] in text for note in section.notes)
    assert 'href="judge.html"' in text and "those that were asked for" in text
    assert text.count('<details class="query"') == 2


@pytest.mark.slow
def test_the_judge_page_mixes_the_lists_and_holds_what_was_judged(reported, planted):
    text = (reported / "judge.html").read_text(encoding="utf-8")
    first, second = read_catalog(planted).track_ids[1:3]
    assert text.count(f'data-query="{first}"') >= 5 <= text.count(f'data-query="{second}"')
    assert "embeddings: " in text and "oracle: " in text and "MFCC: " in text and "untrained: " not in text
    assert '"annotator_id": "ann"' in text and '"timestamp": "1700000000"' in text


@pytest.mark.slow
def test_what_was_embedded_is_not_embedded_again(reported, run, oracle, planted, tmp_path, monkeypatch):
    shutil.copytree(reported, tmp_path / "again")
    monkeypatch.setattr(TrackEmbedder, "embed_file", None)  # whatever embeds fails
    again = evaluate(run / "embeddings", planted, split="all", against=[oracle], output=tmp_path / "again")
    assert again.rows == read_evaluation(reported / "report.json").rows
    with pytest.raises(TypeError):
        evaluate(
            run / "embeddings", planted, split="all", output=tmp_path / "again"
        )  # one more track to embed


@pytest.mark.slow
def test_another_seed_is_another_untrained_network(reported, run, oracle, planted, tmp_path):
    shutil.copytree(reported, tmp_path / "again")
    evaluate(
        run / "embeddings", planted, split="all", against=[oracle], output=tmp_path / "again", random_seed=1
    )
    assert len(list((tmp_path / "again/cache").iterdir())) == 2


def test_a_query_that_was_not_judged_is_named(run, planted, tmp_path):
    with pytest.raises(UsageError, match=r"query=nowhere is not among the \d+ tracks of the test split"):
        evaluate(run / "embeddings", planted, output=tmp_path / "out", queries=["nowhere"])


@pytest.mark.slow
def test_the_page_shows_the_run_and_plays_its_music(run):
    page = write_report(run)  # a bundle of random weights: what is shown matters here, not how good it is
    text = page.read_text(encoding="utf-8")
    assert page == run / "report.html"
    assert read_evaluation(run / "metrics.json").verdict.split(":")[0] in text
    assert text.count('src="data:audio/mpeg;base64,') == text.count("<audio") >= 12
    assert text.count('src="data:image/png;base64,') == 2
    assert (run / "map.png").exists()
    assert (run / "curves.png").exists()
    assert "in the training tracks" in text


def test_a_page_is_not_made_of_two_models(run, small_catalog, tmp_path):
    save_bundle(small_bundle(SplitRule(), random_seed=1), tmp_path / "model")
    embed_catalog(tmp_path / "model", small_catalog, tmp_path / "embeddings")
    (tmp_path / "metrics.json").write_bytes((run / "metrics.json").read_bytes())
    with pytest.raises(ArtefactError, match=r"metrics\.json is about model .* embeddings are by"):
        write_report(tmp_path)
