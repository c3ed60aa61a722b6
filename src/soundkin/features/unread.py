"""What a file holds beyond the place where libsndfile stops.

libsndfile takes lengths in headers for the truth: it stops where a wav's data chunk claims to end, where an
mp3 without a stated length is guessed to, and at the end of the first of several ogg files in a row. The
sound behind is read here: raw samples as they are, further ogg streams as files of their own, and the rest
with FFmpeg.
"""

import io
import mmap
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from soundkin.features.decoders import (
    Blocks,
    LibsndfileSource,
    Source,
    open_part_with_libsndfile,
    open_with_ffmpeg,
)
from soundkin.features.resampling import resample

LEAST_BYTES = 2_048  # of a compressed file: less is a frame or a tag
SMALL_BYTES = 65_536  # of an ogg file: libsndfile reads ahead, and may have read what it does not decode
OGG_FIRST_PAGE = b"OggS\0\2"

BYTES_PER_SAMPLE = dict(PCM_S8=1, PCM_U8=1, ULAW=1, ALAW=1, PCM_16=2, PCM_24=3, PCM_32=4, FLOAT=4, DOUBLE=8)
# Containers of such samples: how a chunk states its size, and how samples lie unless the file says otherwise.
CHUNK_SIZES = {"WAV": "<I", "WAVEX": "<I", "RF64": "<I", "AIFF": ">I", "CAF": ">q", "AU": None}
BIG_ENDIAN = {"AIFF", "CAF", "AU"}
TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LIST", b"id3 ")  # no sound, even if cut short


def bytes_left(path: Path, source: LibsndfileSource, samples_read: int) -> int:
    """How many bytes that may hold sound lie beyond what has been read; chunks and tags hold none."""
    if _is_raw(source):
        return _raw_bytes_left(path, source, _end_of_raw(source, samples_read))
    size = path.stat().st_size
    left = size - source.reading.position
    if left < LEAST_BYTES and size < SMALL_BYTES and source.format == "OGG":
        left = size - [*_ogg_starts(path), size, size][1]
    return left if left >= LEAST_BYTES else 0


def unread_blocks(path: Path, source: LibsndfileSource, samples_read: int, left: int) -> Blocks:
    """The sound in the `left` bytes beyond `samples_read`, at the rate and with the channels of `source`.

    Raises CannotDecodeError if no decoder can go on, or not to the end.
    """
    if _is_raw(source):
        if left:
            yield from _raw_samples(path, source, _end_of_raw(source, samples_read))
        return
    starts = _ogg_starts(path) if source.format == "OGG" else []
    if len(starts) < 2:
        rest = open_with_ffmpeg(path)
        yield from _skipping(samples_read, _fitted(rest, source))
        source.reading.lost_seconds += rest.reading.lost_seconds
        return
    for start, stop in zip(starts[1:], [*starts[2:], path.stat().st_size], strict=True):
        yield from _fitted(open_part_with_libsndfile(_Part(path, start, stop)), source)


def _skipping(samples: int, blocks: Blocks) -> Blocks:
    for block in blocks:
        if len(block) > samples:
            yield block[samples:]
        samples = max(0, samples - len(block))


def _is_raw(source: LibsndfileSource) -> bool:
    return source.format in CHUNK_SIZES and source.subtype in BYTES_PER_SAMPLE


def _end_of_raw(source: LibsndfileSource, samples: int) -> int:
    return source.first_byte + samples * source.channels * BYTES_PER_SAMPLE[source.subtype]


def _raw_samples(path: Path, source: LibsndfileSource, start: int) -> Blocks:
    endian = source.endian
    if endian == "FILE":
        endian = "BIG" if source.format in BIG_ENDIAN else "LITTLE"
    layout = {"samplerate": source.sample_rate_hz, "channels": source.channels, "subtype": source.subtype}
    part = _Part(path, start, path.stat().st_size)
    return open_part_with_libsndfile(part, format="RAW", endian=endian, **layout).blocks


def _raw_bytes_left(path: Path, source: LibsndfileSource, start: int) -> int:
    left = path.stat().st_size - start
    if left < max(16, source.channels * BYTES_PER_SAMPLE[source.subtype]):
        return 0
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(17)
    return 0 if _is_chunk(head, left, source) or _is_chunk(head[1:], left - 1, source) else left


def _is_chunk(head: bytes, left: int, source: LibsndfileSource) -> bool:
    """Whether a chunk or a tag begins here rather than more samples."""
    if head.startswith(TAGS):
        return True
    size_format = CHUNK_SIZES[source.format]
    if size_format is None or not all(32 <= byte < 127 for byte in head[:4]):
        return False
    size: int = struct.unpack_from(size_format, head, 4)[0]
    return 0 <= size <= left - 4 - struct.calcsize(size_format)


def _ogg_starts(path: Path) -> list[int]:
    """Where each of the ogg streams in a row begins; multiplexed streams begin together, and count once."""
    starts: list[int] = []
    with path.open("rb") as file, closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as content:
        end_of_first_pages = 0
        at = content.find(OGG_FIRST_PAGE)
        while at >= 0:
            if at > end_of_first_pages or not starts:
                starts.append(at)
            segments = content[at + 27 : at + 27 + content[at + 26]] if at + 27 <= len(content) else b""
            end_of_first_pages = at + 27 + len(segments) + sum(segments)
            at = content.find(OGG_FIRST_PAGE, at + 4)
    return starts


def _fitted(source: Source, like: Source) -> Blocks:
    """The blocks of `source` with the rate and the number of channels of `like`."""
    blocks = source.blocks
    if source.channels != like.channels:
        blocks = (np.repeat(block.mean(axis=1, keepdims=True), like.channels, axis=1) for block in blocks)
    resampled = resample((block.T for block in blocks), source.sample_rate_hz, like.sample_rate_hz)
    return (block.T for block in resampled)


class _Part:
    """The bytes of a file from `start` to `stop`, as a file that soundfile can read."""

    def __init__(self, path: Path, start: int, stop: int) -> None:
        self._file = path.open("rb")
        self._start, self._size = start, stop - start
        self.seek(0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._size}[whence]
        return self._file.seek(self._start + max(0, base + offset)) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(memoryview(buffer)[: max(0, self._size - self.tell())])

    def close(self) -> None:
        self._file.close()
