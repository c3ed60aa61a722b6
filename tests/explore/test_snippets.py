import base64
import io

import numpy as np
import pytest
import soundfile

from soundkin.explore.snippets import SNIPPET_RATE_HZ, SNIPPET_SECONDS, data_uri, encode_mp3, middle


def test_the_middle_is_ten_seconds_and_fades_at_both_ends():
    second = np.ones(SNIPPET_RATE_HZ, dtype=np.float32)
    samples = np.concatenate([0 * second.repeat(20), second.repeat(10), 0 * second.repeat(20)])
    cut = middle(samples, SNIPPET_RATE_HZ)
    assert len(cut) == SNIPPET_SECONDS * SNIPPET_RATE_HZ
    assert cut[0] == cut[-1] == 0.0
    assert cut[len(cut) // 2] == 1.0
    assert samples.max() == 1.0  # the source is left alone


@pytest.mark.parametrize("samples", [2, 3, 1000])
def test_a_shorter_track_is_there_whole(samples):
    assert len(middle(np.ones(samples, dtype=np.float32), SNIPPET_RATE_HZ)) == samples


def test_the_mp3_sounds_like_its_source_and_is_small():
    seconds = np.arange(10 * SNIPPET_RATE_HZ) / SNIPPET_RATE_HZ
    tone = 0.5 * np.sin(2 * np.pi * 440 * seconds).astype(np.float32)
    encoded = encode_mp3(tone, SNIPPET_RATE_HZ)
    assert len(encoded) < 60_000
    decoded, rate = soundfile.read(io.BytesIO(encoded))
    assert rate == SNIPPET_RATE_HZ
    assert len(decoded) == pytest.approx(len(tone), abs=4000)
    assert np.abs(np.fft.rfft(decoded)).argmax() * rate / len(decoded) == pytest.approx(440, abs=1)


def test_a_data_uri_holds_the_content():
    uri = data_uri(b"sound", "audio/mpeg")
    assert uri.startswith("data:audio/mpeg;base64,")
    assert base64.b64decode(uri.split(",")[1]) == b"sound"
