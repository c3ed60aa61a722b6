"""Gold questions, whose answer is known: they teach, they let people in, and hidden among others they show
who listens.

From a file, or made of the catalog: the anchor is one half of a recording, the closer clip its other half,
the farther one a track by another artist of another genre. Nothing is safer, whatever the labels are worth;
and a careful listener may notice that it is a test, which does no harm: somebody who does not listen cannot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from soundkin.assess.clips import FIRST_HALF, SECOND_HALF
from soundkin.assess.triplet_questions import Clip, Key, question_key
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


@dataclass(frozen=True)
class Gold:
    """A question with its answer, and the reason for it in words for the tutorial."""

    anchor: Clip
    closer: Clip
    farther: Clip
    reason: str

    @cached_property
    def key(self) -> Key:
        """As `TripletQuestion.key`."""
        return question_key(self.anchor.track_id, self.closer.track_id, self.farther.track_id)


def read_gold(path: Path, catalog: Catalog, least: int) -> list[Gold]:
    """Gold questions from a triplets file, each once.

    Raises:
        CatalogError: the file cannot be used.
        UsageError: it has fewer than `least` questions, or two answers to one.
    """
    rows = read_triplets(Path(path), catalog)[["anchor_id", "closer_id", "farther_id"]].drop_duplicates()
    gold = [
        Gold(Clip(anchor), Clip(closer), Clip(farther), FROM_FILE)
        for anchor, closer, farther in rows.to_numpy()
    ]
    twice = len(gold) - len({one.key for one in gold})
    if twice:
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
) -> list[Gold]:
    """Up to `count` questions, one a track, about the halves of recordings.

    The farther track is by another artist and, where there is such a one, shares no genre with the anchor;
    where there are vectors (row i is the track in row i of the catalog), it is among the least similar of
    these.

    Raises:
        UsageError: all tracks are by one artist.
    """
    random = np.random.default_rng([random_seed, len(catalog)])
    artists = catalog.artists.groups
    genres = [frozenset(values) for values in column_values(catalog, "genre")]
    unit = None if vectors is None else unit_length(vectors.astype(np.float64))
    found = []
    for anchor in random.permutation(len(catalog))[:count]:
        others = np.flatnonzero(artists != artists[anchor])
        if not len(others):
            raise UsageError(
                f"{catalog.source}: all tracks are by one artist; gold questions need another. Add tracks."
            )
        others = _of_other_genres(others, genres, int(anchor))
        if unit is not None:
            ranked = others[np.argsort(unit[others] @ unit[anchor], kind="stable")]
            others = ranked[: max(1, round(FAR_SHARE * len(ranked)))]
        own, far = catalog.track_ids[anchor], catalog.track_ids[random.choice(others)]
        found.append(Gold(Clip(own, FIRST_HALF), Clip(own, SECOND_HALF), Clip(far), HALVES))
    return found


def _of_other_genres(others: np.ndarray, genres: Sequence[frozenset[str]], anchor: int) -> np.ndarray:
    known = np.array([bool(genres[row]) and not genres[row] & genres[anchor] for row in others], dtype=bool)
    return others[known] if genres[anchor] and known.any() else others
