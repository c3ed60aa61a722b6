import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundkin.errors import UsageError
from soundkin.features.distortions import (
    DISTORTIONS,
    after_silence,
    clipped,
    faster,
    louder,
    middle,
    noisy,
    pink_noise,
    pitch_changed,
    resampled,
    sounding_power,
    stretched,
    tempo_changed,
    through_mp3,
    through_vorbis,
)

RATE_HZ = 22_050
ROUND_RATE_HZ = 20_000  # 50 ms are 1,000 samples
AS_LONG = {"noise_15_db", "noise_0_db", "quieter", "clipping", "mp3", "ogg", "pitch"}
SOUNDS = st.integers(0, 3_000).flatmap(
    lambda samples: st.sampled_from([(samples,), (samples, 1), (samples, 2)]).flatmap(
        lambda shape: arrays(
            np.float32, shape, elements=st.floats(-1, 1, width=32), fill=st.just(np.float32(0.25))
        )
    )
)


def rng(random_seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(random_seed)


def white(seconds: float, channels: int | None = None, random_seed: int = 0) -> np.ndarray:
    shape = (round(seconds * RATE_HZ),) if channels is None else (round(seconds * RATE_HZ), channels)
    return rng(random_seed).uniform(-0.5, 0.5, shape).astype(np.float32)


def tone(hz: float, seconds: float = 2.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def burst(hz: float, at_seconds: float, seconds: float = 3.0) -> np.ndarray:
    """A tone that swells and fades around one moment."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (tone(hz, seconds) * np.exp(-(((time - at_seconds) / 0.1) ** 2))).astype(np.float32)


def loudest_hz(samples: np.ndarray, rate_hz: int = RATE_HZ) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(spectrum.argmax() * rate_hz / (8 * len(samples)))


def middle_seconds(samples: np.ndarray) -> float:
    """Where its energy is, on the mean."""
    return float(np.average(np.arange(len(samples)), weights=np.square(samples, dtype=float)) / RATE_HZ)


def power(samples: np.ndarray) -> float:
    return float(np.mean(np.square(samples, dtype=float)))


@pytest.mark.parametrize("name", DISTORTIONS)
@settings(max_examples=25, deadline=None)
@given(samples=SOUNDS)
def test_every_distortion_gives_finite_sound_again_and_leaves_what_it_was_given_alone(name, samples):
    before = samples.copy()
    changed, rate_hz = DISTORTIONS[name](samples, RATE_HZ, rng())
    assert changed.dtype == np.float32 and np.isfinite(changed).all()
    assert changed.shape[1:] == samples.shape[1:]
    assert np.array_equal(samples, before)
    if name in AS_LONG:
        assert (len(changed), rate_hz) == (len(samples), RATE_HZ)
    if len(samples):
        assert len(changed)
    else:
        assert (len(changed), rate_hz) == (0, RATE_HZ)


@pytest.mark.parametrize("name", DISTORTIONS)
@pytest.mark.parametrize("channels", [None, 2])
def test_it_is_the_same_each_time_it_changes_something_and_silence_stays_silent(name, channels):
    samples = white(1.0, channels)
    first, again = (DISTORTIONS[name](samples, RATE_HZ, rng(3)) for _ in range(2))
    assert np.array_equal(first[0], again[0]) and first[1] == again[1]
    assert not np.array_equal(first[0], samples)
    quiet, _ = DISTORTIONS[name](np.zeros_like(samples), RATE_HZ, rng())
    assert np.abs(quiet).max() < 1e-4


def test_labels_tell_distortions_apart():
    labels = [distortion.label for distortion in DISTORTIONS.values()]
    assert len(set(labels)) == len(labels) and all(labels)


@settings(max_examples=25)
@given(samples=st.integers(1, 9_000), channels=st.sampled_from([(), (2,)]))
def test_lengths_are_those_of_the_label(samples, channels):
    sound = np.full((samples, *channels), 0.25, np.float32)
    lengths = {
        name: len(DISTORTIONS[name](sound, RATE_HZ, rng())[0]) for name in DISTORTIONS.keys() - AS_LONG
    }
    assert lengths["tempo"] == lengths["speed"] == round(samples / 1.05)
    assert lengths["lead_in"] == samples + 3 * RATE_HZ
    assert lengths["excerpt"] == max(1, round(samples / 2))
    assert lengths["rate_16_khz"] == pytest.approx(samples * 16_000 / RATE_HZ, abs=1)
    assert lengths["rate_8_khz"] == pytest.approx(samples * 8_000 / RATE_HZ, abs=1)


@settings(max_examples=25)
@given(snr_db=st.floats(-10, 40), gain_db=st.floats(-40, 0), channels=st.sampled_from([None, 2]))
def test_noise_is_as_far_below_the_music_as_stated_however_much_silence_there_is(snr_db, gain_db, channels):
    sounding = white(0.5, channels)[:10_000] * np.float32(10 ** (gain_db / 20))
    samples = np.concatenate([np.zeros_like(sounding), sounding, np.zeros_like(sounding)])
    changed, _ = noisy(samples, ROUND_RATE_HZ, rng(1), snr_db)
    assert 10 * np.log10(power(sounding) / power(changed - samples)) == pytest.approx(snr_db, abs=0.01)


def test_power_is_that_of_the_stretches_that_sound():
    sine = tone(440.0, 1.0, ROUND_RATE_HZ)
    faint, audible = sine * np.float32(10 ** (-70 / 20)), sine * np.float32(10 ** (-50 / 20))
    sounds = {
        "whole": (sine, 0.125),
        "silence after": (np.concatenate([sine, faint, 0 * sine]), 0.125),
        "a quiet half": (np.concatenate([sine, audible]), 0.0625 * (1 + 1e-5)),
        "one channel": (np.stack([sine, 0 * sine], axis=1), 0.0625),
        "quiet as a whole": (faint, 0.125e-7),
        "silence": (0 * sine, 0.0),
    }
    found = {name: sounding_power(samples, ROUND_RATE_HZ) for name, (samples, _) in sounds.items()}
    assert found == pytest.approx({name: expected for name, (_, expected) in sounds.items()}, rel=1e-3)
    ragged = np.concatenate([sine[:19_990], 0 * sine])  # the stretch in which the sound ends counts whole
    assert sounding_power(ragged, ROUND_RATE_HZ) == pytest.approx(
        power(sine[:19_990]) * 19_990 / 20_000, rel=1e-6
    )


def test_pink_noise_has_the_same_power_in_each_octave_above_20_hz_and_little_below():
    noise = pink_noise((40 * RATE_HZ, 2), RATE_HZ, rng())
    spectrum = np.abs(np.fft.rfft(noise[:, 0])) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / RATE_HZ)
    octaves = [spectrum[(hz >= low) & (hz < 2 * low)].sum() for low in 20 * 2.0 ** np.arange(9)]
    assert octaves == pytest.approx(np.full(9, np.mean(octaves)), rel=0.15)
    assert octaves[3:] == pytest.approx(np.full(6, np.mean(octaves)), rel=0.05)
    assert spectrum[hz < 20].sum() < 1.6 * np.mean(
        octaves
    )  # an octave and a half of it, not all there are down to 0
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.05


@pytest.mark.parametrize("by_db", [-12.0, 0.0, 6.0])
def test_gain_is_exact(by_db):
    samples = white(0.1)
    assert np.array_equal(louder(samples, RATE_HZ, rng(), by_db)[0], samples * np.float32(10 ** (by_db / 20)))
    assert 20 * np.log10(np.abs(louder(samples, RATE_HZ, rng(), by_db)[0] / samples)) == pytest.approx(
        by_db, abs=1e-4
    )


@given(share=st.floats(0, 1), channels=st.sampled_from([None, 2]))
def test_the_stated_share_is_clipped_and_the_rest_is_not_touched(share, channels):
    samples = white(0.1, channels)
    changed, _ = clipped(samples, RATE_HZ, rng(), share)
    count = round(share * samples.size)
    if not count:
        assert np.array_equal(changed, samples)
        return
    at_the_top = np.abs(changed) == np.abs(changed).max()
    assert at_the_top.sum() == pytest.approx(count, abs=3)  # equal levels are clipped alike
    assert np.array_equal(changed[~at_the_top], samples[~at_the_top])
    assert np.array_equal(np.sign(changed), np.sign(samples))
    assert np.abs(samples[at_the_top]).min() >= np.abs(changed).max()


CODECS = {
    "mp3": lambda samples, rate_hz, level: through_mp3(samples, rate_hz, rng(), (32, 128)[level]),
    "ogg": lambda samples, rate_hz, level: through_vorbis(samples, rate_hz, rng(), (0.0, 9.0)[level]),
}


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_loses_more_at_a_low_rate_and_moves_nothing(codec):
    samples, _ = resampled(white(3.0), RATE_HZ, rng(), 8_000)
    samples = np.asarray(
        soxr.resample(samples, 8_000, RATE_HZ)
    )  # nothing so high that every encoder drops it
    coarse, fine = (CODECS[codec](samples, RATE_HZ, level)[0] for level in (0, 1))
    lost = [1 - np.corrcoef(changed, samples)[0, 1] ** 2 for changed in (coarse, fine)]  # whatever the gain
    assert 0.3 > lost[0] > 5 * lost[1] > 0
    assert 10 * np.log10(power(fine) / power(samples)) == pytest.approx(
        0, abs=0.5
    )  # LAME takes 0.4 dB for headroom
    lags = np.arange(-3, 4)
    likeness = [float(np.dot(np.roll(fine, lag), samples)) for lag in lags]
    assert lags[int(np.argmax(likeness))] == 0


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_keeps_channels_apart(codec):
    samples = np.stack([tone(440.0), 0.3 * tone(1_500.0)], axis=1)
    changed, _ = CODECS[codec](samples, RATE_HZ, 1)
    assert [loudest_hz(channel) for channel in changed.T] == pytest.approx([440.0, 1_500.0], abs=2)
    assert [power(channel) for channel in changed.T] == pytest.approx(
        [power(channel) for channel in samples.T], rel=0.1
    )


@pytest.mark.parametrize("samples", [1, 2, 9_600])
def test_mp3_takes_on_a_rate_that_it_has(samples):
    changed, rate_hz = through_mp3(tone(440.0, samples / 96_000, 96_000), 96_000, rng(), 64)
    assert rate_hz == 44_100
    assert len(changed) == pytest.approx(samples * 44_100 / 96_000, abs=1)


def test_mp3_has_no_three_channels():
    with pytest.raises(UsageError, match="these samples have 3"):
        through_mp3(np.zeros((9, 3), np.float32), RATE_HZ, rng(), 64)


def test_a_lower_rate_loses_what_is_above_half_of_it_and_nothing_below():
    samples = tone(1_000.0) + tone(6_000.0)
    changed, rate_hz = resampled(samples, RATE_HZ, rng(), 8_000)
    inner = slice(800, -800)
    assert rate_hz == 8_000
    assert power(changed[inner]) == pytest.approx(power(tone(1_000.0)), rel=1e-2)
    assert loudest_hz(changed, 8_000) == pytest.approx(1_000.0, abs=1)
    same, rate_hz = resampled(samples, 7_000, rng(), 8_000)
    assert rate_hz == 7_000 and np.array_equal(same, samples)


@pytest.mark.parametrize("times", [0.8, 1.05])
def test_speed_moves_pitch_and_time(times):
    changed, _ = faster(burst(440.0, 1.0), RATE_HZ, rng(), times)
    assert loudest_hz(changed) == pytest.approx(440.0 * times, rel=2e-3)
    assert middle_seconds(changed) == pytest.approx(1.0 / times, abs=0.01)


@pytest.mark.parametrize("times", [0.8, 1.05])
def test_tempo_moves_time_and_leaves_pitch(times):
    changed, _ = tempo_changed(burst(440.0, 1.0), RATE_HZ, rng(), times)
    assert loudest_hz(changed) == pytest.approx(440.0, rel=2e-3)
    assert middle_seconds(changed) == pytest.approx(1.0 / times, abs=0.01)
    assert np.abs(changed).max() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("semitones", [-3.0, 1.0])
def test_pitch_moves_pitch_and_leaves_time(semitones):
    changed, _ = pitch_changed(burst(440.0, 1.0), RATE_HZ, rng(), semitones)
    assert loudest_hz(changed) == pytest.approx(440.0 * 2 ** (semitones / 12), rel=2e-3)
    assert middle_seconds(changed) == pytest.approx(1.0, abs=0.01)
    assert np.abs(changed).max() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("times", [0.8, 1 / 1.05, 1.4])
def test_a_steady_chord_stays_one_when_it_is_stretched(times):
    pitches_hz = (200.0, 300.0, 500.0)  # they begin again every 200 samples
    chord = sum(tone(hz, rate_hz=ROUND_RATE_HZ) for hz in pitches_hz)
    inner = stretched(chord, ROUND_RATE_HZ, times)[2_000:-2_000]
    turns = 2 * np.pi * np.arange(len(inner)) / ROUND_RATE_HZ
    waves = np.stack([wave(hz * turns) for hz in pitches_hz for wave in (np.sin, np.cos)], axis=1)
    fitted, *_ = np.linalg.lstsq(waves, inner, rcond=None)
    assert power(inner - waves @ fitted) < 1e-6 * power(inner)  # where it was joined, the waves go on
    assert np.hypot(fitted[::2], fitted[1::2]) == pytest.approx([0.5, 0.5, 0.5], rel=1e-3)


@pytest.mark.parametrize("times", [0.9, 1.05])
def test_a_stretched_tune_is_the_tune_played_at_that_tempo(times):
    notes = [
        (220 * 2 ** (step / 12), 0.3 + 0.25 * place)
        for place, step in enumerate((0, 4, 7, 12, 9, 5, 2, 7, 4, 0))
    ]

    def played(slower: float) -> np.ndarray:
        return sum(burst(hz, at * slower, 3.2 * slower) for hz, at in notes)

    def course(samples: np.ndarray) -> np.ndarray:
        return np.convolve(np.square(samples), np.ones(900) / 900, "same")[
            : round(3.0 * RATE_HZ * min(times, 1))
        ]

    expected, found, before = (
        course(played(times)),
        course(stretched(played(1.0), RATE_HZ, times)),
        course(played(1.0)),
    )
    likeness = [np.corrcoef(expected, other)[0, 1] for other in (found, before)]
    assert likeness[0] > 0.97 and likeness[1] < 0.8


@given(samples=SOUNDS.filter(len))
@settings(max_examples=25, deadline=None)
def test_what_is_stretched_by_nothing_is_not_changed(samples):
    assert stretched(samples, RATE_HZ, 1.0) == pytest.approx(samples, abs=1e-6)


def test_stretching_there_and_back_leaves_the_music():
    rng_of_music = rng(2)
    music = sum(
        burst(hz, at, 6.0)
        for hz, at in zip(rng_of_music.uniform(100, 2_000, 20), np.linspace(0.3, 5.7, 20), strict=True)
    )
    back = stretched(stretched(music, RATE_HZ, 1.1), RATE_HZ, 1 / 1.1)
    spectra = [np.abs(np.fft.rfft(samples[: 128 * 1_024].reshape(-1, 1_024))) for samples in (music, back)]
    assert np.corrcoef(spectra[0].ravel(), spectra[1].ravel())[0, 1] > 0.97


@pytest.mark.slow
def test_channels_are_stretched_together():
    left = burst(440.0, 1.0) + white(3.0)
    alone = stretched(left, RATE_HZ, 1.1)
    assert stretched(np.stack([left, left], axis=1), RATE_HZ, 1.1) == pytest.approx(
        np.stack([alone, alone], axis=1)
    )
    apart = stretched(np.stack([left, -0.5 * left], axis=1), RATE_HZ, 1.1)
    assert apart[:, 1] == pytest.approx(-0.5 * apart[:, 0])


def test_silence_comes_first_and_an_excerpt_from_the_middle():
    samples = np.arange(1, 11, dtype=np.float32)
    assert after_silence(samples, 4, rng(), 0.5)[0].tolist() == [0, 0, *range(1, 11)]
    assert middle(samples, 4, rng(), 0.4)[0].tolist() == [4, 5, 6, 7]
    assert middle(samples, 4, rng(), 0.001)[0].tolist() == [5]
    assert middle(samples, 4, rng(), 1.0)[0].tolist() == samples.tolist()
