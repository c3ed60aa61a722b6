"""Speech turned into song: WORLD takes it apart into pitch, spectrum and noise, and puts it together anew.

M. Morise, F. Yokomori, K. Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system" (2016).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from songs.samples import RATE_HZ, Samples

FRAME_SECONDS = 0.005


class Speech(NamedTuple):
    """Of each frame: the pitch (Hz, 0 where unvoiced), the spectrum and how noisy it is."""

    pitch: np.ndarray
    spectrum: np.ndarray
    noise: np.ndarray

    @classmethod
    def from_samples(cls, samples: Samples) -> "Speech":
        """Spoken samples taken apart."""
        import pyworld

        samples = np.ascontiguousarray(samples, np.float64)
        pitch, times = pyworld.dio(samples, RATE_HZ)
        pitch = pyworld.stonemask(samples, pitch, times, RATE_HZ)
        spectrum = pyworld.cheaptrick(samples, pitch, times, RATE_HZ)
        return cls(pitch, spectrum, pyworld.d4c(samples, pitch, times, RATE_HZ))

    def stretched(self, seconds: float, dwell: float) -> "Speech":
        """As long as `seconds`; loud voiced frames last `1 + dwell` times as long as others."""
        frames = max(int(seconds / FRAME_SECONDS), 10)
        loudness = np.sqrt(self.spectrum.mean(axis=1))
        lasts = 1 + dwell * ((self.pitch > 0) & (loudness > np.median(loudness)))
        clock = np.cumsum(lasts)
        places = np.interp(np.linspace(0, clock[-1], frames), clock, np.arange(len(self.pitch)))
        near = np.round(places).astype(int).clip(0, len(self.pitch) - 1)
        return Speech(self.pitch[near], self.spectrum[near], self.noise[near])

    def at_pitch(self, pitch: np.ndarray, formant: float, breath: float) -> Samples:
        """With another pitch where it is voiced, formants `formant` times as high, and more noise."""
        import pyworld

        noise = self.noise + (1 - self.noise) * breath
        voiced = np.where(self.pitch > 0, pitch, 0.0)
        spectrum = _moved_formants(self.spectrum, formant)
        arrays = [np.ascontiguousarray(array) for array in (voiced, spectrum, noise)]
        return pyworld.synthesize(*arrays, RATE_HZ)


def sing(
    rng: np.random.Generator,
    speech: Speech,
    seconds: float,
    melody: Sequence[tuple[float, float]],
    formant: float,
    breath: float,
) -> Samples:
    """Sung on a melody of (start in seconds, Hz), with glides and vibrato."""
    stretched = speech.stretched(seconds, dwell=2.5)
    times = np.arange(len(stretched.pitch)) * FRAME_SECONDS
    starts = np.array([start for start, _ in melody])
    note = np.searchsorted(starts, times, "right").clip(1) - 1
    steps = np.log([hertz for _, hertz in melody])[note]
    kernel = np.hanning(13)
    glide = np.convolve(np.pad(steps, 6, "edge"), kernel / kernel.sum(), "valid")
    held = times - starts[note]
    depth = 0.03 * np.clip((held - 0.15) * 3, 0, 1)
    vibrato = depth * np.sin(2 * np.pi * rng.uniform(4.8, 6.4) * times)
    pitch = np.exp(glide + vibrato + rng.normal(0, 0.004, len(times)))
    return stretched.at_pitch(pitch, formant, breath)


def recite(
    speech: Speech, seconds: float, hertz: float, liveliness: float, formant: float, breath: float
) -> Samples:
    """Spoken around a pitch; its ups and downs to the power of `liveliness` (0: monotonous, 1: as spoken)."""
    stretched = speech.stretched(seconds, dwell=0.3)
    frames, voiced = len(stretched.pitch), stretched.pitch > 0
    course = np.full(frames, hertz)
    if voiced.any():
        course = np.interp(np.arange(frames), np.flatnonzero(voiced), stretched.pitch[voiced])
    pitch = hertz * (course / np.median(course)) ** liveliness
    return stretched.at_pitch(pitch, formant, breath)


def _moved_formants(spectrum: np.ndarray, factor: float) -> np.ndarray:
    bins = spectrum.shape[1]
    source = np.clip(np.arange(bins) / factor, 0, bins - 1)
    low = source.astype(int)
    high = np.minimum(low + 1, bins - 1)
    return spectrum[:, low] * (1 - (source - low)) + spectrum[:, high] * (source - low)
