"""The sections of an evaluation: what each needs is read before anything is heard, and asked of all systems
after.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets_table import read_triplets
from soundkin.catalog.verdicts import read_verdicts
from soundkin.embedding.embedder import Embedder
from soundkin.embedding.known_users import USER_TASKS, KnownUsers, known_users
from soundkin.errors import UsageError
from soundkin.evaluation.asking import Answers
from soundkin.evaluation.fairness import Fairness, fairness
from soundkin.evaluation.geometry import Geometry, geometry
from soundkin.evaluation.groupings import COLUMNS, groups_of
from soundkin.evaluation.label_questions import column_values, unit_of
from soundkin.evaluation.neighbour_verdicts import NeighbourVerdicts, judge_by_hand
from soundkin.evaluation.protocol import MAIN
from soundkin.evaluation.robustness import Robustness
from soundkin.evaluation.sections import UserFairness
from soundkin.evaluation.systems import TrackEmbedder
from soundkin.evaluation.triplet_agreement import TripletAgreement, judge_triplets
from soundkin.pipelines.judging.cold_starts import Judged, judge_offers
from soundkin.pipelines.judging.compared_systems import System
from soundkin.pipelines.judging.offers import ColdStartSplits, make_cold_start_splits
from soundkin.pipelines.judging.robustness import robustness_of
from soundkin.pipelines.judging.side_by_side import SideBySide
from soundkin.shapes import Int

OFFERED_NOTE = (
    "Offered: the tracks of the {split} split, to users who are known by the tracks of the train split. Training saw "
    "no play of what is offered: all that is known of it is how it sounds."
)
JUDGED_NEIGHBOURS = 5  # of each system, offered on the page where people judge


@dataclass(frozen=True)
class SectionsAsked:
    """What beside labels is to be asked: files of people's plays and answers, columns to split by,
    distortions.
    """

    ratings: Path | None = None
    truth: Path | None = None
    triplets: Path | None = None
    judgements: Path | None = None
    by: tuple[str, ...] = ()
    robustness: bool = False

    def files(self) -> dict[str, Path]:
        """The files that were given, by what they hold."""
        named = {"ratings": self.ratings, "triplets": self.triplets, "judgements": self.judgements}
        return {name: Path(path) for name, path in named.items() if path is not None}


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the files say; None where none was given."""

    offers: ColdStartSplits | None = None
    plays: pd.Series | None = None  # how many ratings each track has, by track_id
    triplets: pd.DataFrame | None = None
    judgements: pd.DataFrame | None = None

    def track_ids(self) -> set[str]:
        """The tracks that are needed beside those that are judged."""
        offerings = self.offers.offerings if self.offers else ()
        return {
            track_id for offering in offerings for track_id in (*offering.known_ids, *offering.held_out_ids)
        }


def read_evidence(
    asked: SectionsAsked,
    systems: Sequence[System],
    whole: Catalog,
    judged: Catalog,
    places: Mapping[str, str],
) -> Evidence:
    """Read and check all that the sections need, before minutes are spent on hearing; `places` are tracks'
    splits.

    Raises:
        UsageError: there is a truth without ratings, nobody can be offered anything, or no model hears
            distorted audio.
        CatalogError: a file cannot be used, or a column to split by is missing.
    """
    if asked.truth is not None and asked.ratings is None:
        raise UsageError(
            f"truth={asked.truth} says what could be known of users, and nobody asks: give their ratings too."
        )
    groups_of(judged, _columns(judged, asked.by))
    if asked.robustness and _hearing(systems) is None:
        raise UsageError(
            f"robustness: {systems[0].name} cannot hear distorted audio, having no model. Give a model bundle, "
            "or leave it out."
        )
    return Evidence(
        offers=_offers(asked, systems[0], whole, judged, places),
        plays=read_ratings(asked.ratings, whole)["track_id"].value_counts() if asked.ratings else None,
        triplets=read_triplets(asked.triplets, whole) if asked.triplets else None,
        judgements=read_verdicts(asked.judgements, whole) if asked.judgements else None,
    )


def sections_of(
    asked: SectionsAsked,
    evidence: Evidence,
    systems: Sequence[System],
    found: SideBySide,
    answers: Answers,
    everything: SideBySide,
    workers: int,
    random_seed: int,
) -> dict[str, Any]:
    """The sections that can be made, by their field in `Evaluation`.

    `found` are the tracks that are judged, `everything` those and the ones that users are known by.
    """
    offered = _judge_offers(evidence, everything, random_seed)
    return {
        "cold_start": offered.section if offered else None,
        "assessors": _assessors(evidence, found, random_seed),
        "by_hand": _by_hand(evidence, found, random_seed),
        "geometry": _geometry(systems[0], found, answers, random_seed),
        "robustness": _robustness(systems, found, workers, random_seed) if asked.robustness else None,
        "fairness": _fairness(asked.by, evidence, found, answers, random_seed),
        "fairness_of_users": _fairness_of_users(offered, random_seed) if offered else None,
    }


