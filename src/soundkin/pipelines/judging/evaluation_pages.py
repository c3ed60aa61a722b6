"""The pages of an evaluation: the report, and the one on which neighbours are judged by hand."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.evaluation.protocol import Evaluation
from soundkin.evaluation.systems import UNTRAINED
from soundkin.explore.verdict_page import Candidate, JudgedQuery, JudgePage, Opinion, render_judge_page
from soundkin.files import replacing
from soundkin.pipelines.judging.compared_systems import PatchVectors, System
from soundkin.pipelines.judging.sections import JUDGED_NEIGHBOURS, Evidence
from soundkin.pipelines.judging.side_by_side import SideBySide
from soundkin.pipelines.judging.track_cards import TrackCards, most_alike
from soundkin.pipelines.report import Shown, listen, map_picture, query_rows, write_page
from soundkin.progress import progress
from soundkin.statistics.scaling import unit_length

REPORT, JUDGE, MAP = "report.html", "judge.html", "map.png"
JUDGEMENT_COLUMNS = ("query_id", "neighbour_id", "verdict", "annotator_id", "timestamp")

Patches = Mapping[str, Mapping[str, PatchVectors]]  # by system and track


def write_pages(
    folder: Path,
    evaluation: Evaluation,
    systems: Sequence[System],
    found: SideBySide,
    splits: Sequence[str],
    evidence: Evidence,
    queries: Sequence[str],
    query_count: int,
    random_seed: int,
) -> None:
    """Write `report.html`, `map.png` and `judge.html` into `folder`; `splits` says where our model met each
    track.

    Raises:
        UsageError: a query is not among the tracks that were judged.
        OutputError: the folder cannot be written.
    """
    ours = systems[0]
    shown = Shown(
        evaluation=evaluation,
        catalog=found.catalog,
        vectors=found.vectors[ours.name],
        splits=splits,
        judged=np.ones(len(found.catalog), dtype=bool),
        patches=ours.stored.patches if ours.stored else lambda track_ids: {},
    )
    listings = shown.track_cards()
    rows = query_rows(shown, queries, random_seed, query_count)
    judged = _judged_queries(shown, listings, systems, found, rows, random_seed)
    page = JudgePage(
        title=f"Judge by ear: {folder.resolve().name}",
        collection=str(evaluation.provenance["catalog_sha256"])[:16],
        systems=[name for name in found.vectors if name != UNTRAINED],
        nearest=JUDGED_NEIGHBOURS,
        queries=judged,
        judgements=_as_text(evidence.judgements),
        command=f"soundkin evaluate {ours.path} {evaluation.provenance['catalog']} "
        f"--judgements judgements.csv -o {folder}",
    )
    with replacing(folder / JUDGE, "w") as file:
        file.write(render_judge_page(page))
    write_page(
        shown,
        folder / REPORT,
        title=f"soundkin evaluation: {folder.resolve().name}",
        listened=listen(shown, listings, queries, random_seed),
        pictures=[map_picture(shown, folder / MAP, random_seed)] if len(found.catalog) > 2 else [],
        chosen=bool(queries),
        judge_page=JUDGE,
    )


def _judged_queries(
    shown: Shown,
    listings: TrackCards,
    systems: Sequence[System],
    found: SideBySide,
    rows: Sequence[int],
    random_seed: int,
) -> list[JudgedQuery]:
    """Each query with the nearest tracks of all systems but the untrained one, mixed."""
    cosines = {
        name: unit_length(vectors)[list(rows)] @ unit_length(vectors).T
        for name, vectors in found.vectors.items()
        if name != UNTRAINED
    }
    offers = [
        _offers({name: of[place] for name, of in cosines.items()}, row) for place, row in enumerate(rows)
    ]
    track_ids = found.catalog.track_ids
    wanted = [track_ids[row] for row in {*rows, *(other for of_query in offers for other in of_query)}]
    patches = {system.name: system.stored.patches(wanted) for system in systems if system.stored is not None}
    judged = []
    for place, row in enumerate(progress(rows, "judge page", unit="query")):
        mixed = sorted(
            offers[place], key=lambda other: _hash(f"{random_seed}\n{track_ids[row]}\n{track_ids[other]}")
        )
        candidates = [
            Candidate(
                track_id=track_ids[other],
                card=listings.of(other, row),
                opinions=[
                    Opinion(
                        system=name,
                        rank=offers[place][other].get(name),
                        similarity=float(of[place][other]),
                        moment=most_alike(patches.get(name, {}), track_ids[row], track_ids[other]),
                    )
                    for name, of in cosines.items()
                ],
            )
            for other in mixed
        ]
        judged.append(JudgedQuery(track_ids[row], listings.of(row), candidates))
    return judged


def _offers(cosines: Mapping[str, np.ndarray], query: int) -> dict[int, dict[str, int]]:
    """The rows that some system counts among the query's nearest, and the rank that each such system gives."""
    found: dict[int, dict[str, int]] = {}
    for name, of in cosines.items():
        order = [row for row in np.argsort(-of, kind="stable").tolist() if row != query]
        for rank, row in enumerate(order[:JUDGED_NEIGHBOURS], start=1):
            found.setdefault(row, {})[name] = rank
    return found


def _as_text(judgements: pd.DataFrame | None) -> list[dict[str, str]]:
    """Judgements that were given before, as the page keeps them."""
    if judgements is None:
        return []
    frame = judgements.reindex(columns=list(JUDGEMENT_COLUMNS))
    rows = frame.astype(object).where(frame.notna(), "").to_dict("records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: object) -> str:
    """Whole numbers without a point, as timestamps are written."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
