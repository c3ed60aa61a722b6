"""The network: 1D convolutions over time with the mel bands as channels, time pooling, dense layers.

After A. van den Oord, S. Dieleman, B. Schrauwen, "Deep content-based music recommendation" (2013) and S.
Dieleman, "Recommending music on Spotify with deep learning" (2014). Both networks, and ours, are presets in
`configs/model`. Pooling every level: J. Lee, J. Nam, "Multi-Level and Multi-Scale Feature Aggregation Using
Pretrained Convolutional Neural Networks for Music Auto-tagging" (2017); here the levels are trained together.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from soundkin.models.network_config import ConvConfig, NetworkConfig
from soundkin.models.pooling import TimePooling
from soundkin.shapes import Float, typechecked


class ConvBlock(nn.Module):
    """Convolution, normalisation, rectifier, residual connection, max pooling."""

    def __init__(self, inputs: int, config: ConvConfig, normalised: bool) -> None:
        super().__init__()
        padding = config.width // 2 if config.padded else 0
        self.conv = nn.Conv1d(
            inputs, config.filters, config.width, config.stride, padding, bias=not normalised
        )
        self.norm = nn.BatchNorm1d(config.filters) if normalised else nn.Identity()
        self.pool = nn.MaxPool1d(config.pool) if config.pool > 1 else nn.Identity()
        self.residual = config.residual and config.padded and config.stride == 1 and inputs == config.filters

    @typechecked
    def forward(self, features: Float[Tensor, "batch inputs frames"]) -> Float[Tensor, "batch filters less"]:
        """Frame features to the next frame features."""
        output = nn.functional.relu(self.norm(self.conv(features)), inplace=True)
        pooled: Tensor = self.pool(output + features if self.residual else output)
        return pooled


class HarmonyLevel(nn.Module):
    """Chroma of a patch to `size` numbers that no transposition by whole bands changes.

    Each filter spans one octave and is applied at every transposition; its maximum and mean over them are the
    same for a piece in any key. After A. Elowsson, A. Friberg, "Modeling Music Modality with a Key-Class
    Invariant Pitch Chroma CNN" (2019).
    """

    def __init__(self, chroma_bands: int, filters: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, filters, chroma_bands)
        self.size = 2 * filters

    @typechecked
    def forward(self, chroma: Float[Tensor, "batch chroma frames"]) -> Float[Tensor, "batch harmony"]:
        """Maximum and mean over the transpositions of each filter's response to the mean chroma."""
        profile = chroma.mean(dim=2)
        profile = profile - profile.mean(dim=1, keepdim=True)
        profile = profile / (profile.square().mean(dim=1, keepdim=True) + 1e-4).sqrt()  # loudness drops out
        two_octaves = torch.cat([profile, profile[:, :-1]], dim=1)
        responses = self.conv(two_octaves[:, None]).relu()
        return torch.cat([responses.amax(dim=2), responses.mean(dim=2)], dim=1)


class Level(NamedTuple):
    """A part of the pooled vector: its size, and the number of convolutions before it."""

    size: int
    depth: int


class TimeConvNetwork(nn.Module):
    """Log-mel patches to patch vectors, for patches of any length from `minimum_frames` on."""

    def __init__(self, config: NetworkConfig, mel_bands: int, chroma_bands: int = 0) -> None:
        super().__init__()
        self.mel_bands = mel_bands
        normalised = config.normalisation == "batch"
        # Running mean and deviation of each mel band over the training patches.
        self.input_norm = nn.BatchNorm1d(mel_bands, affine=False) if normalised else nn.Identity()
        widths = [mel_bands, *(convolution.filters for convolution in config.convolutions)]
        blocks = zip(widths, config.convolutions, strict=False)
        self.blocks = nn.Sequential(*(ConvBlock(inputs, block, normalised) for inputs, block in blocks))
        self.time_pooling = TimePooling(config.time_pooling)
        self.multi_level = config.multi_level
        self.harmony = HarmonyLevel(chroma_bands, config.harmony_filters) if chroma_bands else None
        depths = range(len(widths)) if config.multi_level else [len(widths) - 1]
        self.levels = [Level(widths[depth] * len(config.time_pooling), depth) for depth in depths]
        if self.harmony:
            self.levels.append(Level(self.harmony.size, depth=1))
        pooled = sum(level.size for level in self.levels)
        self.pooled_norm = nn.BatchNorm1d(pooled) if normalised else nn.Identity()
        self.dense = _dense_layers(pooled, config)
        self.shortcut = nn.Linear(pooled, config.embedding_size) if config.shortcut else None
        self.embedding_size = config.embedding_size
        self.minimum_frames = _minimum_frames(config.convolutions)

    @typechecked
    def forward(self, log_mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch embedding"]:
        """One vector a patch."""
        pooled = self.pooled(log_mel)
        vectors: Tensor = self.dense(pooled)
        return vectors if self.shortcut is None else vectors + self.shortcut(pooled)

    def pooled(self, log_mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch pooled"]:
        """Input of the dense layers: the `levels` pooled over time and normalised, harmony last."""
        levels = [self.input_norm(log_mel[:, : self.mel_bands])]
        for block in self.blocks:
            levels.append(block(levels[-1]))
        pooled = [self.time_pooling(level) for level in (levels if self.multi_level else levels[-1:])]
        if self.harmony:
            pooled.append(self.harmony(log_mel[:, self.mel_bands :]))
        normalised: Tensor = self.pooled_norm(torch.cat(pooled, dim=1))
        return normalised


def _dense_layers(inputs: int, config: NetworkConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in config.dense:
        layers += [nn.Linear(inputs, size), nn.ReLU(inplace=True)]
        if config.dropout:
            layers.append(nn.Dropout(config.dropout))
        inputs = size
    return nn.Sequential(*layers, nn.Linear(inputs, config.embedding_size))


def _minimum_frames(convolutions: tuple[ConvConfig, ...]) -> int:
    """The shortest patch that leaves one frame after every convolution and pooling."""
    frames = 1
    for config in reversed(convolutions):
        frames = (frames * config.pool - 1) * config.stride + 1
        if not config.padded:
            frames += config.width - 1
    return frames
