"""Two ways to open an audio file: libsndfile, fast, for most; FFmpeg through PyAV for what it cannot read.

Both know a file by its content, never by its name, and give float32 blocks [samples, channels] from start to
end.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soundkin.features.c_library_noise import without_c_library_noise
from soundkin.shapes import Float32

# What happens between two blocks pushes the decoder's tables out of the processor's caches: blocks are large.
# But libsndfile loses the whole read in which it meets damage: reads are smaller.
BLOCK_SAMPLES, READ_SAMPLES = 131_072, 65_536

# Formats that hold sound themselves: never playlists (hls, dash, concat), which open other files and URLs.
FFMPEG_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,iff,matroska,webm,mov,mp4,m4a,mp3,mpc,mpc8,"
    "mpeg,mpegts,nut,ogg,oma,rm,shn,tak,truehd,tta,voc,w64,wav,wsd,wv,xwma"
)
# Those whose header states a length. For others FFmpeg divides the file's size by its first bit rate.
FFMPEG_FORMATS_WITH_LENGTH = [
    "asf",
    "caf",
    "flac",
    "matroska,webm",
    "mov,mp4,m4a,3gp,3g2,mj2",
    "ogg",
    "w64",
    "wav",
]

Blocks = Iterator[Float32[np.ndarray, "samples channels"]]


class CannotDecodeError(Exception):
    """The decoder cannot read the file, or the rest of it."""


@dataclass
class Reading:
    """Where libsndfile found sound and is reading, in bytes, and how much could not be decoded on the way.

    Apart from `Source`, so that the generator of blocks does not hold on to it, and files are closed at once.
    """

    first_byte: int = 0
    position: int = 0
    lost_seconds: float = 0.0


@dataclass
class Source:
    """An open file. `claimed_samples` is what the header says, true or not; None where it says nothing.

    `file` is libsndfile's, to ask for format, subtype and endianness.
    """

    decoder: str
    sample_rate_hz: int
    channels: int
    claimed_samples: int | None
    blocks: Blocks
    reading: Reading = field(default_factory=Reading)
    file: Any = None


def open_with_libsndfile(path: Path) -> Source:
    """Open wav, flac, ogg, opus, mp3, aiff, caf and older ones; CannotDecodeError for anything else."""
    # By descriptor rather than by name: libsndfile trusts some extensions (.raw, .vox) over the content.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    file = _sound_file(descriptor, closefd=True)
    claimed, opened = _claimed_samples(file, path), ExitStack()
    if file.format == "FLAC":
        file.close()
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        file = _sound_file(opened.enter_context(_FlacWithoutLength(descriptor)))
    reading = Reading(first_byte=os.lseek(descriptor, 0, os.SEEK_CUR))

    def blocks() -> Blocks:
        with opened, closing(file):
            for block in _libsndfile_blocks(file):
                reading.position = os.lseek(descriptor, 0, os.SEEK_CUR)
                yield block

    return Source("libsndfile", file.samplerate, file.channels, claimed, blocks(), reading, file)


def open_part_with_libsndfile(part: Any, **layout: Any) -> Source:
    """Open a part of a file as a file; `layout` describes raw samples, as `soundfile.SoundFile` takes it."""
    file = _sound_file(part, **layout)

    def blocks() -> Blocks:
        with closing(part), closing(file):
            yield from _libsndfile_blocks(file)

    return Source("libsndfile", file.samplerate, file.channels, None, blocks())


class _ForwardSoundFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Reads forward only: else soundfile seeks after each read, which can double the time of an mp3."""

    def seekable(self) -> bool:
        return False


class _FlacWithoutLength(io.FileIO):
    """A flac file that states no length: libsndfile would stop there, and FFmpeg takes twice as long."""

    LENGTH = range(21, 26)  # the low 36 bits

    def readinto(self, buffer: Any) -> int | None:
        start = self.tell()
        read = super().readinto(buffer)
        if start < self.LENGTH.stop and os.pread(self.fileno(), 4, 0) == b"fLaC":
            view = memoryview(buffer).cast("B")
            for place in set(self.LENGTH) & set(range(start, start + (read or 0))):
                view[place - start] &= 0xF0 if place == self.LENGTH.start else 0
        return read


def _sound_file(file: Any, **settings: Any) -> _ForwardSoundFile:
    try:
        with without_c_library_noise():
            return _ForwardSoundFile(file, **settings)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise _cannot_decode(error) from error


