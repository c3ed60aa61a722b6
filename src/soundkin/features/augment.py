"""Augmentation of log-mel patches [batch, mels, frames] by changes that keep what a track sounds like.

Every function returns a new batch, each item changed in its own way, drawn from the generator given.
"""

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor

from soundkin.config import Config
from soundkin.shapes import Float, typechecked

Patches = Float[Tensor, "batch mels frames"]


class AugmentConfig(Config):
    """How far each change may go; 0, the default, leaves it out: what helps depends on the music and on how
    long one trains (docs/results.md).
    """

    gain_db: float = Field(0.0, ge=0)  # louder or softer by at most this
    tilt_db: float = Field(0.0, ge=0)  # lowest band against highest, as another mastering would have it
    stretch: float = Field(0.0, ge=0, lt=1)  # faster or slower by at most this share
    shift_bands: float = Field(0.0, ge=0)  # up or down by at most this many mel bands
    time_masks: int = Field(0, ge=0)
    time_mask_frames: int = Field(20, ge=0)  # longest
    mel_masks: int = Field(0, ge=0)
    mel_mask_bands: int = Field(20, ge=0)  # widest
    noise_share: float = Field(0.0, ge=0, le=1)  # of patches, with steady noise beneath, SNR -3 to 18 dB
    narrow_share: float = Field(0.0, ge=0, le=1)  # of patches, without the treble, and perhaps the bass

    @model_validator(mode="after")
    def _masks_have_sizes(self) -> Self:
        for masks, size in (("time_masks", "time_mask_frames"), ("mel_masks", "mel_mask_bands")):
            if getattr(self, masks) and not getattr(self, size):
                raise ValueError(f"{masks} is set, and {size} is 0; give the longest mask too")
        return self


@typechecked
def augment(batch: Patches, config: AugmentConfig, generator: Generator, mel_bands: int) -> Patches:
    """Apply all that `config` asks for; bands after the mel bands are stretched in time only."""
    if config.stretch:
        batch = stretch_time(batch, config.stretch, generator)
    batch, rest = batch[:, :mel_bands], batch[:, mel_bands:]
    if config.shift_bands:
        batch = shift_mels(batch, config.shift_bands, generator)
    if config.narrow_share:
        batch = narrow(batch, config.narrow_share, generator)
    if config.noise_share:
        batch = add_noise(batch, config.noise_share, generator)
    if config.gain_db or config.tilt_db:
        batch = change_level(batch, config.gain_db, config.tilt_db, generator)
    if config.time_masks:
        batch = mask(batch, -1, config.time_masks, config.time_mask_frames, generator)
    if config.mel_masks:
        batch = mask(batch, -2, config.mel_masks, config.mel_mask_bands, generator)
    return torch.cat([batch, rest], dim=1) if rest.shape[1] else batch


@typechecked
def change_level(batch: Patches, gain_db: float, tilt_db: float, generator: Generator) -> Patches:
    """Scale the power by up to `gain_db` in all bands, and by `tilt_db` between lowest and highest."""
    gain = _uniform(batch, gain_db, generator)
    slope = torch.linspace(-0.5, 0.5, batch.shape[1], device=batch.device)[None, :, None]
    factor = 10 ** ((gain + _uniform(batch, tilt_db, generator) * slope) / 10)
    return torch.log1p(torch.expm1(batch) * factor)  # the frames are log(1 + power)


