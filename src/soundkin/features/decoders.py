"""Two ways to open an audio file: libsndfile, fast, for most; FFmpeg through PyAV for what it cannot read (m4a, ...).

Both know a file by its content, never by its name, and hand out float32 blocks [samples, channels] from start to end.
"""

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soundkin.features.c_library_noise import without_c_library_noise
from soundkin.shapes import Float32

BLOCK_SAMPLES = 65_536

# Formats that hold sound themselves: never playlists (hls, dash, concat), which open other files and addresses.
FFMPEG_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,iff,matroska,webm,mov,mp4,m4a,mp3,mpc,mpc8,mpeg,mpegts,"
    "nut,ogg,oma,rm,shn,tak,truehd,tta,voc,w64,wav,wsd,wv,xwma"
)
# Of those, the ones whose header states a length. For others FFmpeg divides the file's size by its first bit rate.
FFMPEG_FORMATS_WITH_LENGTH = {"asf", "caf", "flac", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "ogg", "w64", "wav"}

Blocks = Iterator[Float32[np.ndarray, "samples channels"]]


class CannotDecodeError(Exception):
    """The decoder does not know what to do with the file, or with the rest of it."""


@dataclass
class Source:
    """An open file. `claimed_samples` is what the header says, true or not; None where it says nothing."""

    decoder: str
    sample_rate_hz: int
    channels: int
    claimed_samples: int | None
    blocks: Blocks


def open_with_libsndfile(path: Path) -> Source:
    """Open what libsndfile reads: wav, flac, ogg, opus, mp3, aiff, caf and older ones.

    Raises:
        CannotDecodeError: libsndfile does not know the content.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with without_c_library_noise():
            # By descriptor rather than by name: libsndfile trusts some extensions (.raw, .vox) over the content.
            file = _ForwardSoundFile(descriptor, closefd=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise CannotDecodeError(_truthful(str(error))) from error
    return Source("libsndfile", file.samplerate, file.channels, _claimed_samples(file, path), _libsndfile_blocks(file))


class _ForwardSoundFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Reads from start to end only: otherwise soundfile seeks after each read, which can double the time of an mp3."""

    def seekable(self) -> bool:
        return False


def _libsndfile_blocks(file: _ForwardSoundFile) -> Blocks:
    with closing(file):
        buffer = np.empty((BLOCK_SAMPLES, file.channels), np.float32)
        while True:
            try:
                with without_c_library_noise():
                    block = file.read(out=buffer)
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise CannotDecodeError(_truthful(str(error))) from error
            if len(block) == 0:
                return
            yield block


def _truthful(reason: str) -> str:
    """Libsndfile says of a damaged mp3 that it does not exist, though we have opened it."""
    if "does not exist" in reason:
        return "damaged, or not audio"
    return re.sub(r"^Error opening [^:]*: ", "", reason).strip(" .")


def _claimed_samples(file: _ForwardSoundFile, path: Path) -> int | None:
    if not 0 < file.frames < 2**60 or (file.format == "MP3" and not _mp3_states_length(path)):
        return None
    # libsndfile silently corrects the length of a wav or aiff that is cut short, and notes it in its log.
    corrected = re.search(r"^\s*(?:data|SSND) : (\d+) \(should be ([1-9]\d*)\)", file.extra_info, re.MULTILINE)
    if not corrected:
        return int(file.frames)
    stated_bytes, held_bytes = map(int, corrected.groups())
    written_to_a_pipe = stated_bytes >= 0x7FFF_F000  # such a writer could not know the length
    return None if written_to_a_pipe else int(file.frames * stated_bytes / held_bytes)


def _mp3_states_length(path: Path) -> bool:
    """Whether the first frame is an encoder's note of the length; libmpg123 guesses from the bit rate otherwise."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            tag_bytes = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))
            file.seek(10 + tag_bytes)
            head = b""
        head += file.read(4096)
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


def open_with_ffmpeg(path: Path) -> Source:
    """Open what FFmpeg reads, by its first audio stream: m4a, ogg with a cover picture, wma, the sound of a video, ...

    Raises:
        CannotDecodeError: FFmpeg does not know the content, or finds no sound in it.
    """
    import av  # a third of a second, and most files never need it

    options = {"protocol_whitelist": "file", "format_whitelist": FFMPEG_FORMATS}
    try:
        container = av.open(f"file:{path.absolute()}", options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise CannotDecodeError(getattr(error, "strerror", None) or str(error)) from error
    frames = _ffmpeg_frames(container)
    first = next(frames, None)
    if first is None:
        raise CannotDecodeError("no sound in it")
    # What the frame says, not the header: that of an HE-AAC file may give half the sample rate it decodes to.
    sample_rate_hz, channels = first.sample_rate, first.layout.nb_channels
    alike = (frame for frame in frames if (frame.sample_rate, frame.layout.nb_channels) == (sample_rate_hz, channels))
    claimed = None
    if container.duration and container.format.name in FFMPEG_FORMATS_WITH_LENGTH:
        claimed = round(container.duration / av.time_base * sample_rate_hz)
    return Source("FFmpeg", sample_rate_hz, channels, claimed, _joined(chain([first], alike)))


def _ffmpeg_frames(container: Any) -> Iterator[Any]:
    import av

    with container:
        stream = next((stream for stream in container.streams.audio if stream.codec_context), None)
        if stream is None:
            return
        stream.codec_context.thread_count = 1
        to_float = av.AudioResampler(format="fltp")
        try:
            for packet in container.demux(stream):
                for frame in _frames_of(packet):
                    yield from to_float.resample(frame)
        except (av.FFmpegError, ValueError) as error:
            raise CannotDecodeError(getattr(error, "strerror", None) or str(error)) from error


def _frames_of(packet: Any) -> list[Any]:
    """What a packet holds: nothing if it is damaged. Players skip it too, and the loss shows in the length."""
    import av

    try:
        return list(packet.decode())
    except av.InvalidDataError:
        return []


def _joined(frames: Iterator[Any]) -> Blocks:
    """FFmpeg's frames hold about 1,000 samples: too few to work with at speed."""
    waiting: list[np.ndarray] = []
    for frame in frames:
        waiting.append(frame.to_ndarray())
        if sum(piece.shape[1] for piece in waiting) >= BLOCK_SAMPLES:
            yield np.concatenate(waiting, axis=1).T
            waiting = []
    if waiting:
        yield np.concatenate(waiting, axis=1).T
