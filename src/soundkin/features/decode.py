"""Audio file -> mono waveform: float32, full scale at 1.0, in blocks, with memory bounded whatever the file claims.

Headers lie, files are cut short, and floats are not always numbers. What makes a file useless is an `AudioError` that
names it; what can be lived with is a warning that stays with the track:
- samples that are not finite, or absurdly large, count as silence;
- a damaged file is used as far as FFmpeg or libsndfile can read it, and so is one that ends before its header says;
- silence is allowed.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain
from pathlib import Path

import numpy as np
import soxr

from soundkin.errors import AudioError
from soundkin.features.decoders import Blocks, CannotDecodeError, Source, open_with_ffmpeg, open_with_libsndfile
from soundkin.features.file_hashes import file_hash
from soundkin.shapes import Float32, typechecked
from soundkin.units import samples_to_seconds, seconds_to_samples

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 384_000
MOST_CHANNELS = 32
LOUDEST = 2.0**16  # float files that hold 16-bit integers reach 2**15; anything above is damage
SILENT_POWER = 1e-10  # mean square; 100 dB below full scale
CUT_SHORT_SECONDS = 0.1  # encoders round a claimed length by less than this

MonoBlocks = Iterator[Float32[np.ndarray, " samples"]]


@dataclass(frozen=True)
class Waveform:
    """A whole decoded file. `warnings` says what is off with it, if anything."""

    samples: Float32[np.ndarray, " samples"]
    sample_rate_hz: int
    warnings: tuple[str, ...]


@dataclass
class AudioStream:
    """An open audio file. Iterating yields mono float32 blocks, once; `warnings` and `samples_read` are whole after."""

    path: Path
    sample_rate_hz: int
    source: Source
    seconds: float | None = None
    warnings: list[str] = field(default_factory=list)
    samples_read: int = 0

    @property
    def duration_seconds(self) -> float:
        """Length of what has been read so far."""
        return samples_to_seconds(self.samples_read, self.sample_rate_hz)

    def __iter__(self) -> MonoBlocks:
        """Yield the file in order.

        Raises:
            AudioError: there is at most one sample in it.
        """
        energy, bad_samples = 0.0, 0
        for block in self._up_to_limit(chain(self._decoded(), self._rest())):
            mono, bad = _clean_mono(block)
            bad_samples += bad
            energy += float(np.dot(mono, mono))
            self.samples_read += len(mono)
            yield mono
        if self.samples_read < 2:
            raise AudioError(f"{self.path} holds {self.samples_read} samples of audio. Leave it out or replace it.")
        if bad_samples:
            self.warnings.append(f"{bad_samples} samples were not finite numbers and count as silence")
        if energy / self.samples_read < SILENT_POWER:
            self.warnings.append("silent from start to end")
        if self._cut_short():
            claimed = samples_to_seconds(self.source.claimed_samples or 0, self.sample_rate_hz)
            self.warnings.append(
                f"cut short: {self.duration_seconds:.1f} of the {claimed:.1f} s that its header claims"
            )

    def _up_to_limit(self, blocks: Blocks) -> Blocks:
        limit = self._limit()
        for block in blocks:
            yield block if limit is None else block[: limit - self.samples_read]
            if self.samples_read == limit:
                return

    def _decoded(self) -> Blocks:
        try:
            yield from self.source.blocks
        except CannotDecodeError as error:
            self.warnings.append(f"damaged at {self.duration_seconds:.1f} s ({self.source.decoder}: {error})")

    def _rest(self) -> Blocks:
        """Go on with FFmpeg, which finds its way past damage, where libsndfile has given up."""
        if self.source.decoder != "libsndfile" or not (self.warnings or self._cut_short()):
            return
        try:
            source = open_with_ffmpeg(self.path)
            if (source.sample_rate_hz, source.channels) != (self.sample_rate_hz, self.source.channels):
                return
            to_skip = self.samples_read
            for block in source.blocks:
                if len(block) > to_skip:
                    yield block[to_skip:]
                to_skip = max(0, to_skip - len(block))
        except CannotDecodeError:
            return  # what libsndfile made of it stands

    def _limit(self) -> int | None:
        return None if self.seconds is None else seconds_to_samples(self.seconds, self.sample_rate_hz)

    def _cut_short(self) -> bool:
        claimed, limit = self.source.claimed_samples, self._limit()
        if claimed is None:
            return False
        expected = claimed if limit is None else min(claimed, limit)
        return samples_to_seconds(expected - self.samples_read, self.sample_rate_hz) > CUT_SHORT_SECONDS


def open_audio(path: Path, seconds: float | None = None) -> AudioStream:
    """Open an audio file at its own sample rate; reading stops after `seconds`, if given.

    Raises:
        AudioError: not a regular file, not audio that we can decode, or a sample rate or channel count out of range.
    """
    path = Path(path)
    require_regular_file(path)
    source = _open_source(path)
    if not LOWEST_RATE_HZ <= source.sample_rate_hz <= HIGHEST_RATE_HZ:
        raise AudioError(
            f"{path} claims a sample rate of {source.sample_rate_hz} Hz; "
            f"we read {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}. Convert it or leave it out."
        )
    if not 1 <= source.channels <= MOST_CHANNELS:
        raise AudioError(
            f"{path} has {source.channels} channels; we read 1 to {MOST_CHANNELS}. Convert it or leave it out."
        )
    return AudioStream(path, source.sample_rate_hz, source, seconds)


def stream_waveform(path: Path, sample_rate_hz: int, seconds: float | None = None) -> MonoBlocks:
    """Yield a file as mono blocks at `sample_rate_hz`; memory does not grow with its length."""
    stream = open_audio(path, seconds)
    return resample(iter(stream), stream.sample_rate_hz, sample_rate_hz)


def read_waveform(path: Path, sample_rate_hz: int, seconds: float | None = None) -> Waveform:
    """Read a whole file, or its first `seconds`, as mono at `sample_rate_hz`."""
    stream = open_audio(path, seconds)
    blocks = list(resample(iter(stream), stream.sample_rate_hz, sample_rate_hz))
    return Waveform(np.concatenate(blocks), sample_rate_hz, tuple(stream.warnings))


def resample(blocks: MonoBlocks, from_hz: int, to_hz: int) -> MonoBlocks:
    """Resample a stream of blocks; whatever the block sizes, the same samples come out."""
    if from_hz == to_hz:
        yield from blocks
        return
    resampler = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


@typechecked
def downmix(block: Float32[np.ndarray, "samples channels"]) -> Float32[np.ndarray, " samples"]:
    """Mean over the channels."""
    channels = block.shape[1]
    if channels == 1:
        return block[:, 0].copy()
    mixed: np.ndarray = reduce(np.add, block.T)  # twenty times as fast as mean(axis=1) over two channels
    mixed *= np.float32(1 / channels)
    return mixed


@np.errstate(over="ignore", invalid="ignore")
def _clean_mono(block: Float32[np.ndarray, "samples channels"]) -> tuple[Float32[np.ndarray, " samples"], int]:
    """Downmix; then silence the samples that are no number or beyond any sense, and count them."""
    mono = downmix(block)
    if np.dot(mono, mono) < LOUDEST**2:  # at almost no cost, this says of nearly every block that all is well
        return mono, 0
    bad = ~(np.abs(mono) <= LOUDEST)
    mono[bad] = 0
    return mono, int(bad.sum())


def audio_hash(path: Path) -> str:
    """First 32 hex digits of the SHA-256 of the file's bytes.

    Raises:
        AudioError: the file is missing, unreadable or not a regular file.
    """
    require_regular_file(path)
    try:
        return file_hash(path)
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}.") from error


def require_regular_file(path: Path) -> None:
    """Refuse folders, pipes and devices, which could block for ever, and empty files.

    Raises:
        AudioError: says which of them it is.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"{path} cannot be read: {reason}.") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or device"
        raise AudioError(f"{path} is {kind}, not an audio file.")
    if found.st_size == 0:
        raise AudioError(f"{path} is an empty file. Leave it out or replace it.")


def _open_source(path: Path) -> Source:
    """Try libsndfile first, then FFmpeg for what it cannot open or not even begin to decode."""
    reasons = []
    for name, opener in (("libsndfile", open_with_libsndfile), ("FFmpeg", open_with_ffmpeg)):
        try:
            source = opener(path)
            first = next(source.blocks, None)
        except CannotDecodeError as error:
            reasons.append(f"{name}: {error}")
        except OSError as error:
            raise AudioError(f"{path} cannot be read: {error.strerror}.") from error
        else:
            source.blocks = chain([] if first is None else [first], source.blocks)
            return source
    raise AudioError(f"{path} cannot be decoded ({'; '.join(reasons)}). Leave it out or replace it.")
