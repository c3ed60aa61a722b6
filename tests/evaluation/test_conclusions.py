"""Advice follows from the run: what was done already is not proposed again."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from one_fold import evaluate_vectors

from soundkin.catalog.table import Catalog
from soundkin.evaluation.conclusions import advice, headline_sentence
from soundkin.evaluation.evaluation_report import Evaluation, Row
from soundkin.evaluation.hubness import Hubness
from soundkin.statistics.bootstrap import Interval


def evaluation(unbeaten: str | None = "MFCC", groups: int = 40, **training: Any) -> Evaluation:
    """Ours beside MFCC and chance; `unbeaten` is who ours is not shown to beat."""
    names, few = ("model", "MFCC", "chance"), groups < 8
    row = Row(
        protocol="retrieval",
        label="genre",
        metric="mAP@10",
        filtered_by="artist",
        trained=True,
        items=400,
        groups=groups,
        scores=tuple(Interval(system=name, mean=0.4, low=None if few else 0.38, high=0.42) for name in names),
        gains=tuple(
            Interval(system=name, mean=0.1, low=None if few else -0.1 if name == unbeaten else 0.05, high=0.3)
            for name in names[1:]
        ),
    )
    hubs = tuple(
        Hubness(system=name, k=10, skewness=1.0, largest_hub=0.1, antihubs=0.0) for name in names[:2]
    )
    provenance = {"training": training} if training else {}
    return Evaluation(
        systems=names, tracks=400, artists=groups, rows=(row,), hubness=hubs, provenance=provenance
    )


def text(**of: Any) -> str:
    return " ".join(step for step, _ in advice(evaluation(**of)))


def test_longer_training_is_proposed_only_to_a_run_that_was_still_learning() -> None:
    run = {"epochs": 60, "artists": 500, "tasks": ["genre"]}
    assert "trainer.epochs=120" in text(**run, epochs_run=60, kept_epoch=58)
    assert "epochs" not in text(**run, epochs_run=60, kept_epoch=30), "it got worse long before the end"
    assert "epochs" not in text(**run, epochs_run=38, kept_epoch=28), (
        "it stopped because it was no longer learning"
    )


def test_what_the_catalog_has_and_the_run_did_not_use_is_named() -> None:
    found = text(epochs=60, epochs_run=30, kept_epoch=20, tasks=["genre"], unused_labels=["artist", "year"])
    assert "artist, year. Try task=[genre,artist,year]" in found
    assert "task=" not in text(epochs=60, epochs_run=30, kept_epoch=20, tasks=["genre"], unused_labels=[])


def test_more_artists_are_proposed_with_how_many_there_were() -> None:
    assert "trained on 90 artists" in text(artists=90)
    assert text(artists=900) == ""


def test_of_vectors_of_unknown_origin_nothing_is_said_on_training() -> None:
    assert text() == ""
    assert text(unbeaten="chance") == (
        "The vectors are not shown to be better than a random order. Check that labels are right."
    )


@pytest.mark.parametrize("unbeaten", [None, "MFCC"])
def test_few_artists_are_the_only_advice_there_can_be(unbeaten: str | None) -> None:
    found = text(unbeaten=unbeaten, groups=5, epochs=10, epochs_run=10, kept_epoch=10, artists=30)
    assert found == "There are too few artists to say (5, at least 8 are needed): judge on more artists."


def test_who_beats_all_others_gets_no_advice() -> None:
    assert advice(evaluation(None, epochs=10, epochs_run=10, kept_epoch=10, artists=30)) == []


def judged(artists: int, known: float, split: str = "test") -> tuple[Evaluation, Catalog, np.ndarray]:
    """Artists of five tracks in five genres; a share of the tracks lies with its genre, the rest anywhere."""
    rng = np.random.default_rng(0)
    artist = np.repeat(np.arange(artists), 5)
    genre = artist % 5
    frame = pd.DataFrame(
        {
            "track_id": [f"t{row}" for row in range(len(artist))],
            "path": "x.ogg",
            "artist": [f"artist {number}" for number in artist],
            "genre": [f"genre {number}" for number in genre],
        }
    )
    told = rng.random(len(artist)) < known
    vectors = np.where(told[:, None], np.eye(5)[genre], 0) * 9 + rng.standard_normal((len(artist), 5)) * 0.3
    catalog = Catalog(frame, Path())
    found = evaluate_vectors({"ours": vectors}, catalog, labels=("genre",))
    return found.model_copy(update={"provenance": {"split": split, "model_hash": "0"}}), catalog, vectors


@pytest.mark.slow
def test_a_perfect_space_a_middling_one_and_chance() -> None:
    perfect = "a track by an artist it never met, ten share its genre; chance would give two."
    assert headline_sentence(*judged(50, 1.0)) == f"Of ten neighbours of {perfect}"
    assert any(
        word in headline_sentence(*judged(50, 0.7)) for word in ("five share", "six share", "seven share")
    )
    assert "two share its genre; chance would give two." in headline_sentence(*judged(50, 0.0))


def test_it_claims_no_strangers_where_training_may_have_met_them() -> None:
    assert headline_sentence(*judged(50, 1.0, split="all")).startswith(
        "Of ten neighbours of a track, ten share"
    )


@pytest.mark.parametrize("artists", [5, 7])
def test_few_artists_get_no_sentence(artists: int) -> None:
    assert headline_sentence(*judged(artists, 1.0)) == ""


def test_the_own_artist_does_not_count() -> None:
    """Where tracks know their artist only, none of ten by others share the genre more than by chance."""
    found, catalog, _ = judged(50, 1.0)
    by_artist = np.eye(50)[np.repeat(np.arange(50), 5)] + 0.01 * np.random.default_rng(0).standard_normal(
        (250, 50)
    )
    assert "two share its genre; chance would give two." in headline_sentence(found, catalog, by_artist)
