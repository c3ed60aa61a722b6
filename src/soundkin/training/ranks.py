"""Several processes that train one network together: each is a rank, and hears its share of every batch.

Losses see the whole batch: track vectors are gathered from all ranks before any loss, as in T. Chen et al.,
"A Simple Framework for Contrastive Learning of Visual Representations" (2020), 2.2. So a loss, its gradient
and its figures are those of one process that hears the batch alone, whatever the loss compares.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Rank:
    """One of `count` processes that train together; alone, the first of one."""

    number: int = 0
    count: int = 1

    def share(self, items: int) -> slice:
        """The consecutive part of so many items that is this rank's; parts differ in size by one at most."""
        return slice(items * self.number // self.count, items * (self.number + 1) // self.count)


ALONE = Rank()


def this_rank() -> Rank:
    """Which rank this process is."""
    together = dist.is_available() and dist.is_initialized()
    return Rank(dist.get_rank(), dist.get_world_size()) if together else ALONE


def wait_for_all() -> None:
    """Return once every rank has come here."""
    sum_over_ranks(torch.zeros(1))


@contextmanager
def first_before_others() -> Iterator[None]:
    """Let the first rank through before all others, however long it takes."""
    rank = this_rank()
    if rank.count == 1:
        yield
        return
    patient: Any = dist.new_group(backend="gloo", timeout=timedelta(days=30))
    if rank.number:
        dist.all_reduce(torch.zeros(1), group=patient)
    yield
    if not rank.number:
        dist.all_reduce(torch.zeros(1), group=patient)


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum of every rank's `values`, which are of one shape; no gradient goes through it."""
    if this_rank().count == 1:
        return values
    values = values.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(values)
    return values


def gathered(own: Tensor, items: int) -> Tensor:
    """All `items` rows of a batch, of which `own` are this rank's share, in order.

    A loss of them that every rank computes alike has the right gradient when DDP takes the mean over ranks:
    of the weights behind `own`, each rank knows its share's part alone, which therefore counts as many times
    as there are ranks.
    """
    rank = this_rank()
    if rank.count == 1:
        return own
    shares = [Rank(number, rank.count).share(items) for number in range(rank.count)]
    sizes = [share.stop - share.start for share in shares]
    padded = own.new_zeros(max(sizes), *own.shape[1:])  # all_gather wants parts of one size
    padded[: len(own)] = own.detach()
    buffers = [torch.empty_like(padded) for _ in shares]
    dist.all_gather(buffers, padded)
    parts = [part[:size] for part, size in zip(buffers, sizes, strict=True)]
    if own.requires_grad:
        parts[rank.number] = own.view_as(own)
        parts[rank.number].register_hook(lambda gradient: gradient * rank.count)  # type: ignore[no-untyped-call]
    return torch.cat(parts)
