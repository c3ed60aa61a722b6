"""Patches: runs of frames of one fixed length, the input of the network."""

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from pydantic import Field
from torch import Tensor

from soundkin.config import Config
from soundkin.shapes import Float32, typechecked

# Of one track, through the network at once. Measured for the default network: eight patches of 258 frames
# take half the time of one by one, since its weights do not fit into the caches; more gain little.
FRAMES_PER_BATCH = 2_064


class PatchConfig(Config):
    """Length of a patch and the step from one to the next, in frames."""

    frames: int = Field(258, ge=1)  # 8.6 s with the default front end
    hop_frames: int = Field(258, ge=1)


def patch_starts(frames: int, patch: PatchConfig) -> list[int]:
    """First frames of the patches that cover a track; the last one is aligned to the end.

    A track shorter than a patch has one, from 0, repeated by `tile`.
    """
    last = max(0, frames - patch.frames)
    return [*range(0, last, patch.hop_frames), last]


@typechecked
def tile(log_mel: Float32[Tensor, "frames mels"], frames: int) -> Float32[Tensor, "patch_frames mels"]:
    """Repeat a short track until it fills `frames`."""
    times = -(-frames // len(log_mel))
    return log_mel.repeat(times, 1)[:frames]


def stream_patches(
    blocks: Iterable[Float32[Tensor, "frames mels"]], patch: PatchConfig
) -> Iterator[tuple[int, Float32[Tensor, "patch_frames mels"]]]:
    """Yield `(start_frame, patch)` as in `patch_starts`, holding no more than a patch and a block."""
    held: Tensor | None = None
    held_start = next_start = 0
    for block in blocks:
        held = block if held is None else torch.cat([held, block])
        end = held_start + len(held)
        while next_start + patch.frames < end:  # a patch that ends exactly here may be the last: see below
            yield next_start, held[next_start - held_start :][: patch.frames]
            next_start += patch.hop_frames
        keep_from = max(held_start, min(next_start, end - patch.frames))
        held = held[keep_from - held_start :]
        held_start = keep_from
    if held is None:
        return
    if len(held) < patch.frames:
        yield 0, tile(held, patch.frames)
    else:
        last = held_start + len(held) - patch.frames
        yield last, held[-patch.frames :]


def stream_batches(
    blocks: Iterable[Float32[Tensor, "frames mels"]], patch: PatchConfig
) -> Iterator[tuple[list[int], Float32[Tensor, "patches mels patch_frames"]]]:
    """Yield the patches of `stream_patches` in batches for the network, and their first frames."""
    patches = stream_patches(blocks, patch)
    while batch := list(islice(patches, max(1, FRAMES_PER_BATCH // patch.frames))):
        starts, frames = zip(*batch, strict=True)
        yield list(starts), torch.stack(frames).transpose(1, 2)
