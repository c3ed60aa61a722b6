"""The network as plain torch modules: arrays in, arrays out; no labels, no files."""

from soundkin.models.patch_pooling import PATCH_POOLINGS
from soundkin.models.time_conv import ConvConfig, NetworkConfig, TimeConvNetwork, build_network

__all__ = ["PATCH_POOLINGS", "ConvConfig", "NetworkConfig", "TimeConvNetwork", "build_network"]
