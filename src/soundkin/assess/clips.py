"""What people hear: ten seconds of a track at the loudness of all others, or of one half of it.

Louder sounds better, and nearer: without one level for all, people would answer by the volume.
"""

import hashlib
import secrets
from functools import lru_cache

import numpy as np

from soundkin.assess.triplet_questions import FIRST_HALF, MIDDLE, SECOND_HALF, Clip
from soundkin.catalog.table import Catalog
from soundkin.errors import AudioError
from soundkin.explore.snippets import SNIPPET_RATE_HZ, SOURCE_SECONDS, encode_mp3, middle
from soundkin.features.decode import read_waveform
from soundkin.shapes import Float32, typechecked
from soundkin.units import samples_to_seconds

LEVEL = 0.1  # root mean square; 20 dB below full scale
LOUDEST = 0.95
MOST_GAIN = 30.0  # about 30 dB: more would play the noise of an almost silent track
SHORTEST_SECONDS = 1.0
CLIPS_KEPT = 400  # of about 40 kB


@typechecked
def cut(
    samples: Float32[np.ndarray, " samples"], sample_rate_hz: int, part: str
) -> Float32[np.ndarray, " cut"]:
    """Ten seconds, or what there is, from the middle of a waveform or of one of its halves, at our level."""
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


class Clips:
    """Clips as mp3, made when first wanted, the last few hundred kept; pages know them by tokens that tell
    nothing.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._salt = secrets.token_hex(16)
        self._by_token: dict[str, Clip] = {}
        self.mp3 = lru_cache(maxsize=CLIPS_KEPT)(self._make)

    def token(self, clip: Clip) -> str:
        """The token of a clip, the same as long as this run lasts."""
        token = hashlib.sha256("\x1f".join((self._salt, clip.track_id, clip.part)).encode()).hexdigest()[:24]
        self._by_token[token] = clip
        return token

    def by_token(self, token: str) -> Clip | None:
        """The clip of a token; None if none was given out like that."""
        return self._by_token.get(token)

    def _make(self, clip: Clip) -> bytes:
        """The mp3 of a clip; AudioError if the file cannot be played."""
        waveform = read_waveform(self._catalog.audio_path(clip.track_id), SNIPPET_RATE_HZ, SOURCE_SECONDS)
        return encode_mp3(cut(waveform.samples, SNIPPET_RATE_HZ, clip.part), SNIPPET_RATE_HZ)
