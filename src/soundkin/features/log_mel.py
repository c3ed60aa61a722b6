"""Waveform -> log-mel frames: the one place that computes them, from parameters that travel with the model.

Frame `t` covers samples `[t * hop_samples, t * hop_samples + window_samples)`: no padding, no centring.
Arrays are [frames, mels], so that a cut in time is one run of memory.

Windows and hops are lengths of time. Where both are whole numbers of samples at a file's own rate (for the
default: at 44.1, 88.2 kHz ...) the frames are computed at that rate: the same spectrum bins in Hz, hence the
same filterbank and the same frames to within rounding, without the cost of resampling. Other rates are
resampled first.

Three settings say what is done to a track before its frames are compared with others':
- `downmix`: several channels count by their power, so that none cancels another (`spectrum`); or their mean
  is taken.
- `level_db`: the track is brought to this level (`levels`), so that a softer copy has the same frames.
- `silence_db`: silence longer than a second is left out (`levels`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from soundkin.config import Config
from soundkin.errors import ConfigError
from soundkin.features.chroma import FRAMES_A_WINDOW, Chroma
from soundkin.features.decode import AudioStream, open_audio
from soundkin.features.levels import LevelRule, Powers, WithoutSilence
from soundkin.features.resampling import resample
from soundkin.features.spectrum import power_spectra
from soundkin.shapes import Float32, typechecked
from soundkin.units import frames_to_seconds, samples_to_frames

# Frames are computed this many at a time, the last ones padded to a multiple of FRAMES_STEP: library kernels round
# differently for some odd shapes, and a frame must not depend on the size of the blocks that a waveform comes in.
BLOCK_FRAMES = 18 * FRAMES_A_WINDOW
FRAMES_STEP = 32


class FrontEnd(Config):
    """How log-mel frames are made. Two files' frames compare only if they were made with equal settings."""

    sample_rate_hz: int = Field(22_050, ge=4_000, le=384_000)
    window_samples: int = Field(1_024, ge=16)  # 46 ms; at 44.1 kHz 2,048, the quickest of Fourier transforms
    hop_samples: int = Field(735, ge=1)  # 33 ms
    mel_bands: int = Field(96, ge=1)
    low_hz: float = Field(30.0, ge=0)
    high_hz: float = Field(10_000.0, gt=0)
    mel_scale: Literal["slaney", "htk"] = "slaney"
    floor_db: float = Field(-80.0, lt=0)  # power in a band below this, against a full-scale sine, fades to 0
    downmix: Literal["energy", "mean"] = "energy"
    level_db: float | None = Field(
        -10.0, le=0
    )  # that a track is brought to, against a full-scale sine; None: as it is
    silence_db: float | None = Field(-60.0, lt=0)  # this far below the level there is silence; None: it stays
    chroma_bands: int = Field(
        0, ge=0
    )  # behind the mel bands, so many to an octave: 24 tell major from minor; 0: none

    BEFORE_STATED: ClassVar[dict[str, object]] = {"downmix": "mean", "level_db": None, "silence_db": None}
    """What holds for models of a time when these settings did not exist."""

    @property
    def bands(self) -> int:
        """Numbers in a frame."""
        return self.mel_bands + self.chroma_bands

    @property
    def frames_per_second(self) -> float:
        """How many hops a second."""
        return self.sample_rate_hz / self.hop_samples

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.hop_samples > self.window_samples:
            raise ValueError(
                f"hop_samples={self.hop_samples} skips samples: at most window_samples={self.window_samples}"
            )
        if self.window_samples % 2:
            raise ValueError(f"window_samples={self.window_samples} is odd; use an even number")
        if not self.low_hz < self.high_hz <= self.sample_rate_hz / 2:
            raise ValueError(f"needs low_hz={self.low_hz} < high_hz={self.high_hz} <= half the sample rate")
        if self.chroma_bands % 12:
            raise ValueError(
                f"chroma_bands={self.chroma_bands} do not go evenly into 12 semitones; take 12, 24 or 36"
            )
        if not mel_filterbank(self).sum(0).all():
            raise ValueError(
                f"mel_bands={self.mel_bands} leaves bands without a spectrum bin; use fewer, or a longer window"
            )
        return self

    def window_and_hop_at(self, sample_rate_hz: int) -> tuple[int, int] | None:
        """Window and hop in samples at another rate; None unless both are whole."""
        window, window_rest = divmod(self.window_samples * sample_rate_hz, self.sample_rate_hz)
        hop, hop_rest = divmod(self.hop_samples * sample_rate_hz, self.sample_rate_hz)
        return None if window_rest or hop_rest else (window, hop)


