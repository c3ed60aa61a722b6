"""Power spectra of frames of parts (`downmix`): of the mean over the channels, plus those of what it loses."""

import torch
from torch import Tensor

from soundkin.shapes import Float32, typechecked


@typechecked
def power_spectra(
    parts: Float32[Tensor, "parts samples"],
    window: Float32[Tensor, " window"],
    hop_samples: int,
    bins: int,
    transform_samples: int | None = None,
) -> Float32[Tensor, "frames bins"]:
    """The first `bins` of each frame's power spectrum; windows are filled up with zeros to
    `transform_samples`.
    """
    mean, *others = parts.unfold(1, len(window), hop_samples)
    power = _power(mean * window, bins, transform_samples)
    for other in others:  # silent in most frames
        chosen = torch.linalg.vector_norm(other, dim=1).nonzero()[:, 0]
        if len(chosen):
            power.index_add_(0, chosen, _power(other[chosen] * window, bins, transform_samples))
    return power


def _power(windowed: Tensor, bins: int, transform_samples: int | None) -> Float32[Tensor, "frames bins"]:
    squares = torch.view_as_real(torch.fft.rfft(windowed, n=transform_samples))[:, :bins].square_()
    power: Tensor = squares[..., 0] + squares[..., 1]
    return power
