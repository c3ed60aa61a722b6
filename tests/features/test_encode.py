import io

import numpy as np
import pytest
import soundfile

from soundkin.features.encode import mp3_bytes


@pytest.mark.parametrize(("shape", "channels"), [((22_050,), 1), ((22_050, 1), 1), ((22_050, 2), 2)])
def test_an_mp3_has_the_channels_and_sound_of_the_samples(shape: tuple[int, ...], channels: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050).astype(np.float32)
    samples = np.broadcast_to(tone.reshape(-1, *[1] * (len(shape) - 1)), shape)
    decoded, rate = soundfile.read(io.BytesIO(mp3_bytes(samples, 22_050, 64)), always_2d=True)
    assert (rate, decoded.shape) == (22_050, (22_050, channels))
    inner = slice(2_000, -2_000)
    np.testing.assert_allclose(
        decoded[inner].T, [tone[inner]] * channels, atol=0.03
    )  # LAME makes all a twentieth softer


def test_the_bit_rate_is_constant() -> None:
    random = np.random.default_rng(0)
    loud = random.normal(0, 0.1, 20 * 22_050).astype(np.float32)
    assert len(mp3_bytes(loud, 22_050, 32)) == pytest.approx(20 * 32_000 / 8, rel=0.01)
    assert len(mp3_bytes(0 * loud, 22_050, 32)) == pytest.approx(20 * 32_000 / 8, rel=0.01)
