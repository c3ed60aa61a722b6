"""The course of a song: what it sounds like from beat to beat, by its chroma, its timbre and our vectors."""

from dataclasses import dataclass

import numpy as np

from soundkin.explore.beats import estimate_tempo, track_beats
from soundkin.explore.song_spectra import (
    CHROMA_HOP_SAMPLES,
    HOP_SAMPLES,
    MEL_BANDS,
    QUIETEST_POWER,
    RATE_HZ,
    chroma_frames,
    log_mel_frames,
    onset_strength,
)
from soundkin.shapes import Float, Float32, Int, typechecked
from soundkin.statistics.scaling import unit_length

COEFFICIENTS = 20
FEWEST_BEATS = 16  # with fewer there is hardly a pulse
STEP_SECONDS = 0.5  # from one "beat" to the next where there is no pulse
LEAST_PULSE = 0.5  # of the spread of onsets, in dB: a drone, noise and silence stay below
BEATS_A_BAR = 4
ENVELOPE_POINTS = 1_200  # more are finer than a screen shows
PITCH_CLASSES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
FRAMES_A_SECOND = RATE_HZ / HOP_SAMPLES


@dataclass(frozen=True, eq=False)
class SongCourse:
    """What a song sounds like at each beat, or each half second where `tempo`, beats a minute, is 0.

    `starts` are seconds, one more than beats: the last is the end. `bars` are the beats that begin a bar,
    if there are four beats to one. `chroma` is the strength of the pitch classes from C, the strongest 1;
    `timbre` are cepstral coefficients; `level_db` is against full scale; `vectors` are the model's.
    """

    starts: Float[np.ndarray, " bounds"]
    tempo: float
    bars: Int[np.ndarray, " bars"]
    chroma: Float32[np.ndarray, "beats 12"]
    timbre: Float32[np.ndarray, "beats coefficients"]
    level_db: Float32[np.ndarray, " beats"]
    vectors: Float32[np.ndarray, "beats embedding"]
    log_mel: Float32[np.ndarray, "mels frames"]  # dB
    samples: Float32[np.ndarray, " samples"]  # at RATE_HZ

    @property
    def seconds(self) -> float:
        """How long the song is."""
        return float(self.starts[-1])

    @property
    def middles(self) -> Float[np.ndarray, " beats"]:
        """Seconds in the middle of each beat."""
        return np.asarray((self.starts[:-1] + self.starts[1:]) / 2)

    @property
    def likeness(self) -> Float[np.ndarray, " beats"]:
        """Cosine of each beat's vector with the whole song's."""
        units = unit_length(self.vectors)
        return np.asarray(units @ unit_length(units.mean(axis=0)))

    def envelope(self) -> Float32[np.ndarray, "points 2"]:
        """The lowest and the highest sample of stretches of equal length, at most ENVELOPE_POINTS."""
        parts = np.array_split(self.samples, min(ENVELOPE_POINTS, len(self.samples)))
        return np.array([(part.min(), part.max()) for part in parts])


@typechecked
def song_course(
    samples: Float32[np.ndarray, " samples"],
    patch_vectors: Float32[np.ndarray, "patches embedding"],
    patch_middles: Float[np.ndarray, " patches"],
) -> SongCourse:
    """The course of mono samples at RATE_HZ; vectors of patches come with the seconds of their middles."""
    log_mel = log_mel_frames(samples)
    onsets = onset_strength(log_mel)
    seconds = len(samples) / RATE_HZ
    tempo, beats = _beats(onsets, seconds)
    starts = np.array([0.0, *beats, seconds])
    middles = (starts[:-1] + starts[1:]) / 2
    return SongCourse(
        starts,
        tempo,
        _bars(onsets, starts) if tempo else np.empty(0, np.int64),
        _by_beat(chroma_frames(samples), starts, CHROMA_HOP_SAMPLES),
        _by_beat(log_mel, starts) @ _COSINES,
        10 * np.log10(np.maximum(_by_beat(_hop_powers(samples), starts)[:, 0], QUIETEST_POWER)),
        np.array([np.interp(middles, patch_middles, each) for each in patch_vectors.T], np.float32).T,
        log_mel.T,
        samples,
    )


def _cosines() -> Float32[np.ndarray, "mels coefficients"]:
    """The first columns of the orthonormal discrete cosine transform, which makes a log-mel a cepstrum."""
    bands, orders = (np.arange(MEL_BANDS) + 0.5)[:, None], np.arange(COEFFICIENTS)
    scales = np.sqrt(np.where(orders, 2, 1) / MEL_BANDS)
    return np.asarray(scales * np.cos(np.pi * bands * orders / MEL_BANDS), np.float32)


_COSINES = _cosines()


def _hop_powers(samples: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "hops 1"]:
    """Mean squares from hop to hop."""
    padded = np.pad(samples, (0, -len(samples) % HOP_SAMPLES))
    return np.asarray((padded.reshape(-1, HOP_SAMPLES) ** 2).mean(axis=1, keepdims=True))


def _beats(onsets: Float[np.ndarray, " frames"], seconds: float) -> tuple[float, Float[np.ndarray, " beats"]]:
    """Tempo and beats, inside the song; without a pulse 0 and a time every STEP_SECONDS."""
    if onsets.std() > LEAST_PULSE:
        tempo = estimate_tempo(onsets, FRAMES_A_SECOND)
        beats = track_beats(onsets, tempo, FRAMES_A_SECOND) / FRAMES_A_SECOND
        beats = beats[(beats > STEP_SECONDS / 5) & (beats < seconds - STEP_SECONDS / 5)]
        if len(beats) >= FEWEST_BEATS:
            return tempo, beats
    return 0.0, np.arange(STEP_SECONDS, seconds - STEP_SECONDS / 2, STEP_SECONDS)


def _bars(
    onsets: Float[np.ndarray, " frames"], starts: Float[np.ndarray, " bounds"]
) -> Int[np.ndarray, " bars"]:
    """Every fourth beat, from the one with which the strongest onsets fall on these."""
    strength = onsets[_frames(starts, len(onsets), HOP_SAMPLES)]
    # The first "beat" is the beginning of the file, which need not be one.
    phase = max(range(1, 1 + BEATS_A_BAR), key=lambda first: float(strength[first::BEATS_A_BAR].mean()))
    return np.arange(phase, len(starts) - 1, BEATS_A_BAR)


def _by_beat(
    frames: Float32[np.ndarray, "frames features"],
    starts: Float[np.ndarray, " bounds"],
    hop_samples: int = HOP_SAMPLES,
) -> Float32[np.ndarray, "beats features"]:
    """Means over the frames of each beat."""
    firsts = _frames(starts, len(frames), hop_samples)
    counts = np.maximum(np.diff([*firsts, len(frames)]), 1)
    return np.asarray(np.add.reduceat(frames, firsts, axis=0, dtype=float) / counts[:, None], np.float32)


def _frames(starts: Float[np.ndarray, " bounds"], frames: int, hop_samples: int) -> Int[np.ndarray, " beats"]:
    """The frame in which each beat starts."""
    # A beat lies at a frame's very start: rounding must not put it into the one before.
    at = np.floor(starts[:-1] * RATE_HZ / hop_samples + 1e-6).astype(np.int64)
    return np.asarray(np.minimum(at, frames - 1))
