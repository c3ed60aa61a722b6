import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from one_fold import evaluate_vectors

from soundkin.catalog.table import Catalog
from soundkin.errors import ArtefactError, CatalogError, UsageError
from soundkin.evaluation.conclusions import advice
from soundkin.evaluation.evaluation_report import evaluate_folds, read_evaluation
from soundkin.files import write_json

GENRES = ("ambient", "folk", "metal")


def catalog(artists=15, tracks=4, **columns):
    rows = np.arange(artists * tracks)
    frame = {
        "track_id": [f"track {row}" for row in rows],
        "path": [f"{row}.ogg" for row in rows],
        "artist": [f"artist {row // tracks}" for row in rows],
        "genre": [GENRES[row // tracks % 3] for row in rows],
        "album": [f"album {row // 2 % 2}" for row in rows],
    }
    return Catalog(pd.DataFrame(frame | columns), Path())


def systems(tracks, signal):
    """Ours knows the genre as well as `signal` says; the other one knows nothing."""
    rng = np.random.default_rng(0)
    genres = np.array([GENRES.index(names[0]) for names in tracks.values("genre")])
    noise = rng.normal(size=(len(tracks), 6)).astype(np.float32)
    ours = noise + signal * np.eye(6, dtype=np.float32)[genres]
    return {"model": ours, "MFCC": rng.normal(size=(len(tracks), 4)).astype(np.float32)}


@pytest.fixture(scope="module")
def learnt():
    tracks = catalog()
    return evaluate_vectors(systems(tracks, 2.0), tracks, trained_labels=["genre"], resamples=200)


@pytest.fixture(scope="module")
def ignorant():
    tracks = catalog()
    return evaluate_vectors(systems(tracks, 0.0), tracks, ["genre"], resamples=200)


def row_of(evaluation, **wanted):
    return next(
        row for row in evaluation.rows if all(getattr(row, key) == value for key, value in wanted.items())
    )


@pytest.mark.slow
def test_a_model_that_knows_the_genre_is_said_to_have_learnt_it(learnt):
    assert learnt.systems == ("model", "MFCC", "chance")
    assert learnt.verdict.startswith("what was learnt: genre mAP@10 0.")
    assert learnt.verdict.endswith("; artist filter on")
    assert learnt.headline.unbeaten == []


def test_a_model_that_knows_nothing_is_not(ignorant):
    assert ignorant.verdict.startswith("not shown to beat ")
    assert "chance: genre mAP@10" in ignorant.verdict


@pytest.mark.slow
@pytest.mark.parametrize(("artists", "unit"), [(6, "artists"), (7, "artists"), (None, "tracks")])
def test_of_few_artists_there_is_no_verdict_and_no_interval(artists, unit):
    tracks = catalog(artists or 1, 4 if artists else 6)
    if artists is None:
        tracks = catalog(artists=1, tracks=6, artist=[None] * 6, genre=["ambient", "folk"] * 3)
    evaluation = evaluate_vectors(systems(tracks, 9.0), tracks, ["genre"], resamples=50)
    assert evaluation.verdict.startswith(
        f"too few {unit} to say ({artists or 6}, at least 8 are needed): genre mAP"
    )
    for row in evaluation.rows:
        assert all(interval.low is None for interval in (*row.scores, *row.gains))
    assert any("there are no intervals, and nothing is concluded" in note for note in evaluation.notes)


def test_every_row_of_the_table_says_of_how_many_it_is(learnt):
    cells = [row["tracks (artists)"] for row in learnt.table(every_metric=True)]
    assert cells[0] == cells[-1] == "60 (15)"
    nobody = catalog(artist=[None] * 60)
    rows = evaluate_vectors(systems(nobody, 2.0), nobody, ["genre"], resamples=20).table()
    assert all("tracks (artists)" not in row and row["tracks"] == "60" for row in rows)


@pytest.mark.slow
def test_of_very_many_tracks_some_ask_and_the_notes_say_so(learnt, monkeypatch):
    monkeypatch.setattr("soundkin.evaluation.retrieval.MAX_QUERIES", 40)
    monkeypatch.setattr("soundkin.evaluation.evaluation_report.MAX_QUERIES", 40)
    tracks = catalog()
    some = evaluate_vectors(systems(tracks, 2.0), tracks, ["genre"], resamples=50)
    row, whole = (row_of(of, label="genre", metric="mAP@10", filtered_by="artist") for of in (some, learnt))
    assert (row.items, whole.items) == (40, 60)
    assert row.scores[0].mean == pytest.approx(whole.scores[0].mean, abs=0.1)
    assert any("Of more than 40 tracks" in note for note in some.notes)
    assert not any("drawn to ask" in note for note in learnt.notes)


def test_gains_are_ours_minus_the_others(learnt):
    for row in learnt.rows:
        for score, gain in zip(row.scores[1:], row.gains, strict=True):
            assert (score.system, row.scores[0].mean - score.mean) == pytest.approx((gain.system, gain.mean))


def test_rows_say_what_the_model_was_trained_on_and_what_was_filtered(learnt):
    assert row_of(learnt, label="genre").trained
    assert not row_of(learnt, label="artist").trained
    assert {row.filtered_by for row in learnt.rows if row.label == "artist"} == {"album", None}
    assert {row.protocol for row in learnt.rows if row.label == "album"} == {"retrieval"}
    notes = " ".join(learnt.notes)
    assert "trained on genre" in notes
    assert "never trained on album, artist" in notes


def test_intervals_count_artists_rather_than_tracks(learnt):
    row = row_of(learnt, label="genre", metric="mAP@10", filtered_by="artist")
    assert (row.items, row.groups) == (60, 15)
    ours = row.scores[0]
    assert ours.low < ours.mean < ours.high


def test_reading_it_back_gives_the_same(learnt, tmp_path):
    write_json(tmp_path / "metrics.json", learnt.to_json())
    assert read_evaluation(tmp_path / "metrics.json") == learnt
    assert json.loads((tmp_path / "metrics.json").read_text())["verdict"] == learnt.verdict


def test_another_file_is_refused_in_one_line(learnt, tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, {"format": "something else"})
    with pytest.raises(ArtefactError, match="does not describe"):
        read_evaluation(path)
    write_json(path, learnt.to_json() | {"rows": [{"protocol": 3}]})
    with pytest.raises(ArtefactError, match="corrupt"):
        read_evaluation(path)


def test_the_table_has_a_cell_for_every_system_and_hubs_in_its_last_row(learnt):
    *rows, hubs = learnt.table()
    assert all({"label", "measure", "filter", "model", "MFCC", "chance"} <= row.keys() for row in rows)
    assert hubs["measure"].startswith("hubness")
    assert len(learnt.table(every_metric=True)) > len(rows) + 1


@pytest.mark.slow
def test_the_random_seed_decides_everything():
    tracks = catalog(artists=6, tracks=2)
    first, second = (
        evaluate_vectors(systems(tracks, 1.0), tracks, ["genre"], resamples=50) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("artists", [1, 2])
def test_few_artists_are_no_trouble(artists):
    tracks = catalog(artists=artists, tracks=3)
    evaluation = evaluate_vectors(systems(tracks, 1.0), tracks, resamples=50)
    assert "\n" not in evaluation.verdict
    assert evaluation.tracks == 3 * artists


def test_one_track_measures_nothing_and_says_so():
    tracks = catalog(artists=1, tracks=1)
    evaluation = evaluate_vectors(systems(tracks, 1.0), tracks)
    assert evaluation.verdict.startswith("nothing measured")
    assert advice(evaluation)


def test_a_catalog_without_artists_is_flagged():
    tracks = catalog(artist=[None] * 60)
    evaluation = evaluate_vectors(systems(tracks, 5.0), tracks, ["genre"], resamples=50)
    assert evaluation.verdict.endswith("artist filter off")
    assert "names nothing to filter genre by" in " ".join(evaluation.notes)


def test_a_label_that_is_not_there_is_named():
    with pytest.raises(CatalogError, match="mood"):
        evaluate_vectors(systems(catalog(), 1.0), catalog(), ["mood"])


def test_vectors_have_to_match_the_catalog_and_be_finite():
    tracks = catalog()
    with pytest.raises(UsageError, match="model has 59 vectors for 60 tracks"):
        evaluate_vectors({"model": np.ones((59, 3))}, tracks)
    broken = systems(tracks, 1.0)
    broken["MFCC"][5, 2] = np.nan
    with pytest.raises(UsageError, match="track 5 by MFCC"):
        evaluate_vectors(broken, tracks)


def test_advice_begins_with_what_is_most_wrong(learnt, ignorant):
    assert "random order" in advice(ignorant)[0][0]
    assert not any("not shown" in text for text, _ in advice(learnt))


def two_folds():
    """In the first fold artists find their own; in the second the other artist's track is always nearer."""
    names = ["a", "a", "b", "b", "a", "c", "a", "c"]
    frame = pd.DataFrame({"track_id": list("01234567"), "path": "x.ogg", "artist": names})
    near = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)
    return (
        Catalog(frame, Path()),
        np.array([0, 0, 0, 0, 1, 1, 1, 1]),
        {0: {"model": near}, 1: {"model": near}},
    )


def test_folds_are_judged_apart_and_their_scores_taken_together():
    tracks, folds, of_folds = two_folds()
    evaluation = evaluate_folds(of_folds, tracks, folds, ["artist"], resamples=50)
    row = row_of(evaluation, metric="mAP@10")
    ours, chance = (score.mean for score in row.scores)
    # In fold 1 a (1, 0) finds its own at rank 3, c (1, 0.1) at rank 2: one of three is right, chance 11/18.
    assert ours == pytest.approx((4 * 1 + 2 / 3 + 2 / 2) / 8)
    assert chance == pytest.approx(11 / 18)
    assert (row.items, row.groups, evaluation.artists) == (8, 3, 3), "artist a of both folds is one artist"


def test_folds_may_be_mixed_in_the_catalog_and_have_vectors_of_other_lengths():
    tracks, folds, of_folds = two_folds()
    longer = {0: of_folds[0], 1: {"model": np.hstack([of_folds[1]["model"], np.zeros((4, 3), np.float32)])}}
    order = [0, 4, 1, 2, 5, 3, 6, 7]
    mixed = evaluate_folds(
        longer, tracks.select([str(row) for row in order]), folds[order], ["artist"], resamples=50
    )
    assert mixed.rows == evaluate_folds(of_folds, tracks, folds, ["artist"], resamples=50).rows


@pytest.mark.slow
def test_means_over_folds_are_those_of_the_folds_weighted_by_their_queries():
    tracks = catalog(artists=18, tracks=4)
    ours = systems(tracks, 1.0)
    folds = np.arange(72) // 4 % 2
    parts = {fold: {name: vectors[folds == fold] for name, vectors in ours.items()} for fold in (0, 1)}
    together = evaluate_folds(parts, tracks, folds, ["genre", "artist"], resamples=20)
    apart = [
        evaluate_vectors(parts[fold], tracks.select(folds == fold), ["genre", "artist"]) for fold in (0, 1)
    ]
    assert {row.protocol for row in together.rows} == {"retrieval", "logistic probe", "kNN probe"}
    for row in together.rows:
        key = {name: getattr(row, name) for name in ("protocol", "label", "metric", "filtered_by")}
        found = [row_of(evaluation, **key) for evaluation in apart]
        assert row.items == sum(part.items for part in found)
        if row.metric != "balanced accuracy":  # there a fold counts by its classes
            means = [part.scores[0].mean for part in found]
            assert row.scores[0].mean == pytest.approx(
                np.average(means, weights=[part.items for part in found])
            )
    first, second = (evaluation.hubness[0].skewness for evaluation in apart)
    assert together.hubness[0].skewness == pytest.approx((first + second) / 2)


@pytest.mark.slow
def test_the_filter_is_the_same_in_all_folds():
    tracks = catalog(artists=6, tracks=4)
    frame = tracks.frame.assign(album=[f"album {row % 4 // 2}" if row < 12 else None for row in range(24)])
    tracks, folds = Catalog(frame, Path()), np.arange(24) // 12
    parts = {
        fold: {name: part[folds == fold] for name, part in systems(tracks, 1.0).items()} for fold in (0, 1)
    }
    evaluation = evaluate_folds(parts, tracks, folds, ["artist"], resamples=20)
    assert row_of(evaluation, metric="mAP@10", filtered_by="album").items == 24, (
        "fold 1 has no album to filter by"
    )


def test_the_fold_of_wrong_vectors_is_refused():
    tracks, folds, of_folds = two_folds()
    of_folds[1] = {"model": np.full((4, 2), np.nan)}
    with pytest.raises(UsageError, match="the vector of track 4 by model holds a NaN"):
        evaluate_folds(of_folds, tracks, folds, ["artist"])


def test_a_verdict_on_one_label(learnt):
    assert "artist mAP@10" in learnt.verdict_on("artist") and learnt.verdict_on("artist").endswith(
        "album filter on"
    )
    assert learnt.verdict_on("mood") == learnt.verdict
