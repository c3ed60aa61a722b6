"""The systems that stand side by side: a model, the same network untrained, MFCC statistics. One decode
serves all.

The untrained network tells what its shape alone does, with random filters (Pons & Serra 2019). It gets the
trained one's input normalisation, the mean and deviation of each mel band: a fact about the data rather than
a thing learnt.

A model that learnt from vectors of another encoder has to beat these vectors, in the place of MFCC
statistics. Vectors that came without a model stand beside an untrained network of the default kind.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from soundkin.embedding.bundle import Bundle, model_hash
from soundkin.embedding.embedder import PATCHES_PER_BATCH, Embedder
from soundkin.errors import AudioError, UsageError
from soundkin.evaluation.baselines import mfcc_statistics, mfccs
from soundkin.features.frontends.interface import TrackInput
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig, stream_patches
from soundkin.models import NetworkConfig, TrackNetwork, build_network
from soundkin.parallel import one_torch_thread
from soundkin.shapes import Float, Float32
from soundkin.statistics.scaling import standardise

MODEL, UNTRAINED, MFCC, EXTERNAL = "model", "untrained", "MFCC", "external"
BASELINES = (MFCC, EXTERNAL, UNTRAINED)
BASELINE_NOTE = (
    f"{UNTRAINED}: the same network with random weights. {MFCC}: mean and deviation of 20 coefficients, their deltas "
    "and delta-deltas over the whole track. Both are standardised over the evaluated tracks, which can only help them."
)

EXTERNAL_NOTE = (
    f"{UNTRAINED}: the same network with random weights. {EXTERNAL}: the vectors that the model was given instead of "
    "sound, their mean over the track. Both are standardised over the evaluated tracks, which can only help them."
)


def baseline_note(bundle: Bundle) -> str:
    """What stands beside the model."""
    return BASELINE_NOTE if bundle.front_end.makes_log_mels else EXTERNAL_NOTE


def default_bundle(random_seed: int) -> Bundle:
    """What stands in for the model of vectors that came without one: our front end and network, never
    trained.
    """
    front_end, config = LogMelFrontEnd(), NetworkConfig()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_seed)
        network = build_network(config, front_end.mel_bands, front_end.chroma_bands)
    return Bundle(front_end, PatchConfig(), config, network)


def untrained_network(bundle: Bundle, random_seed: int) -> TrackNetwork:
    """A network like the bundle's with fresh weights; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_seed)
        network = build_network(
            bundle.network_config, bundle.front_end.mel_bands, bundle.front_end.chroma_bands
        )
    known = {
        name: value
        for name, value in bundle.network.state_dict().items()
        if name.startswith("trunk.input_norm.")
    }
    network.load_state_dict(known, strict=False)
    return network.eval()


class TrackEmbedder:
    """Hears a file once and describes it by every system: the model, if `own`, and what it has to beat, if
    `baselines`.

    The model's vector goes by `name`. `fingerprint` is 32 hex digits that change when any vector may.
    """

    def __init__(
        self, bundle: Bundle, random_seed: int, own: bool = True, baselines: bool = True, name: str = MODEL
    ) -> None:
        self.bundle = bundle
        self.baselines = baselines
        self.embedders = {name: Embedder(bundle)} if own else {}
        if baselines:
            untrained = replace(bundle, network=untrained_network(bundle, random_seed), hash="")
            self.embedders[UNTRAINED] = Embedder(untrained)
        hashes = [f"{name} {self._hash(embedder.bundle)}" for name, embedder in self.embedders.items()]
        self.fingerprint = hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:32]

    @staticmethod
    def _hash(bundle: Bundle) -> str:
        return model_hash(bundle.computing_config(), bundle.tensors())

    def vectors(self, path: TrackInput, lyrics: str = "") -> dict[str, Float32[np.ndarray, " _"]]:
        """A vector by each system; the model's is, bit for bit, what `Embedder` gives.

        Raises:
            AudioError: the file cannot be used, or a network answers with numbers that are not finite.
        """
        with one_torch_thread():
            found = self._vectors(path, lyrics)
        if not all(np.isfinite(vector).all() for vector in found.values()):
            raise AudioError(f"{path}: its vector is not made of finite numbers. Was the model trained well?")
        return found

    @torch.inference_mode()
    def _vectors(self, path: TrackInput, lyrics: str) -> dict[str, Float32[np.ndarray, " _"]]:
        front_end = self.bundle.front_end
        ours = front_end.makes_log_mels
        describe = partial(mfccs, mel_bands=front_end.mel_bands) if ours else np.asarray
        descriptions: list[np.ndarray] = []
        blocks: Iterable[Tensor] = front_end.stream(path)
        if self.baselines:
            blocks = _noting(blocks, describe, descriptions)
        patches = stream_patches(blocks, self.bundle.patch)
        patch_vectors: dict[str, list[Tensor]] = {name: [] for name in self.embedders}
        while batch := [log_mel for _, log_mel in islice(patches, PATCHES_PER_BATCH)]:
            log_mels = torch.stack(batch).transpose(1, 2)
            for name, embedder in self.embedders.items():
                patch_vectors[name].append(embedder.bundle.network.patches(log_mels))
        pooled = {
            name: self.embedders[name].pool(torch.cat(vectors).numpy(), lyrics)
            for name, vectors in patch_vectors.items()
        }
        if not self.baselines:
            return pooled
        described = np.concatenate(descriptions)
        if ours:
            return pooled | {MFCC: mfcc_statistics(described)}
        return pooled | {EXTERNAL: described.mean(axis=0)}


def _noting(
    blocks: Iterable[Tensor], describe: Callable[[np.ndarray], np.ndarray], descriptions: list[np.ndarray]
) -> Iterator[Tensor]:
    """Pass blocks on, keeping a description: MFCCs have a fifth of log-mels' size, so that long tracks still
    fit.
    """
    for block in blocks:
        descriptions.append(describe(block.numpy()))
        yield block


def as_systems(
    tracks: list[dict[str, Float32[np.ndarray, " _"]]],
) -> dict[str, Float[np.ndarray, "tracks _"]]:
    """Vectors of tracks as one array a system, the model first and as it is, the baselines standardised."""
    names = [name for name in (MODEL, *BASELINES) if name in tracks[0]]
    arrays = {name: np.stack([track[name] for track in tracks]) for name in names}
    return {name: array if name == MODEL else standardise(array) for name, array in arrays.items()}


def check_systems(systems: Mapping[str, Float[np.ndarray, "tracks _"]], track_ids: Sequence[str]) -> None:
    """Raise UsageError unless every system has a finite vector for each of the tracks, and there is a system."""
    if not systems:
        raise UsageError("no system to judge: give the vectors of one at least.")
    for name, vectors in systems.items():
        if len(vectors) != len(track_ids):
            raise UsageError(
                f"{name} has {len(vectors)} vectors for {len(track_ids)} tracks. Give one a track, in their order."
            )
        if not np.isfinite(vectors).all():
            row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise UsageError(
                f"the vector of track {track_ids[row]} by {name} holds a NaN or infinity. Leave the track out."
            )