def _libsndfile_blocks(file: _ForwardSoundFile) -> Blocks:
    buffer = np.empty((BLOCK_SAMPLES, file.channels), np.float32)
    while True:
        filled = 0
        try:
            with without_c_library_noise():
                for _ in range(BLOCK_SAMPLES // READ_SAMPLES):
                    filled += file.buffer_read_into(buffer[filled : filled + READ_SAMPLES], "float32")
        except (soundfile.SoundFileError, RuntimeError) as error:
            if filled:
                yield buffer[:filled]
            raise _cannot_decode(error) from error
        if filled == 0:
            return
        yield buffer[:filled]


def _cannot_decode(error: Exception) -> CannotDecodeError:
    # libsndfile says of a damaged mp3 that it does not exist, though we have opened it.
    if "does not exist" in str(error):
        return CannotDecodeError("damaged, or not audio")
    return CannotDecodeError(re.sub(r"^Error opening [^:]*: ", "", str(error)).strip(" ."))


def _claimed_samples(file: _ForwardSoundFile, path: Path) -> int | None:
    if not 0 < file.frames < 2**60 or (file.format == "MP3" and not _mp3_states_length(path)):
        return None
    # libsndfile silently corrects the length of a wav or aiff that is cut short, and notes it in its log.
    correction = r"^\s*(?:data|SSND) : (\d+) \(should be ([1-9]\d*)\)"
    corrected = re.search(correction, file.extra_info, re.MULTILINE)
    if not corrected:
        return int(file.frames)
    stated_bytes, held_bytes = map(int, corrected.groups())
    # A writer to a pipe could not know the length.
    written_to_a_pipe = stated_bytes == 0 or stated_bytes >= 0x7FFF_F000
    return None if written_to_a_pipe else int(file.frames * stated_bytes / held_bytes)


def _mp3_states_length(path: Path) -> bool:
    """Whether the first frame states the length; else libmpg123 guesses it from the bit rate."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            shifts = (21, 14, 7, 0)
            tag_bytes = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], shifts, strict=False))
            file.seek(10 + tag_bytes)
            head = b""
        head += file.read(4096)
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


def open_with_ffmpeg(path: Path) -> Source:
    """Open the default audio stream of m4a, wma, videos ...; CannotDecodeError if there is none."""
    import av  # a third of a second, and most files never need it

    options = {"protocol_whitelist": "file", "format_whitelist": FFMPEG_FORMATS}
    try:
        container = av.open(f"file:{path.absolute()}", options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise CannotDecodeError(_reason(error)) from error
    reading = Reading()
    frames = _ffmpeg_frames(container, reading)
    first = next(frames, None)
    if first is None:
        raise CannotDecodeError("no sound in it")
    # What the frame says, not the header: that of an HE-AAC file may give half the sample rate it decodes to.
    sample_rate_hz, channels = first.sample_rate, first.layout.nb_channels
    claimed = None
    if container.duration and container.format.name in FFMPEG_FORMATS_WITH_LENGTH:
        claimed = round(container.duration / av.time_base * sample_rate_hz)
    return Source("FFmpeg", sample_rate_hz, channels, claimed, _joined(chain([first], frames)), reading)


def _default_audio_stream(container: Any) -> Any | None:
    """The audio stream that players choose: the default one, else one that is no commentary."""
    from av.stream import Disposition

    commentary = Disposition.comment | Disposition.hearing_impaired | Disposition.visual_impaired
    streams = [stream for stream in container.streams.audio if stream.codec_context]
    streams.sort(key=lambda it: (not it.disposition & Disposition.default, bool(it.disposition & commentary)))
    return streams[0] if streams else None


def _ffmpeg_frames(container: Any, reading: Reading) -> Iterator[Any]:
    """Frames of the first one's rate and layout; what a packet loses is added to `lost_seconds`."""
    import av

    with container:
        stream = _default_audio_stream(container)
        if stream is None:
            return
        stream.codec_context.thread_count = 1
        resampler, described = None, None
        target: dict[str, Any] = {}
        try:
            for packet in container.demux(stream):
                try:
                    frames = list(packet.decode())
                except av.InvalidDataError:  # damaged: players skip it too
                    reading.lost_seconds += float((packet.duration or 0) * (packet.time_base or 0))
                    continue
                for frame in frames:
                    description = (frame.sample_rate, frame.layout.name, frame.format.name)
                    if description != described:  # at first, and where a stream changes on the way
                        described = description
                        target = target or {"layout": frame.layout, "rate": frame.sample_rate}
                        resampler = av.AudioResampler(format="fltp", **target)
                    yield from resampler.resample(frame)  # type: ignore[union-attr]
        except (av.FFmpegError, ValueError) as error:
            raise CannotDecodeError(_reason(error)) from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


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
