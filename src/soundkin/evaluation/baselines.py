"""What a trained network has to beat: statistics of MFCCs, computed from the same log-mel that the network
hears.

MFCC mean and deviation is the plain bag-of-frames description of timbre (Logan 2000; Tzanetakis & Cook 2002).
"""

import numpy as np
from scipy.fft import dct
from scipy.signal import savgol_filter

from soundkin.shapes import Float, typechecked

COEFFICIENTS = 20
DELTA_FRAMES = 9  # the regression window, as in librosa.feature.delta


@typechecked
def mfccs(
    frames: Float[np.ndarray, "frames bands"], mel_bands: int | None = None
) -> Float[np.ndarray, "frames coefficients"]:
    """Mel-frequency cepstral coefficients: the first 20 of an orthonormal DCT over the mel bands of each
    frame.

    Where a frame has other bands behind them, `mel_bands` says how many are mel bands.
    """
    log_mel = np.asarray(frames[:, :mel_bands], dtype=np.float32)
    return np.asarray(dct(log_mel, type=2, norm="ortho", axis=1))[:, :COEFFICIENTS]


@typechecked
def mfcc_statistics(
    coefficients: Float[np.ndarray, "frames coefficients"],
) -> Float[np.ndarray, " statistics"]:
    """Mean and standard deviation over time of MFCCs, their deltas and their delta-deltas: 6 x 20 figures a
    track.
    """
    deltas = savgol_filter(coefficients, DELTA_FRAMES, polyorder=1, deriv=1, axis=0, mode="nearest")
    accelerations = savgol_filter(coefficients, DELTA_FRAMES, polyorder=2, deriv=2, axis=0, mode="nearest")
    courses = [coefficients, deltas, accelerations]
    return np.concatenate([np.r_[course.mean(axis=0), course.std(axis=0)] for course in courses]).astype(
        np.float32
    )
