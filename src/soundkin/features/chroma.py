"""Chroma: which notes sound, whatever their octave, from windows long enough to tell one from the next.

Log-mel frames are short and their bands wide: below 600 Hz a band holds several notes, so that a major third
and a minor one look alike. Here the window covers FRAMES_A_WINDOW frames, its power goes into bands of equal
width on a scale of octaves, and the logarithms are averaged over the octaves. After the pitch class profile
of T. Fujishima, "Realtime Chord Recognition of Musical Sound" (1999).
"""

import torch
from torch import Tensor

from soundkin.features.spectrum import power_spectra
from soundkin.shapes import Float32, typechecked

FRAMES_A_WINDOW = 10
LOWEST_HZ = 440 * 2 ** (-33 / 12)  # the C two octaves below middle C
OCTAVES = 6


def pitch_filterbank(sample_rate_hz: int, bins: int, bands_an_octave: int) -> Float32[Tensor, "bins pitches"]:
    """Triangles of height 1 over the `bins` of a spectrum, their centres evenly spaced on a scale of octaves.

    A triangle reaches to its neighbours' centres, and at least to the next bin. Bands above the spectrum are
    empty.
    """
    hz = torch.linspace(0, sample_rate_hz / 2, bins, dtype=torch.float64)[:, None]
    centres = LOWEST_HZ * 2 ** (
        torch.arange(OCTAVES * bands_an_octave, dtype=torch.float64) / bands_an_octave
    )
    reach = (centres * (2 ** (1 / bands_an_octave) - 1)).clamp(min=float(hz[1]))
    return (1 - (hz - centres).abs() / reach).clamp(min=0).float()


class Chroma:
    """Chroma of a waveform at `sample_rate_hz`, one column a group of FRAMES_A_WINDOW frames.

    The window covers the frames of its group and no more, so groups may be computed apart. `floor_power` is
    the power, against a full-scale sine, below which a band fades to 0.
    """

    def __init__(
        self, sample_rate_hz: int, window_samples: int, hop_samples: int, bands: int, floor_power: float
    ) -> None:
        self.hop_samples = FRAMES_A_WINDOW * hop_samples
        self.window_samples = (FRAMES_A_WINDOW - 1) * hop_samples + window_samples
        self.transform_samples = FRAMES_A_WINDOW * window_samples  # the same bins in Hz at every rate
        self.bands = bands
        self._window = torch.hann_window(self.window_samples)
        filterbank = pitch_filterbank(sample_rate_hz, self.transform_samples // 2 + 1, bands)
        self._weights = filterbank[: int(filterbank.any(1).nonzero().max()) + 1] * (
            float(2 / self._window.sum()) ** 2 / floor_power
        )

    @typechecked
    def powers(self, parts: Float32[Tensor, "parts samples"]) -> Float32[Tensor, "groups pitches"]:
        """Power by pitch, in units of the floor, of as many whole groups as the parts hold."""
        power = power_spectra(
            parts, self._window, self.hop_samples, len(self._weights), self.transform_samples
        )
        with torch.autocast("cpu", enabled=False):
            return torch.mm(power, self._weights)

    @typechecked
    def of_powers(self, powers: Float32[Tensor, "groups pitches"]) -> Float32[Tensor, "groups bands"]:
        """What the pitches' powers come to in one octave."""
        return powers.log1p().view(-1, OCTAVES, self.bands).mean(dim=1)
