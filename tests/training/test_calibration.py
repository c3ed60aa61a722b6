"""Probabilities that are fitted to held-out tracks are as often right as they say."""

from pathlib import Path

import numpy as np
import pytest
import torch

from smallest_run import SMALLEST
from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.label_heads import HeadCalibration, label_heads
from soundkin.pipelines.train import compose, train
from soundkin.training import calibration
from soundkin.training.calibration import fit_calibration


def test_an_overconfident_head_is_brought_down_to_the_truth() -> None:
    torch.manual_seed(0)
    truth = torch.randn(2000, 5) * 1.5 - 1
    answers = torch.bernoulli(torch.sigmoid(truth))
    fitted = fit_calibration(truth * 4 + 3, answers)  # four times as sure as it should be, and too ready
    assert fitted is not None and fitted.tracks == 2000
    assert fitted.slope == pytest.approx(1 / 4, abs=0.02)
    believed = fitted.probabilities(truth * 4 + 3)
    for low in np.arange(0.0, 1.0, 0.2):
        within = (believed >= low) & (believed < low + 0.2)
        assert float(answers[within].mean()) == pytest.approx(float(believed[within].mean()), abs=0.05)


def test_a_head_that_knows_nothing_or_the_contrary_gets_no_calibration() -> None:
    logits = torch.linspace(-3, 3, 60)[:, None]
    assert fit_calibration(logits, (logits < 0).float()) is None
    assert fit_calibration(logits, torch.ones(60, 1)) is None


@pytest.mark.slow
@pytest.mark.parametrize("fewest", [5, 30])
def test_training_keeps_a_calibration_where_held_out_tracks_are_enough(
    small_catalog: Path, tmp_path: Path, fewest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "FEWEST_TRACKS", fewest)
    seen = []

    def noted(logits: torch.Tensor, targets: torch.Tensor) -> HeadCalibration:
        seen.append((logits, targets))
        return HeadCalibration(slope=1.0, intercept=0.5, tracks=len(targets))

    monkeypatch.setattr(calibration, "fit_calibration", noted)
    words = [f"catalog={small_catalog}", f"run_dir={tmp_path / 'run'}", "task=[genre]", "trainer.epochs=1"]
    split = "data.split={train:0.5,valid:0.5,test:0}"
    model = train(compose([*SMALLEST, *words, split])).model
    heads = label_heads(load_bundle(model), model)
    assert len(heads) == len(seen) == (fewest == 5)
    for head, (logits, targets) in zip(heads, seen, strict=True):
        assert head.calibration.tracks == len(logits) >= 5
        assert set(targets.sum(dim=1).tolist()) <= {1.0, 2.0}, "each track has a genre or two"