def mel_filterbank(front_end: FrontEnd) -> Float32[Tensor, "bins mels"]:
    """Triangles of height 1 over the spectrum's bins, as torchaudio and librosa (`norm=None`) have them."""
    try:
        from torchaudio.functional import melscale_fbanks
    except (
        ImportError,
        OSError,
        RuntimeError,
    ) as error:  # made for another torch, it fails in any of these ways
        raise ConfigError(
            f"torchaudio does not fit the installed torch ({error}). Install both from the same index."
        ) from error
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of empty bands, which FrontEnd refuses
        bank: Tensor = melscale_fbanks(
            n_freqs=front_end.window_samples // 2 + 1,
            f_min=front_end.low_hz,
            f_max=front_end.high_hz,
            n_mels=front_end.mel_bands,
            sample_rate=front_end.sample_rate_hz,
            mel_scale=front_end.mel_scale,
        )
    return bank


class LogMel:
    """Computes log-mel frames of waveforms at `sample_rate_hz` (default: the front end's own).

    `log(1 + power / floor)` of the mel bands' power, where a full-scale sine has power 1: a change of level
    moves all that is above the floor by one constant and leaves differences alone, and silence is 0 rather
    than minus infinity.
    """

    def __init__(self, front_end: FrontEnd, sample_rate_hz: int | None = None):
        self.sample_rate_hz = sample_rate_hz or front_end.sample_rate_hz
        scaled = front_end.window_and_hop_at(self.sample_rate_hz)
        if scaled is None:
            raise ConfigError(
                f"the front end's window is no whole number of samples at {self.sample_rate_hz} Hz. Resample."
            )
        self.window_samples, self.hop_samples = scaled
        self._window = torch.hann_window(self.window_samples)
        filterbank = mel_filterbank(front_end)
        bins = int(filterbank.any(1).nonzero().max()) + 1
        bins = min(
            bins, self.window_samples // 2 + 1
        )  # a file at a low rate has no more; its upper bands are silent
        amplitude_to_full_scale = float(2 / self._window.sum())
        floor_power = 10 ** (front_end.floor_db / 10)
        self._weights = filterbank[:bins] * (amplitude_to_full_scale**2 / floor_power)
        self._chroma = (
            Chroma(self.sample_rate_hz, *scaled, front_end.chroma_bands, floor_power)
            if front_end.chroma_bands
            else None
        )

    @typechecked
    def __call__(self, waveform: Float32[Tensor, " samples"]) -> Float32[Tensor, "frames mels"]:
        """Log-mel of a whole waveform as it is; one shorter than a window is padded with silence to one
        frame.
        """
        return torch.cat(list(self.stream([waveform[None]])))

    def stream(self, blocks: Iterable[Tensor]) -> Iterator[Float32[Tensor, "frames mels"]]:
        """Log-mel of parts [parts, samples] that come in blocks of any size: the same frames, bit for bit."""
        return (self.frames(powers) for powers in self.powers(blocks))

    @torch.no_grad()
    def powers(self, blocks: Iterable[Tensor]) -> Iterator[Powers]:
        """What frames are made of, of parts [parts, samples] that come in blocks of any size."""
        most = (BLOCK_FRAMES - 1) * self.hop_samples + self.window_samples
        overlap = self.window_samples - self.hop_samples
        held = torch.empty(1, most)
        filled = 0
        nothing_yet = True
        for block in blocks:
            for piece in _pieces(block, most - filled, most - overlap):
                if len(piece) > len(held):
                    held = torch.cat([held, torch.zeros(len(piece) - len(held), most)])
                held[: len(piece), filled : filled + piece.shape[1]] = piece
                held[len(piece) :, filled : filled + piece.shape[1]] = 0
                filled += piece.shape[1]
                if filled == most:
                    yield self._powers(held, BLOCK_FRAMES)
                    nothing_yet = False
                    if not held[1:].any():
                        held = held[:1]
                    held[:, :overlap] = held[:, most - overlap :].clone()
                    filled = overlap
        frames = samples_to_frames(filled, self.window_samples, self.hop_samples)
        if frames or (nothing_yet and filled):
            held[:, filled:] = 0
            yield self._powers(held, max(frames, 1))

    @torch.no_grad()
    def frames(self, powers: Powers, gain: float = 1.0) -> Float32[Tensor, "frames bands"]:
        """Frames of these powers times `gain`; every frame has the chroma of its group."""
        log_mel = (powers.mels * gain).add_(1).log_()
        if self._chroma is None or powers.pitches is None:
            return log_mel
        chroma = self._chroma.of_powers(powers.pitches * gain)
        return torch.cat([log_mel, chroma.repeat_interleave(FRAMES_A_WINDOW, dim=0)[: len(log_mel)]], dim=1)

    def _powers(self, held: Float32[Tensor, "parts samples"], frames: int) -> Powers:
        """Of the first frames of what is held."""
        parts = held[:, : self._samples_of(frames, FRAMES_STEP)]
        power = power_spectra(parts, self._window, self.hop_samples, len(self._weights))
        with torch.autocast("cpu", enabled=False):  # a training loop's reduced precision is not for us
            mels = torch.mm(power, self._weights)[:frames]
        if self._chroma is None:
            return Powers(mels, None)
        return Powers(mels, self._chroma.powers(held[:, : self._samples_of(frames, FRAMES_A_WINDOW)]))

    def _samples_of(self, frames: int, step: int) -> int:
        """Samples under `frames`, rounded up to a multiple of `step`."""
        return (-(-frames // step) * step - 1) * self.hop_samples + self.window_samples


@lru_cache(maxsize=16)
def _log_mel_at(front_end: FrontEnd, sample_rate_hz: int) -> LogMel:
    """Making one takes as long as using it for ten seconds of audio."""
    return LogMel(front_end, sample_rate_hz)


def _pieces(block: Tensor, first: int, following: int) -> Iterator[Tensor]:
    """Cut a block into one piece of at most `first` samples and others of at most `following`."""
    yield block[:, :first]
    for start in range(first, block.shape[1], following):
        yield block[:, start : start + following]


@dataclass
class OfAudio:
    """Frames that are made of an open file: what is known of the file is known of them."""

    audio: AudioStream

    @property
    def name(self) -> str:
        """The file, for messages."""
        return str(self.audio.path)

    @property
    def duration_seconds(self) -> float:
        """Length of the audio read so far."""
        return self.audio.duration_seconds

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is off with the file, if anything."""
        return tuple(self.audio.warnings)


@dataclass
class LogMelStream(OfAudio):
    """Log-mel frames of a file, block by block, once; `duration_seconds` and `warnings` are complete after."""

    front_end: FrontEnd

    def __post_init__(self) -> None:
        self._without_silence = WithoutSilence(self.front_end.frames_per_second)

    def start_seconds(self, frame: int) -> float:
        """Where in the file a frame begins that was yielded already."""
        place = self._without_silence.place(frame)
        return frames_to_seconds(place, self.front_end.sample_rate_hz, self.front_end.hop_samples)

    def __iter__(self) -> Iterator[Float32[Tensor, "frames mels"]]:
        """Yield blocks [frames, mels]."""
        front_end, rate = self.front_end, self.audio.sample_rate_hz
        blocks = self.audio.parts()
        if front_end.downmix == "mean":
            blocks = (parts[:1] for parts in blocks)
        if front_end.window_and_hop_at(rate) is None:
            blocks = resample(blocks, rate, front_end.sample_rate_hz)
            rate = front_end.sample_rate_hz
        log_mel = _log_mel_at(front_end, rate)
        rule = LevelRule(
            front_end.level_db, front_end.silence_db, front_end.floor_db, front_end.frames_per_second
        )
        levelled = rule(log_mel.powers(map(torch.from_numpy, blocks)))
        return self._without_silence(
            (log_mel.frames(block.powers, block.gain), block.silent) for block in levelled
        )


def stream_log_mel(path: Path, front_end: FrontEnd, seconds: float | None = None) -> LogMelStream:
    """Open a file as a stream of log-mel frames; memory does not grow with its length.

    Raises:
        AudioError: the file cannot be used; `decode` says when.
    """
    return LogMelStream(open_audio(path, seconds), front_end)


@dataclass(frozen=True)
class TrackLogMel:
    """A whole file's log-mel frames."""

    log_mel: Float32[Tensor, "frames mels"]
    duration_seconds: float
    warnings: tuple[str, ...]


def log_mel_of_file(path: Path, front_end: FrontEnd, seconds: float | None = None) -> TrackLogMel:
    """Log-mel frames of a whole file, or of its first `seconds`.

    Raises:
        AudioError: the file cannot be used; `decode` says when.
    """
    stream = stream_log_mel(path, front_end, seconds)
    log_mel = torch.cat(list(stream))
    return TrackLogMel(log_mel, stream.duration_seconds, stream.warnings)
