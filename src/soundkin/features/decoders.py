"""Two ways to open an audio file: libsndfile, fast, for most; FFmpeg through PyAV for what it cannot read
(m4a, ...).

Both know a file by its content, never by its name, and hand out float32 blocks [samples, channels] from start
to end.
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

BLOCK_SAMPLES = 65_536

# Formats that hold sound themselves: never playlists (hls, dash, concat), which open other files and addresses.
FFMPEG_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,iff,matroska,webm,mov,mp4,m4a,mp3,mpc,mpc8,mpeg,mpegts,"
    "nut,ogg,oma,rm,shn,tak,truehd,tta,voc,w64,wav,wsd,wv,xwma"
)
# Of those, the ones whose header states a length. For others FFmpeg divides the file's size by its first bit rate.
FFMPEG_FORMATS_WITH_LENGTH = {
    "asf",
    "caf",
    "flac",
    "matroska,webm",
    "mov,mp4,m4a,3gp,3g2,mj2",
    "ogg",
    "w64",
    "wav",
}

Blocks = Iterator[Float32[np.ndarray, "samples channels"]]


class CannotDecodeError(Exception):
    """The decoder does not know what to do with the file, or with the rest of it."""


@dataclass
class Reading:
    """How reading goes: the byte that libsndfile is at, and how much of the sound could not be decoded on the
    way.

    Apart from `Source`, so that the generator of its blocks does not hold on to it, and files are closed at
    once.
    """

    position: int = 0
    lost_seconds: float = 0.0


@dataclass
class Source:
    """An open file. `claimed_samples` is what the header says, true or not; None where it says nothing."""

    decoder: str
    sample_rate_hz: int
    channels: int
    claimed_samples: int | None
    blocks: Blocks
    reading: Reading = field(default_factory=Reading)


@dataclass
class LibsndfileSource(Source):
    """A file that libsndfile reads. `first_byte` is where its sound begins."""

    format: str = ""
    subtype: str = ""
    endian: str = ""
    first_byte: int = 0


def open_with_libsndfile(path: Path) -> LibsndfileSource:
    """Open what libsndfile reads: wav, flac, ogg, opus, mp3, aiff, caf and older ones.

    Raises:
        CannotDecodeError: libsndfile does not know the content.
    """
    # By descriptor rather than by name: libsndfile trusts some extensions (.raw, .vox) over the content.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    file = _sound_file(descriptor, closefd=True)
    reading, claimed, opened = Reading(), _claimed_samples(file, path), ExitStack()
    if file.format == "FLAC":
        file.close()
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # without its name, which may end in .raw
        file = _sound_file(opened.enter_context(_FlacWithoutLength(descriptor)))

    def blocks() -> Blocks:
        with opened, closing(file):
            for block in _libsndfile_blocks(file):
                reading.position = os.lseek(descriptor, 0, os.SEEK_CUR)
                yield block

    return LibsndfileSource(
        decoder="libsndfile",
        sample_rate_hz=file.samplerate,
        channels=file.channels,
        claimed_samples=claimed,
        blocks=blocks(),
        reading=reading,
        format=file.format,
        subtype=file.subtype,
        endian=file.endian,
        first_byte=os.lseek(descriptor, 0, os.SEEK_CUR),
    )


def open_part_with_libsndfile(part: io.RawIOBase, **layout: Any) -> Source:
    """Open a part of a file as if it were a file; `layout` describes raw samples, as `soundfile.SoundFile`
    takes it.

    Raises:
        CannotDecodeError: libsndfile does not know the content.
    """
    file = _sound_file(part, **layout)

    def blocks() -> Blocks:
        with closing(part), closing(file):
            yield from _libsndfile_blocks(file)

    return Source("libsndfile", file.samplerate, file.channels, None, blocks())


class _ForwardSoundFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Reads from start to end only: otherwise soundfile seeks after each read, which can double the time of
    an mp3.
    """

    def seekable(self) -> bool:
        return False


