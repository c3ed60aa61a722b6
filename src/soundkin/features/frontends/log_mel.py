"""Audio file -> log-mel frames: the one place that computes them, from settings that travel with the model.

Frame `t` covers samples `[t * hop_samples, t * hop_samples + window_samples)`: no padding, no centring.
Arrays are [frames, mels], so that a cut in time is one run of memory.

Windows and hops are lengths of time. Where both are whole numbers of samples at a file's own rate (for the
default: at 44.1, 88.2 kHz ...) the frames are computed at that rate: the same spectrum bins in Hz, hence the
same filterbank and the same frames to within rounding, without the cost of resampling. Other rates are
resampled first.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from soundkin.errors import ConfigError
from soundkin.features.decode import AudioStream
from soundkin.features.frontends.interface import FrameStream, FrontEnd
from soundkin.features.levels import LevelRule, Powers, WithoutSilence
from soundkin.features.resampling import resample
from soundkin.features.spectra import FRAMES_A_WINDOW, Chroma, MelScale, mel_filterbank, power_spectra
from soundkin.shapes import Float32, typechecked
from soundkin.units import frames_to_seconds, samples_to_frames

# Frames are computed this many at a time, the last ones padded to a multiple of FRAMES_STEP: library kernels
# round differently for some odd shapes, and a frame must not depend on the sizes of the waveform's blocks.
# 90 windows of 2,048 samples fit into a core's own cache; twice as many take a third longer each.
BLOCK_FRAMES = 9 * FRAMES_A_WINDOW
FRAMES_STEP = 32
BANDS_A_GROUP = 32


class LogMelFrontEnd(FrontEnd):
    """How log-mel frames are made."""

    makes_log_mels: ClassVar[bool] = True

    sample_rate_hz: int = Field(22_050, ge=4_000, le=384_000)
    window_samples: int = Field(
        1_024, ge=16, multiple_of=2
    )  # 46 ms; at 44.1 kHz 2,048, the quickest of Fourier transforms
    hop_samples: int = Field(735, ge=1)  # 33 ms
    mel_bands: int = Field(96, ge=1)
    low_hz: float = Field(30.0, ge=0)
    high_hz: float = Field(10_000.0, gt=0)
    mel_scale: MelScale = "slaney"
    # Power in a band below this, against a full-scale sine, fades to 0.
    floor_db: float = Field(-80.0, lt=0)
    # Several channels count by their power, so that none cancels another (`downmix`), or their mean is taken.
    downmix: Literal["energy", "mean"] = "energy"
    # The level, against a full-scale sine, that tracks are brought to (`levels`); None: as they are.
    level_db: float | None = Field(-10.0, le=0)
    # So far below the level there is silence, left out where longer than a second (`levels`); None: it stays.
    silence_db: float | None = Field(-60.0, lt=0)
    # After the mel bands, so many to an octave: 24 tell major from minor; 0: none.
    chroma_bands: int = Field(0, ge=0, multiple_of=12)

    BEFORE_STATED: ClassVar[dict[str, object]] = {"downmix": "mean", "level_db": None, "silence_db": None}
    """Values for models from before these settings existed."""

    @property
    def frames_per_second(self) -> float:
        """Hops a second."""
        return self.sample_rate_hz / self.hop_samples

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problem = ""
        if self.hop_samples > self.window_samples:
            problem = (
                f"hop_samples={self.hop_samples} skips samples: at most window_samples={self.window_samples}"
            )
        elif not self.low_hz < self.high_hz <= self.sample_rate_hz / 2:
            problem = f"needs low_hz={self.low_hz} < high_hz={self.high_hz} <= half the sample rate"
        elif not self.filterbank().sum(0).all():
            problem = (
                f"mel_bands={self.mel_bands} leaves bands without a spectrum bin; use fewer or longer windows"
            )
        if problem:
            raise ValueError(problem)
        return self

    def filterbank(self) -> Float32[Tensor, "bins mels"]:
        """The mel filterbank, over the spectrum of a window at the front end's own rate."""
        bins = self.window_samples // 2 + 1
        return mel_filterbank(
            self.sample_rate_hz, bins, self.mel_bands, self.low_hz, self.high_hz, self.mel_scale
        )

    def window_and_hop_at(self, sample_rate_hz: int) -> tuple[int, int] | None:
        """Window and hop in samples at another rate; None unless both are whole."""
        window, window_rest = divmod(self.window_samples * sample_rate_hz, self.sample_rate_hz)
        hop, hop_rest = divmod(self.hop_samples * sample_rate_hz, self.sample_rate_hz)
        return None if window_rest or hop_rest else (window, hop)

    def stream_audio(self, audio: AudioStream) -> FrameStream:
        """Log-mel frames of an open file: the whole way from its channels to frames."""
        blocks, rate = audio.parts(), audio.sample_rate_hz
        if self.downmix == "mean":
            blocks = (parts[:1] for parts in blocks)
        if self.window_and_hop_at(rate) is None:
            blocks, rate = resample(blocks, rate, self.sample_rate_hz), self.sample_rate_hz
        log_mel = _log_mel_at(self, rate)
        rule = LevelRule(self.level_db, self.silence_db, self.floor_db, self.frames_per_second)
        levelled = rule(log_mel.powers(map(torch.from_numpy, blocks)))
        frames = ((log_mel.frames(block.powers, block.gain), block.silent) for block in levelled)
        without_silence = WithoutSilence(self.frames_per_second)

        def start_seconds(frame: int) -> float:
            return frames_to_seconds(without_silence.place(frame), self.sample_rate_hz, self.hop_samples)

        return FrameStream(str(audio.path), without_silence(frames), start_seconds, audio)

    def reference_frames(self) -> Float32[Tensor, "frames bands"]:
        """Frames of the reference sweep."""
        sweep = reference_sweep(self.sample_rate_hz, self.low_hz, self.high_hz)[:, None].numpy()
        audio = AudioStream.from_array(sweep, self.sample_rate_hz, "the reference sound")
        return torch.cat(list(self.stream_audio(audio)))


