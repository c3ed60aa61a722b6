"""What an evaluation comes to in one sentence that needs no knowledge of the field."""

from collections.abc import Iterator

import numpy as np

from soundkin.catalog.table import Catalog
from soundkin.evaluation.label_questions import Question, memberships, question
from soundkin.evaluation.protocol import Evaluation
from soundkin.shapes import Float
from soundkin.statistics.bootstrap import FEW_GROUPS
from soundkin.statistics.nearest_neighbours import similarity_chunks

K = 10
NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SHARED = {
    "artist": ("is by the same artist", "are by the same artist"),
    "album": ("is of its album", "are of its album"),
}


def headline_sentence(
    evaluation: Evaluation, catalog: Catalog, vectors: Float[np.ndarray, "tracks embedding"]
) -> str:
    """Of ten neighbours of a track, how many share its label, and how many would by chance; "" where few
    artists say.

    `catalog` and `vectors` are of the tracks that were judged.
    """
    row = evaluation.headline
    if row is None or row.protocol != "retrieval" or row.groups < FEW_GROUPS:
        return ""
    counts = np.array(list(_right_among_nearest(question(catalog, row.label), vectors)))
    if not len(counts):
        return ""
    ours, by_chance = counts.mean(axis=0)
    held_out = evaluation.provenance.get("split") in ("valid", "test") and evaluation.provenance.get(
        "model_hash"
    )
    whose = "a track by an artist it never met" if held_out else "a track"
    return (
        f"Of ten neighbours of {whose}, {_number(ours)} {_share(row.label, ours)}; chance would give "
        f"{_number(by_chance)}."
    )


def _right_among_nearest(
    asked: Question, vectors: Float[np.ndarray, "tracks embedding"]
) -> Iterator[tuple[float, float]]:
    """For each labelled track: how many of its ten nearest allowed tracks are right, and how many of any ten
    would be.

    As in `retrieval`: tracks of the query's own artist (or album) are not allowed, nor are tracks without a
    label.
    """
    labelled = np.flatnonzero([bool(names) for names in asked.values])
    labels, barred = memberships(asked.values), memberships(asked.filter_values)
    for rows, similarity in similarity_chunks(np.asarray(vectors, dtype=np.float32), labelled):
        right = (labels[rows] @ labels[labelled].T).toarray() > 0
        allowed = (barred[rows] @ barred[labelled].T).toarray() == 0
        allowed &= rows[:, None] != labelled
        for query in np.flatnonzero(
            np.isin(rows, labelled) & (allowed.sum(axis=1) >= K) & (right & allowed).any(axis=1)
        ):
            of, order = allowed[query], np.argsort(-similarity[query], kind="stable")
            yield float(right[query][order][of[order]][:K].sum()), K * float(right[query][of].mean())


def _number(count: float) -> str:
    return "fewer than one" if 0 < count < 0.5 else NUMBERS[round(count)]


def _share(label: str, count: float) -> str:
    one, many = SHARED.get(label, (f"shares its {label}", f"share its {label}"))
    return one if _number(count) in ("one", "fewer than one", "none") else many
