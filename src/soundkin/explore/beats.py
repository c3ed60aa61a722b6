"""Tempo and beats after D. Ellis, "Beat tracking by dynamic programming" (2007).

The same as `librosa.feature.tempo` and `librosa.beat.beat_track(trim=False)`, whose modules compile for two
seconds at each start.
"""

import numpy as np

from soundkin.shapes import Float, Int, typechecked

TIGHTNESS = 100.0
SHARPNESS = 32.0  # of onsets' smoothing: its deviation is the 32nd part of a beat

USUAL_TEMPO, FASTEST_TEMPO = 120.0, 320.0  # beats a minute
LONGEST_LAG_SECONDS = 8.0
FRAMES_A_STEP = 8  # from one local autocorrelation to the next
LOUDEST = 1e6  # autocorrelations are compared by log(1 + LOUDEST * x)


@typechecked
def estimate_tempo(onsets: Float[np.ndarray, " frames"], frames_a_second: float) -> float:
    """Beats a minute: the lag at which onsets best come again, where tempi far from the usual count less.

    The prior is a Gaussian on the scale of octaves, of deviation 1 about USUAL_TEMPO.
    """
    lags = int(LONGEST_LAG_SECONDS * frames_a_second)
    padded = np.pad(onsets, lags // 2, mode="linear_ramp", end_values=0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, lags)[: len(onsets) : FRAMES_A_STEP]
    spectra = np.fft.rfft(windows * np.hanning(lags + 1)[:-1], 2 * lags)
    local = np.fft.irfft(np.abs(spectra) ** 2)[:, :lags]
    again = (local / np.maximum(local[:, :1], np.finfo(float).tiny)).mean(axis=0)[1:]
    tempi = 60 * frames_a_second / np.arange(1, lags)
    scores = np.log1p(LOUDEST * np.maximum(again, 0)) - 0.5 * np.log2(tempi / USUAL_TEMPO) ** 2
    return float(tempi[np.where(tempi < FASTEST_TEMPO, scores, -np.inf).argmax()])


@typechecked
def track_beats(
    onsets: Float[np.ndarray, " frames"], beats_a_minute: float, frames_a_second: float
) -> Int[np.ndarray, " beats"]:
    """Frames of the beats of a steady tempo that fall best on `onsets`, which are not all alike."""
    period = round(60 * frames_a_second / beats_a_minute)
    window = np.exp(-0.5 * (np.arange(-period, period + 1) * SHARPNESS / period) ** 2)
    longer = np.convolve(onsets / onsets.std(ddof=1), window)
    score = longer[period : period + len(onsets)]
    total, before = _best_paths(score, period)
    path = [_last_beat(total)]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    heard = np.flatnonzero(score > 0)
    beats = np.array(path[::-1], np.int64)
    return np.asarray(beats[(beats >= heard[0]) & (beats <= heard[-1])])


def _best_paths(
    score: Float[np.ndarray, " frames"], period: int
) -> tuple[Float[np.ndarray, " frames"], Int[np.ndarray, " frames"]]:
    """The best sum of scores and steps that ends at each frame, and the beat before it there, or -1."""
    steps = np.arange(round(period / 2), 2 * period + 1)
    prices = TIGHTNESS * np.log(steps / period) ** 2
    total, before = score.copy(), np.full(len(score), -1)
    begun = np.flatnonzero(score >= 0.01 * score.max())[0]
    for frame in range(int(steps[0]), len(score)):
        count = min(len(steps), frame - int(steps[0]) + 1)
        values = total[frame - steps[:count]] - prices[:count]
        best = int(values.argmax())
        total[frame] += values[best]
        if frame >= begun:
            before[frame] = frame - steps[best]
    return total, before


def _last_beat(total: Float[np.ndarray, " frames"]) -> int:
    """The last peak that is at least half as high as the median one."""
    padded = np.pad(total, 1, mode="edge")
    peaks = np.flatnonzero((total > padded[:-2]) & (total >= padded[2:]))
    if not len(peaks):
        return len(total) - 1
    return int(peaks[total[peaks] >= np.median(total[peaks]) / 2][-1])
