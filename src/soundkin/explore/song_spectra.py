"""Spectra of a whole song at once: log-mel, onsets and chroma, of frames whose middles begin at sample 0."""

import numpy as np
import torch

from soundkin.features.spectra import mel_filterbank, pitch_filterbank, power_spectra
from soundkin.shapes import Float, Float32, typechecked

RATE_HZ, HOP_SAMPLES, WINDOW_SAMPLES = 22_050, 512, 2_048
CHROMA_HOP_SAMPLES, CHROMA_WINDOW_SAMPLES = 2_048, 8_192  # a tenth of a second; lower notes lie apart
MEL_BANDS = 96
RANGE_DB, QUIETEST_POWER = 80.0, 1e-10
BANDS_A_SEMITONE = 3  # so that a song that is not at A = 440 Hz keeps its pitch classes apart
FRAMES_A_BLOCK = 2_048  # an hour needs no more memory for its windows than a minute


@typechecked
def log_mel_frames(samples: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames mels"]:
    """Decibels by frame and band, at most RANGE_DB below the loudest; a band is as much as it is wide."""
    bins = WINDOW_SAMPLES // 2 + 1
    bank = mel_filterbank(RATE_HZ, bins, MEL_BANDS, 0.0, RATE_HZ / 2, "slaney")
    hz_a_bin = RATE_HZ / WINDOW_SAMPLES
    power = _powers(samples, WINDOW_SAMPLES, HOP_SAMPLES, bank / (bank.sum(dim=0) * hz_a_bin))
    decibels = 10 * np.log10(np.maximum(power, QUIETEST_POWER))
    return np.asarray(np.maximum(decibels, decibels.max() - RANGE_DB))


@typechecked
def onset_strength(log_mel: Float32[np.ndarray, "frames mels"]) -> Float[np.ndarray, " frames"]:
    """How much louder bands get, dB on average, where it is heard: half a window after it is seen."""
    rises = np.maximum(np.diff(log_mel, axis=0), 0).mean(axis=1, dtype=float)
    late = 1 + WINDOW_SAMPLES // (2 * HOP_SAMPLES)
    return np.pad(rises, (late, 0))[: len(log_mel)]


@typechecked
def chroma_frames(samples: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames 12"]:
    """Strength of the pitch classes from C every CHROMA_HOP_SAMPLES, the strongest 1; zeros in silence.

    Semitones lie where most of the song's notes do (the tuning, in thirds of a semitone). After E. Gomez,
    "Tonal description of polyphonic audio for music content processing" (2006).
    """
    octave = 12 * BANDS_A_SEMITONE
    bank = pitch_filterbank(RATE_HZ, CHROMA_WINDOW_SAMPLES // 2 + 1, octave)
    power = _powers(samples, CHROMA_WINDOW_SAMPLES, CHROMA_HOP_SAMPLES, bank)
    bands = np.sqrt(power).reshape(len(power), -1, octave).sum(axis=1)
    strongest_third = int(bands.sum(axis=0).reshape(12, BANDS_A_SEMITONE).sum(axis=0).argmax())
    tuning = (strongest_third + 1) % BANDS_A_SEMITONE - 1
    centred = np.roll(bands, 1 - tuning, axis=1)  # of a semitone's three bands, the second is in tune
    chroma = centred.reshape(len(bands), 12, BANDS_A_SEMITONE).sum(axis=2)
    strongest = chroma.max(axis=1, keepdims=True)
    return np.asarray(chroma / np.where(strongest > np.sqrt(QUIETEST_POWER), strongest, 1), np.float32)


def _powers(
    samples: Float32[np.ndarray, " samples"], window_samples: int, hop_samples: int, weights: torch.Tensor
) -> Float32[np.ndarray, "frames bands"]:
    """Weighted sums of the power spectra of frames, with silence before and after the song."""
    used = weights[: int(weights.any(dim=1).nonzero().max()) + 1]
    half = window_samples // 2
    padded = torch.nn.functional.pad(torch.from_numpy(samples), (half, half))[None]
    window, frames = torch.hann_window(window_samples), 1 + len(samples) // hop_samples
    blocks = []
    for first in range(0, frames, FRAMES_A_BLOCK):
        last = min(first + FRAMES_A_BLOCK, frames) - 1
        block = padded[:, first * hop_samples : last * hop_samples + window_samples]
        blocks.append(power_spectra(block, window, hop_samples, len(used)) @ used)
    return np.asarray(torch.cat(blocks).numpy())