@typechecked
def add_noise(batch: Patches, share: float, generator: Generator) -> Patches:
    """Add steady noise to a share of the patches: bands of pink noise, tilted by up to 10 dB either way, as
    they fluctuate from frame to frame.
    """
    band = torch.linspace(0, 1, batch.shape[1], device=batch.device)[None, :, None]
    tilt, rise = _uniform(batch, 1.0, generator), 18 * _random((len(batch), 1, 1), batch, generator)
    # Mel bands below 1 kHz are equally wide: there pink noise falls.
    profile = 10 ** (tilt * (band - 0.5)) * (1 + rise * torch.exp(-40 * band))
    deviation = (1 + (0.75 - 0.4 * band).square()).log().sqrt()  # of the logarithm: wider bands are steadier
    normal = torch.randn(batch.shape, generator=generator, device=generator.device).to(batch.device)
    noise = profile * torch.exp(deviation * normal - deviation.square() / 2)
    power = torch.expm1(batch)
    snr = 10 ** ((7.5 + _uniform(batch, 10.5, generator)) / 10)
    ratio = power.mean(2, keepdim=True).sum(1, keepdim=True) / profile.sum(1, keepdim=True) / snr
    chosen = _random((len(batch), 1, 1), batch, generator) < share
    return torch.where(chosen, torch.log1p(power + noise * ratio), batch)


@typechecked
def narrow(batch: Patches, share: float, generator: Generator) -> Patches:
    """Take the treble from a share of the patches, from two fifths of the bands on at the earliest, as low
    sample rates and codecs do, and from a third of these the bass, as telephones do.
    """
    bands = batch.shape[1]
    band = torch.arange(bands, device=batch.device)[None, :, None]
    chosen, top, low, bottom = (_random((len(batch), 1, 1), batch, generator) for _ in range(4))
    cut = band > (0.4 + 0.55 * top) * bands
    cut |= (low < 1 / 3) & (band < 0.12 * bottom * bands)
    return torch.where((chosen < share) & cut, 0.0, batch)


@typechecked
def stretch_time(batch: Patches, share: float, generator: Generator) -> Patches:
    """Play up to `share` faster or slower around the middle; the ends are mirrored where frames run out."""
    frames = torch.arange(batch.shape[2], device=batch.device, dtype=torch.float32)
    middle = (batch.shape[2] - 1) / 2
    speed = 1 + _uniform(batch, share, generator)[:, 0]
    return _sample(batch, middle + (frames - middle) * speed)


@typechecked
def shift_mels(batch: Patches, bands: float, generator: Generator) -> Patches:
    """Shift up or down by up to `bands` mel bands, much like a change of pitch; the edges are mirrored."""
    positions = torch.arange(batch.shape[1], device=batch.device) + _uniform(batch, bands, generator)[:, 0]
    return _sample(batch.transpose(1, 2), positions).transpose(1, 2)


@typechecked
def mask(batch: Patches, axis: int, masks: int, longest: int, generator: Generator) -> Patches:
    """Replace `masks` runs of up to `longest` frames (axis -1) or mel bands (axis -2) by each patch's mean.

    Park et al. 2019, "SpecAugment".
    """
    size = batch.shape[axis]
    lengths = _random((len(batch), masks, 1), batch, generator) * (min(longest, size) + 1)
    starts = _random((len(batch), masks, 1), batch, generator) * (size - lengths.floor() + 1)
    places = torch.arange(size, device=batch.device) - starts.floor()
    hidden = ((places >= 0) & (places < lengths.floor())).any(1)
    hidden = hidden[:, None, :] if axis == -1 else hidden[:, :, None]
    return torch.where(hidden, batch.mean((1, 2), keepdim=True), batch)


def _sample(batch: Patches, positions: Float[Tensor, "batch frames"]) -> Patches:
    """Read each item at fractional positions along its last axis, mirrored at both ends."""
    last = batch.shape[2] - 1
    positions = last - (positions.abs() - last).abs()
    left = positions.floor().clamp(0, max(last - 1, 0))
    share = (positions - left)[:, None, :]
    index = left.long()[:, None, :].expand_as(batch)
    following = batch.gather(2, (index + 1).clamp(max=last))
    return torch.lerp(batch.gather(2, index), following, share.expand_as(batch))


def _uniform(batch: Patches, largest: float, generator: Generator) -> Float[Tensor, "batch 1 1"]:
    """One number per item, in [-largest, largest]."""
    return (_random((len(batch), 1, 1), batch, generator) * 2 - 1) * largest


def _random(shape: tuple[int, ...], like: Tensor, generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device).to(like.device)
