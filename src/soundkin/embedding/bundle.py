"""The model bundle: all it takes to turn audio into vectors, in a folder of plain files.

    model.safetensors   tensors: `network.*`, and the heads of the proxy tasks as `tasks.NAME.*`
    config.json         format version, front end, patch, pooling, network, tasks, metrics, provenance, checksums
    README.md           model card

Reading one executes nothing from it, and needs neither Lightning nor Hydra.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from soundkin.config import validate
from soundkin.embedding.model_card import model_card
from soundkin.embedding.reference_sound import hears_alike, reference_vector
from soundkin.errors import ArtefactError, ConfigError, OutputError, SoundkinError, UsageError
from soundkin.features.log_mel import FrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.files import read_versioned_json, replacing, replacing_folder, write_json
from soundkin.models import PATCH_POOLINGS, NetworkConfig, build_network

FORMAT = "soundkin model bundle"
FORMAT_VERSION = 1

# The parts of config.json that a vector depends on. With the network's tensors they make up the model's hash.
COMPUTING = ("front_end", "patch", "patch_pooling", "network")


@dataclass
class Bundle:
    """A trained network with what it hears through and what is known of it.

    `tasks` is plain JSON; the names in `task_state` begin with `tasks.`. `metrics` holds figures by name, nested as
    wanted; the model card shows both, and of `provenance` the keys `name`, `created`, `versions` and `training_data`.
    """

    front_end: FrontEnd
    patch: PatchConfig
    patch_pooling: str
    network_config: NetworkConfig
    network: nn.Module
    tasks: dict[str, Any] = field(default_factory=dict)
    task_state: dict[str, Tensor] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    def __post_init__(self) -> None:
        self.network.cpu().eval().requires_grad_(False)
        self.hash = self.hash or model_hash(self.computing_config(), self.tensors())

    def computing_config(self) -> dict[str, Any]:
        """The settings that a vector depends on, as plain JSON."""
        return {
            "front_end": self.front_end.model_dump(mode="json"),
            "patch": self.patch.model_dump(mode="json"),
            "patch_pooling": self.patch_pooling,
            "network": self.network_config.model_dump(mode="json"),
        }

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by their name in the file, in main memory."""
        network = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        return {name: tensor.detach().cpu() for name, tensor in (network | self.task_state).items()}


def model_hash(computing_config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """32 hex digits that change when any vector may: over settings and tensors, the proxy tasks' heads left out."""
    digest = hashlib.sha256(json.dumps(computing_config, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        if not name.startswith("tasks."):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write `bundle` as `folder`, in place of a bundle that is there.

    Raises:
        OutputError: the folder cannot be written, or holds something else.
        SoundkinError: the network gives no finite vectors.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / "config.json").exists() and any(folder.iterdir()):
        raise OutputError(f"{folder} holds other files. Choose a new or empty folder for the model bundle.")
    weights = safetensors.torch.save({name: tensor.contiguous() for name, tensor in bundle.tensors().items()})
    config = _config(bundle, weights)
    parameters = sum(parameter.numel() for parameter in bundle.network.parameters())
    with replacing_folder(folder) as new:
        with replacing(new / "model.safetensors") as file:
            file.write(weights)
        with replacing(new / "README.md", "w") as file:
            file.write(model_card(config, parameters))
        write_json(new / "config.json", config)


def _config(bundle: Bundle, weights: bytes) -> dict[str, Any]:
    """What goes into config.json."""
    vector = reference_vector(bundle.front_end, bundle.patch, bundle.network)
    if not np.isfinite(vector).all():
        raise SoundkinError("the network's vectors are not finite numbers. Train again, at a lower learning rate.")
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "hash": model_hash(bundle.computing_config(), bundle.tensors()),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "reference_vector": vector.tolist(),
        **bundle.computing_config(),
        "tasks": bundle.tasks,
        "metrics": bundle.metrics,
        "provenance": bundle.provenance,
    }


def load_bundle(folder: Path) -> Bundle:
    """Read a model bundle and check it.

    Raises:
        UsageError: there is no such folder.
        ArtefactError: a file is missing, corrupt or edited, or the bundle is of another version.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"model bundle {folder} does not exist. Give the `model` folder that a training run wrote.")
    path = folder / "config.json"
    config = read_versioned_json(path, FORMAT, FORMAT_VERSION)
    missing = {"hash", "weights_sha256", "reference_vector", *COMPUTING} - config.keys()
    if missing:
        raise ArtefactError(
            f"{path} is damaged: {', '.join(sorted(missing))} is missing. Copy or train the model again."
        )
    tensors = _read_tensors(folder / "model.safetensors", config["weights_sha256"])
    computing_config = {key: config[key] for key in COMPUTING}
    if model_hash(computing_config, tensors) != config["hash"]:
        raise ArtefactError(
            f"{path} was changed after training: {', '.join(COMPUTING)} or the weights do not give the hash "
            f"{config['hash']} that it states. Copy or train the model again."
        )
    bundle = _build(path, config, tensors)
    if not hears_alike(reference_vector(bundle.front_end, bundle.patch, bundle.network), config["reference_vector"]):
        raise ArtefactError(
            f"{folder} gives another vector for the reference sound than when it was saved: this soundkin hears "
            "differently. Use the one that it was trained with, or train it again."
        )
    return bundle


def _read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        weights = path.read_bytes()
        if hashlib.sha256(weights).hexdigest() != sha256:
            raise ArtefactError(f"{path} is corrupt: its checksum is not the one in config.json. Copy the model again.")
        return safetensors.torch.load(weights)
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}. Copy the model again.") from error
    except safetensors.SafetensorError as error:
        raise ArtefactError(f"{path} is not a safetensors file ({error}). Copy the model again.") from error


def _build(path: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Bundle:
    """Put checked parts together; what does not fit now was made by another soundkin."""
    try:
        front_end = validate(FrontEnd, config["front_end"], "front_end")
        patch = validate(PatchConfig, config["patch"], "patch")
        network_config = validate(NetworkConfig, config["network"], "network")
        network = build_network(network_config, front_end.mel_bands)
        network.load_state_dict(_under("network.", tensors))
        if config["patch_pooling"] not in PATCH_POOLINGS:
            raise ConfigError(f"patch_pooling={config['patch_pooling']} is unknown.")
    except (ConfigError, RuntimeError) as error:  # torch lists on many lines which tensors do not fit
        reason = str(error).splitlines()[0] if isinstance(error, ConfigError) else "its tensors do not fit the network."
        raise ArtefactError(
            f"{path} is of another soundkin: {reason} Use the one that it was trained with, or train it again."
        ) from error
    return Bundle(
        front_end=front_end,
        patch=patch,
        patch_pooling=config["patch_pooling"],
        network_config=network_config,
        network=network,
        tasks=config.get("tasks", {}),
        task_state={f"tasks.{name}": tensor for name, tensor in _under("tasks.", tensors).items()},
        metrics=config.get("metrics", {}),
        provenance=config.get("provenance", {}),
        hash=config["hash"],
    )


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, named without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
