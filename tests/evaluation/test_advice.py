"""Advice follows from the run: what was done already is not proposed again."""

from typing import Any

import pytest

from soundkin.evaluation.advice import advice
from soundkin.evaluation.hubness import Hubness
from soundkin.evaluation.protocol import Evaluation
from soundkin.evaluation.row import Row
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
