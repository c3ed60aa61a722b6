"""Chroma inside an ONNX graph."""

import math

import torch
from torch import Tensor, nn

from soundkin.features.spectra import FRAMES_A_WINDOW, OCTAVES, Chroma


class ChromaGraph(nn.Module):
    """Samples [batch, samples] and gains of power [batch, frames] to chroma [batch, frames, bands].

    With ONNX Runtime's own Fourier transform vectors are off by up to 1e-3, as the length is no power of two.
    Here it is two products with matrices (J. Cooley, J. Tukey, 1965): sample `columns * row + column` of a
    window stands at [row, column].
    """

    window: Tensor
    row_waves: Tensor
    turns: Tensor
    column_waves: Tensor
    weights: Tensor

    def __init__(self, chroma: Chroma) -> None:
        super().__init__()
        self.samples, self.hop_samples = chroma.transform_samples, chroma.hop_samples
        self.bands = chroma.bands
        self.bins = len(chroma.weights)
        self.rows = max(rows for rows in range(1, math.isqrt(self.samples) + 1) if self.samples % rows == 0)
        self.columns = self.samples // self.rows
        padding = (0, self.samples - chroma.window_samples)
        self.register_buffer("window", nn.functional.pad(chroma.window, padding))
        self.register_buffer("row_waves", _waves(self.rows, self.rows, self.rows))
        self.register_buffer("turns", _waves(self.rows, self.columns, self.samples))
        self.register_buffer("column_waves", _waves(self.columns, -(-self.bins // self.rows), self.columns))
        self.register_buffer("weights", chroma.weights)

    def forward(self, waveform: Tensor, gain: Tensor) -> Tensor:
        """The chroma of each frame: that of its group."""
        group = torch.arange(gain.shape[1]) // FRAMES_A_WINDOW
        starts = group[::FRAMES_A_WINDOW, None] * self.hop_samples
        padded = nn.functional.pad(waveform, (0, self.hop_samples + self.samples))
        windows = padded[:, starts + torch.arange(self.samples)] * self.window
        powers = self._spectrum(windows) @ self.weights
        pitches = torch.log(powers[:, group] * gain[:, :, None] + 1)
        return pitches.reshape(*gain.shape, OCTAVES, self.bands).mean(dim=2)

    def _spectrum(self, windows: Tensor) -> Tensor:
        """Power spectra [batch, groups, bins] of windows [batch, groups, samples]."""
        grid = windows.reshape(*windows.shape[:2], self.rows, self.columns)
        cosines, sines = self.row_waves[0] @ grid, self.row_waves[1] @ grid
        real = cosines * self.turns[0] - sines * self.turns[1]
        imaginary = cosines * self.turns[1] + sines * self.turns[0]
        real, imaginary = (
            real @ self.column_waves[0] - imaginary @ self.column_waves[1],
            real @ self.column_waves[1] + imaginary @ self.column_waves[0],
        )
        power = real.square() + imaginary.square()  # bin `rows * column + row` at [row, column]
        spectra: Tensor = power.transpose(2, 3).flatten(2)[:, :, : self.bins]
        return spectra


def _waves(first: int, second: int, period: int) -> Tensor:
    """Cosines and sines [2, first, second] of the products of two numbers, of this period."""
    angles = torch.outer(torch.arange(first).double(), torch.arange(second).double()) * (2 * math.pi / period)
    return torch.stack([angles.cos(), angles.sin()]).float()
