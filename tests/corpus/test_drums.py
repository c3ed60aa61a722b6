import numpy as np

from soundkin.corpus.drums import Drummer, draw_kit

RATE = 22050


def centroid_hz(sound: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float(np.sum(power * np.fft.rfftfreq(len(sound), 1 / RATE)) / np.sum(power))


def test_kicks_are_low_hats_are_high_and_rides_ring_longest() -> None:
    for random_seed in range(5):
        drummer = Drummer(draw_kit(np.random.default_rng(random_seed)), RATE)
        kick, snare, hat, ride = (drummer.stroke(drum) for drum in ("kick", "snare", "hat", "ride"))
        assert centroid_hz(kick) < 500 < centroid_hz(snare) + 300 and centroid_hz(hat) > 4000
        assert len(ride) > 3 * len(hat)
        assert all(
            np.isfinite(sound).all() and sound.dtype == np.float32 for sound in (kick, snare, hat, ride)
        )


def test_a_stroke_dies_away() -> None:
    sound = Drummer(draw_kit(np.random.default_rng(0)), RATE).stroke("clap")
    assert np.abs(sound[-len(sound) // 10 :]).max() < 0.1 * np.abs(sound).max()
