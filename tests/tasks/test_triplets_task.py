"""Losses over answers against loops over their formulas; disagreement, and tracks with several rows."""

import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from soundkin.catalog.annotators import find_consensus
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets_table import COLUMNS
from soundkin.errors import CatalogError
from soundkin.tasks.triplets import TripletsConfig, TripletsTask

IDS = list("abcdef")
CATALOG = Catalog(pd.DataFrame({"track_id": IDS, "path": IDS}), Path())
JUDGED = {"abc": 0.75, "acb": 0.25, "bad": 1.0, "eda": 1.0}
FILE = "anchor_id,closer_id,farther_id\n" + "".join(
    f"{a},{b},{c}\n" for a, b, c in ["abc", "abc", "abc", "acb", "bad", "eda"]
)


def learnt(folder: Path, rows: str = FILE, **settings: object) -> TripletsTask:
    (folder / "triplets.csv").write_text(rows)
    config = TripletsConfig(**settings)  # type: ignore[arg-type]
    return TripletsTask.from_sources(config, Sources(CATALOG, triplets=folder / "triplets.csv"), 4)


def expected_loss(vectors: Tensor, tracks: str, form: str) -> float:
    directions: dict[str, np.ndarray] = {}
    for track in set(tracks):
        own = [
            vectors[place].numpy().astype(np.float64) for place, name in enumerate(tracks) if name == track
        ]
        mean = np.mean([vector / np.linalg.norm(vector) for vector in own], axis=0)
        directions[track] = mean / np.linalg.norm(mean)
    total = weights = 0.0
    for (anchor, closer, farther), weight in ((tuple(three), weight) for three, weight in JUDGED.items()):
        if not {anchor, closer, farther} <= set(tracks):
            continue
        near = float(directions[anchor] @ directions[closer])
        far = float(directions[anchor] @ directions[farther])
        apart = float(directions[closer] @ directions[farther])
        if form == "margin":
            loss = max(0.0, 0.2 - near + far)
        else:
            rivals = [near, far] if form == "softmax" else [near, far, apart]
            loss = -math.log(math.exp(near / 0.3) / sum(math.exp(rival / 0.3) for rival in rivals))
        total += weight * loss
        weights += weight
    return total / weights


