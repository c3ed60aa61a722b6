"""Baselines that a trained network has to beat, computed from the same decode and log-mel as its own vectors.

MFCC mean and deviation is the plain bag-of-frames description of timbre (Logan 2000; Tzanetakis & Cook 2002).
The untrained network shows what its architecture alone does, with random filters (Pons & Serra 2019); it gets
the trained one's input normalisation, which is a fact about the data. A model that was trained on vectors of
another encoder is compared with these vectors, in the place of MFCC statistics.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

import numpy as np
import torch
from scipy.fft import dct
from scipy.signal import savgol_filter
from torch import Tensor

from soundkin.embedding.bundle import Bundle, model_hash
from soundkin.embedding.embedder import Embedder, TrackEmbedding, hash_of_lyrics
from soundkin.errors import AudioError
from soundkin.features.frontends.interface import FrameStream, TrackInput
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig, stream_batches
from soundkin.models import NetworkConfig, TrackNetwork, build_network
from soundkin.parallel import one_torch_thread
from soundkin.shapes import Float, Float32, typechecked

MODEL, UNTRAINED, MFCC, EXTERNAL = "model", "untrained", "MFCC", "external"
BASELINES = (MFCC, EXTERNAL, UNTRAINED)  # in the order of tables
COEFFICIENTS = 20
DELTA_FRAMES = 9  # the regression window, as in librosa.feature.delta
STANDARDISED_NOTE = "Both are standardised over the evaluated tracks, which can only help them."
BASELINE_NOTE = (
    f"{UNTRAINED}: the same network with random weights. {MFCC}: mean and deviation of 20 coefficients, "
    f"their deltas and delta-deltas over the whole track. {STANDARDISED_NOTE}"
)
EXTERNAL_NOTE = (
    f"{UNTRAINED}: the same network with random weights. {EXTERNAL}: the vectors that the model was given "
    f"instead of audio, their mean over the track. {STANDARDISED_NOTE}"
)

Vector = Float32[np.ndarray, " embedding"]


@typechecked
def mfccs(
    frames: Float[np.ndarray, "frames bands"], mel_bands: int | None = None
) -> Float[np.ndarray, "frames coefficients"]:
    """Mel-frequency cepstral coefficients: the first 20 of an orthonormal DCT over each frame's mel bands.

    `mel_bands` says how many bands, the first ones, are mel bands; by default all are.
    """
    log_mel = np.asarray(frames[:, :mel_bands], dtype=np.float32)
    return np.asarray(dct(log_mel, type=2, norm="ortho", axis=1))[:, :COEFFICIENTS]


@typechecked
def mfcc_statistics(
    coefficients: Float[np.ndarray, "frames coefficients"],
) -> Float[np.ndarray, " statistics"]:
    """Mean and deviation over time of MFCCs, their deltas and delta-deltas: 6 x 20 figures."""
    deltas, accelerations = (
        savgol_filter(coefficients, DELTA_FRAMES, polyorder=order, deriv=order, axis=0, mode="nearest")
        for order in (1, 2)
    )
    courses = (coefficients, deltas, accelerations)
    return np.concatenate([np.r_[course.mean(axis=0), course.std(axis=0)] for course in courses]).astype(
        np.float32
    )


def default_bundle(random_seed: int) -> Bundle:
    """For vectors that came without a model: our default front end, and the default network, untrained."""
    front_end, config = LogMelFrontEnd(), NetworkConfig()
    network = _random_network(config, front_end.mel_bands, front_end.chroma_bands, random_seed)
    return Bundle(front_end, PatchConfig(), config, network)


def untrained_network(bundle: Bundle, random_seed: int) -> TrackNetwork:
    """A network like the bundle's with fresh weights, and its input normalisation."""
    mel_bands, chroma_bands = bundle.front_end.mel_bands, bundle.front_end.chroma_bands
    network = _random_network(bundle.network_config, mel_bands, chroma_bands, random_seed)
    state = bundle.network.state_dict().items()
    normalisation = {name: value for name, value in state if name.startswith("trunk.input_norm.")}
    network.load_state_dict(normalisation, strict=False)
    return network.eval()


