"""Settings of the network, stored with the model."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from soundkin.config import Config
from soundkin.models.lyrics_encoder import LyricsConfig
from soundkin.models.pooling import PatchPoolingName, TimePoolingName


class ConvConfig(Config):
    """One convolution over time, and the max pooling behind it.

    `padded` keeps the number of frames; a padded convolution with as many filters as it has inputs gets a
    residual connection where `residual` asks for it.
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
            raise ValueError(f"width={self.width} is even; a padded convolution needs an odd one")
        return self


class NetworkConfig(Config):
    """Settings of the network. The default is the one that measured best for its cost (docs/results.md)."""

    convolutions: tuple[ConvConfig, ...] = (
        ConvConfig(filters=160, width=5, stride=2, padded=True),
        ConvConfig(filters=192, width=3, pool=2, padded=True),
        ConvConfig(filters=192, width=3, padded=True, residual=True),
        ConvConfig(filters=256, width=3, pool=2, padded=True),
        ConvConfig(filters=256, width=3, padded=True, residual=True),
    )
    normalisation: Literal["batch", "none"] = "batch"
    time_pooling: tuple[TimePoolingName, ...] = Field(("mean", "max", "std", "change"), min_length=1)
    multi_level: bool = Field(
        True, description="pool the input and every block over time, not the last block alone"
    )
    harmony_filters: PositiveInt = Field(32, description="over the chroma, where the front end makes any")
    dense: tuple[PositiveInt, ...] = (256,)
    shortcut: bool = Field(
        True, description="a linear layer parallel to the dense ones, initialised by whitened PCA"
    )
    embedding_size: PositiveInt = 128
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    patch_pooling: PatchPoolingName = "mean"
    lyrics: LyricsConfig | None = Field(None, description="read the lyrics too, where a track has them")