def _offers(
    asked: SectionsAsked, ours: System, whole: Catalog, judged: Catalog, places: Mapping[str, str]
) -> ColdStartSplits | None:
    """The held-out tracks for users who are known by those of the train split."""
    if asked.ratings is None:
        return None
    split = "valid" if {places[track_id] for track_id in judged.track_ids} == {"valid"} else "test"
    of_tracks = np.array([places[track_id] for track_id in whole.track_ids], dtype=object)
    found = make_cold_start_splits(
        whole, of_tracks == "train", of_tracks == split, asked.ratings, _own_users(ours), corpus=asked.truth
    )
    return replace(found, notes=(OFFERED_NOTE.format(split=split), *found.notes))


def _own_users(ours: System) -> KnownUsers | None:
    """The users that our model has learnt, if it learnt any."""
    if ours.bundle is None or not any(kind.name in ours.bundle.tasks for kind in USER_TASKS):
        return None
    return known_users(ours.bundle, ours.path)


def _judge_offers(evidence: Evidence, everything: SideBySide, random_seed: int) -> Judged | None:
    if evidence.offers is None:
        return None
    return judge_offers(evidence.offers, everything.catalog.track_ids, everything.raw, random_seed)


def _fairness_of_users(offered: Judged, random_seed: int) -> UserFairness:
    """The first measure of the cold start by how much users were known to like."""
    found = fairness(offered.measures[:1], offered.groups, random_seed=random_seed)
    return UserFairness.model_validate(found.model_dump())


def _assessors(evidence: Evidence, found: SideBySide, random_seed: int) -> TripletAgreement | None:
    if evidence.triplets is None:
        return None
    return judge_triplets(
        found.vectors, found.catalog.track_ids, evidence.triplets, random_seed, artists=_known_artists(found)
    )


def _by_hand(evidence: Evidence, found: SideBySide, random_seed: int) -> NeighbourVerdicts | None:
    if evidence.judgements is None:
        return None
    track_ids = found.catalog.track_ids
    artists = _known_artists(found)
    return judge_by_hand(
        found.vectors, track_ids, evidence.judgements, JUDGED_NEIGHBOURS, random_seed, artists=artists
    )


def _known_artists(found: SideBySide) -> Int[np.ndarray, " tracks"] | None:
    """A number for each track's artist; None where the catalog names none."""
    return found.catalog.artists.groups if unit_of(found.catalog) == "artists" else None


def _geometry(ours: System, found: SideBySide, answers: Answers, random_seed: int) -> Geometry:
    patches = None
    if ours.stored is not None and ours.stored.has_patches:
        streamed = ours.stored.stream_patches(found.catalog.track_ids)
        patches = (of_track.vectors for _, of_track in streamed)
    artists = _known_artists(found)
    return geometry(found.vectors, patches, answers.questions, random_seed=random_seed, artists=artists)


def _hearing(systems: Sequence[System]) -> System | None:
    """The first system, where its model can hear distorted audio."""
    bundle = systems[0].bundle
    return systems[0] if bundle is not None and bundle.front_end.takes_audio else None


def _robustness(systems: Sequence[System], found: SideBySide, workers: int, random_seed: int) -> Robustness:
    ours, *others = systems
    assert ours.bundle is not None, "read_evidence was to be called first"
    listener = TrackEmbedder(ours.bundle, random_seed, name=ours.name)
    against = {of.name: Embedder(of.bundle) for of in others if of.bundle and of.bundle.front_end.takes_audio}
    return robustness_of(
        listener, found.catalog, found.raw, workers=workers, random_seed=random_seed, against=against
    )


def _fairness(
    by: Sequence[str], evidence: Evidence, found: SideBySide, answers: Answers, random_seed: int
) -> Fairness:
    """The main measures split, with the filter on where there is one: all others would only repeat what these
    say.
    """
    catalog = found.catalog
    plays = None
    if evidence.plays is not None:
        plays = evidence.plays.reindex(catalog.track_ids, fill_value=0).to_numpy(float)
    strictest = {
        (measure.protocol, measure.label, measure.metric): measure
        for measure in sorted(answers.measures, key=lambda measure: measure.filtered_by is not None)
        if (measure.protocol, measure.metric) in MAIN
    }
    measures = list(strictest.values())
    groupings = groups_of(catalog, _columns(catalog, by), plays)
    return fairness(
        measures,
        groupings,
        found.vectors,
        catalog.artists.groups,
        random_seed=random_seed,
        unit=unit_of(catalog),
    )


def _columns(catalog: Catalog, by: Sequence[str]) -> list[str]:
    """The usual columns that the catalog has, and those that were asked for."""
    usual = [column for column in COLUMNS if any(column_values(catalog, column))]
    return list(dict.fromkeys([*usual, *by]))
