"""What to try next, read off an evaluation: plain rules, so that a newcomer knows where to look first."""

from soundkin.evaluation.measure import CHANCE
from soundkin.evaluation.protocol import Evaluation, Row

WIDE = 0.2  # an interval this wide cannot tell a good model from a middling one
HUBBY = 2.0  # skewness above which hubs are felt in answers
FEW_LABELLED = 0.5

Step = tuple[str, str]  # advice, and the command that follows it (or nothing)


def advice(evaluation: Evaluation) -> list[Step]:
    """The first things to try, the most pressing first; empty if nothing stands out."""
    row = evaluation.headline
    if row is None:
        return [("Give the tracks labels to judge by: a genre or an artist in the catalog.", "")]
    return [*_about_learning(row), *_about_evidence(evaluation, row), *_about_hubs(evaluation)]


def _about_learning(row: Row) -> list[Step]:
    baselines = [name for name in row.unbeaten if name != CHANCE]
    if CHANCE in row.unbeaten:
        return [
            (
                "The vectors are not shown to be better than a random order. Check that labels are right and that the "
                "training loss falls; then train longer, on more artists.",
                "soundkin train trainer.epochs=60 catalog=CATALOG run_dir=runs/longer",
            )
        ]
    if baselines:
        return [
            (
                f"The model is not shown to beat {' or '.join(baselines)}. Train longer or on more artists: variety of "
                "artists counts for more than the number of tracks.",
                "soundkin train trainer.epochs=60 catalog=CATALOG run_dir=runs/longer",
            )
        ]
    return []


def _about_evidence(evaluation: Evaluation, row: Row) -> list[Step]:
    ours = row.scores[0]
    steps = []
    if ours.low is None or ours.high is None or ours.high - ours.low > WIDE:
        steps.append((f"The interval is wide, with {row.groups} artists behind it: judge on more artists.", ""))
    if row.items < FEW_LABELLED * evaluation.tracks:
        steps.append(
            (f"Only {row.items} of {evaluation.tracks} tracks could be asked for their {row.label}: label more.", "")
        )
    return steps


def _about_hubs(evaluation: Evaluation) -> list[Step]:
    ours = evaluation.hubness[0]
    if ours.skewness <= HUBBY:
        return []
    return [
        (
            f"Some tracks turn up everywhere (skewness {ours.skewness:.1f}): let no artist fill a list.",
            "soundkin query INDEX --like TRACK --artist-cap 1",
        )
    ]
