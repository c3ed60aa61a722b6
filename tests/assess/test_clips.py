"""What is cut from a track, and how loud it is."""

import numpy as np
import pytest

from soundkin.assess.clips import cut
from soundkin.assess.triplet_questions import FIRST_HALF, MIDDLE, SECOND_HALF
from soundkin.errors import AudioError


def test_halves_are_cut_apart_and_all_clips_are_equally_loud() -> None:
    quiet, loud = np.full(4000, 0.01, np.float32), np.full(4000, 0.5, np.float32)
    samples = np.concatenate([quiet, loud]) * np.tile(np.float32([1, -1]), 4000)
    for part in (FIRST_HALF, SECOND_HALF):
        clip = cut(samples, 1000, part)
        assert len(clip) == 4000 and np.sqrt(np.mean(clip**2)) == pytest.approx(0.1, rel=0.01)
    assert len(cut(samples, 1000, MIDDLE)) == 8000
    assert np.abs(cut(np.eye(1, 4000, 2000, dtype=np.float32)[0], 1000, MIDDLE)).max() <= 0.95, (
        "a click does not clip"
    )


@pytest.mark.parametrize(
    ("samples", "said"), [(np.zeros(5000, np.float32), "silent"), (np.ones(1500, np.float32), "0.8 s long")]
)
def test_what_cannot_be_judged_is_refused(samples: np.ndarray, said: str) -> None:
    with pytest.raises(AudioError, match=said):
        cut(samples, 1000, FIRST_HALF)
