"""The sections of an evaluation: what each needs is read before anything is embedded, and asked after."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets_table import read_triplets
from soundkin.catalog.verdicts import read_verdicts
from soundkin.embedding.embedder import Embedder
from soundkin.embedding.known_users import USER_TASKS, known_users
from soundkin.errors import UsageError
from soundkin.evaluation.baselines import TrackEmbedder
from soundkin.evaluation.cold_start import ColdStartSplits, cold_start, read_cold_start
from soundkin.evaluation.evaluated_split import EvaluatedSplit
from soundkin.evaluation.evaluation_report import MAIN, UserFairness
from soundkin.evaluation.fairness import Fairness, fairness
from soundkin.evaluation.geometry import geometry
from soundkin.evaluation.groupings import COLUMNS, track_groups
from soundkin.evaluation.label_questions import column_values, unit_of
from soundkin.evaluation.label_scores import LabelScores
from soundkin.evaluation.neighbour_verdicts import neighbour_verdicts
from soundkin.evaluation.robustness import robustness
from soundkin.evaluation.system_vectors import SystemVectors
from soundkin.evaluation.systems import System
from soundkin.evaluation.triplet_agreement import triplet_agreement

COLD_START_NOTE = (
    "Offered: the tracks of the {split} split, to users who are known by the tracks of the train split. "
    "Training saw no play of what is offered: all that is known of it is its audio."
)
JUDGED_NEIGHBOURS = 5  # of each system, on the page where people judge


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is asked beside labels: people's files, columns to split by, and whether to distort tracks."""

    by: Sequence[str] = ()
    robustness: bool = False
    cold_start: ColdStartSplits | None = None
    triplets: pd.DataFrame | None = None
    verdicts: pd.DataFrame | None = None

    def track_ids(self) -> set[str]:
        """The tracks that are needed beside those that are judged."""
        return self.cold_start.needed_ids() if self.cold_start else set()


def read_evidence(
    systems: Sequence[System],
    chosen: EvaluatedSplit,
    ratings: Path | None,
    truth: Path | None,
    triplets: Path | None,
    verdicts: Path | None,
    by: Sequence[str],
    robustness: bool,
) -> Evidence:
    """Read and check all that the sections need, before minutes are spent on embedding."""
    if truth is not None and ratings is None:
        raise UsageError(f"truth={truth} holds users' factors, and nobody asks: give their ratings too.")
    track_groups(chosen.catalog, _columns(chosen.catalog, by))
    if robustness and not _takes_audio(systems[0]):
        raise UsageError(
            f"robustness: {systems[0].name} cannot embed distorted audio, having no model. Give a model "
            "bundle, or leave it out."
        )
    return Evidence(
        by=by,
        robustness=robustness,
        cold_start=_read_cold_start(systems[0], chosen, ratings, truth) if ratings else None,
        triplets=read_triplets(triplets, chosen.whole) if triplets else None,
        verdicts=read_verdicts(verdicts, chosen.whole) if verdicts else None,
    )


def make_sections(
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
    ours, vectors, track_ids = systems[0], judged.vectors, judged.catalog.track_ids
    artists = judged.catalog.artists.groups if unit_of(judged.catalog) == "artists" else None
    patches = None
    if ours.stored is not None and ours.stored.has_patches:
        patches = (track.vectors for _, track in ours.stored.stream_patches(track_ids))
    sections: dict[str, Any] = {
        "geometry": geometry(vectors, patches, scores.questions, random_seed=random_seed, artists=artists),
        "fairness": _fairness(evidence, judged, scores, random_seed),
    }
    if evidence.cold_start is not None:
        answers = cold_start(evidence.cold_start, everything.catalog.track_ids, everything.raw, random_seed)
        sections["cold_start"] = answers.section
        # The first measure of the cold start, by how much users were known to like.
        by_user = fairness(answers.measures[:1], answers.groups, random_seed=random_seed)
        sections["fairness_of_users"] = UserFairness.model_validate(by_user.model_dump())
    if evidence.triplets is not None:
        sections["assessors"] = triplet_agreement(
            vectors, track_ids, evidence.triplets, random_seed, artists=artists
        )
    if evidence.verdicts is not None:
        sections["by_hand"] = neighbour_verdicts(
            vectors, track_ids, evidence.verdicts, JUDGED_NEIGHBOURS, random_seed, artists=artists
        )
    if evidence.robustness:
        assert ours.bundle is not None
        sections["robustness"] = robustness(
            TrackEmbedder(ours.bundle, random_seed, name=ours.name),
            judged.catalog,
            judged.raw,
            workers=workers,
            random_seed=random_seed,
            against={of.name: Embedder(of.bundle) for of in systems[1:] if of.bundle and _takes_audio(of)},
        )
    return sections


def _read_cold_start(
    ours: System, chosen: EvaluatedSplit, ratings: Path, truth: Path | None
) -> ColdStartSplits:
    """The held-out tracks for users who are known by those of the train split."""
    judged = {chosen.places[track_id] for track_id in chosen.catalog.track_ids}
    split = "valid" if judged == {"valid"} else "test"
    places = np.array([chosen.places[track_id] for track_id in chosen.whole.track_ids], dtype=object)
    own_users = planted = None
    if ours.bundle is not None and any(kind.name in ours.bundle.tasks for kind in USER_TASKS):
        own_users = known_users(ours.bundle, ours.path)
    if truth is not None:
        from soundkin.corpus.synthesise import read_truth  # all of the corpus, which nothing else needs

        corpus = read_truth(truth)
        users = pd.DataFrame(corpus.user_factors, corpus.user_ids)
        planted = users, pd.DataFrame(corpus.track_factors, corpus.track_ids)
    splits = read_cold_start(chosen.whole, places == "train", places == split, ratings, own_users, planted)
    return replace(splits, notes=(COLD_START_NOTE.format(split=split), *splits.notes))


def _takes_audio(system: System) -> bool:
    return system.bundle is not None and system.bundle.front_end.takes_audio


def _fairness(evidence: Evidence, judged: SystemVectors, scores: LabelScores, random_seed: int) -> Fairness:
    """The main measures split, with the filter on where there is one: others would repeat what these say."""
    catalog, plays = judged.catalog, None
    if evidence.cold_start is not None:
        plays = evidence.cold_start.rating_counts.reindex(catalog.track_ids, fill_value=0).to_numpy(float)
    strictest = {
        (measure.protocol, measure.label, measure.metric): measure
        for measure in sorted(scores.measures, key=lambda measure: measure.filtered_by is not None)
        if (measure.protocol, measure.metric) in MAIN
    }
    return fairness(
        list(strictest.values()),
        track_groups(catalog, _columns(catalog, evidence.by), plays),
        judged.vectors,
        catalog.artists.groups,
        random_seed=random_seed,
        unit=unit_of(catalog),
    )


def _columns(catalog: Catalog, by: Sequence[str]) -> list[str]:
    """The usual columns that the catalog has, and those that were asked for."""
    usual = [column for column in COLUMNS if any(column_values(catalog, column))]
    return list(dict.fromkeys([*usual, *by]))
