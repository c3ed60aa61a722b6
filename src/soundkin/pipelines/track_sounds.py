"""The sound of indexed tracks: a stretch of a minute to listen to."""

from pathlib import Path
from typing import TYPE_CHECKING

from soundkin.errors import AudioError
from soundkin.explore.snippets import SNIPPET_RATE_HZ
from soundkin.features.decode import read_waveform
from soundkin.units import seconds_to_samples

if TYPE_CHECKING:
    import numpy as np

    from soundkin.search.vector_index import Index
    from soundkin.shapes import Float32

STRETCH_SECONDS = 60.0
BEFORE_SECONDS = 30.0  # openings are often unlike the rest


def read_stretch(index: "Index", row: int) -> "Float32[np.ndarray, ' samples'] | str":
    """A minute of a track from its 31st second on, or all there is of a shorter one; or why there is none.

    Mono at SNIPPET_RATE_HZ.
    """
    path = Path(index.audio_path(index.tracks.label(row).path))
    try:
        heard = read_waveform(path, SNIPPET_RATE_HZ, BEFORE_SECONDS + STRETCH_SECONDS).samples
    except AudioError as error:
        return f"no sound: {error}"
    return heard[-seconds_to_samples(STRETCH_SECONDS, SNIPPET_RATE_HZ) :]
