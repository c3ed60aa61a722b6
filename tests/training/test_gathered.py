"""Two ranks compute of halves of a batch what one process computes of the whole, gradients included."""

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.training.launch import in_ranks, joined
from soundkin.training.ranks import Rank, gathered, sum_over_ranks, this_rank
from soundkin.training.run_config import TrainerConfig
from soundkin.training.shared_norm import SharedNorms

MELS, FRAMES, TRACKS = 4, 16, 5
PATCHES = (1, 2, 1, 3, 1)  # of each track: the ranks have 3 and 5 of them


@given(items=st.integers(0, 200), count=st.integers(1, 20))
def test_shares_are_the_whole_in_order_and_nearly_of_one_size(items: int, count: int) -> None:
    shares = [list(range(items))[Rank(number, count).share(items)] for number in range(count)]
    assert [item for share in shares for item in share] == list(range(items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def one_step(wrap: Callable[[nn.Module], nn.Module] = lambda module: module) -> dict[str, Tensor]:
    """The loss of a batch in double precision, its gradients and the running statistics after it."""
    torch.manual_seed(0)
    convolution = ConvConfig(filters=5, padded=True)
    config = NetworkConfig(convolutions=(convolution,), dense=(7,), embedding_size=6, dropout=0)
    network = build_network(config, MELS).double().train()
    directions = nn.Parameter(torch.randn(3, 6, dtype=torch.float64))
    lengths = torch.tensor(PATCHES)
    log_mel = torch.rand(sum(PATCHES), MELS, FRAMES, dtype=torch.float64) * 3
    share = this_rank().share(TRACKS)
    first, past = int(lengths[: share.start].sum()), int(lengths[: share.stop].sum())
    wrapped = wrap(network)  # DDP takes means for as long as it is kept
    own = wrapped(log_mel[first:past], lengths[share], None)
    vectors = normalize(gathered(own, TRACKS))
    similarities = vectors @ vectors.T  # each track against all: no mean of the shares' losses is this
    loss = similarities.logsumexp(1).mean() + (vectors @ directions.T).logsumexp(1).mean()
    loss.backward()
    gradients = {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    assert directions.grad is not None and len(gradients) > 5
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    head = sum_over_ranks(directions.grad) / this_rank().count
    return {"loss": loss.detach(), "directions": head, **gradients, **buffers}


def step_in_rank() -> dict[str, Tensor]:
    with joined(TrainerConfig(devices=2, timeout_seconds=60)):
        assert this_rank().count == 2
        norms = SharedNorms()
        return one_step(
            lambda network: DistributedDataParallel(norms.apply(network), broadcast_buffers=False)
        )


@pytest.mark.slow
def test_two_ranks_have_loss_gradients_and_statistics_of_one_process() -> None:
    alone, together = one_step(), in_ranks(2, step_in_rank)
    assert alone.keys() == together.keys()
    for name, value in alone.items():
        torch.testing.assert_close(
            together[name], value, rtol=1e-9, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_shared_norms_are_ordinary_again_afterwards() -> None:
    norm = nn.Sequential(nn.BatchNorm1d(3))
    before = copy.deepcopy(norm.state_dict())
    norms = SharedNorms()
    assert type(norms.apply(norm)[0]) is not nn.BatchNorm1d  # type: ignore[index]
    assert type(norms.revert(norm)[0]) is nn.BatchNorm1d  # type: ignore[index]
    assert norm.state_dict().keys() == before.keys()
