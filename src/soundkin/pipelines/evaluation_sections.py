"""The sections of an evaluation: what each needs is read before anything is embedded, and all systems are
asked after.
"""

from collections.abc import Sequence
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
from soundkin.embedding.known_users import USER_TASKS, known_users
from soundkin.errors import UsageError
from soundkin.evaluation.baselines import TrackEmbedder
from soundkin.evaluation.evaluated_split import EvaluatedSplit
from soundkin.evaluation.evaluation_report import MAIN, UserFairness
from soundkin.evaluation.fairness import Fairness, fairness
from soundkin.evaluation.geometry import Geometry, geometry
from soundkin.evaluation.groupings import COLUMNS, groups_of
from soundkin.evaluation.label_questions import column_values, unit_of
from soundkin.evaluation.label_scores import LabelScores
from soundkin.evaluation.neighbour_verdicts import judge_by_hand
from soundkin.evaluation.robustness import Robustness
from soundkin.evaluation.systems import System, SystemVectors
from soundkin.evaluation.triplet_agreement import judge_triplets
from soundkin.features.front_ends import takes_audio
from soundkin.pipelines.judging.cold_starts import judge_offers
from soundkin.pipelines.judging.offers import ColdStartSplits, make_cold_start_splits
from soundkin.pipelines.judging.robustness import robustness_of

COLD_START_NOTE = (
    "Recommended: the tracks of the {split} split, to users who are known by the tracks of the train split. Training "
    "saw no play of what is recommended: all that is known of it is its audio."
)
JUDGED_NEIGHBOURS = 5  # of each system, on the page where people judge


@dataclass(frozen=True)
class SectionsAsked:
    """What is asked beside labels: files of people's plays and answers, columns to split by, distortions."""

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

    cold_start: ColdStartSplits | None = None
    plays: pd.Series | None = None  # how many ratings each track has, by track_id
    triplets: pd.DataFrame | None = None
    verdicts: pd.DataFrame | None = None

    def track_ids(self) -> set[str]:
        """The tracks that are needed beside those that are judged."""
        splits = self.cold_start.offerings if self.cold_start else ()
        return {track_id for split in splits for track_id in (*split.known_ids, *split.held_out_ids)}


def read_evidence(asked: SectionsAsked, systems: Sequence[System], chosen: EvaluatedSplit) -> Evidence:
    """Read and check all that the sections need, before minutes are spent on embedding.

    Raises:
        UsageError: there is a truth without ratings, no user has a held-out track, or no model takes distorted audio.
        CatalogError: a file cannot be used, or a column to split by is missing.
    """
    if asked.truth is not None and asked.ratings is None:
        raise UsageError(
            f"truth={asked.truth} holds users' factors, and nobody asks: give their ratings too."
        )
    groups_of(chosen.catalog, _columns(chosen.catalog, asked.by))
    if asked.robustness and not _takes_audio(systems[0]):
        raise UsageError(
            f"robustness: {systems[0].name} cannot embed distorted audio, having no model. Give a model bundle, "
            "or leave it out."
        )
    whole = chosen.whole
    return Evidence(
        cold_start=_cold_start_splits(asked, systems[0], chosen) if asked.ratings else None,
        plays=read_ratings(asked.ratings, whole)["track_id"].value_counts() if asked.ratings else None,
        triplets=read_triplets(asked.triplets, whole) if asked.triplets else None,
        verdicts=read_verdicts(asked.judgements, whole) if asked.judgements else None,
    )