def _random_network(config: NetworkConfig, mel_bands: int, chroma_bands: int, seed: int) -> TrackNetwork:
    """Torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(config, mel_bands, chroma_bands)


class TrackEmbedder(Embedder):
    """Decodes a file once and embeds it by several systems: the model, if `own`, and `baselines`.

    The model's vector goes by `name`. `vector` of an embedding holds those of all systems, one after the
    other; `hash` changes when any of them may.
    """

    def __init__(
        self, bundle: Bundle, random_seed: int, own: bool = True, baselines: bool = True, name: str = MODEL
    ) -> None:
        super().__init__(bundle)
        self.is_log_mel = bundle.front_end.makes_log_mels
        self.baselines = baselines
        self.embedders = {name: Embedder(bundle)} if own else {}
        if baselines:
            untrained = replace(bundle, network=untrained_network(bundle, random_seed), hash="")
            self.embedders[UNTRAINED] = Embedder(untrained)
        self.sizes = {name: embedder.embedding_size for name, embedder in self.embedders.items()}
        if baselines and self.is_log_mel:
            self.sizes[MFCC] = 6 * COEFFICIENTS
        elif baselines:
            self.sizes[EXTERNAL] = bundle.front_end.mel_bands
        hashes = [
            f"{name} {model_hash(embedder.bundle.computing_config(), embedder.bundle.tensors())}"
            for name, embedder in self.embedders.items()
        ]
        self.hash = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
        self.embedding_size = sum(self.sizes.values())

    @property
    def note(self) -> str:
        """What the baselines are."""
        return BASELINE_NOTE if self.is_log_mel else EXTERNAL_NOTE

    def split(
        self, vectors: Float32[np.ndarray, "*tracks embedding"]
    ) -> dict[str, Float32[np.ndarray, "*tracks _"]]:
        """Vectors by system, of those of all systems one after the other."""
        parts = np.split(vectors, list(accumulate(self.sizes.values()))[:-1], axis=-1)
        return dict(zip(self.sizes, parts, strict=True))

    def vectors(self, source: TrackInput, lyrics: str = "") -> dict[str, Vector]:
        """A vector by each system; the model's is, bit for bit, what `Embedder` gives."""
        return self.split(self.embed_file(source, lyrics=lyrics).vector)

    def embed_file(self, path: TrackInput, audio_hash: str | None = None, lyrics: str = "") -> TrackEmbedding:
        """The vectors of all systems, one after the other; there are none of patches."""
        stream = self.bundle.front_end.stream(path)
        with one_torch_thread():
            by_system = self._embed_by_all(stream, lyrics)
        vector = np.concatenate([by_system[name] for name in self.sizes])
        if not np.isfinite(vector).all():
            raise AudioError(f"{path}: its vector is not made of finite numbers. Was the model trained well?")
        return TrackEmbedding(
            vector=vector,
            patch_vectors=np.empty((0, len(vector)), np.float32),
            start_seconds=[],
            duration_seconds=stream.duration_seconds,
            audio_hash=audio_hash or self.bundle.front_end.input_hash(path),
            warnings=(),
            lyrics_hash=hash_of_lyrics(lyrics) if self.reads_lyrics else "",
        )

    @torch.inference_mode()
    def _embed_by_all(self, stream: FrameStream, lyrics: str) -> dict[str, Vector]:
        descriptions: list[np.ndarray] = []
        patch_vectors: dict[str, list[Tensor]] = {name: [] for name in self.embedders}
        for _, log_mels in stream_batches(self._describing(stream, descriptions), self.bundle.patch):
            for name, embedder in self.embedders.items():
                patch_vectors[name].append(embedder.network.patches(log_mels))
        vectors = {
            name: self.embedders[name].pool(torch.cat(patches).numpy(), lyrics)
            for name, patches in patch_vectors.items()
        }
        if self.baselines and self.is_log_mel:
            vectors[MFCC] = mfcc_statistics(np.concatenate(descriptions))
        elif self.baselines:
            vectors[EXTERNAL] = np.concatenate(descriptions).mean(axis=0)
        return vectors

    def _describing(self, stream: FrameStream, descriptions: list[np.ndarray]) -> Iterator[Tensor]:
        """Pass blocks on, and keep their MFCCs: a fifth of log-mels' memory, so that long tracks fit."""
        for block in stream:
            if self.baselines:
                frames = block.numpy()
                mel_bands = self.bundle.front_end.mel_bands
                descriptions.append(mfccs(frames, mel_bands) if self.is_log_mel else frames)
            yield block
