"""Distortions of a recording that leave the piece the same: noise, a codec, another pitch, silence before it.

Samples are float32, [samples] or [samples, channels], full scale 1.0, and come back with as many channels.
Nothing is clipped but by `clipped`. The same samples and a generator in the same state give the same result;
no samples give none.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO

from soundkin.extras import require

require("evaluate", "distorting sound")

import numpy as np
import scipy.fft
import soundfile
import soxr

from soundkin.errors import UsageError
from soundkin.features.encode import mp3_bytes
from soundkin.shapes import Float32, typechecked
from soundkin.units import seconds_to_samples

Samples = Float32[np.ndarray, "samples *channels"]
OtherSamples = Float32[np.ndarray, "_ *channels"]
SameLength = tuple[Samples, int]  # as many samples as were given, and their rate in Hz
AnyLength = tuple[OtherSamples, int]

SILENT_DB = -60.0  # a stretch this far below the loudest one counts as silence
STRETCH_SECONDS = 0.05
LOWEST_AUDIBLE_HZ = 20.0
MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
BLOCK_SAMPLES = 1 << 16  # libsndfile's Vorbis encoder overflows its stack on long writes
PIECE_SECONDS = 0.046  # of music that is stretched: a few periods of the lowest notes
NEARER = 1e-5  # of a cosine a sample: of periods that fit alike, take the nearest


@dataclass(frozen=True)
class Distortion:
    """A change with a name for people."""

    label: str
    change: Callable[[Samples, int, np.random.Generator], AnyLength]

    def __call__(self, samples: Samples, sample_rate_hz: int, rng: np.random.Generator) -> AnyLength:
        """New samples and their rate, which may be another one."""
        return self.change(samples, sample_rate_hz, rng) if len(samples) else (samples, sample_rate_hz)


@typechecked
def noisy(samples: Samples, sample_rate_hz: int, rng: np.random.Generator, snr_db: float) -> SameLength:
    """Pink noise beneath, `snr_db` below the power that the track has where it sounds."""
    noise = pink_noise(samples.shape, sample_rate_hz, rng)
    power = sounding_power(samples, sample_rate_hz) / 10 ** (snr_db / 10)
    amplitude = np.sqrt(power / np.mean(np.square(noise, dtype=np.float64)))
    return samples + noise * np.float32(amplitude), sample_rate_hz


def pink_noise(shape: tuple[int, ...], sample_rate_hz: int, rng: np.random.Generator) -> Samples:
    """Noise of the same power in each octave above 20 Hz and little below; channels are independent."""
    length = scipy.fft.next_fast_len(shape[0], real=True)
    spectrum = scipy.fft.rfft(rng.standard_normal((length, *shape[1:]), dtype=np.float32), axis=0)
    frequencies = scipy.fft.rfftfreq(length, 1 / sample_rate_hz).astype(np.float32)
    falling = 1 / np.sqrt(np.maximum(frequencies, LOWEST_AUDIBLE_HZ))
    spectrum *= falling.reshape(-1, *[1] * (len(shape) - 1))
    return np.asarray(scipy.fft.irfft(spectrum, length, axis=0)[: shape[0]])


@typechecked
def sounding_power(samples: Samples, sample_rate_hz: int) -> float:
    """Mean square over the stretches of 50 ms that are not silent, 60 dB below the loudest; 0 for silence."""
    squares = np.square(samples.reshape(len(samples), -1), dtype=np.float64).mean(axis=1)
    starts = np.arange(0, len(squares), max(1, seconds_to_samples(STRETCH_SECONDS, sample_rate_hz)))
    lengths = np.diff(np.append(starts, len(squares)))
    energies = np.add.reduceat(squares, starts)
    powers = energies / lengths
    sounds = powers >= powers.max() * 10 ** (SILENT_DB / 10)
    return float(energies[sounds].sum() / lengths[sounds].sum())


@typechecked
def louder(samples: Samples, sample_rate_hz: int, _: np.random.Generator, by_db: float) -> SameLength:
    """Amplified; quieter for a negative `by_db`."""
    return samples * np.float32(10 ** (by_db / 20)), sample_rate_hz


@typechecked
def clipped(samples: Samples, sample_rate_hz: int, _: np.random.Generator, share: float) -> SameLength:
    """The loudest `share` of samples, in [0, 1], cut down to the level of the least of them."""
    levels = np.abs(samples).ravel()
    count = round(share * levels.size)
    if not count:
        return samples, sample_rate_hz
    most = np.partition(levels, levels.size - count)[levels.size - count]
    return np.clip(samples, -most, most), sample_rate_hz


@typechecked
def through_mp3(
    samples: Samples, sample_rate_hz: int, _: np.random.Generator, kbit_per_second: int
) -> AnyLength:
    """Encoded by LAME at a constant bit rate, and decoded; at 44.1 kHz where mp3 does not have the rate."""
    if sample_rate_hz not in MP3_RATES_HZ:
        samples, sample_rate_hz = _at_rate(samples, sample_rate_hz, 44_100), 44_100
    channels = samples[:1].size
    if channels > 2:
        raise UsageError(
            f"an mp3 has one channel or two, and these samples have {channels}. Mix them down first."
        )
    encoded = BytesIO(mp3_bytes(samples, sample_rate_hz, kbit_per_second))
    return _decoded(encoded, samples.shape), sample_rate_hz


@typechecked
def through_vorbis(
    samples: Samples, sample_rate_hz: int, _: np.random.Generator, quality: float
) -> AnyLength:
    """Encoded as Ogg Vorbis of a quality from 0 to 10, and decoded."""
    buffer, planes = BytesIO(), samples.reshape(len(samples), -1)
    settings = dict(format="OGG", subtype="VORBIS", compression_level=1 - quality / 10)
    with soundfile.SoundFile(buffer, "w", sample_rate_hz, planes.shape[1], **settings) as file:
        for start in range(0, len(samples), BLOCK_SAMPLES):
            file.write(planes[start : start + BLOCK_SAMPLES])
    return _decoded(buffer, samples.shape), sample_rate_hz


def _decoded(buffer: BytesIO, shape: tuple[int, ...]) -> Samples:
    buffer.seek(0)
    samples, _ = soundfile.read(buffer, dtype="float32")
    return _fitted(samples.reshape(-1, *shape[1:]), shape[0])


def _fitted(samples: Samples, length: int) -> OtherSamples:
    """Cut, or followed by silence, to `length`."""
    missing = np.zeros((max(0, length - len(samples)), *samples.shape[1:]), np.float32)
    return np.concatenate([samples[:length], missing])


@typechecked
def resampled(samples: Samples, sample_rate_hz: int, _: np.random.Generator, to_hz: int) -> AnyLength:
    """At a lower rate, so that nothing above half of it is left; no change if the rate is no higher."""
    if sample_rate_hz <= to_hz:
        return samples, sample_rate_hz
    return _at_rate(samples, sample_rate_hz, to_hz), to_hz


def _at_rate(samples: Samples, from_hz: int, to_hz: int) -> OtherSamples:
    """Resampled, to one sample at least."""
    changed = np.asarray(soxr.resample(samples, from_hz, to_hz))
    return _fitted(changed, max(1, len(changed)))


@typechecked
def faster(samples: Samples, sample_rate_hz: int, _: np.random.Generator, times: float) -> AnyLength:
    """Tempo and pitch `times` as high, as on a turntable."""
    return _fitted(_sped_up(samples, times), round(len(samples) / times)), sample_rate_hz


@typechecked
def tempo_changed(samples: Samples, sample_rate_hz: int, _: np.random.Generator, times: float) -> AnyLength:
    """Tempo `times` as high, at the same pitch."""
    return stretched(samples, sample_rate_hz, 1 / times), sample_rate_hz


@typechecked
def pitch_changed(
    samples: Samples, sample_rate_hz: int, _: np.random.Generator, semitones: float
) -> AnyLength:
    """Pitch higher by so many semitones, at the same tempo."""
    times = 2 ** (semitones / 12)
    return _fitted(_sped_up(stretched(samples, sample_rate_hz, times), times), len(samples)), sample_rate_hz


def _sped_up(samples: Samples, times: float) -> OtherSamples:
    return np.asarray(soxr.resample(samples, times, 1.0))


@typechecked
def stretched(samples: Samples, sample_rate_hz: int, times: float) -> OtherSamples:
    """`times` as long at the same pitch: overlapping pieces, each where it best continues the last.

    Verhelst & Roelands 1993, "An overlap-add technique based on waveform similarity (WSOLA)". On music, and
    for a few per cent, it leaves fewer traces than a phase vocoder, which smears attacks.
    """
    half = max(1, seconds_to_samples(PIECE_SECONDS / 2, sample_rate_hz))
    length = round(len(samples) * times)
    silence = np.zeros((4 * half + round(half / times), *samples.shape[1:]), np.float32)
    padded = np.concatenate([silence, samples, silence])
    mono = padded.reshape(len(padded), -1).mean(axis=1)
    places = [round(number * half / times) + len(silence) - half for number in range(length // half + 2)]
    window = np.hanning(2 * half + 1)[:-1].astype(np.float32).reshape(-1, *[1] * (samples.ndim - 1))
    joined = np.zeros(((len(places) + 1) * half, *samples.shape[1:]), np.float32)
    for number, start in enumerate(_best_starts(mono, places, half)):
        joined[number * half :][: 2 * half] += window * padded[start : start + 2 * half]
    return joined[half : half + length]


def _best_starts(mono: Float32[np.ndarray, " samples"], places: list[int], half: int) -> Iterator[int]:
    """Start of each piece of `2 * half` samples: near its place, most like what followed the one before."""
    start = None
    for place in places:
        followed = mono[:0] if start is None else mono[start + half : start + 3 * half]
        start = place + (_best_shift(mono, place, followed) if followed.any() else 0)
        yield start


def _best_shift(
    mono: Float32[np.ndarray, " samples"], place: int, wanted: Float32[np.ndarray, " piece"]
) -> int:
    """By how many samples, a quarter of a piece at most, to move `place` to what is most like `wanted`."""
    reach = len(wanted) // 4
    around = mono[place - reach : place + reach + len(wanted)]
    size = scipy.fft.next_fast_len(len(around), real=True)
    product = scipy.fft.rfft(around, size) * scipy.fft.rfft(wanted, size).conj()
    summed = np.concatenate([[0.0], np.cumsum(np.square(around, dtype=np.float64))])
    energy = summed[len(wanted) :] - summed[: 2 * reach + 1]
    norm = np.linalg.norm(wanted.astype(np.float64))
    level = np.sqrt(np.maximum(energy, energy.max() * 1e-6 + 1e-30)) * norm
    shifts = np.arange(-reach, reach + 1)
    cosines = scipy.fft.irfft(product, size)[: len(shifts)] / level
    return int(shifts[np.argmax(cosines - NEARER * np.abs(shifts))])


@typechecked
def after_silence(samples: Samples, sample_rate_hz: int, _: np.random.Generator, seconds: float) -> AnyLength:
    """Digital silence first."""
    silence = np.zeros((seconds_to_samples(seconds, sample_rate_hz), *samples.shape[1:]), np.float32)
    return np.concatenate([silence, samples]), sample_rate_hz


@typechecked
def middle(samples: Samples, sample_rate_hz: int, _: np.random.Generator, share: float) -> AnyLength:
    """The middle `share` of its length, in (0, 1], and one sample at least."""
    kept = max(1, round(share * len(samples)))
    start = (len(samples) - kept) // 2
    return samples[start : start + kept], sample_rate_hz


DISTORTIONS: dict[str, Distortion] = {
    "noise_15_db": Distortion("pink noise, SNR 15 dB", partial(noisy, snr_db=15.0)),
    "noise_0_db": Distortion("pink noise, SNR 0 dB", partial(noisy, snr_db=0.0)),
    "quieter": Distortion("12 dB quieter", partial(louder, by_db=-12.0)),
    "clipping": Distortion("clipping of 5% of samples", partial(clipped, share=0.05)),
    "mp3": Distortion("mp3, 64 kbit/s", partial(through_mp3, kbit_per_second=64)),
    "mp3_32": Distortion("mp3, 32 kbit/s", partial(through_mp3, kbit_per_second=32)),
    "ogg": Distortion("ogg Vorbis, quality 1 of 10", partial(through_vorbis, quality=1.0)),
    "rate_16_khz": Distortion("resampling to 16 kHz", partial(resampled, to_hz=16_000)),
    "rate_8_khz": Distortion("resampling to 8 kHz, as telephones", partial(resampled, to_hz=8_000)),
    "pitch": Distortion("pitch +1 semitone", partial(pitch_changed, semitones=1.0)),
    "tempo": Distortion("tempo +5%", partial(tempo_changed, times=1.05)),
    "speed": Distortion("speed +5%, pitch with it", partial(faster, times=1.05)),
    "lead_in": Distortion("3 s of silence before", partial(after_silence, seconds=3.0)),
    "excerpt": Distortion("the middle half alone", partial(middle, share=0.5)),
}
