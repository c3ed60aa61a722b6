from dataclasses import replace

import numpy as np
import pytest

from soundkin.corpus.composing import LAYERS
from soundkin.corpus.production import FIRST_YEAR, LAST_YEAR, Production, age, draw_production, produce, vary

RATE = 22050
PLAIN = replace(draw_production(np.random.default_rng(0)), hiss_db=-120.0)


def layers(seconds: float = 2.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {layer: 0.1 * rng.standard_normal(int(seconds * RATE), dtype=np.float32) for layer in LAYERS}


def record(production: Production, channels: int = 1, seconds: float = 2.0) -> np.ndarray:
    return produce(layers(seconds), production, 0.5, RATE, channels, np.random.default_rng(2))


def level_db(sound: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(sound**2))))


@pytest.mark.parametrize("channels", [1, 2])
def test_a_record_has_its_loudness_and_never_clips(channels: int) -> None:
    sound = record(PLAIN, channels, seconds=4.0)
    assert sound.shape == (4 * RATE, channels) and sound.dtype == np.float32
    assert np.abs(sound).max() < 1
    assert level_db(sound[: 3 * RATE]) == pytest.approx(PLAIN.loudness_db, abs=1.5)
    assert sound[-1] == pytest.approx(0, abs=1e-4)


def test_old_records_are_duller_noisier_and_quieter() -> None:
    old, new = age(PLAIN, FIRST_YEAR), age(PLAIN, LAST_YEAR)
    assert old.highest_hz < new.highest_hz and old.hiss_db > new.hiss_db and old.loudness_db < new.loudness_db
    treble = [np.abs(np.fft.rfft(record(one)[:, 0]))[2 * 8000 :].mean() for one in (old, new)]
    assert treble[0] < 0.3 * treble[1]


def test_years_drift_slowly() -> None:
    assert abs(age(PLAIN, 1990).hiss_db - age(PLAIN, 1991).hiss_db) < 0.5


def test_silence_stays_silent() -> None:
    silent = {layer: np.zeros(RATE, dtype=np.float32) for layer in LAYERS}
    sound = produce(silent, PLAIN, 0.5, RATE, 2, np.random.default_rng(0))
    assert np.isfinite(sound).all() and np.abs(sound).max() < 1e-4


def test_an_artists_next_album_sounds_closer_than_another_artist() -> None:
    rng = np.random.default_rng(3)
    own = [vary(PLAIN, 1.0, rng) for _ in range(8)]
    others = [draw_production(rng) for _ in range(8)]
    spectra = [np.log(np.abs(np.fft.rfft(record(one)[:, 0])) + 1e-3) for one in (PLAIN, *own, *others)]
    distances = [np.linalg.norm(spectrum - spectra[0]) for spectrum in spectra[1:]]
    assert np.mean(distances[:8]) < 0.8 * np.mean(distances[8:])


def test_panned_layers_make_stereo() -> None:
    wide = replace(PLAIN, pans={layer: 0.0 for layer in LAYERS} | {"melody": 0.9}, reverb_level=0.0)
    left, right = record(wide, channels=2).T
    assert level_db(right) > level_db(left) + 0.5
