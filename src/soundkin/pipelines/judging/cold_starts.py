"""Cold starts: held-out tracks offered by any systems, side by side, with users of their own or without.

Systems that know no users, a peer's vectors or MFCC statistics, get them folded in from what they like of the
known tracks (`evaluation.profiles`), so that all stand in one table. A model that has learnt users stands
there twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soundkin.embedding.known_users import KnownUsers
from soundkin.errors import UsageError
from soundkin.evaluation.cold_start_results import ColdStarts
from soundkin.evaluation.groupings import user_groups
from soundkin.evaluation.label_questions import Values
from soundkin.evaluation.profiles import CHOSEN_BY, MEAN, profiles
from soundkin.evaluation.recommendation import RESAMPLES, ColdStart, Factors, ask_with_controls, summarised
from soundkin.pipelines.judging.offers import ColdStartSplit, ColdStartSplits
from soundkin.shapes import Float, Int
from soundkin.statistics.measure import Measure

OWN_USERS = "{system}, its own users"

Systems = Mapping[str, Float[np.ndarray, "tracks _"]]


@dataclass(frozen=True, eq=False)
class Judged:
    """The tables, and the scores of each user behind the first one, with groups of users to split them by."""

    section: ColdStarts
    measures: list[Measure]
    users: list[str]
    groups: dict[str, Values]


def judge_offers(
    offers: ColdStartSplits,
    track_ids: list[str],
    systems: Systems,
    random_seed: int = 0,
    resamples: int = RESAMPLES,
) -> Judged:
    """Make the offers by each of `systems`, ours first, whose row i is the vector of `track_ids[i]`.

    Tracks that are not among them are neither known nor offered.

    Raises:
        UsageError: vectors hold a NaN or infinity, or nothing is left to offer, or to know users by.
    """
    whole, *later = (offering.among(track_ids) for offering in offers.offerings)
    factors, strengths = _folded_in(whole, offers.artists, track_ids, systems, random_seed)
    if offers.own_users is not None:
        factors = _by_own_users(offers.own_users, whole, track_ids, systems) | factors
    judged = _judged(whole, factors, random_seed, resamples)
    if not judged:
        raise UsageError(
            f"nobody likes any of the {len(whole.held_out_ids)} held-out tracks that every system has a vector of. "
            "Give vectors of more tracks, or evaluate without ratings."
        )
    for offering in later:
        factors, _ = _folded_in(offering, offers.artists, track_ids, systems, random_seed)
        judged += _judged(offering, factors, random_seed, resamples)
    tables = tuple(table for table, _ in judged)
    return Judged(
        section=ColdStarts(parts=tables, notes=(_profiles_note(strengths), *offers.notes, *tables[-1].notes)),
        measures=judged[0][1],
        users=whole.users,
        groups=user_groups(np.diff(whole.liked.indptr).astype(int)),
    )


def _folded_in(
    offering: ColdStartSplit,
    artists: Mapping[str, int],
    track_ids: list[str],
    systems: Systems,
    random_seed: int,
) -> tuple[dict[str, Factors], dict[str, float]]:
    """Users and held-out tracks by each system, and the strength of regularisation that suited it."""
    known, held_out = _rows(track_ids, offering.known_ids), _rows(track_ids, offering.held_out_ids)
    if not len(known) or not len(held_out):
        raise UsageError(
            f"{len(known)} tracks that users are known by have a vector by every system, and {len(held_out)} held-out "
            "ones. Give vectors of both, or evaluate without ratings."
        )
    of_artists = np.array([artists[track_id] for track_id in offering.known_ids])
    found = {}
    for name, vectors in systems.items():
        if not np.isfinite(vectors).all():
            raise UsageError(f"{name} holds a NaN or infinity. Leave out the tracks that have no vector.")
        found[name] = profiles(vectors[known], vectors[held_out], offering.liked, of_artists, random_seed)
    return {name: of.factors for name, of in found.items()}, {name: of.strength for name, of in found.items()}


def _by_own_users(
    own_users: KnownUsers, offering: ColdStartSplit, track_ids: list[str], systems: Systems
) -> dict[str, Factors]:
    """The first system by the users that it has learnt itself."""
    first, vectors = next(iter(systems.items()))
    held_out = np.asarray(vectors[_rows(track_ids, offering.held_out_ids)], np.float32)
    users = own_users.vectors[_rows(own_users.ids, offering.users)]
    return {OWN_USERS.format(system=first): (users, own_users.track_vectors(held_out))}


def _rows(ids: list[str], wanted: list[str]) -> Int[np.ndarray, " wanted"]:
    return pd.Index(ids).get_indexer(pd.Index(wanted))


def _judged(
    offering: ColdStartSplit, factors: Mapping[str, Factors], random_seed: int, resamples: int
) -> list[tuple[ColdStart, list[Measure]]]:
    """A table, and the scores of each user behind it, for every part of the offering that somebody plays."""
    found: list[tuple[ColdStart, list[Measure]]] = []
    for words, chosen in offering.parts.items():
        part = offering.of_held_out(chosen)
        if not part.new_plays.nnz:
            continue
        systems = {name: (users, tracks[chosen]) for name, (users, tracks) in factors.items()}
        measures = ask_with_controls(
            systems, part.bound, part.plays, random_seed, part.before, part.popularity
        )
        table = summarised(measures, len(part.held_out_ids), part.new_plays.nnz, random_seed, resamples)
        found.append((table.model_copy(update={"offered": words}), measures))
    return found


def _profiles_note(strengths: Mapping[str, float]) -> str:
    chosen = ", ".join(
        f"{name} {'the mean of what they like' if strength == MEAN else f'{strength:g}'}"
        for name, strength in strengths.items()
    )
    return (
        "Users are folded in over each system's vectors, standardised over the tracks that users are known by: ridge "
        f"regressions of what they like of these. Strength of regularisation, chosen by {CHOSEN_BY} on other artists "
        f"among these tracks: {chosen}."
    )
