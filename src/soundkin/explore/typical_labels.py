"""Which labels are typical of a group of tracks: those that are more frequent in it than elsewhere.

The score is the log odds ratio of a label, in the group and elsewhere, in standard deviations, with a prior
of ten tracks that hold the label as often as all tracks do (B. Monroe, M. Colaresi and K. Quinn, "Fightin'
Words", 2008): a label that most tracks have anywhere is typical of nothing, and one that a few tracks have is
not typical by accident.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from soundkin.extras import require

require("explore", "the clusters of a library")

import numpy as np

from soundkin.catalog.labels import Labels, Vocabulary
from soundkin.shapes import Float, Int, typechecked

PRIOR_TRACKS = 10.0
LEAST_SCORE = 3.0  # standard deviations: thousands of pairs of a label and a group are tried
FEWEST_TRACKS = 3  # of the group that have the label, and
LEAST_SHARE = 0.1  # of all its tracks


class TypicalLabel(NamedTuple):
    """A label, the column it is from, and which shares of the tracks with a known one have it."""

    label: str
    column: str
    share: float
    share_elsewhere: float
    score: float


@typechecked
def log_odds_score(
    held: Float[np.ndarray, "*counts"],
    known: Float[np.ndarray, "*knowns"],
    held_elsewhere: Float[np.ndarray, "*counts"],
    known_elsewhere: Float[np.ndarray, "*knowns"],
) -> Float[np.ndarray, "*counts"]:
    """How far odds are above those elsewhere, in standard deviations; `held` of the `known` have a label."""
    overall = (held + held_elsewhere) / np.maximum(known + known_elsewhere, 1)
    yes, no = PRIOR_TRACKS * overall, PRIOR_TRACKS * (1 - overall)
    with np.errstate(divide="ignore", invalid="ignore"):
        here = np.log(held + yes) - np.log(known - held + no)
        there = np.log(held_elsewhere + yes) - np.log(known_elsewhere - held_elsewhere + no)
        score = (here - there) / np.sqrt(1 / (held + yes) + 1 / (held_elsewhere + yes))
    return np.asarray(np.nan_to_num(score, nan=0.0, posinf=0.0, neginf=0.0))  # all have it, or none


@typechecked
def typical_labels(
    values: Mapping[str, Labels], groups: Int[np.ndarray, " tracks"]
) -> list[list[TypicalLabel]]:
    """The typical labels of each group (numbers from 0), the highest score first.

    `values` are the labels that each column holds for each track; () is unknown.
    """
    count = int(groups.max(initial=-1)) + 1
    member = (groups == np.arange(count)[:, None]).astype(float)
    sizes = member.sum(axis=1)
    found: list[list[TypicalLabel]] = [[] for _ in range(count)]
    for column, labels in values.items():
        vocabulary = Vocabulary.from_values(labels, FEWEST_TRACKS)
        if not len(vocabulary):
            continue
        held = np.asarray((vocabulary.sparse(labels).T @ member.T).T, float)  # [groups, labels]
        known = member @ np.array([bool(own) for own in labels], float)
        others, others_known = held.sum(axis=0) - held, known.sum() - known
        known, others_known = (np.broadcast_to(each[:, None], held.shape) for each in (known, others_known))
        score = log_odds_score(held, known, others, others_known)
        enough = held >= np.maximum(FEWEST_TRACKS, LEAST_SHARE * sizes)[:, None]
        for group, label in np.argwhere(enough & (score >= LEAST_SCORE)).tolist():
            here = held[group, label] / known[group, label]
            there = others[group, label] / max(others_known[group, label], 1)
            found[group].append(
                TypicalLabel(vocabulary.names[label], column, here, there, score[group, label])
            )
    return [sorted(typical, key=lambda each: (-each.score, each.label)) for typical in found]


def name_labels(typical: Sequence[TypicalLabel]) -> list[str]:
    """The labels that a name is made of: the first two, each once."""
    return list(dict.fromkeys(each.label for each in typical))[:2]