def make_sections(
    asked: SectionsAsked,
    evidence: Evidence,
    systems: Sequence[System],
    judged: SystemVectors,
    scores: LabelScores,
    everything: SystemVectors,
    workers: int,
    random_seed: int,
) -> dict[str, Any]:
    """The sections that can be made, by their field in `Evaluation`.

    `judged` are the tracks that are judged, `everything` those and the ones that users are known by.
    """
    vectors, track_ids = judged.vectors, judged.catalog.track_ids
    artists = judged.catalog.artists.groups if unit_of(judged.catalog) == "artists" else None
    sections: dict[str, Any] = {"geometry": _geometry(systems[0], judged, scores, artists, random_seed)}
    sections["fairness"] = _fairness(asked.by, evidence, judged, scores, random_seed)
    if evidence.cold_start is not None:
        cold = judge_offers(evidence.cold_start, everything.catalog.track_ids, everything.raw, random_seed)
        sections["cold_start"] = cold.section
        # The first measure of the cold start, by how much users were known to like.
        by_user = fairness(cold.measures[:1], cold.groups, random_seed=random_seed)
        sections["fairness_of_users"] = UserFairness.model_validate(by_user.model_dump())
    if evidence.triplets is not None:
        sections["assessors"] = judge_triplets(
            vectors, track_ids, evidence.triplets, random_seed, artists=artists
        )
    if evidence.verdicts is not None:
        sections["by_hand"] = judge_by_hand(
            vectors, track_ids, evidence.verdicts, JUDGED_NEIGHBOURS, random_seed, artists=artists
        )
    if asked.robustness:
        sections["robustness"] = _robustness(systems, judged, workers, random_seed)
    return sections


def _cold_start_splits(asked: SectionsAsked, ours: System, chosen: EvaluatedSplit) -> ColdStartSplits:
    """The held-out tracks for users who are known by those of the train split."""
    assert asked.ratings is not None
    judged = {chosen.places[track_id] for track_id in chosen.catalog.track_ids}
    split = "valid" if judged == {"valid"} else "test"
    places = np.array([chosen.places[track_id] for track_id in chosen.whole.track_ids], dtype=object)
    own_users = None
    if ours.bundle is not None and any(kind.name in ours.bundle.tasks for kind in USER_TASKS):
        own_users = known_users(ours.bundle, ours.path)
    splits = make_cold_start_splits(
        chosen.whole, places == "train", places == split, asked.ratings, own_users, corpus=asked.truth
    )
    return replace(splits, notes=(COLD_START_NOTE.format(split=split), *splits.notes))


def _geometry(
    ours: System, judged: SystemVectors, scores: LabelScores, artists: np.ndarray | None, random_seed: int
) -> Geometry:
    patches = None
    if ours.stored is not None and ours.stored.has_patches:
        streamed = ours.stored.stream_patches(judged.catalog.track_ids)
        patches = (track.vectors for _, track in streamed)
    return geometry(judged.vectors, patches, scores.questions, random_seed=random_seed, artists=artists)


def _takes_audio(system: System) -> bool:
    return system.bundle is not None and takes_audio(system.bundle.front_end)


def _robustness(
    systems: Sequence[System], judged: SystemVectors, workers: int, random_seed: int
) -> Robustness:
    ours, *others = systems
    assert ours.bundle is not None
    embedder = TrackEmbedder(ours.bundle, random_seed, name=ours.name)
    against = {
        system.name: Embedder(system.bundle) for system in others if system.bundle and _takes_audio(system)
    }
    return robustness_of(
        embedder, judged.catalog, judged.raw, workers=workers, random_seed=random_seed, against=against
    )


def _fairness(
    by: Sequence[str], evidence: Evidence, judged: SystemVectors, scores: LabelScores, random_seed: int
) -> Fairness:
    """The main measures split, with the filter on where there is one: all others would only repeat what these
    say.
    """
    catalog, plays = judged.catalog, None
    if evidence.plays is not None:
        plays = evidence.plays.reindex(catalog.track_ids, fill_value=0).to_numpy(float)
    strictest = {
        (measure.protocol, measure.label, measure.metric): measure
        for measure in sorted(scores.measures, key=lambda measure: measure.filtered_by is not None)
        if (measure.protocol, measure.metric) in MAIN
    }
    return fairness(
        list(strictest.values()),
        groups_of(catalog, _columns(catalog, by), plays),
        judged.vectors,
        catalog.artists.groups,
        random_seed=random_seed,
        unit=unit_of(catalog),
    )


def _columns(catalog: Catalog, by: Sequence[str]) -> list[str]:
    """The usual columns that the catalog has, and those that were asked for."""
    usual = [column for column in COLUMNS if any(column_values(catalog, column))]
    return list(dict.fromkeys([*usual, *by]))
