"""Audio file -> waveform: float32, full scale at 1.0, in blocks, in bounded memory whatever the file claims.

Headers lie, files are cut short, and floats are not always numbers. What makes a file useless is an
`AudioError` that names it; what can be lived with is a warning that stays with the track:
- samples that are not finite, or absurdly large, count as silence;
- a file is decoded to the end of its data, whatever length its header claims; losses are reported;
- silence is allowed, a constant is as silent as zeros, and so are whole files far beyond full scale.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np

from soundkin.errors import AudioError
from soundkin.features.decoders import (
    BLOCK_SAMPLES,
    Blocks,
    CannotDecodeError,
    Source,
    open_with_ffmpeg,
    open_with_libsndfile,
)
from soundkin.features.downmix import (
    SEGMENT_SAMPLES,
    Channels,
    Downmix,
    Parts,
    PerSegment,
    in_segments,
    segment_powers,
    without_cancelling,
)
from soundkin.features.file_hashes import file_hash
from soundkin.features.resampling import resample
from soundkin.features.unread import bytes_left, unread_blocks
from soundkin.shapes import Float32
from soundkin.units import samples_to_seconds, seconds_to_samples

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 384_000
MOST_CHANNELS = 32
LOUDEST = 2.0**32  # float files that hold 32-bit integers reach 2**31; anything above is damage
SILENT_DB = -85.0  # against a full-scale sine: dither of 16-bit files lies below, the quietest music above
SILENT_POWER = 10 ** (SILENT_DB / 10) / 2  # the same as a mean square
BEYOND_FULL_SCALE = 4.0  # mean square: 6 dB above what full scale allows, which no limiter leaves
# A decoder and a Fourier transform push each other's tables out of the processor's caches. Turns of this many
# decoded blocks (48 s at 44.1 kHz) instead of single ones save a fifth of the whole.
BLOCKS_A_TURN = 16
_memories: list[Float32[np.ndarray, " samples"]] = []  # of means, which no stream uses now
CUT_SHORT_SECONDS = 0.25  # encoders round a claimed length by less than this


@dataclass(frozen=True)
class Waveform:
    """A whole decoded file."""

    samples: Float32[np.ndarray, " samples"]
    sample_rate_hz: int
    warnings: tuple[str, ...]


@dataclass
class AudioStream:
    """An open audio file, to be read once; `warnings` and `samples_read` are complete afterwards."""

    path: Path
    sample_rate_hz: int
    source: Source
    seconds: float | None = None
    warnings: list[str] = field(default_factory=list)
    samples_read: int = 0
    _stops: list[str] = field(default_factory=list)

    @classmethod
    def from_array(cls, samples: Channels, sample_rate_hz: int, name: str) -> Self:
        """Samples [samples, channels] as if they were an open file."""
        source = Source("none", sample_rate_hz, samples.shape[1], len(samples), iter([samples]))
        return cls(Path(name), sample_rate_hz, source)

    @property
    def duration_seconds(self) -> float:
        """Length of what has been read so far."""
        return samples_to_seconds(self.samples_read, self.sample_rate_hz)

    def __iter__(self) -> Iterator[Float32[np.ndarray, " samples"]]:
        """Yield the file as mono blocks in which nothing is cancelled; raises as `parts` does."""
        return without_cancelling(self.parts())

    def parts(self) -> Iterator[Parts]:
        """Yield the file as blocks [parts, samples] of `Downmix`; AudioError if it holds at most one sample.

        A block is valid until the next one is asked for: the means of a turn are in the same memory.
        """
        self._energy, self._bad_samples, self._silent = 0.0, 0, True
        downmix = Downmix()
        blocks = map(self._clean, in_segments(self._up_to_limit(chain(self._decoded(), self._unread()))))
        # A single large array, kept for the next file: the system clears what it hands out anew.
        try:
            memory = _memories.pop()
        except IndexError:  # the first file, or others are read at the same time
            memory = np.empty(BLOCKS_A_TURN * BLOCK_SAMPLES, np.float32)
        try:
            while turn := _turn(blocks, downmix, memory):
                yield from turn
        finally:
            _memories.append(memory)
        self._warn()

    @np.errstate(over="ignore", invalid="ignore")
    def _clean(self, block: Channels) -> tuple[Channels, PerSegment]:
        """Silence samples that are not finite or absurdly large; with the powers of the segments then."""
        powers = segment_powers(block)
        # Most blocks pass this test, which costs almost nothing.
        if not powers.max() < LOUDEST**2 / SEGMENT_SAMPLES / MOST_CHANNELS:
            bad = ~(np.abs(block) <= LOUDEST).all(axis=1)
            block = np.where(bad[:, None], np.float32(0), block)
            powers = segment_powers(block)
            self._bad_samples += int(bad.sum())
        self._energy += float(powers.mean()) * len(block)
        self._silent = self._silent and (powers.max() < SILENT_POWER or _constant(block))
        return block, powers

    def _warn(self) -> None:
        if self.samples_read < 2:
            why = f" ({'; '.join(self._stops)})" if self._stops else ""
            raise AudioError(
                f"{self.path} holds {self.samples_read} samples of audio{why}. Leave it out or replace it."
            )
        if self._bad_samples:
            self.warnings.append(f"{self._bad_samples} samples were not finite numbers and count as silence")
        if self._silent:
            self.warnings.append("silent from start to end")
        power = self._energy / self.samples_read
        if power > BEYOND_FULL_SCALE:
            decibels = 10 * np.log10(power)
            self.warnings.append(
                f"{decibels:.0f} dB above full scale, which is 1.0: integers stored as floats?"
            )
        claimed, lost = self.source.claimed_samples, self.source.reading.lost_seconds
        # If as much came out as the header claims, another decoder got past whatever stopped the first.
        if claimed is None or self._cut_short() or lost > CUT_SHORT_SECONDS:
            self.warnings += self._stops
        if lost > CUT_SHORT_SECONDS:
            self.warnings.append(
                f"damaged: {lost:.1f} s on the way to {self.duration_seconds:.1f} s cannot be decoded"
            )
        if claimed is not None and self._cut_short():
            seconds = samples_to_seconds(claimed, self.sample_rate_hz)
            self.warnings.append(
                f"cut short: {self.duration_seconds:.1f} of the {seconds:.1f} s that its header claims"
            )

    def _up_to_limit(self, blocks: Blocks) -> Blocks:
        limit = None if self.seconds is None else seconds_to_samples(self.seconds, self.sample_rate_hz)
        for block in blocks:
            block = block if limit is None else block[: limit - self.samples_read]
            self.samples_read += len(block)
            if len(block):
                yield block
            if self.samples_read == limit:
                return

    def _decoded(self) -> Blocks:
        try:
            yield from self.source.blocks
        except CannotDecodeError as error:
            self._note_stop(self.source.decoder, error)

    def _unread(self) -> Blocks:
        """Go on where libsndfile has given up, or stopped with sound still to come."""
        source = self.source
        if source.file is None:
            return
        left = bytes_left(self.path, source, self.samples_read)
        if not (left or self._stops or self._cut_short()):
            return
        try:
            yield from unread_blocks(self.path, source, self.samples_read, left)
        except CannotDecodeError as error:
            if left:
                source.claimed_samples = None  # it was not even the end
                self._note_stop("what follows", error)

    def _note_stop(self, decoder: str, error: CannotDecodeError) -> None:
        self._stops.append(f"damaged at {self.duration_seconds:.1f} s ({decoder}: {error})")

    def _cut_short(self) -> bool:
        claimed = self.source.claimed_samples
        if claimed is None:
            return False
        if self.seconds is not None:
            claimed = min(claimed, seconds_to_samples(self.seconds, self.sample_rate_hz))
        return samples_to_seconds(claimed - self.samples_read, self.sample_rate_hz) > CUT_SHORT_SECONDS


def _constant(block: Channels) -> bool:
    return all(bool((channel == channel[0]).all()) for channel in block.T)


def _turn(
    blocks: Iterator[tuple[Channels, PerSegment]], downmix: Downmix, memory: Float32[np.ndarray, " most"]
) -> list[Parts]:
    """The parts of as many blocks as `memory` has room for the means of; means without differences in one."""
    turn: list[Parts] = []
    filled = 0
    while len(memory) - filled >= BLOCK_SAMPLES and (cleaned := next(blocks, None)) is not None:
        block, powers = cleaned
        if len(block) > len(memory) - filled:
            memory, filled = np.empty(len(block), np.float32), 0
        for parts in downmix(block, powers, memory[filled : filled + len(block)]):
            start, filled = filled, filled + parts.shape[1]
            if turn and start and len(turn[-1]) == len(parts) == 1:
                parts = memory[None, start - turn.pop().shape[1] : filled]
            turn.append(parts)
    return turn


def open_audio(path: Path, seconds: float | None = None) -> AudioStream:
    """Open an audio file at its own sample rate; reading stops after `seconds`, if given.

    Raises AudioError for what is no regular file, is not audio that we can decode, or has a sample rate or a
    channel count out of range.
    """
    path = Path(path)
    _require_regular_file(path)
    source = _open_source(path)
    if not LOWEST_RATE_HZ <= source.sample_rate_hz <= HIGHEST_RATE_HZ:
        raise AudioError(
            f"{path} claims a sample rate of {source.sample_rate_hz} Hz; "
            f"we read {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}. Convert it or leave it out."
        )
    if not 1 <= source.channels <= MOST_CHANNELS:
        raise AudioError(
            f"{path} has {source.channels} channels; we read 1 to {MOST_CHANNELS}. "
            "Convert it or leave it out."
        )
    return AudioStream(path, source.sample_rate_hz, source, seconds)


def read_waveform(path: Path, sample_rate_hz: int, seconds: float | None = None) -> Waveform:
    """Read a whole file, or its first `seconds`, as mono at `sample_rate_hz`; raises as `open_audio` does."""
    stream = open_audio(path, seconds)
    blocks = list(resample(iter(stream), stream.sample_rate_hz, sample_rate_hz))
    return Waveform(np.concatenate(blocks), sample_rate_hz, tuple(stream.warnings))


def audio_hash(path: Path) -> str:
    """First 32 hex digits of the SHA-256 of the file's bytes; AudioError if it cannot be read."""
    _require_regular_file(path)
    try:
        return file_hash(path)
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}.") from error


def _require_regular_file(path: Path) -> None:
    """Reject folders, pipes and devices, which could block for ever, and empty files."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"{path} cannot be read: {reason}.") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
        raise AudioError(f"{path} is {kind}, not an audio file.")
    if status.st_size == 0:
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
