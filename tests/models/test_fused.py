import pickle
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from soundkin.config import validate
from soundkin.embedding.embedder import load
from soundkin.models import NetworkConfig, build_network
from soundkin.models.fused import fused

PRESETS = sorted((Path(__file__).parents[2] / "configs" / "model").glob("*.yaml"))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("chroma_bands", [0, 24])
@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_the_same_vectors_but_for_rounding(path: Path, chroma_bands: int, packed: bool) -> None:
    torch.manual_seed(0)
    config = validate(NetworkConfig, yaml.safe_load(path.read_text()) or {})
    network = build_network(config, 96, chroma_bands).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                module.weight.data.uniform_(0.5, 2)
                module.bias.data.normal_()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    patches = 10 * torch.rand(3, network.minimum_frames + 50, 96 + chroma_bands).transpose(1, 2)
    with torch.inference_mode():
        expected, found = network.patches(patches), fused(network, packed).patches(patches)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_an_embedder_that_was_pickled_has_the_same_vectors() -> None:
    embedder = load()
    sound = 0.1 * torch.randn(2 * 44_100, generator=torch.Generator().manual_seed(0)).numpy()
    sent = pickle.loads(pickle.dumps(embedder))
    expected, found = (each.embed(sound, sample_rate_hz=44_100) for each in (embedder, sent))
    assert expected.any() and (found == expected).all()


def test_features_lie_frame_by_frame() -> None:
    trunk = fused(build_network(NetworkConfig(), 96)).trunk
    features = trunk.input_norm(torch.rand(3, 90, 96).transpose(1, 2))
    for block in trunk.blocks:
        assert features.transpose(1, 2).is_contiguous()
        features = block(features)
