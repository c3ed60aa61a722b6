"""The whole network: patches to patch vectors, these and the lyrics to one vector a track."""

import torch
from torch import Tensor, nn

from soundkin.models.lyrics_encoder import LyricFusion, LyricTokens
from soundkin.models.network_config import NetworkConfig
from soundkin.models.pooling import PATCH_POOLINGS
from soundkin.models.time_conv import TimeConvNetwork
from soundkin.shapes import Bool, Float, Int, typechecked


class TrackNetwork(nn.Module):
    """Tracks of any length to vectors: a trunk over each patch, patch pooling, and lyrics if configured."""

    def __init__(self, config: NetworkConfig, mel_bands: int, chroma_bands: int = 0) -> None:
        super().__init__()
        self.trunk = TimeConvNetwork(config, mel_bands, chroma_bands)
        self.patch_pooling = PATCH_POOLINGS[config.patch_pooling](config.embedding_size)
        self.lyric_fusion = LyricFusion(config.lyrics, config.embedding_size) if config.lyrics else None
        self.minimum_frames = self.trunk.minimum_frames

    @typechecked
    def patches(self, log_mel: Float[Tensor, "patches mels frames"]) -> Float[Tensor, "patches embedding"]:
        """One vector a patch."""
        vectors: Tensor = self.trunk(log_mel)
        return vectors

    @typechecked
    def tracks(
        self,
        patch_vectors: Float[Tensor, "tracks most embedding"],
        mask: Bool[Tensor, "tracks most"],
        lyrics: LyricTokens | None = None,
    ) -> Float[Tensor, "tracks embedding"]:
        """One vector a track from its patch vectors in order of time; `mask` marks the real ones."""
        vectors: Tensor = self.patch_pooling(patch_vectors, mask)
        return self.lyric_fusion(vectors, lyrics) if self.lyric_fusion else vectors

    @typechecked
    def forward(
        self,
        log_mel: Float[Tensor, "patches mels frames"],
        lengths: Int[Tensor, " tracks"],
        lyrics: LyricTokens | None = None,
    ) -> Float[Tensor, "tracks embedding"]:
        """Track vectors from the patches of all tracks in a row, `lengths` of each."""
        return self.tracks(*by_track(self.patches(log_mel), lengths), lyrics)


def build_network(config: NetworkConfig, mel_bands: int, chroma_bands: int = 0) -> TrackNetwork:
    """A network with random weights from torch's global generator; frames hold mel bands, then chroma."""
    return TrackNetwork(config, mel_bands, chroma_bands)


@typechecked
def by_track(
    patch_vectors: Float[Tensor, "patches embedding"], lengths: Int[Tensor, " tracks"]
) -> tuple[Float[Tensor, "tracks most embedding"], Bool[Tensor, "tracks most"]]:
    """Patch vectors grouped by track, padded with zeros, and the mask of real ones."""
    mask = torch.arange(int(lengths.max()), device=lengths.device) < lengths[:, None]
    padded = patch_vectors.new_zeros(*mask.shape, patch_vectors.shape[1])
    return padded.masked_scatter(mask[..., None], patch_vectors), mask
