"""The course of a song: what it sounds like from beat to beat, by its chroma, its timbre and our vectors."""

import warnings
from dataclasses import dataclass

import numpy as np

from soundkin.extras import require

require("explore", "the course of a song")

import librosa

from soundkin.explore.beats import track_beats
from soundkin.shapes import Float, Float32, Int, typechecked

RATE_HZ, HOP_SAMPLES, WINDOW_SAMPLES = 22_050, 512, 2_048
CHROMA_HOP_SAMPLES = 2_048  # a tenth of a second: some in each beat, in half the time of HOP_SAMPLES
MEL_BANDS, COEFFICIENTS = 96, 20
FEWEST_BEATS = 16  # with fewer there is hardly a pulse
STEP_SECONDS = 0.5  # from one "beat" to the next where there is no pulse
LEAST_PULSE = 0.5  # of the spread of onsets, in dB: a drone, noise and silence stay below
BEATS_A_BAR = 4
PITCH_CLASSES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
QUIETEST_POWER = 1e-10


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


@typechecked
def song_course(
    samples: Float32[np.ndarray, " samples"],
    patch_vectors: Float32[np.ndarray, "patches embedding"],
    patch_middles: Float[np.ndarray, " patches"],
) -> SongCourse:
    """The course of mono samples at RATE_HZ; vectors of patches come with the seconds of their middles.

    The tempo is librosa's estimate.
    """
    spectrum = np.abs(librosa.stft(samples, n_fft=WINDOW_SAMPLES, hop_length=HOP_SAMPLES)) ** 2
    mel = librosa.feature.melspectrogram(S=spectrum, sr=RATE_HZ, n_mels=MEL_BANDS)
    log_mel = librosa.power_to_db(mel, ref=1.0, amin=QUIETEST_POWER, top_db=80.0)
    onsets = librosa.onset.onset_strength(S=log_mel, sr=RATE_HZ, hop_length=HOP_SAMPLES)
    seconds = len(samples) / RATE_HZ
    tempo, beats = _beats(onsets, seconds)
    starts = np.array([0.0, *beats, seconds])
    middles = (starts[:-1] + starts[1:]) / 2
    with warnings.catch_warnings():  # of silence and of a second's sound, both allowed
        warnings.simplefilter("ignore", UserWarning)
        chroma = librosa.feature.chroma_cqt(y=samples, sr=RATE_HZ, hop_length=CHROMA_HOP_SAMPLES)
    power = librosa.feature.rms(y=samples, hop_length=HOP_SAMPLES) ** 2
    return SongCourse(
        starts,
        tempo,
        _bars(onsets, starts) if tempo else np.empty(0, np.int64),
        _by_beat(chroma, starts, CHROMA_HOP_SAMPLES),
        _by_beat(librosa.feature.mfcc(S=log_mel, n_mfcc=COEFFICIENTS), starts),
        10 * np.log10(np.maximum(_by_beat(power, starts)[:, 0], QUIETEST_POWER)),
        np.array([np.interp(middles, patch_middles, each) for each in patch_vectors.T], np.float32).T,
        log_mel.astype(np.float32),
        samples,
    )


def _beats(onsets: Float[np.ndarray, " frames"], seconds: float) -> tuple[float, Float[np.ndarray, " beats"]]:
    """Tempo and beats, inside the song; without a pulse 0 and a time every STEP_SECONDS."""
    if onsets.std() > LEAST_PULSE:
        [tempo] = librosa.feature.tempo(onset_envelope=onsets, sr=RATE_HZ, hop_length=HOP_SAMPLES)
        frames = track_beats(onsets, float(tempo), RATE_HZ / HOP_SAMPLES)
        beats = librosa.frames_to_time(frames, sr=RATE_HZ, hop_length=HOP_SAMPLES)
        beats = beats[(beats > STEP_SECONDS / 5) & (beats < seconds - STEP_SECONDS / 5)]
        if len(beats) >= FEWEST_BEATS:
            return float(tempo), beats
    return 0.0, np.arange(STEP_SECONDS, seconds - STEP_SECONDS / 2, STEP_SECONDS)


def _bars(
    onsets: Float[np.ndarray, " frames"], starts: Float[np.ndarray, " bounds"]
) -> Int[np.ndarray, " bars"]:
    """Every fourth beat, from the one with which the strongest onsets fall on these."""
    frames = librosa.time_to_frames(starts[:-1], sr=RATE_HZ, hop_length=HOP_SAMPLES)
    strength = onsets[np.minimum(frames, len(onsets) - 1)]
    # The first "beat" is the beginning of the file, which need not be one.
    phase = max(range(1, 1 + BEATS_A_BAR), key=lambda first: float(strength[first::BEATS_A_BAR].mean()))
    return np.arange(phase, len(starts) - 1, BEATS_A_BAR)


def _by_beat(
    features: Float[np.ndarray, "features frames"],
    starts: Float[np.ndarray, " bounds"],
    hop_samples: int = HOP_SAMPLES,
) -> Float32[np.ndarray, "beats features"]:
    """Means over the frames of each beat."""
    bounds = librosa.time_to_frames(starts[:-1], sr=RATE_HZ, hop_length=hop_samples)
    bounds = np.minimum(bounds, features.shape[1] - 1)
    means = np.add.reduceat(features, bounds, axis=1) / np.maximum(np.diff([*bounds, features.shape[1]]), 1)
    return means.T.astype(np.float32)
