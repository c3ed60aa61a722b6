import copy
from dataclasses import replace

import pytest
import torch

from average import average
from soundkin.embedding.bundle import load_bundle, save_bundle
from soundkin.errors import UsageError


def test_weights_are_halfway_and_the_card_says_so(little_model, tmp_path) -> None:
    start = copy.deepcopy(little_model)
    save_bundle(start, tmp_path / "start")
    trained = replace(copy.deepcopy(little_model), metrics={"valid/watched": 0.5}, hash="")
    weights = {name: value.clone() for name, value in trained.network.state_dict().items()}
    trained.network.load_state_dict(
        {name: value + 2 if value.is_floating_point() else value for name, value in weights.items()}
    )
    between = average(trained, start)
    for name, value in between.network.state_dict().items():
        torch.testing.assert_close(value, weights[name] + 1 if value.is_floating_point() else weights[name])
    assert between.hash not in (start.hash, trained.hash)
    assert not between.metrics
    save_bundle(between, tmp_path / "halfway")
    assert load_bundle(tmp_path / "halfway").hash == between.hash
    assert (
        f"halfway between those of the run and those of {start.hash}"
        in (tmp_path / "halfway" / "README.md").read_text()
    )


def test_networks_of_other_forms_have_no_mean(little_model) -> None:
    other = copy.deepcopy(little_model)
    other.patch = other.patch.model_copy(update={"hop_frames": other.patch.hop_frames + 1})
    with pytest.raises(UsageError, match="differ"):
        average(copy.deepcopy(little_model), other)
