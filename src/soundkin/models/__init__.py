"""The network as plain torch modules: arrays in, arrays out; no labels, no files."""

from soundkin.models.lyrics_encoder import LyricsConfig, LyricTokens
from soundkin.models.network import TrackNetwork, build_network
from soundkin.models.network_config import ConvConfig, NetworkConfig
from soundkin.models.pooling import PATCH_POOLINGS

__all__ = [
    "PATCH_POOLINGS",
    "ConvConfig",
    "LyricTokens",
    "LyricsConfig",
    "NetworkConfig",
    "TrackNetwork",
    "build_network",
]
