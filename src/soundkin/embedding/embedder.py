"""Audio -> vectors: the same audio, the same vector, bit for bit, whatever else is embedded and by how many workers.

Kernels round differently for another number of threads or another batch shape. So one thread computes, and a batch
holds patches of one track only, cut in the same places whenever that track is embedded.
"""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.errors import AudioError, UsageError
from soundkin.features.decode import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, MOST_CHANNELS, AudioStream
from soundkin.features.decoders import Source
from soundkin.features.front_ends import FrameStream, Sound, frames_of_audio, sound_hash, stream_frames
from soundkin.features.lyric_tokens import pad
from soundkin.features.patches import stream_patches
from soundkin.files import sha256_of_text
from soundkin.models import LyricTokens
from soundkin.parallel import one_torch_thread
from soundkin.shapes import Float32, typechecked

# Measured for the default network: 8 patches at once take 0.4 to 0.6 of the time of one by one; more gain nothing.
PATCHES_PER_BATCH = 8

Waveform = tuple[np.ndarray, int]


@dataclass(frozen=True)
class TrackEmbedding:
    """What embedding one file gives. `audio_hash` and `lyrics_hash` (empty without lyrics) tell what it was made of.

    `warnings` say what is off with the audio.
    """

    vector: Float32[np.ndarray, " embedding"]
    patch_vectors: Float32[np.ndarray, "patches embedding"]
    start_seconds: list[float]
    duration_seconds: float
    audio_hash: str
    warnings: tuple[str, ...]
    lyrics_hash: str = ""


class Embedder:
    """Computes vectors with one model bundle, on the CPU."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.hash = bundle.hash
        self.embedding_size = bundle.network_config.embedding_size
        self.reads_lyrics = bundle.tokenizer is not None

    def embed(self, audio: Path | str | Waveform, lyrics: str = "") -> Float32[np.ndarray, " embedding"]:
        """Vector of a file, or of `(samples, sample_rate_hz)`: floats [samples] or [samples, channels], full scale 1.0.

        `lyrics` are the words as plain text, for a model that reads them; others do not look at them.

        Raises:
            AudioError: the audio cannot be used; says why.
        """
        return self.pool(self.embed_patches(audio)[0], lyrics)

    def embed_patches(
        self, audio: Path | str | Waveform
    ) -> tuple[Float32[np.ndarray, "patches embedding"], list[float]]:
        """Patch vectors in order of time, and the second at which each patch starts."""
        return self._embed_stream(self._open(audio))

    def embed_file(self, path: Sound, audio_hash: str | None = None, lyrics: str = "") -> TrackEmbedding:
        """All there is to know of one file, in bounded memory; `audio_hash` is given where it is known.

        For a model that learnt from a table of vectors, it is a track of the table instead of a file.
        """
        stream = stream_frames(path, self.bundle.front_end)
        patch_vectors, start_seconds = self._embed_stream(stream)
        return TrackEmbedding(
            vector=self.pool(patch_vectors, lyrics),
            patch_vectors=patch_vectors,
            start_seconds=start_seconds,
            duration_seconds=stream.duration_seconds,
            audio_hash=audio_hash or sound_hash(path, self.bundle.front_end),
            warnings=stream.warnings,
            lyrics_hash=hash_of_lyrics(lyrics) if self.reads_lyrics else "",
        )

    def _open(self, audio: Path | str | Waveform) -> FrameStream:
        if isinstance(audio, (str, Path)):
            return stream_frames(Path(audio), self.bundle.front_end)
        samples, sample_rate_hz = audio
        return frames_of_audio(stream_array(np.asarray(samples), sample_rate_hz), self.bundle.front_end)

    @torch.inference_mode()
    def _embed_stream(self, stream: FrameStream) -> tuple[Float32[np.ndarray, "patches embedding"], list[float]]:
        vectors, start_seconds = [], []
        with one_torch_thread():
            patches = stream_patches(stream, self.bundle.patch)
            while batch := list(islice(patches, PATCHES_PER_BATCH)):
                vectors.append(self._embed_batch([log_mel for _, log_mel in batch]))
                start_seconds += [stream.start_seconds(start) for start, _ in batch]
        found = torch.cat(vectors).numpy()
        if not np.isfinite(found).all():
            raise AudioError(f"{stream.name}: its vector is not made of finite numbers. Was the model trained well?")
        return found, start_seconds

    def _embed_batch(self, log_mels: list[Tensor]) -> Float32[Tensor, "batch embedding"]:
        return self.bundle.network.patches(torch.stack(log_mels).transpose(1, 2))

    @typechecked
    @torch.inference_mode()
    def pool(
        self, patch_vectors: Float32[np.ndarray, "patches embedding"], lyrics: str = ""
    ) -> Float32[np.ndarray, " embedding"]:
        """Patch vectors in order of time, and the words where there are any, to the track vector."""
        with one_torch_thread():
            patches = torch.from_numpy(patch_vectors)[None]
            mask = torch.ones(patches.shape[:2], dtype=torch.bool)
            vector: np.ndarray = self.bundle.network.tracks(patches, mask, self._tokens(lyrics))[0].numpy()
        return vector

    def _tokens(self, lyrics: str) -> LyricTokens | None:
        tokenizer, config = self.bundle.tokenizer, self.bundle.network_config.lyrics
        if tokenizer is None or config is None or not lyrics:
            return None
        padded, lengths = pad(tokenizer.encode([lyrics], config.most_tokens))
        return LyricTokens(torch.from_numpy(padded), torch.from_numpy(lengths))


def hash_of_lyrics(lyrics: str) -> str:
    """32 hex digits that tell words apart; empty where there are none."""
    return sha256_of_text(lyrics)[:32] if lyrics else ""


def load(folder: Path | str, vectors: Path | None = None) -> Embedder:
    """Load the model bundle in `folder`, ready to embed; `vectors` as in `load_bundle`.

    Raises:
        UsageError: there is no such folder.
        ArtefactError: the bundle is corrupt, or of another version.
    """
    return Embedder(load_bundle(Path(folder), vectors))


def stream_array(samples: np.ndarray, sample_rate_hz: int) -> AudioStream:
    """An array as if it were an open file, so that the same guards apply."""
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    if samples.ndim != 2 or samples.shape[1] > MOST_CHANNELS or samples.dtype.kind != "f":
        raise UsageError(
            f"samples of shape {samples.shape} and type {samples.dtype}: "
            "give floats [samples] or [samples, channels] with full scale at 1.0."
        )
    if not LOWEST_RATE_HZ <= sample_rate_hz <= HIGHEST_RATE_HZ:
        raise UsageError(f"sample_rate_hz={sample_rate_hz}: give {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}.")
    blocks = iter([samples.astype(np.float32, copy=False)])
    source = Source("none", sample_rate_hz, samples.shape[1], len(samples), blocks)
    return AudioStream(Path("the waveform"), sample_rate_hz, source)
