from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from one_fold import evaluate_vectors

from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError, UsageError
from soundkin.evaluation.evaluation_report import summarise
from soundkin.evaluation.label_questions import question
from soundkin.evaluation.label_scores import ask, labels_to_ask
from soundkin.evaluation.retrieval import ask_retrieval


def catalog(**columns) -> Catalog:
    frame = {
        "track_id": [f"t{row}" for row in range(24)],
        "path": "x.ogg",
        "artist": [f"artist {row // 2}" for row in range(24)],
        "genre": ["ambient", "folk"] * 12,
    }
    return Catalog(pd.DataFrame(frame | columns), Path())


def systems(tracks: Catalog) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(len(tracks), 5)) for name in ("ours", "theirs")}


FOLDS = np.zeros(24, dtype=int)


def test_scores_are_those_of_the_single_protocols():
    tracks = catalog()
    found = ask({0: systems(tracks)}, tracks, FOLDS, ["genre"])
    alone = ask_retrieval(systems(tracks), question(tracks, "genre"), 0)
    for measure in alone:
        same = next(
            of
            for of in found.measures
            if (of.metric, of.filtered_by) == (measure.metric, measure.filtered_by)
        )
        for name, score in measure.scores.items():
            assert np.array_equal(same.scores[name], score, equal_nan=True)


def test_a_label_that_is_not_to_be_probed_is_asked_by_retrieval_alone():
    tracks = catalog()
    found = ask({0: systems(tracks)}, tracks, FOLDS, ["genre", "artist"], unprobed=["genre", "mood"])
    assert {of.protocol for of in found.measures if of.label == "genre"} == {"retrieval"}
    assert found.unprobed == ["genre"], "only what was asked"
    whole = ask({0: systems(tracks)}, tracks, FOLDS, ["genre"])
    assert {of.protocol for of in whole.measures} == {"retrieval", "logistic probe", "kNN probe"}


def test_what_was_left_out_is_said():
    tracks = catalog()
    found = ask({0: systems(tracks)}, tracks, FOLDS, ["genre"], unprobed=["genre"])
    notes = " ".join(summarise(found, {0: systems(tracks)}, tracks, ["genre"], resamples=20).notes)
    assert "No probe was asked for genre" in notes and "trained on genre" in notes


@pytest.mark.slow
def test_what_a_system_was_trained_on_may_be_unknown():
    tracks = catalog()
    found = ask({0: systems(tracks)}, tracks, FOLDS, ["genre"])
    evaluation = summarise(found, {0: systems(tracks)}, tracks, None, resamples=20)
    assert {row.trained for row in evaluation.rows} == {None}
    assert evaluation.table()[0]["trained on"] == "unknown"
    assert "trained on" not in " ".join(evaluation.notes)
    assert {
        row.trained for row in evaluate_vectors(systems(tracks), tracks, ["genre"], resamples=20).rows
    } == {False}


def test_measures_that_nobody_could_be_asked_are_left_out():
    tracks = catalog(genre=[f"genre {row}" for row in range(24)])
    assert ask({0: systems(tracks)}, tracks, FOLDS, ["genre"]).measures == []
    nobody = tracks.select(np.zeros(24, dtype=bool))
    assert ask({0: {"ours": np.zeros((0, 3))}}, nobody, FOLDS[:0], []).measures == []


def test_labels_default_to_what_the_catalog_knows():
    assert labels_to_ask(catalog(), None) == ["genre", "artist"]
    assert labels_to_ask(catalog(year=["1999"] * 24), None) == ["genre", "artist", "decade"]
    with pytest.raises(CatalogError, match="mood"):
        labels_to_ask(catalog(), ["mood"])


def test_vectors_that_do_not_fit_are_named():
    tracks = catalog()
    with pytest.raises(UsageError, match="ours has 3 vectors for 24 tracks"):
        ask({0: {"ours": np.ones((3, 2))}}, tracks, FOLDS, ["genre"])
