"""How well somebody answers, as far as their answers tell.

Two measures for two ends. Whether somebody goes on is decided by gold questions alone, one after the other:
to disagree with others is a taste and no fault. How much their answers count is told from everything
together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.special import betaincinv

from soundkin.catalog.annotators import find_consensus
from soundkin.statistics.bootstrap import LEVEL


@dataclass(frozen=True)
class Posterior:
    """What is known of a share of right answers: its mean, and the ends of its 95% interval."""

    mean: float
    low: float
    high: float


def posterior(hits: int, answers: int) -> Posterior:
    """The Beta posterior of a share, after `hits` of `answers`, when all shares were equally likely before."""
    right, wrong = 1 + hits, 1 + answers - hits
    low, high = (float(betaincinv(right, wrong, share)) for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Posterior(right / (right + wrong), low, high)


Row = tuple[str, str, str, str]  # anchor_id, closer_id, farther_id, annotator_id
COLUMNS = ["anchor_id", "closer_id", "farther_id", "annotator_id"]


def reliabilities(answers: Sequence[Row], gold: Sequence[Row] = ()) -> dict[str, float]:
    """How likely each annotator is right, by gold, by what others answered, and by what they said the second
    time.

    `gold` has the known answers (whoever is named there); `answers` includes those given to gold questions.
    By EM, with the prior of `catalog.annotators`.
    """
    if not answers:
        return {}
    given, known = pd.DataFrame(answers, columns=COLUMNS), pd.DataFrame(gold, columns=COLUMNS)
    found = find_consensus(given, known if len(known) else None)
    return dict(zip(found.judgements.annotator_ids, map(float, found.reliability), strict=True))
