"""What a cold start is judged by: who came to like which tracks, and the upper bound of all that can be
foretold.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.catalog.interactions import Interactions, make_interactions
from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.table import Catalog
from soundkin.corpus.synthesise import read_truth
from soundkin.embedding.known_users import KnownUsers
from soundkin.errors import UsageError
from soundkin.evaluation.recommendation import BOUND, Factors
from soundkin.tasks.factorisation import factorise
from soundkin.tasks.latent_factors import LatentFactorsConfig

FACTORISED_NOTE = (
    f"{BOUND}: a weighted matrix factorisation of all ratings, those of the held-out tracks too, as in van den Oord et "
    "al. (2013). It was given the very plays that it is judged by, and where users are few it learns them by heart: a "
    "height that no sound can reach."
)
PLANTED_NOTE = (
    f"{BOUND}: the tastes that were planted when the corpus was made. What they leave open in the plays is popularity "
    "and chance, which cannot be heard."
)


@dataclass(frozen=True, eq=False)
class Listeners:
    """Who likes what among all tracks of a catalog, held-out ones too, and the factorisation that bounds all
    others.
    """

    listening: Interactions
    factorisation: LatentFactorsConfig

    def bound(self, users: list[str], track_ids: list[str]) -> Factors:
        """Factors of these users and tracks by all ratings; zeros for whoever likes nothing, and what nobody
        likes.
        """
        config = self.factorisation
        found = factorise(
            self.listening.confidence,
            config.factors,
            config.iterations,
            config.regularisation,
            config.random_seed,
        )
        return (
            _rows_of(found.users, self.listening.users, users),
            _rows_of(found.tracks, self.listening.tracks, track_ids),
        )


def listeners_of(ratings: Path, catalog: Catalog, config: LatentFactorsConfig) -> Listeners:
    """Read the ratings of all tracks of a whole catalog, understood as `config.listening` says.

    Raises:
        CatalogError: the ratings cannot be used, or nobody likes anything.
    """
    listening = make_interactions(
        read_ratings(Path(ratings), catalog), config.listening, f"ratings {ratings}"
    )
    return Listeners(listening, config)


def refuse_nameless(users: KnownUsers) -> None:
    """Raise UsageError where nobody knows whose the model's user vectors are."""
    if not users.ids:
        raise UsageError(
            "the model came without users.parquet, which says whose its user vectors are. Put that file back, or "
            "evaluate without ratings."
        )


def factorisation_beside(users: KnownUsers) -> LatentFactorsConfig:
    """The model's own factorisation; where users were learnt otherwise, one of as many factors."""
    config = users.task.config
    if isinstance(config, LatentFactorsConfig):
        return config
    return LatentFactorsConfig(factors=config.factors, listening=config.listening)


def planted(corpus: Path, users: list[str], track_ids: list[str]) -> Factors:
    """The tastes of users and tracks that the corpus in a folder was made with.

    Raises:
        UsageError: a user or track is not of this corpus.
        ArtefactError: there is no whole corpus.
    """
    truth = read_truth(Path(corpus))
    for kind, wanted, known in (("user", users, truth.user_ids), ("track", track_ids, truth.track_ids)):
        strangers = sorted(set(wanted) - set(known))
        if strangers:
            raise UsageError(
                f"the corpus in {corpus} has no {kind} {strangers[0]} ({len(strangers)} such {kind}s). Name the "
                "folder of the corpus that this catalog and these ratings are of."
            )
    return _rows_of(truth.user_factors, truth.user_ids, users), _rows_of(
        truth.track_factors, truth.track_ids, track_ids
    )


def _rows_of(factors: np.ndarray, ids: list[str], wanted: list[str]) -> np.ndarray:
    """The rows of some ids; zeros for one that has none."""
    rows = pd.Index(ids).get_indexer(pd.Index(wanted))
    return np.where(rows[:, None] >= 0, factors[rows], 0)