class _FlacWithoutLength(io.FileIO):
    """A flac file that states no length: libsndfile would not decode beyond it, and FFmpeg takes twice as
    long.
    """

    LENGTH = range(21, 26)  # the low 36 bits

    def readinto(self, buffer: Any) -> int | None:
        start = self.tell()
        read = super().readinto(buffer)
        if start < self.LENGTH.stop and self._starts_as_flac():
            view = memoryview(buffer).cast("B")
            for place in set(self.LENGTH) & set(range(start, start + (read or 0))):
                view[place - start] &= 0xF0 if place == self.LENGTH.start else 0
        return read

    def _starts_as_flac(self) -> bool:
        return os.pread(self.fileno(), 4, 0) == b"fLaC"


def _sound_file(file: Any, **settings: Any) -> _ForwardSoundFile:
    try:
        with without_c_library_noise():
            return _ForwardSoundFile(file, **settings)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise CannotDecodeError(_truthful(str(error))) from error


def _libsndfile_blocks(file: _ForwardSoundFile) -> Blocks:
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
    corrected = re.search(
        r"^\s*(?:data|SSND) : (\d+) \(should be ([1-9]\d*)\)", file.extra_info, re.MULTILINE
    )
    if not corrected:
        return int(file.frames)
    stated_bytes, held_bytes = map(int, corrected.groups())
    written_to_a_pipe = (
        stated_bytes == 0 or stated_bytes >= 0x7FFF_F000
    )  # such a writer could not know the length
    return None if written_to_a_pipe else int(file.frames * stated_bytes / held_bytes)


def _mp3_states_length(path: Path) -> bool:
    """Whether the first frame is an encoder's note of the length; libmpg123 guesses from the bit rate
    otherwise.
    """
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            tag_bytes = sum(
                (byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False)
            )
            file.seek(10 + tag_bytes)
            head = b""
        head += file.read(4096)
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


def open_with_ffmpeg(path: Path) -> Source:
    """Open what FFmpeg reads, by its default audio stream: m4a, ogg with a cover picture, wma, the sound of a
    video.

    Raises:
        CannotDecodeError: FFmpeg does not know the content, or finds no sound in it.
    """
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


def default_audio_stream(container: Any) -> Any | None:
    """The audio stream of an open container that players choose: the default one, else one that is no
    commentary.
    """
    from av.stream import Disposition

    beside = Disposition.comment | Disposition.hearing_impaired | Disposition.visual_impaired
    streams = [stream for stream in container.streams.audio if stream.codec_context]
    by_rank = sorted(
        streams,
        key=lambda stream: (not stream.disposition & Disposition.default, bool(stream.disposition & beside)),
    )
    return next(iter(by_rank), None)


def _ffmpeg_frames(container: Any, reading: Reading) -> Iterator[Any]:
    """Frames of one rate and layout, those of the first; what a packet loses is added to `lost_seconds`."""
    import av

    with container:
        stream = default_audio_stream(container)
        if stream is None:
            return
        stream.codec_context.thread_count = 1
        resampler, described = None, None
        target: dict[str, Any] = {}
        try:
            for packet in container.demux(stream):
                for frame in _frames_of(packet, reading):
                    description = (frame.sample_rate, frame.layout.name, frame.format.name)
                    if description != described:  # at first, and where a stream changes on the way
                        described = description
                        target = target or {"layout": frame.layout, "rate": frame.sample_rate}
                        resampler = av.AudioResampler(format="fltp", **target)
                    yield from resampler.resample(frame)  # type: ignore[union-attr]
        except (av.FFmpegError, ValueError) as error:
            raise CannotDecodeError(_reason(error)) from error


def _frames_of(packet: Any, reading: Reading) -> list[Any]:
    """What a packet holds: nothing if it is damaged. Players skip it too."""
    import av

    try:
        return list(packet.decode())
    except av.InvalidDataError:
        reading.lost_seconds += float((packet.duration or 0) * (packet.time_base or 0))
        return []


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
