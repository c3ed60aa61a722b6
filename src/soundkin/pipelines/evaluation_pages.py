"""The pages of an evaluation: the report, and the one on which people mark neighbours good or bad."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.evaluation.baselines import UNTRAINED
from soundkin.evaluation.evaluation_report import Evaluation
from soundkin.evaluation.system_vectors import SystemVectors
from soundkin.evaluation.systems import System
from soundkin.explore.verdict_page import Candidate, JudgedQuery, JudgePage, Opinion, render_judge_page
from soundkin.files import replacing, sha256_of_text
from soundkin.pipelines.evaluation_sections import JUDGED_NEIGHBOURS, Evidence
from soundkin.pipelines.report import Shown, listen, map_picture, query_rows, write_page
from soundkin.pipelines.track_cards import TrackCards
from soundkin.progress import progress
from soundkin.search.moments import moment_of
from soundkin.statistics.scaling import unit_length

REPORT, JUDGE, MAP = "report.html", "judge.html", "map.png"
VERDICT_COLUMNS = ("query_id", "neighbour_id", "verdict", "annotator_id", "timestamp")


def write_pages(
    folder: Path,
    evaluation: Evaluation,
    systems: Sequence[System],
    judged: SystemVectors,
    splits: Sequence[str],
    evidence: Evidence,
    queries: Sequence[str],
    query_count: int,
    random_seed: int,
) -> None:
    """Write `report.html`, `map.png` and `judge.html`; `splits` says what each track was in training."""
    ours = systems[0]
    shown = Shown(
        evaluation=evaluation,
        catalog=judged.catalog,
        vectors=judged.vectors[ours.name],
        splits=splits,
        judged=np.ones(len(judged.catalog), dtype=bool),
        patches=ours.stored.patches if ours.stored else lambda track_ids: {},
    )
    cards = shown.track_cards()
    rows = query_rows(shown, queries, random_seed, query_count)
    page = JudgePage(
        title=f"Judge by ear: {folder.resolve().name}",
        collection=str(evaluation.provenance["catalog_sha256"])[:16],
        systems=[name for name in judged.vectors if name != UNTRAINED],
        nearest=JUDGED_NEIGHBOURS,
        queries=_judged_queries(cards, systems, judged, rows, random_seed),
        verdicts=_as_text(evidence.verdicts),
        command=f"soundkin evaluate {ours.path} {evaluation.provenance['catalog']} "
        f"--verdicts verdicts.csv -o {folder}",
    )
    with replacing(folder / JUDGE, "w") as file:
        file.write(render_judge_page(page))
    write_page(
        shown,
        folder / REPORT,
        title=f"soundkin evaluation: {folder.resolve().name}",
        listened=listen(shown, cards, queries, random_seed),
        pictures=map_picture(shown, folder / MAP, random_seed) if len(judged.catalog) > 2 else [],
        chosen=bool(queries),
        judge_page=JUDGE,
    )


def _judged_queries(
    cards: TrackCards, systems: Sequence[System], judged: SystemVectors, rows: Sequence[int], random_seed: int
) -> list[JudgedQuery]:
    """Each query with the nearest tracks of all systems but the untrained one, mixed."""
    cosines = {
        name: unit_length(vectors)[list(rows)] @ unit_length(vectors).T
        for name, vectors in judged.vectors.items()
        if name != UNTRAINED
    }
    ranks = [
        _ranks({name: of_all[place] for name, of_all in cosines.items()}, row)
        for place, row in enumerate(rows)
    ]
    track_ids = judged.catalog.track_ids
    wanted = [track_ids[row] for row in {*rows, *(row for neighbours in ranks for row in neighbours)}]
    patches = {system.name: system.stored.patches(wanted) for system in systems if system.stored is not None}
    queries = []
    for place, query in enumerate(progress(rows, "judge page", unit="query")):
        candidates = [
            Candidate(
                track_id=track_ids[row],
                card=cards.card(row, query),
                opinions=[
                    Opinion(
                        system=name,
                        rank=ranks[place][row].get(name),
                        similarity=float(of_all[place][row]),
                        moment=moment_of(patches.get(name, {}), track_ids[query], track_ids[row]),
                    )
                    for name, of_all in cosines.items()
                ],
            )
            for row in ranks[place]
        ]
        candidates.sort(
            key=lambda mixed: sha256_of_text(f"{random_seed}\n{track_ids[query]}\n{mixed.track_id}")
        )
        queries.append(JudgedQuery(track_ids[query], cards.card(query), candidates))
    return queries


def _ranks(cosines: Mapping[str, np.ndarray], query: int) -> dict[int, dict[str, int]]:
    """Rows that some system counts among the query's nearest, and the rank that each such system gives."""
    ranks: dict[int, dict[str, int]] = {}
    for name, similarity in cosines.items():
        order = [row for row in np.argsort(-similarity, kind="stable").tolist() if row != query]
        for rank, row in enumerate(order[:JUDGED_NEIGHBOURS], start=1):
            ranks.setdefault(row, {})[name] = rank
    return ranks


def _as_text(verdicts: pd.DataFrame | None) -> list[dict[str, str]]:
    """Earlier verdicts, as the page keeps them: whole numbers, such as timestamps, without a point."""
    if verdicts is None:
        return []
    frame = verdicts.reindex(columns=list(VERDICT_COLUMNS)).convert_dtypes().astype(object).fillna("")
    return [{str(name): str(value) for name, value in row.items()} for row in frame.to_dict("records")]
