"""What to try next, read off an evaluation and the run behind it: nothing is proposed that was done already.

How the run went stands in `provenance["training"]` (`pipelines.evaluate`); vectors of unknown origin have
none, and get no advice on training.
"""

from typing import Any

from soundkin.evaluation.protocol import Evaluation
from soundkin.evaluation.retrieval import MAX_QUERIES
from soundkin.evaluation.row import Row
from soundkin.statistics.measure import CHANCE

WIDE = 0.2  # an interval this wide cannot tell a good model from a middling one
HUBBY = 2.0  # skewness above which hubs are felt in answers
FEW_LABELLED = 0.5
LAST = 0.9  # a run that did best after this share of its epochs was still learning
FEW_ARTISTS = 200  # to train on: with fewer, more of them are likely to help

Step = tuple[str, str]  # advice, and the command that follows it (or nothing)


def advice(evaluation: Evaluation) -> list[Step]:
    """The first things to try, the most pressing first; empty if nothing stands out."""
    row = evaluation.headline
    if row is None:
        return [("Give the tracks labels to judge by: a genre or an artist in the catalog.", "")]
    training = evaluation.provenance.get("training") or {}
    return [*_about_learning(row, training), *_about_evidence(evaluation, row), *_about_hubs(evaluation)]


def _about_learning(row: Row, training: dict[str, Any]) -> list[Step]:
    if row.too_few or not row.unbeaten:
        return []
    if CHANCE in row.unbeaten:
        found = "The vectors are not shown to be better than a random order. Check that labels are right."
        return [(found, ""), *_about_training(training)]
    return _about_training(training)


def _about_training(training: dict[str, Any]) -> list[Step]:
    """What the run has not done yet."""
    steps = []
    epochs, run, kept = (training.get(key) for key in ("epochs", "epochs_run", "kept_epoch"))
    if epochs and run == epochs and kept and kept > LAST * epochs:
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
            f"It was trained on {artists} artists: with more of them it would learn more, even if each has few tracks."
        )
    return [(step, "") for step in steps]


def _about_evidence(evaluation: Evaluation, row: Row) -> list[Step]:
    ours = row.scores[0]
    steps = []
    if row.too_few:
        steps.append((f"There are {row.too_few}: judge on more {row.unit}.", ""))
    elif ours.low is None or ours.high is None or ours.high - ours.low > WIDE:
        steps.append(
            (f"The interval is wide, with {row.groups} {row.unit} behind it: judge on more {row.unit}.", "")
        )
    if row.items < FEW_LABELLED * min(evaluation.tracks, MAX_QUERIES):
        steps.append(
            (
                f"Only {row.items} of {evaluation.tracks} tracks could be asked for their {row.label}: label more.",
                "",
            )
        )
    return steps


def _about_hubs(evaluation: Evaluation) -> list[Step]:
    ours = evaluation.hubness[0]
    if ours.skewness <= HUBBY or evaluation.unit != "artists":
        return []
    return [
        (
            f"Some tracks turn up everywhere (skewness {ours.skewness:.1f}): let no artist fill a list.",
            "soundkin query INDEX --like TRACK --artist-cap 1",
        )
    ]
