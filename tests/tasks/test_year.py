"""Soft labels over periods against their formula, and figures on hand-made cases."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.errors import CatalogError
from soundkin.tasks.year import YearConfig, YearTask


def catalog(years: list[float | None]) -> Catalog:
    ids = [f"t{number}" for number in range(len(years))]
    return Catalog(pd.DataFrame({"track_id": ids, "path": ids, "year": years}), Path())


def learnt(years: list[float | None], **settings: float) -> YearTask:
    return YearTask.from_sources(YearConfig(**settings), Sources(catalog(years)), 4)


def aligned(centres: list[float]) -> YearTask:
    """A task that takes unit vector `i` for period `i`, with next to no doubt."""
    task = YearTask(YearConfig(), centres, len(centres))
    with torch.no_grad():
        task.directions.copy_(torch.eye(len(centres)))
        task.scale.fill_(50.0)
    return task


def test_loss_is_the_divergence_from_soft_labels() -> None:
    torch.manual_seed(0)
    task = YearTask(YearConfig(softness_years=5.0), [1960.0, 1975.0, 1990.0], 4)
    vectors, years = torch.randn(2, 4), [1972.0, 2024.0]
    expected = 0.0
    for vector, year in zip(vectors.tolist(), years, strict=True):
        closeness = [math.exp(-abs(year - centre) / 5.0) for centre in task.centres.tolist()]
        length = math.hypot(*vector)
        powers = []
        for direction in task.directions.tolist():
            dot = sum(a * b for a, b in zip(vector, direction, strict=True))
            powers.append(math.exp(10.0 * dot / length / math.hypot(*direction)))
        for close, power in zip(closeness, powers, strict=True):
            wanted = close / sum(closeness)
            expected += wanted * (math.log(wanted) - math.log(power / sum(powers))) / 2
    torch.testing.assert_close(
        task.loss(vectors, torch.tensor(years)), torch.tensor(expected), atol=1e-4, rtol=1e-4
    )


def test_years_further_off_cost_more() -> None:
    task = aligned([1960.0, 1980.0, 2000.0])
    losses = [
        float(task.loss(torch.eye(3)[period : period + 1], torch.tensor([1961.0])).detach())
        for period in range(3)
    ]
    assert losses[0] < losses[1] and losses[0] < losses[2]
    between = torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    near, far = (float(task.loss(vector, torch.tensor([1970.0])).detach()) for vector in between)
    assert near < far


@pytest.mark.parametrize("year", [1000.0, 1900.0, 2999.0])
def test_years_out_of_the_training_range_are_the_first_or_the_last_period(year: float) -> None:
    task = learnt([1960.0, 1970.0, 1980.0, 1990.0])
    edge = float(np.clip(year, 1960, 1990))
    vectors = torch.randn(3, 4, requires_grad=True)
    loss = task.loss(vectors, torch.tensor([year] * 3))
    torch.testing.assert_close(loss, task.loss(vectors, torch.tensor([edge] * 3)))
    loss.backward()
    assert vectors.grad is not None and torch.isfinite(vectors.grad).all()


def test_periods_are_narrow_where_music_is_plentiful_and_span_all_years() -> None:
    centres = learnt(
        [1950.0] + [float(year) for year in range(2000, 2020) for _ in range(5)], periods=6
    ).centres.tolist()
    assert centres[0] == 1950.0 and centres[-1] == 2019.0 and len(centres) == 6
    assert all(centre >= 2000 for centre in centres[1:])
    assert learnt([2001.0] * 99 + [1999.0], periods=4).centres.tolist() == [1999.0, 2001.0]


def test_figures_on_a_hand_made_case() -> None:
    task = aligned([1960.0, 1980.0, 2000.0])
    vectors = torch.eye(3)[[0, 2, 1, 0, 0]]  # placed at 1960, 2000, 1980, 1960, 1960
    years = torch.tensor([1965.0, 1999.0, 2005.0, 1990.0, math.nan])
    figures = task.metrics(vectors, years)
    assert figures["near"] == 2 / 4
    # Of the six pairs, 1999 and 2005 are in the wrong order, and 1965 and 1990 are placed alike.
    assert abs(figures["order"] - 4 / 6) < 1e-6
    assert task.metrics(vectors[:1], years[:1]) == {"near": 1.0}


def test_reads_the_years_of_a_catalog_and_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "catalog.csv"
    path.write_text("track_id,path,year\na,a,1999\nb,b,\nc,c,1971.0\n")
    tracks = read_catalog(path)
    targets = YearTask.from_sources(YearConfig(), Sources(tracks), 4).targets(tracks)
    assert targets[[0, 2]].tolist() == [1999.0, 1971.0] and math.isnan(float(targets[1]))
    with pytest.raises(CatalogError, match=r"all training tracks are of the year 1999.*task\.year=null"):
        YearTask.from_sources(YearConfig(), Sources(tracks.select(["a", "b"])), 4)