@pytest.mark.parametrize("form", ["softmax", "odd_one_out", "margin"])
@pytest.mark.parametrize("tracks", ["abcdef", "aabbccdd", "abc", "ddaeefff"])
def test_loss_is_the_formula(form: str, tracks: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = learnt(tmp_path, form=form, temperature=0.3, margin=0.2)
    vectors = torch.randn(len(tracks), 4)
    targets = task.targets(CATALOG)[[IDS.index(track) for track in tracks]]
    expected = torch.tensor(expected_loss(vectors, tracks, form))
    torch.testing.assert_close(task.loss(vectors, targets), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@given(order=st.permutations(range(12)))
def test_the_order_of_a_batch_does_not_matter(order: list[int]) -> None:
    torch.manual_seed(0)
    task = TripletsTask(TripletsConfig(), 4, IDS, [[0, 1, 2], [3, 4, 0]], [1.0, 0.5])
    vectors, targets = torch.randn(12, 4), task.targets(CATALOG).repeat_interleave(2)
    torch.testing.assert_close(task.loss(vectors[order], targets[order]), task.loss(vectors, targets))


def test_a_step_brings_the_closer_track_nearer(tmp_path: Path) -> None:
    task = learnt(tmp_path, rows="anchor_id,closer_id,farther_id\na,b,c\n")
    vectors = torch.eye(4)[:3].requires_grad_()
    task.loss(vectors, torch.tensor([0, 1, 2])).backward()
    assert vectors.grad is not None
    assert vectors.grad[0, 1] < 0 < vectors.grad[0, 2]


def test_answers_count_by_their_share_of_a_question(tmp_path: Path) -> None:
    task = learnt(tmp_path)
    weights = {
        "".join(IDS[row] for row in rows): weight
        for rows, weight in zip(task.answers, task.agreement, strict=True)
    }
    assert {three: float(weight) for three, weight in weights.items()} == JUDGED


def test_only_judgements_whose_tracks_all_meet_count(tmp_path: Path) -> None:
    task = learnt(tmp_path)
    vectors = torch.randn(3, 4, requires_grad=True)
    loss = task.loss(vectors, torch.tensor([0, 2, 4]))
    loss.backward()
    assert float(loss.detach()) == 0.0 and vectors.grad is not None and not vectors.grad.any()
    assert task.metrics(vectors.detach(), torch.tensor([0, 2, 4])) == {}


def test_agreement_on_a_hand_made_case(tmp_path: Path) -> None:
    task = learnt(tmp_path)
    vectors = torch.tensor(
        [[1.0, 0, 0, 0], [1.0, 0.1, 0, 0], [1.0, 0.9, 0, 0], [0.9, 0.1, 0.1, 0], [0, 0, 0, 1.0]]
    )
    # abc holds with 0.75 of the say, acb does not; bad holds.
    figure = task.metrics(vectors[:4], torch.tensor([0, 1, 2, 3]))["agreement"]
    a, b, d = (vectors[row] / vectors[row].norm() for row in (0, 1, 3))
    assert bool(b @ a > b @ d) and abs(figure - 1.75 / 2) < 1e-6


def test_targets_and_groups_are_training_rows(tmp_path: Path) -> None:
    task = learnt(tmp_path)
    assert task.targets(CATALOG).tolist() == [0, 1, 2, 3, 4, -1]
    assert task.targets(CATALOG.select(["f", "c", "a"])).tolist() == [-1, 2, 0]
    assert task.co_batched_groups().tolist() == [[0, 1, 2], [0, 1, 3], [0, 3, 4]]


def test_judgements_that_cancel_out_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"contradicted as often.*task\.triplets=null"):
        learnt(tmp_path, rows="anchor_id,closer_id,farther_id\na,b,c\na,c,b\n")
    with pytest.raises(CatalogError, match=r"no file of them was named.*task\.triplets=null"):
        TripletsTask.from_sources(TripletsConfig(), Sources(CATALOG), 4)


NAMED = "anchor_id,closer_id,farther_id,annotator_id\n"


def weights_of(task: TripletsTask) -> dict[str, float]:
    named = ("".join(IDS[row] for row in rows) for rows in task.answers)
    return dict(zip(named, task.agreement.tolist(), strict=True))


def test_weighed_answers_count_by_how_much_likelier_their_annotators_make_them(tmp_path: Path) -> None:
    rows = "a,b,c,anna\na,b,c,ben\na,c,b,cleo\nb,a,d,anna\nb,d,a,cleo\ne,d,a,\n"
    weights = weights_of(learnt(tmp_path, rows=NAMED + rows))
    consensus = find_consensus(pd.read_csv(tmp_path / "triplets.csv"))
    anna, ben, cleo = np.log(consensus.reliability / (1 - consensus.reliability))
    expected = {"abc": anna + ben - cleo, "bad": anna - cleo, "eda": math.log(3)}
    assert weights == pytest.approx(
        {three: math.tanh(odds / 2) for three, odds in expected.items()}, abs=1e-6
    )


def test_annotators_alike_count_by_their_share_whoever_they_are(tmp_path: Path) -> None:
    rows = "a,b,c,anna\na,b,c,ben\na,b,c,anna\na,c,b,cleo\n"
    assert weights_of(learnt(tmp_path, rows=NAMED + rows, annotators="alike")) == {"abc": 0.75, "acb": 0.25}


def test_where_nobody_is_named_weighing_changes_nothing(tmp_path: Path) -> None:
    unnamed = NAMED + "a,b,c,\na,b,c,\na,c,b,\nb,a,d,\n"
    assert weights_of(learnt(tmp_path, rows=unnamed)) == weights_of(
        learnt(tmp_path, rows=unnamed, annotators="alike")
    )


def test_one_annotator_whom_nobody_contradicts_is_enough_to_learn_from(tmp_path: Path) -> None:
    weights = weights_of(learnt(tmp_path, rows=NAMED + "a,b,c,anna\nb,a,d,anna\n"))
    assert weights == pytest.approx({"abc": 0.5, "bad": 0.5}, abs=1e-6)


def test_judgements_of_who_is_always_contradicted_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"annotators=alike.*task\.triplets=null"):
        learnt(tmp_path, rows=NAMED + "a,b,c,anna\na,c,b,ben\n")


