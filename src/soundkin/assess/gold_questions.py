"""Gold questions, whose answer is known: for the tutorial, the qualifier, and hidden among others as a test.

From a file, or made of the catalog: the anchor is one half of a recording, the closer clip its other half,
the farther one a track by another artist of another genre. Nothing is safer, however good the labels.
"""

from pathlib import Path

import numpy as np

from soundkin.assess.answer_files import AnswerKind
from soundkin.assess.clips import FIRST_HALF, SECOND_HALF
from soundkin.assess.triplet_questions import Clip, TripletQuestion
from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets_table import read_triplets
from soundkin.errors import UsageError
from soundkin.evaluation.label_questions import column_values
from soundkin.shapes import Float
from soundkin.statistics.scaling import unit_length

GOLD_QUESTIONS = 60
FAR_SHARE = 0.25  # of the tracks that may be the farther one: the least similar, where there are vectors
HALVES = "It comes from the same recording as the first, from another place in it."
FROM_FILE = "So say those who prepared this example."


def read_gold(path: Path, catalog: Catalog, least: int) -> list[TripletQuestion]:
    """Gold questions from a triplets file, each once."""
    rows = read_triplets(Path(path), catalog)[["anchor_id", "closer_id", "farther_id"]].drop_duplicates()
    gold = [
        _gold(Clip(anchor), Clip(closer), Clip(farther), FROM_FILE)
        for anchor, closer, farther in rows.to_numpy()
    ]
    if twice := len(gold) - len({question.key for question in gold}):
        raise UsageError(f"gold {path}: {twice} questions have two answers. Keep the right one of each.")
    if len(gold) < least:
        raise UsageError(
            f"gold {path}: {len(gold)} questions, and tutorial and qualifier alone take {least}. Add some."
        )
    return gold


def gold_from_halves(
    catalog: Catalog,
    vectors: Float[np.ndarray, "tracks embedding"] | None = None,
    count: int = GOLD_QUESTIONS,
    random_seed: int = 0,
) -> list[TripletQuestion]:
    """Up to `count` questions, one a track, about the halves of recordings.

    The farther track is by another artist and, if possible, of other genres; where there are vectors (in
    catalog order), it is among the least similar of these.
    """
    random = np.random.default_rng([random_seed, len(catalog)])
    artists = catalog.artists.groups
    genres = [frozenset(values) for values in column_values(catalog, "genre")]
    unit = None if vectors is None else unit_length(vectors.astype(np.float64))
    gold = []
    for anchor in random.permutation(len(catalog))[:count]:
        far = np.flatnonzero(artists != artists[anchor])
        if not len(far):
            raise UsageError(
                f"{catalog.source}: all tracks are by one artist; gold questions need another. Add tracks."
            )
        if genres[anchor]:
            unlike = [row for row in far if genres[row] and not genres[row] & genres[anchor]]
            far = np.array(unlike, dtype=int) if unlike else far
        if unit is not None:
            ranked = far[np.argsort(unit[far] @ unit[anchor], kind="stable")]
            far = ranked[: max(1, round(FAR_SHARE * len(ranked)))]
        own, farther = catalog.track_ids[anchor], catalog.track_ids[random.choice(far)]
        gold.append(_gold(Clip(own, FIRST_HALF), Clip(own, SECOND_HALF), Clip(farther), HALVES))
    return gold


def _gold(anchor: Clip, closer: Clip, farther: Clip, reason: str) -> TripletQuestion:
    return TripletQuestion(anchor, (closer, farther), AnswerKind.GOLD, reason=reason)
