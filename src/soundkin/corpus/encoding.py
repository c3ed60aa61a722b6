# mypy: disable-error-code="no-untyped-call"
"""Audio files as people have them: ogg, flac and mp3 with their tags, written byte for byte alike each time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import soundfile
from mutagen.flac import FLAC
from mutagen.id3 import ID3, TALB, TCON, TDRC, TIT2, TPE1, TRCK, USLT
from mutagen.ogg import OggPage
from mutagen.oggvorbis import OggVorbis

from soundkin.files import replacing
from soundkin.shapes import Float32, typechecked

Samples = Float32[np.ndarray, "samples channels"]

BLOCK_SAMPLES = 1 << 16  # libsndfile's Vorbis encoder overflows its stack on long writes
OGG_SERIAL = 1  # libsndfile draws one at random, and equal music should be equal bytes


@dataclass(frozen=True)
class Tags:
    """What the file says about itself; empty means that it does not say."""

    title: str
    artist: str
    album: str
    number: int
    date: str = ""
    genres: Sequence[str] = field(default=())
    lyrics: str = ""


@typechecked
def write_audio(path: Path, samples: Samples, sample_rate_hz: int, tags: Tags) -> None:
    """Encode by the suffix of `path` (.ogg, .flac, .mp3), tag it, and put it in place whole."""
    encode = {".ogg": _ogg, ".flac": _flac, ".mp3": _mp3}[path.suffix]
    with replacing(path) as file:
        file.write(encode(samples, sample_rate_hz, tags))


def _flac(samples: Samples, sample_rate_hz: int, tags: Tags) -> bytes:
    buffer = BytesIO()
    soundfile.write(buffer, samples, sample_rate_hz, format="FLAC", subtype="PCM_16", compression_level=0.2)
    audio = FLAC(_rewound(buffer))
    audio.update(_vorbis_comments(tags))
    audio.save(_rewound(buffer))
    return buffer.getvalue()


def _ogg(samples: Samples, sample_rate_hz: int, tags: Tags) -> bytes:
    buffer = BytesIO()
    with soundfile.SoundFile(
        buffer, "w", sample_rate_hz, samples.shape[1], format="OGG", subtype="VORBIS", compression_level=0.6
    ) as file:
        for start in range(0, len(samples), BLOCK_SAMPLES):
            file.write(samples[start : start + BLOCK_SAMPLES])
    buffer = _with_serial(_rewound(buffer))
    audio = OggVorbis(buffer)
    audio.update(_vorbis_comments(tags))
    audio.save(_rewound(buffer))
    return buffer.getvalue()


def _with_serial(stream: BytesIO) -> BytesIO:
    pages = []
    while stream.tell() < stream.getbuffer().nbytes:
        page = OggPage(stream)
        page.serial = OGG_SERIAL
        pages.append(page.write())
    return BytesIO(b"".join(pages))


def _vorbis_comments(tags: Tags) -> Mapping[str, list[str]]:
    comments = {
        "title": [tags.title],
        "artist": [tags.artist],
        "album": [tags.album],
        "tracknumber": [str(tags.number)],
        "date": [tags.date],
        "genre": list(tags.genres),
        "lyrics": [tags.lyrics],
    }
    return {key: values for key, values in comments.items() if any(values)}


def _mp3(samples: Samples, sample_rate_hz: int, tags: Tags) -> bytes:
    buffer = BytesIO()
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(buffer, "w", format="mp3", options={"id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=sample_rate_hz, options={"compression_level": "7"})
        stream.layout = layout
        stream.bit_rate = 64_000 * samples.shape[1]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.sample_rate = sample_rate_hz
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    _id3(tags).save(_rewound(buffer))
    return buffer.getvalue()


def _id3(tags: Tags) -> ID3:
    frames = ID3()
    frames.add(TIT2(text=tags.title))
    frames.add(TPE1(text=tags.artist))
    frames.add(TALB(text=tags.album))
    frames.add(TRCK(text=str(tags.number)))
    if tags.date:
        frames.add(TDRC(text=tags.date))
    if tags.genres:
        frames.add(TCON(text=list(tags.genres)))
    if tags.lyrics:
        frames.add(USLT(text=tags.lyrics))
    return frames


def _rewound(buffer: BytesIO) -> BytesIO:
    buffer.seek(0)
    return buffer
