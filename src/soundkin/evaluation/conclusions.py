"""What follows from an evaluation: one sentence that needs no knowledge of the field, and what to try next.

How training went is in `provenance["training"]`; vectors of unknown origin have none, and get no advice on
training.
"""

from typing import Any

import numpy as np

from soundkin.catalog.table import Catalog
from soundkin.evaluation.evaluation_report import Evaluation, Row
from soundkin.evaluation.label_questions import question
from soundkin.evaluation.retrieval import MAX_QUERIES, K, retrieval
from soundkin.shapes import Float
from soundkin.statistics.bootstrap import FEW_GROUPS
from soundkin.statistics.measure import CHANCE
from soundkin.statistics.ranking_metrics import Counts, Runs, Scores, recall

NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SHARED = {
    "artist": ("is by the same artist", "are by the same artist"),
    "album": ("is of its album", "are of its album"),
}
WIDE = 0.2  # an interval this wide cannot tell a good model from a middling one
HUBBY = 2.0  # skewness above which hubs are felt in answers
FEW_LABELLED = 0.5
LATE = 0.9  # a run whose best epoch comes after this share of them was still learning
FEW_ARTISTS = 200  # to train on: with fewer, more of them are likely to help

Step = tuple[str, str]  # advice, and the command that follows it (or nothing)


def headline_sentence(
    evaluation: Evaluation, catalog: Catalog, vectors: Float[np.ndarray, "tracks embedding"]
) -> str:
    """Of ten neighbours, how many share a track's label, and how many would by chance; "" if artists are few.

    `catalog` and `vectors` are of the tracks that were evaluated.
    """
    row = evaluation.headline
    if row is None or row.protocol != "retrieval" or row.groups < FEW_GROUPS:
        return ""
    asked = question(catalog, row.label)
    filtered_by = (asked.filtered_by, asked.filter_values) if asked.filtered_by else None
    systems, metric = {"ours": vectors}, {"right of ten": _right_of_ten}
    [measure] = retrieval(systems, row.label, asked.values, filtered_by, asked.groups, 0, metrics=metric)
    if not measure.asked.any():
        return ""
    ours, by_chance = (float(np.nanmean(score)) for score in measure.scores.values())
    held_out = evaluation.provenance.get("split") in ("valid", "test") and evaluation.provenance.get(
        "model_hash"
    )
    whose = "a track by an artist it never met" if held_out else "a track"
    singular, plural = SHARED.get(row.label, (f"shares its {row.label}", f"share its {row.label}"))
    share = singular if _number(ours) in ("one", "fewer than one", "none") else plural
    return f"Of ten neighbours of {whose}, {_number(ours)} {share}; chance would give {_number(by_chance)}."


def _right_of_ten(runs: Runs, relevant: Counts, candidates: Counts) -> Scores:
    return np.where(candidates >= K, recall(runs, relevant, K) * relevant, np.nan)


def _number(count: float) -> str:
    return "fewer than one" if 0 < count < 0.5 else NUMBERS[round(count)]


def advice(evaluation: Evaluation) -> list[Step]:
    """The first things to try, the most pressing first; nothing is proposed that was done already."""
    row = evaluation.headline
    if row is None:
        return [("Give the tracks labels to judge by: a genre or an artist in the catalog.", "")]
    steps: list[Step] = []
    if row.unbeaten and not row.too_few:
        if CHANCE in row.unbeaten:
            steps.append(
                (
                    "The vectors are not shown to be better than a random order. Check that labels are "
                    "right.",
                    "",
                )
            )
        steps += [(step, "") for step in _on_training(evaluation.provenance.get("training") or {})]
    steps += [(step, "") for step in _on_evidence(evaluation, row)]
    ours = evaluation.hubness[0]
    if ours.skewness > HUBBY and evaluation.unit == "artists":
        step = f"Some tracks turn up everywhere (skewness {ours.skewness:.1f}): let no artist fill a list."
        steps.append((step, "soundkin query INDEX --like TRACK --artist-cap 1"))
    return steps


def _on_training(training: dict[str, Any]) -> list[str]:
    """What the run has not done yet."""
    steps = []
    epochs, run, kept = (training.get(key) for key in ("epochs", "epochs_run", "kept_epoch"))
    if epochs and run == epochs and kept and kept > LATE * epochs:
        steps.append(
            f"The run did best in epoch {kept} of {epochs}, so it was still learning: train it anew with "
            f"trainer.epochs={2 * epochs}."
        )
    if unused := training.get("unused_labels"):
        tasks = ",".join([*training["tasks"], *unused])
        steps.append(
            f"The catalog has labels that it was not trained on: {', '.join(unused)}. Try task=[{tasks}]."
        )
    if (artists := training.get("artists")) and artists < FEW_ARTISTS:
        steps.append(
            f"It was trained on {artists} artists: with more of them it would learn more, even if each has "
            "few tracks."
        )
    return steps


def _on_evidence(evaluation: Evaluation, row: Row) -> list[str]:
    ours = row.scores[0]
    steps = []
    if row.too_few:
        steps.append(f"There are {row.too_few}: judge on more {row.unit}.")
    elif ours.low is None or ours.high is None or ours.high - ours.low > WIDE:
        steps.append(
            f"The interval is wide, with {row.groups} {row.unit} behind it: judge on more {row.unit}."
        )
    if row.items < FEW_LABELLED * min(evaluation.tracks, MAX_QUERIES):
        steps.append(
            f"Only {row.items} of {evaluation.tracks} tracks could be asked for their {row.label}: label "
            "more."
        )
    return steps
