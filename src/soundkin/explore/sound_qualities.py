"""What a stretch of sound is like, in figures that people have words for: tempo, key, loudness ...

Loudness is ITU-R BS.1770's: mean power after a filter that hears as people do, without what is far below the
rest. Here it is of the mono mix, so of two equal channels 3 dB below what a stereo meter shows. Keys are the
best fits of how often each pitch class is in a stretch of a major or minor piece (Temperley, "Music and
Probability", 2007, from the Kostka-Payne corpus).
"""

from typing import NamedTuple

import numpy as np
import torch

from soundkin.extras import require

require("explore", "what sound is like")

from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import freqz

from soundkin.explore.beats import estimate_tempo
from soundkin.explore.song_course import FRAMES_A_SECOND, LEAST_PULSE, PITCH_CLASSES
from soundkin.explore.song_spectra import (
    HOP_SAMPLES,
    QUIETEST_POWER,
    RATE_HZ,
    WINDOW_SAMPLES,
    chroma_frames,
    log_mel_frames,
    onset_strength,
)
from soundkin.shapes import Float, Float32, typechecked

SHORTEST_SECONDS = 3.0  # of less, nothing is said
SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1, -1.69065929318241, 0.73248077421585))
HIGH_PASS = ((1, -2, 1), (1, -1.99004745483398, 0.99007225036621))
STANDARD_RATE_HZ = 48_000  # for which BS.1770 states both filters
OFFSET_DB = -0.691
SILENT_LUFS, GATE_LU, RANGE_GATE_LU = -70.0, 10.0, 20.0
BLOCK_SECONDS, SHORT_TERM_SECONDS = 0.4, 3.0
MAJOR = (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400)
MINOR = (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330)
LEAST_KEY = 0.5  # correlation with a key's profile below which there is no key
ONSET_SECONDS, AROUND_SECONDS, LEAST_RISE = 0.06, 0.2, 0.07  # apart; what is usual around one; above that
HZ: np.ndarray = np.linspace(0, RATE_HZ / 2, WINDOW_SAMPLES // 2 + 1)
NONE = float("nan")


class SoundQualities(NamedTuple):
    """NaN where there is none: no steady beat, no key, no sound.

    `tempo` in beats a minute, `loudness` in LUFS, `dynamics` in LU (the loudness range of EBU Tech 3342: how
    far loud passages lie above soft ones), `brightness` the spectral centroid in Hz, `onsets` a second,
    `mode` how much better the best major key fits than the best minor one (correlations, -2 to 2).
    """

    tempo: float = NONE
    loudness: float = NONE
    dynamics: float = NONE
    brightness: float = NONE
    onsets: float = NONE
    mode: float = NONE


class HeardSound(NamedTuple):
    """`key` as `C♯ minor`, empty where there is none; `key_profile` from the key's tonic up, sums to 1."""

    qualities: SoundQualities
    key: str
    key_profile: Float[np.ndarray, " 12"]


NOTHING_HEARD = HeardSound(SoundQualities(), "", np.full(12, np.nan))


@typechecked
def sound_qualities(samples: Float32[np.ndarray, " samples"]) -> HeardSound:
    """Of mono samples at RATE_HZ; nothing is heard in silence and in less than three seconds."""
    if len(samples) < SHORTEST_SECONDS * RATE_HZ:
        return NOTHING_HEARD
    spectrum = _power_spectrum(samples)
    loudness, dynamics = _loudness(spectrum)
    if np.isnan(loudness):
        return NOTHING_HEARD
    strength = onset_strength(log_mel_frames(samples))
    tempo, onsets = NONE, 0.0
    if strength.std() > LEAST_PULSE:
        tempo = estimate_tempo(strength, FRAMES_A_SECOND)
        onsets = _count_onsets(strength) * RATE_HZ / len(samples)
    power, magnitude = spectrum.sum(axis=0), np.sqrt(spectrum)
    heard = power >= np.median(power) / 100
    brightness = float(np.median((HZ @ magnitude / np.maximum(magnitude.sum(axis=0), QUIETEST_POWER))[heard]))
    key, mode, profile = _key(chroma_frames(samples).mean(axis=0, dtype=float))
    return HeardSound(SoundQualities(tempo, loudness, dynamics, brightness, onsets, mode), key, profile)


def _power_spectrum(samples: Float32[np.ndarray, " samples"]) -> Float[np.ndarray, "bins frames"]:
    window = torch.hann_window(WINDOW_SAMPLES)
    spectrum = torch.stft(
        torch.from_numpy(samples),
        WINDOW_SAMPLES,
        HOP_SAMPLES,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )
    return np.asarray(spectrum.abs().square().numpy(), float)


def _count_onsets(strength: Float[np.ndarray, " frames"]) -> int:
    """Peaks that stand out from what is around them (S. Boeck, F. Krebs and M. Schedl, 2012)."""
    level = strength / strength.max()
    apart, around = (round(seconds * FRAMES_A_SECOND) for seconds in (ONSET_SECONDS, AROUND_SECONDS))
    peaks = (level == maximum_filter1d(level, 2 * apart + 1)) & (
        level >= uniform_filter1d(level, around) + LEAST_RISE
    )
    return int(peaks.sum())


def _loudness(spectrum: Float[np.ndarray, "bins frames"]) -> tuple[float, float]:
    """Integrated loudness in LUFS and its range in LU; NaN of silence."""
    gains = [
        np.abs(freqz(*each, worN=HZ.tolist(), fs=STANDARD_RATE_HZ)[1]) ** 2 for each in (SHELF, HIGH_PASS)
    ]
    window = torch.hann_window(WINDOW_SAMPLES).double().numpy()
    two_sided = np.where((HZ > 0) & (HZ < RATE_HZ / 2), 2, 1) / (WINDOW_SAMPLES * (window**2).sum())
    powers = (gains[0] * gains[1] * two_sided) @ spectrum
    blocks, passages = (_means(powers, seconds) for seconds in (BLOCK_SECONDS, SHORT_TERM_SECONDS))
    blocks, passages = (each[_lufs(each) > SILENT_LUFS] for each in (blocks, passages))
    if not len(blocks) or not len(passages):
        return NONE, NONE
    heard = blocks[_lufs(blocks) > _lufs(blocks.mean()) - GATE_LU]
    steady = _lufs(passages[_lufs(passages) > _lufs(passages.mean()) - RANGE_GATE_LU])
    soft, loud = np.quantile(steady, (0.10, 0.95))
    return float(_lufs(heard.mean())), float(loud - soft)


def _means(powers: Float[np.ndarray, " frames"], seconds: float) -> Float[np.ndarray, " windows"]:
    """Over windows of so many seconds, a quarter of one from each to the next."""
    width = min(len(powers), round(seconds * RATE_HZ / HOP_SAMPLES))
    windows = np.lib.stride_tricks.sliding_window_view(powers, width)[:: max(1, width // 4)]
    return np.asarray(windows.mean(axis=1))


def _lufs(power: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return np.asarray(OFFSET_DB + 10 * np.log10(np.maximum(power, QUIETEST_POWER)))


def _key(chroma: Float[np.ndarray, " 12"]) -> tuple[str, float, Float[np.ndarray, " 12"]]:
    """The key that fits best, how much better major does than minor, and the profile."""
    if chroma.std() < 1e-6:
        return "", NONE, NOTHING_HEARD.key_profile
    fits = np.array([
        [np.corrcoef(chroma, np.roll(profile, tonic))[0, 1] for tonic in range(12)]
        for profile in (MAJOR, MINOR)
    ])  # fmt: skip
    minor, tonic = np.unravel_index(int(fits.argmax()), fits.shape)
    if fits.max() < LEAST_KEY:
        return "", NONE, NOTHING_HEARD.key_profile
    profile = np.roll(chroma, -tonic) / chroma.sum()
    return (
        f"{PITCH_CLASSES[tonic]} {('major', 'minor')[minor]}",
        float(fits[0].max() - fits[1].max()),
        profile,
    )