def planted_judgements(
    rng: np.random.Generator, directions: np.ndarray, ids: list[str], count: int
) -> pd.DataFrame:
    """Each question answered by five of fifteen annotators, right with 0.95, 0.85, 0.7, 0.5 or 0.2."""
    rows = []
    for _ in range(count):
        anchor, closer, farther = rng.choice(len(ids), 3, replace=False)
        if directions[anchor] @ (directions[closer] - directions[farther]) < 0:
            closer, farther = farther, closer
        for annotator in rng.choice(15, 5, replace=False):
            right = rng.random() < (0.95, 0.85, 0.7, 0.5, 0.2)[annotator % 5]
            answer = (closer, farther) if right else (farther, closer)
            rows.append((ids[anchor], ids[answer[0]], ids[answer[1]], f"annotator-{annotator}"))
    return pd.DataFrame(rows, columns=[*COLUMNS, "annotator_id"])


def learnt_truth(task: TripletsTask, catalog: Catalog, directions: np.ndarray) -> float:
    """Share of all questions about the tracks that free vectors, trained by `task`, answer rightly."""
    torch.manual_seed(0)
    vectors, targets = torch.nn.Parameter(torch.randn(len(catalog), 6)), task.targets(catalog)
    optimiser = torch.optim.Adam([vectors], lr=0.03)
    for _ in range(150):
        optimiser.zero_grad()
        task.loss(vectors, targets).backward()
        optimiser.step()
    trained = torch.nn.functional.normalize(vectors.detach(), dim=1).double().numpy()
    cosines, truth = trained @ trained.T, directions @ directions.T
    agree = np.sign(cosines[:, :, None] - cosines[:, None]) == np.sign(truth[:, :, None] - truth[:, None])
    distinct = ~np.eye(len(catalog), dtype=bool)
    return float(agree[distinct[:, :, None] & distinct[:, None] & distinct[None]].mean())


@pytest.mark.slow
def test_weighing_annotators_brings_vectors_nearer_to_the_truth(tmp_path: Path) -> None:
    rng, ids = np.random.default_rng(0), [f"t{number:02d}" for number in range(40)]
    directions = rng.normal(size=(40, 4))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    planted_judgements(rng, directions, ids, 600).to_csv(tmp_path / "triplets.csv", index=False)
    catalog = Catalog(pd.DataFrame({"track_id": ids, "path": ids}), Path())
    sources = Sources(catalog, triplets=tmp_path / "triplets.csv")
    weights = {
        way: learnt_truth(
            TripletsTask.from_sources(TripletsConfig(annotators=way), sources, 6), catalog, directions
        )
        for way in ("weigh", "alike")
    }
    assert weights["weigh"] > weights["alike"] + 0.08


def test_ten_thousand_judgements_cost_a_fraction_of_a_step() -> None:
    generator = np.random.default_rng(0)
    tracks = 2_000
    judged = np.stack([generator.permutation(tracks)[:3] for _ in range(10_000)])
    task = TripletsTask(
        TripletsConfig(), 128, [str(row) for row in range(tracks)], judged, np.ones(len(judged))
    )
    targets = torch.from_numpy(judged[:30].reshape(-1))
    vectors = torch.randn(len(targets), 128, requires_grad=True)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        task.loss(vectors, targets).backward()
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.015
