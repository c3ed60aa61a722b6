# mypy: disable-error-code="no-untyped-call"
"""Audio files as people have them: ogg, flac and mp3 with their tags; equal music is equal bytes."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
from mutagen.flac import FLAC
from mutagen.id3 import ID3, TALB, TCON, TDRC, TIT2, TPE1, TRCK, USLT
from mutagen.ogg import OggPage
from mutagen.oggvorbis import OggVorbis

from soundkin.features.encode import mp3_bytes
from soundkin.files import replacing
from soundkin.shapes import Float32, typechecked

Samples = Float32[np.ndarray, "samples channels"]
TagValues = Mapping[
    str, Sequence[str]
]  # by the names of Vorbis comments: title, artist, tracknumber, genre ...

BLOCK_SAMPLES = 1 << 16  # libsndfile's Vorbis encoder overflows its stack on long writes
OGG_SERIAL = 1  # libsndfile draws one at random, and equal music should be equal bytes
ID3_FRAMES = dict(title=TIT2, artist=TPE1, album=TALB, tracknumber=TRCK, date=TDRC, genre=TCON, lyrics=USLT)


@typechecked
def write_audio(path: Path, samples: Samples, sample_rate_hz: int, tags: TagValues) -> None:
    """Encode by the suffix of `path` (.ogg, .flac, .mp3), tag it, and put it in place whole.

    The names of tags are among those of `ID3_FRAMES`; empty tags are left out.
    """
    filled = {key: [value for value in values if value] for key, values in tags.items() if any(values)}
    write = {".ogg": _write_ogg, ".flac": _write_flac, ".mp3": _write_mp3}[path.suffix]
    buffer = BytesIO()
    write(buffer, samples, sample_rate_hz, filled)
    with replacing(path) as file:
        file.write(buffer.getvalue())


def _write_flac(buffer: BytesIO, samples: Samples, sample_rate_hz: int, tags: TagValues) -> None:
    soundfile.write(buffer, samples, sample_rate_hz, format="FLAC", subtype="PCM_16", compression_level=0.2)
    audio = FLAC(_rewound(buffer))
    audio.update(tags)
    audio.save(_rewound(buffer))


def _write_ogg(buffer: BytesIO, samples: Samples, sample_rate_hz: int, tags: TagValues) -> None:
    channels, encoded = samples.shape[1], BytesIO()
    with soundfile.SoundFile(
        encoded, "w", sample_rate_hz, channels, format="OGG", subtype="VORBIS", compression_level=0.6
    ) as file:
        for start in range(0, len(samples), BLOCK_SAMPLES):
            file.write(samples[start : start + BLOCK_SAMPLES])
    encoded.seek(0)
    while encoded.tell() < encoded.getbuffer().nbytes:
        page = OggPage(encoded)
        page.serial = OGG_SERIAL
        buffer.write(page.write())
    audio = OggVorbis(_rewound(buffer))
    audio.update(tags)
    audio.save(_rewound(buffer))


def _write_mp3(buffer: BytesIO, samples: Samples, sample_rate_hz: int, tags: TagValues) -> None:
    buffer.write(mp3_bytes(samples, sample_rate_hz, 64 * samples.shape[1]))
    frames = ID3()
    for key, values in tags.items():
        frames.add(ID3_FRAMES[key](text="\n".join(values) if key == "lyrics" else list(values)))
    frames.save(_rewound(buffer))


def _rewound(buffer: BytesIO) -> BytesIO:
    buffer.seek(0)
    return buffer
