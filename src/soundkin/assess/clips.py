"""What people hear: ten seconds of a track at the loudness of all others, or of one half of it.

Louder sounds better, and nearer: without one level for all, people would answer by the volume.
"""

import numpy as np

from soundkin.assess.triplet_questions import MIDDLE
from soundkin.errors import AudioError
from soundkin.explore.snippets import middle
from soundkin.shapes import Float32, typechecked
from soundkin.units import samples_to_seconds

FIRST_HALF, SECOND_HALF = "first half", "second half"
PARTS = (MIDDLE, FIRST_HALF, SECOND_HALF)
LEVEL = 0.1  # root mean square; 20 dB below full scale
LOUDEST = 0.95
MOST_GAIN = 30.0  # about 30 dB: more would play the noise of an almost silent track
SHORTEST_SECONDS = 1.0


@typechecked
def cut(
    samples: Float32[np.ndarray, " samples"], sample_rate_hz: int, part: str
) -> Float32[np.ndarray, " cut"]:
    """Ten seconds, or what there is, from the middle of a waveform or of one of its halves, at our level.

    Raises:
        AudioError: shorter than a second, or silent.
    """
    half = len(samples) // 2
    places = {MIDDLE: samples, FIRST_HALF: samples[:half], SECOND_HALF: samples[half:]}
    clip = middle(places[part], sample_rate_hz)
    seconds = samples_to_seconds(len(clip), sample_rate_hz)
    if seconds < SHORTEST_SECONDS:
        raise AudioError(f"its {part} is {seconds:.1f} s long: too short to judge.")
    loudness = float(np.sqrt(np.mean(np.square(clip))))
    if loudness * MOST_GAIN < LEVEL / 3:
        raise AudioError(f"its {part} is as good as silent.")
    gain = min(LEVEL / loudness, MOST_GAIN, LOUDEST / float(np.abs(clip).max()))
    return clip * np.float32(gain)
