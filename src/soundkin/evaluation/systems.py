"""The systems that stand side by side: the model, the same network untrained, MFCC statistics. One decode serves all.

The untrained network tells what its shape alone does, with random filters (Pons & Serra 2019). It gets the trained
one's input normalisation, the mean and deviation of each mel band: a fact about the data rather than a thing learnt.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from soundkin.embedding.bundle import Bundle
from soundkin.embedding.embedder import PATCHES_PER_BATCH
from soundkin.errors import AudioError
from soundkin.evaluation.baselines import mfcc_statistics, mfccs, standardised
from soundkin.features.log_mel import stream_log_mel
from soundkin.features.patches import stream_patches
from soundkin.models import PATCH_POOLINGS, build_network
from soundkin.parallel import one_torch_thread
from soundkin.shapes import Float, Float32

MODEL, UNTRAINED, MFCC = "model", "untrained", "MFCC"
BASELINE_NOTE = (
    f"{UNTRAINED}: the same network with random weights. {MFCC}: mean and deviation of 20 coefficients, their deltas "
    "and delta-deltas over the whole track. Both are standardised over the evaluated tracks, which can only help them."
)


def untrained_network(bundle: Bundle, random_seed: int) -> nn.Module:
    """A network like the bundle's with fresh weights; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_seed)
        network = build_network(bundle.network_config, bundle.front_end.mel_bands)
    known = {name: value for name, value in bundle.network.state_dict().items() if name.startswith("input_norm.")}
    network.load_state_dict(known, strict=False)
    return network.eval()


class TrackListener:
    """Hears a file once and describes it by every system."""

    def __init__(self, bundle: Bundle, random_seed: int) -> None:
        self.bundle = bundle
        self.networks = {MODEL: bundle.network, UNTRAINED: untrained_network(bundle, random_seed)}
        self.pooling = PATCH_POOLINGS[bundle.patch_pooling]().eval()

    def vectors(self, path: Path) -> dict[str, Float32[np.ndarray, " _"]]:
        """A vector by each system; the model's is, bit for bit, what `Embedder` gives.

        Raises:
            AudioError: the file cannot be used, or a network answers with numbers that are not finite.
        """
        with one_torch_thread():
            found = self._vectors(path)
        if not all(np.isfinite(vector).all() for vector in found.values()):
            raise AudioError(f"{path}: its vector is not made of finite numbers. Was the model trained well?")
        return found

    @torch.inference_mode()
    def _vectors(self, path: Path) -> dict[str, Float32[np.ndarray, " _"]]:
        coefficients: list[np.ndarray] = []
        log_mel_blocks = _noting(stream_log_mel(path, self.bundle.front_end), coefficients)
        patches = stream_patches(log_mel_blocks, self.bundle.patch)
        patch_vectors: dict[str, list[Tensor]] = {name: [] for name in self.networks}
        while batch := [log_mel for _, log_mel in islice(patches, PATCHES_PER_BATCH)]:
            log_mels = torch.stack(batch).transpose(1, 2)
            for name, network in self.networks.items():
                patch_vectors[name].append(network(log_mels))
        pooled = {name: self.pooling(torch.cat(vectors)).numpy() for name, vectors in patch_vectors.items()}
        return pooled | {MFCC: mfcc_statistics(np.concatenate(coefficients))}


def _noting(blocks: Iterable[Tensor], coefficients: list[np.ndarray]) -> Iterator[Tensor]:
    """Pass log-mel blocks on, keeping their MFCCs: a fifth of the frames' size, so that long tracks still fit."""
    for block in blocks:
        coefficients.append(mfccs(block.numpy()))
        yield block


def as_systems(tracks: list[dict[str, Float32[np.ndarray, " _"]]]) -> dict[str, Float[np.ndarray, "tracks _"]]:
    """Vectors of tracks as one array a system, the model first and as it is, the baselines standardised."""
    arrays = {name: np.stack([track[name] for track in tracks]) for name in (MODEL, MFCC, UNTRAINED)}
    return {name: array if name == MODEL else standardised(array) for name, array in arrays.items()}
