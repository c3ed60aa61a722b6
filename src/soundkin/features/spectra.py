"""Power spectra of frames of parts (`downmix`), filterbanks over them, and chroma.

Log-mel frames are short and their bands wide: below 600 Hz a band holds several notes, so that a major third
and a minor one look alike. Chroma takes windows of FRAMES_A_WINDOW frames, puts their power into bands of
equal width on a scale of octaves, and averages the logarithms over the octaves. After the pitch class profile
of T. Fujishima, "Realtime Chord Recognition of Musical Sound" (1999).
"""

import math
from typing import Literal

import torch
from torch import Tensor

from soundkin.shapes import Float32, typechecked

FRAMES_A_WINDOW = 10
LOWEST_HZ = 440 * 2 ** (-33 / 12)  # the C two octaves below middle C
OCTAVES = 6

# Slaney's mel scale is linear up to here, and logarithmic above: 27 steps for a factor of 6.4.
LINEAR_TO_HZ, LINEAR_TO_MEL = 1_000.0, 15.0
HZ_A_MEL = LINEAR_TO_HZ / LINEAR_TO_MEL
LOG_HZ_A_MEL = math.log(6.4) / 27

MelScale = Literal["slaney", "htk"]


@typechecked
def power_spectra(
    parts: Float32[Tensor, "parts samples"],
    window: Float32[Tensor, " window"],
    hop_samples: int,
    bins: int,
    transform_samples: int | None = None,
) -> Float32[Tensor, "frames bins"]:
    """The first `bins` of each frame's power spectrum, summed over parts; windows are zero-padded to
    `transform_samples`.
    """
    mean, *differences = parts.unfold(1, len(window), hop_samples)
    power = _power(mean * window, bins, transform_samples)
    for difference in differences:  # silent in most frames
        chosen = torch.linalg.vector_norm(difference, dim=1).nonzero()[:, 0]
        if len(chosen):
            power.index_add_(0, chosen, _power(difference[chosen] * window, bins, transform_samples))
    return power


def _power(windowed: Tensor, bins: int, transform_samples: int | None) -> Float32[Tensor, "frames bins"]:
    squares = torch.view_as_real(torch.fft.rfft(windowed, n=transform_samples))[:, :bins].square_()
    power: Tensor = squares[..., 0] + squares[..., 1]
    return power


def mel_filterbank(
    sample_rate_hz: int, bins: int, bands: int, low_hz: float, high_hz: float, scale: MelScale
) -> Float32[Tensor, "bins mels"]:
    """Triangles of height 1 over the `bins` of a spectrum, their centres evenly spaced in mel.

    The filterbank of torchaudio, bit for bit, and of librosa (`norm=None`): models were trained on it.
    """
    hz = torch.linspace(0, sample_rate_hz // 2, bins)
    corners = _mel_to_hz(
        torch.linspace(_hz_to_mel(low_hz, scale), _hz_to_mel(high_hz, scale), bands + 2), scale
    )
    to_corners, widths = corners - hz[:, None], corners.diff()
    rising, falling = -to_corners[:, :-2] / widths[:-1], to_corners[:, 2:] / widths[1:]
    return torch.minimum(rising, falling).clamp(min=0)


def _hz_to_mel(hz: float, scale: MelScale) -> float:
    if scale == "htk":
        return 2_595 * math.log10(1 + hz / 700)
    if hz < LINEAR_TO_HZ:
        return hz / HZ_A_MEL
    return LINEAR_TO_MEL + math.log(hz / LINEAR_TO_HZ) / LOG_HZ_A_MEL


def _mel_to_hz(mels: Float32[Tensor, " points"], scale: MelScale) -> Float32[Tensor, " points"]:
    if scale == "htk":
        return 700 * (10 ** (mels / 2_595) - 1)
    above = LINEAR_TO_HZ * torch.exp(LOG_HZ_A_MEL * (mels - LINEAR_TO_MEL))
    return torch.where(mels < LINEAR_TO_MEL, HZ_A_MEL * mels, above)


def pitch_filterbank(sample_rate_hz: int, bins: int, bands_an_octave: int) -> Float32[Tensor, "bins pitches"]:
    """Triangles of height 1 over the `bins` of a spectrum, their centres evenly spaced on a scale of octaves.

    A triangle reaches to its neighbours' centres, and at least to the next bin. Bands above the spectrum are
    empty.
    """
    hz = torch.linspace(0, sample_rate_hz / 2, bins, dtype=torch.float64)[:, None]
    pitches = torch.arange(OCTAVES * bands_an_octave, dtype=torch.float64)
    centres = LOWEST_HZ * 2 ** (pitches / bands_an_octave)
    reach = (centres * (2 ** (1 / bands_an_octave) - 1)).clamp(min=float(hz[1]))
    return (1 - (hz - centres).abs() / reach).clamp(min=0).float()


class Chroma:
    """Chroma of a waveform at `sample_rate_hz`, one row a group of FRAMES_A_WINDOW frames.

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
        self.window = torch.hann_window(self.window_samples)
        filterbank = pitch_filterbank(sample_rate_hz, self.transform_samples // 2 + 1, bands)
        used = filterbank[: int(filterbank.any(1).nonzero().max()) + 1]
        self.weights = used * (float(2 / self.window.sum()) ** 2 / floor_power)

    @typechecked
    def powers(self, parts: Float32[Tensor, "parts samples"]) -> Float32[Tensor, "groups pitches"]:
        """Power by pitch, in units of the floor, of as many whole groups as the parts hold."""
        bins = len(self.weights)
        power = power_spectra(parts, self.window, self.hop_samples, bins, self.transform_samples)
        with torch.autocast("cpu", enabled=False):
            return torch.mm(power, self.weights)

    @typechecked
    def from_powers(self, powers: Float32[Tensor, "groups pitches"]) -> Float32[Tensor, "groups bands"]:
        """Mean over the octaves of the logarithms of the pitches' powers."""
        return powers.log1p().view(-1, OCTAVES, self.bands).mean(dim=1)