class LogMel:
    """Computes log-mel frames of waveforms at `sample_rate_hz` (default: the front end's own).

    `log(1 + power / floor)` of the mel bands' power, where a full-scale sine has power 1: a change of level
    moves all that is above the floor by one constant and leaves differences alone, and silence is 0 rather
    than minus infinity.
    """

    def __init__(self, front_end: LogMelFrontEnd, sample_rate_hz: int | None = None):
        self.sample_rate_hz = sample_rate_hz or front_end.sample_rate_hz
        scaled = front_end.window_and_hop_at(self.sample_rate_hz)
        if scaled is None:
            raise ConfigError(
                f"the front end's window is no whole number of samples at {self.sample_rate_hz} Hz. Resample."
            )
        self.window_samples, self.hop_samples = scaled
        self._window = torch.hann_window(self.window_samples)
        filterbank = front_end.filterbank()
        # A file at a low rate has fewer bins; its upper bands are silent.
        bins = min(int(filterbank.any(1).nonzero().max()) + 1, self.window_samples // 2 + 1)
        amplitude_to_full_scale = float(2 / self._window.sum())
        floor_power = 10 ** (front_end.floor_db / 10)
        self._bins, self._mel_bands = bins, front_end.mel_bands
        self._weights = _in_groups(filterbank[:bins] * (amplitude_to_full_scale**2 / floor_power))
        self.chroma = (
            Chroma(self.sample_rate_hz, *scaled, front_end.chroma_bands, floor_power)
            if front_end.chroma_bands
            else None
        )

    @typechecked
    def __call__(self, waveform: Float32[Tensor, " samples"]) -> Float32[Tensor, "frames bands"]:
        """Log-mel of a whole waveform; one shorter than a window is padded with silence to one frame."""
        return torch.cat(list(self.stream([waveform[None]])))

    def stream(self, blocks: Iterable[Tensor]) -> Iterator[Float32[Tensor, "frames bands"]]:
        """Log-mel of parts [parts, samples] that come in blocks of any size: the same frames, bit for bit."""
        return (self.frames(powers) for powers in self.powers(blocks))

    @torch.no_grad()
    def powers(self, blocks: Iterable[Tensor]) -> Iterator[Powers]:
        """Powers by band of parts [parts, samples] that come in blocks of any size."""
        most = (BLOCK_FRAMES - 1) * self.hop_samples + self.window_samples
        held = torch.empty(1, 0)
        nothing_yet = True
        for block in blocks:
            waveform, start = _in_a_row(held, block), 0
            while start + most <= waveform.shape[1]:
                yield self._powers(waveform[:, start : start + most], BLOCK_FRAMES)
                nothing_yet = False
                start += BLOCK_FRAMES * self.hop_samples
            held = waveform[:, start:].clone()  # the next block may lie in the same memory
        filled = held.shape[1]
        frames = samples_to_frames(filled, self.window_samples, self.hop_samples)
        if frames or (nothing_yet and filled):
            yield self._powers(nn.functional.pad(held, (0, most - filled)), max(frames, 1))

    @torch.no_grad()
    def frames(self, powers: Powers, gain: float = 1.0) -> Float32[Tensor, "frames bands"]:
        """Frames of these powers times `gain`; every frame has the chroma of its group."""
        log_mel = (powers.mels * gain).add_(1).log_()
        if self.chroma is None or powers.pitches is None:
            return log_mel
        chroma = self.chroma.from_powers(powers.pitches * gain)
        return torch.cat([log_mel, chroma.repeat_interleave(FRAMES_A_WINDOW, dim=0)[: len(log_mel)]], dim=1)

    def _powers(self, held: Float32[Tensor, "parts samples"], frames: int) -> Powers:
        """Powers of the first `frames` of `held`."""
        parts = held[:, : self._samples_under(frames, FRAMES_STEP)]
        power = power_spectra(parts, self._window, self.hop_samples, self._bins)
        mels = torch.empty(len(power), self._mel_bands)
        for (bins, weights), group in zip(
            self._weights, torch.split(mels, BANDS_A_GROUP, dim=1), strict=True
        ):
            # With `out`, autocast keeps off: a training loop's reduced precision is not for us.
            torch.mm(power[:, bins], weights, out=group)
        if self.chroma is None:
            return Powers(mels[:frames], None)
        return Powers(
            mels[:frames], self.chroma.powers(held[:, : self._samples_under(frames, FRAMES_A_WINDOW)])
        )

    def _samples_under(self, frames: int, step: int) -> int:
        """Samples under `frames`, rounded up to a multiple of `step`."""
        return (-(-frames // step) * step - 1) * self.hop_samples + self.window_samples


def _in_groups(
    filterbank: Float32[Tensor, "bins mels"],
) -> list[tuple[slice, Float32[Tensor, "some_bins some_mels"]]]:
    """A filterbank by groups of mel bands, each with the bins it uses: a third of the work."""
    groups = []
    for weights in torch.split(filterbank, BANDS_A_GROUP, dim=1):
        used = weights.any(1).nonzero()
        bins = slice(int(used.min()), int(used.max()) + 1) if len(used) else slice(0)
        groups.append((bins, weights[bins].contiguous()))
    return groups


def _in_a_row(first: Tensor, second: Tensor) -> Tensor:
    """Parts [parts, samples] and what follows them; parts may come and go, and silent ones go here."""
    if not first[1:].any():
        first = first[:1]
    if not first.shape[1]:
        return second
    parts = max(len(first), len(second))
    first, second = (nn.functional.pad(piece, (0, 0, 0, parts - len(piece))) for piece in (first, second))
    return torch.cat([first, second], dim=1)


_log_mel_at = lru_cache(maxsize=16)(LogMel)  # making one takes as long as using it for ten seconds of audio


def reference_sweep(sample_rate_hz: int, low_hz: float, high_hz: float) -> Float32[Tensor, " samples"]:
    """Two seconds through a range, rising in level to full scale."""
    seconds = torch.arange(2 * sample_rate_hz, dtype=torch.float64) / sample_rate_hz
    octaves = np.log2(high_hz / low_hz) / 2  # a second
    phase = 2 * np.pi * low_hz * (2 ** (octaves * seconds) - 1) / (octaves * np.log(2))
    return (seconds / 2 * torch.sin(phase)).to(torch.float32)
