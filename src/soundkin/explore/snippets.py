"""Ten seconds from the middle of a track's first minute, or a passage of it, small enough for a page."""

import base64
from pathlib import Path

import numpy as np

from soundkin.errors import AudioError
from soundkin.features.decode import read_waveform
from soundkin.features.encode import mp3_bytes
from soundkin.shapes import Float32, typechecked
from soundkin.units import seconds_to_samples

SOURCE_SECONDS = 60.0
SNIPPET_SECONDS = 10.0
SNIPPET_RATE_HZ = 22_050
FADE_SECONDS = 0.15
KBIT_PER_SECOND = 32  # 40 kB a snippet


@typechecked
def middle(samples: Float32[np.ndarray, " samples"], sample_rate_hz: int) -> Float32[np.ndarray, " cut"]:
    """The middle ten seconds, faded in and out so that no player clicks; all of it if there is less."""
    wanted = min(len(samples), seconds_to_samples(SNIPPET_SECONDS, sample_rate_hz))
    start = (len(samples) - wanted) // 2
    return faded(samples[start : start + wanted], sample_rate_hz)


@typechecked
def faded(samples: Float32[np.ndarray, " samples"], sample_rate_hz: int) -> Float32[np.ndarray, " samples"]:
    """A copy that fades in and out, so that no player clicks."""
    cut = samples.copy()
    fade = min(seconds_to_samples(FADE_SECONDS, sample_rate_hz), len(cut) // 2)
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    cut[:fade] *= ramp
    cut[len(cut) - fade :] *= ramp[::-1]
    return cut


@typechecked
def encode_mp3(samples: Float32[np.ndarray, " samples"], sample_rate_hz: int) -> bytes:
    """Mono mp3, which every browser plays."""
    return mp3_bytes(np.clip(samples, -1.0, 1.0), sample_rate_hz, KBIT_PER_SECOND)


def data_uri(content: bytes, media_type: str) -> str:
    """`content` as an address that holds it, for a page that opens offline."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def snippet(path: Path) -> tuple[str | None, str]:
    """Ten seconds of audio as a data URI, or None and why there is none."""
    try:
        waveform = read_waveform(path, SNIPPET_RATE_HZ, SOURCE_SECONDS)
    except AudioError as error:
        return None, f"no sound: {error}"
    excerpt = middle(waveform.samples, SNIPPET_RATE_HZ)
    return data_uri(encode_mp3(excerpt, SNIPPET_RATE_HZ), "audio/mpeg"), ""
