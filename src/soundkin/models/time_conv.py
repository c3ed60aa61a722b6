"""The network: 1D convolutions over time with the mel bands as channels, time pooling, dense layers.

After A. van den Oord, S. Dieleman, B. Schrauwen, "Deep content-based music recommendation" (2013) and S. Dieleman,
"Recommending music on Spotify with deep learning" (2014). Both networks, and ours, are presets in `configs/model`.
Pooling every level: J. Lee, J. Nam, "Multi-Level and Multi-Scale Feature Aggregation Using Pretrained Convolutional
Neural Networks for Music Auto-tagging" (2017); here the levels are trained together.
"""

from typing import Literal, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from soundkin.config import Config
from soundkin.models.time_pooling import TimePooling, TimePoolingName
from soundkin.shapes import Float, typechecked


class ConvConfig(Config):
    """One convolution over time, and the max pooling behind it.

    `padded` keeps the number of frames; a padded convolution with as many filters as it has inputs gets a residual
    connection where `residual` asks for it.
    """

    filters: PositiveInt
    width: PositiveInt = 3
    stride: PositiveInt = 1
    pool: PositiveInt = 1
    padded: bool = False
    residual: bool = False

    @model_validator(mode="after")
    def _keeps_frames(self) -> Self:
        if self.padded and self.width % 2 == 0:
            raise ValueError(f"width={self.width} is even, and a padded convolution needs an odd one to keep frames")
        return self


class NetworkConfig(Config):
    """What the network is made of. The default is the one that measured best for its cost (docs/results.md)."""

    convolutions: tuple[ConvConfig, ...] = (
        ConvConfig(filters=160, width=5, stride=2, padded=True),
        ConvConfig(filters=192, width=3, pool=2, padded=True),
        ConvConfig(filters=192, width=3, padded=True, residual=True),
        ConvConfig(filters=256, width=3, pool=2, padded=True),
        ConvConfig(filters=256, width=3, padded=True, residual=True),
    )
    normalisation: Literal["batch", "none"] = "batch"
    time_pooling: tuple[TimePoolingName, ...] = Field(("mean", "max", "l2"), min_length=1)
    multi_level: bool = Field(True, description="pool the input and every block over time, not the last block alone")
    dense: tuple[PositiveInt, ...] = (256,)
    embedding_size: PositiveInt = 128
    dropout: float = Field(0.1, ge=0.0, lt=1.0)


class ConvBlock(nn.Module):
    """Convolution, normalisation, rectifier, residual connection, max pooling."""

    def __init__(self, inputs: int, config: ConvConfig, normalised: bool) -> None:
        super().__init__()
        padding = config.width // 2 if config.padded else 0
        self.conv = nn.Conv1d(inputs, config.filters, config.width, config.stride, padding, bias=not normalised)
        self.norm = nn.BatchNorm1d(config.filters) if normalised else nn.Identity()
        self.pool = nn.MaxPool1d(config.pool) if config.pool > 1 else nn.Identity()
        self.residual = config.residual and config.padded and config.stride == 1 and inputs == config.filters

    @typechecked
    def forward(self, features: Float[Tensor, "batch inputs frames"]) -> Float[Tensor, "batch filters less"]:
        """Frame features to the next frame features."""
        output = nn.functional.relu(self.norm(self.conv(features)), inplace=True)
        if self.residual:
            output = output + features
        pooled: Tensor = self.pool(output)
        return pooled


class TimeConvNetwork(nn.Module):
    """Log-mel patches to patch vectors, for patches of any length from `minimum_frames` on."""

    def __init__(self, config: NetworkConfig, mel_bands: int) -> None:
        super().__init__()
        normalised = config.normalisation == "batch"
        # Running mean and deviation of each mel band over the training patches.
        self.input_norm = nn.BatchNorm1d(mel_bands, affine=False) if normalised else nn.Identity()
        widths = [mel_bands, *(convolution.filters for convolution in config.convolutions)]
        self.blocks = nn.Sequential(
            *(ConvBlock(inputs, block, normalised) for inputs, block in zip(widths, config.convolutions, strict=False))
        )
        self.time_pooling = TimePooling(config.time_pooling)
        self.multi_level = config.multi_level
        pooled = sum(widths) if config.multi_level else widths[-1]
        self.dense = _dense_layers(pooled * len(config.time_pooling), config, normalised)
        self.embedding_size = config.embedding_size
        self.minimum_frames = _minimum_frames(config.convolutions)

    @typechecked
    def forward(self, log_mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch embedding"]:
        """One vector a patch."""
        levels = [self.input_norm(log_mel)]
        for block in self.blocks:
            levels.append(block(levels[-1]))
        heard = levels if self.multi_level else levels[-1:]
        vectors: Tensor = self.dense(torch.cat([self.time_pooling(level) for level in heard], dim=1))
        return vectors


def build_network(config: NetworkConfig, mel_bands: int) -> TimeConvNetwork:
    """A network with fresh weights, drawn from torch's global generator."""
    return TimeConvNetwork(config, mel_bands)


def _dense_layers(inputs: int, config: NetworkConfig, normalised: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.BatchNorm1d(inputs)] if normalised else []
    for size in config.dense:
        layers += [nn.Linear(inputs, size), nn.ReLU(inplace=True)]
        if config.dropout:
            layers.append(nn.Dropout(config.dropout))
        inputs = size
    return nn.Sequential(*layers, nn.Linear(inputs, config.embedding_size))


def _minimum_frames(convolutions: tuple[ConvConfig, ...]) -> int:
    """The shortest patch that leaves one frame after every convolution and pooling, found from the end."""
    frames = 1
    for config in reversed(convolutions):
        frames = (frames * config.pool - 1) * config.stride + 1
        if not config.padded:
            frames += config.width - 1
    return frames
