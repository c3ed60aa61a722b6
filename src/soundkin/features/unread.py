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

from soundkin.features.decoders import Blocks, Source, open_part_with_libsndfile, open_with_ffmpeg
from soundkin.features.resampling import resample

LEAST_BYTES = 2_048  # of a compressed file: less is a frame or a tag
SMALL_BYTES = 65_536  # of an ogg file: libsndfile reads ahead, and may have read what it does not decode
OGG_FIRST_PAGE = b"OggS\0\2"

BYTES_PER_SAMPLE = dict(PCM_S8=1, PCM_U8=1, ULAW=1, ALAW=1, PCM_16=2, PCM_24=3, PCM_32=4, FLOAT=4, DOUBLE=8)
# Containers of such samples: how a chunk states its size, and how samples lie unless the file says otherwise.
CHUNK_SIZES = {"WAV": "<I", "WAVEX": "<I", "RF64": "<I", "AIFF": ">I", "CAF": ">q", "AU": None}
BIG_ENDIAN = {"AIFF", "CAF", "AU"}
TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LIST", b"id3 ")  # no sound, even if cut short


def bytes_left(path: Path, source: Source, samples_read: int) -> int:
    """How many bytes that may hold sound lie beyond what has been read; chunks and tags hold none."""
    size = path.stat().st_size
    if frame_bytes := _frame_bytes(source):
        left = size - source.reading.first_byte - samples_read * frame_bytes
        is_sound = left >= max(16, frame_bytes) and not _chunk_begins(path, size - left, source.file.format)
        return left if is_sound else 0
    left = size - source.reading.position
    if left < LEAST_BYTES and size < SMALL_BYTES and source.file.format == "OGG":
        left = size - [*_ogg_starts(path), size, size][1]
    return left if left >= LEAST_BYTES else 0


def unread_blocks(path: Path, source: Source, samples_read: int, left: int) -> Blocks:
    """The sound in the `left` bytes beyond `samples_read`, at the rate and with the channels of `source`.

    Raises CannotDecodeError if no decoder can go on, or not to the end.
    """
    size = path.stat().st_size
    if _frame_bytes(source):
        if left:
            yield from _raw_blocks(_Part(path, size - left, size), source)
        return
    starts = _ogg_starts(path) if source.file.format == "OGG" else []
    if len(starts) < 2:
        rest, to_skip = open_with_ffmpeg(path), samples_read
        for block in _fitted(rest, source):
            if len(block) > to_skip:
                yield block[to_skip:]
            to_skip = max(0, to_skip - len(block))
        source.reading.lost_seconds += rest.reading.lost_seconds
        return
    for start, stop in zip(starts[1:], [*starts[2:], size], strict=True):
        yield from _fitted(open_part_with_libsndfile(_Part(path, start, stop)), source)


def _frame_bytes(source: Source) -> int:
    """Bytes of a sample in all channels, where samples lie in the file as they are; else 0."""
    if source.file.format not in CHUNK_SIZES:
        return 0
    return source.channels * BYTES_PER_SAMPLE.get(source.file.subtype, 0)


def _raw_blocks(part: "_Part", source: Source) -> Blocks:
    endian, subtype = source.file.endian, source.file.subtype
    if endian == "FILE":
        endian = "BIG" if source.file.format in BIG_ENDIAN else "LITTLE"
    layout = dict(samplerate=source.sample_rate_hz, channels=source.channels, subtype=subtype, endian=endian)
    return open_part_with_libsndfile(part, format="RAW", **layout).blocks


def _chunk_begins(path: Path, start: int, container: str) -> bool:
    """Whether a chunk or a tag begins at byte `start` or, after padding, at the next one."""
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(17)
    left, size_format = path.stat().st_size - start, CHUNK_SIZES[container]
    for padding in (0, 1):
        chunk = head[padding:]
        if chunk.startswith(TAGS):
            return True
        if size_format and all(32 <= byte < 127 for byte in chunk[:4]):
            size = struct.unpack_from(size_format, chunk, 4)[0]
            if 0 <= size <= left - padding - 4 - struct.calcsize(size_format):
                return True
    return False


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
