"""The model bundle: all it takes to turn audio into vectors, in a folder of plain files.

    model.safetensors   tensors: `network.*`, and the heads of the proxy tasks as `tasks.NAME.*`
    config.json         format version, front end, patch, network, tasks, metrics, provenance, checksums
    external.onnx       the frozen encoder that makes the network's input, if it is an ONNX model
    tokenizer.json      how lyrics become tokens, if the network reads them
    users.parquet       the user of each user vector, if a task was trained on ratings. It names people:
                        delete it before giving the bundle away; vectors do not depend on it
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
from torch import Tensor

from soundkin.config import validate
from soundkin.embedding.default_model import INSTALL_AGAIN, is_default, model_folder
from soundkin.embedding.model_card import model_card
from soundkin.embedding.reference_sound import embeds_alike, reference_vector
from soundkin.embedding.users import read_users, write_users
from soundkin.errors import ArtefactError, ConfigError, OutputPlaceError, SoundkinError, UsageError
from soundkin.features.frontends import stored_front_end
from soundkin.features.frontends.interface import FrontEnd
from soundkin.features.frontends.vector_table import SUFFIXES
from soundkin.features.lyric_tokens import LyricTokenizer
from soundkin.features.patches import PatchConfig
from soundkin.files import (
    read_versioned_json,
    read_whole,
    replacing,
    replacing_folder,
    sha256_of,
    sha256_of_text,
    write_json,
)
from soundkin.models import NetworkConfig, TrackNetwork, build_network

FORMAT = "soundkin model bundle"
FORMAT_VERSION = 2

# The parts of config.json that a vector depends on. With the network's tensors they make up the model's hash.
COMPUTING = ("front_end", "patch", "network", "tokenizer_sha256")

COPY = "Copy the model again."
OTHER_SOUNDKIN = "Use the one that it was trained with, or train it again."


@dataclass
class Bundle:
    """A trained network, its input and what is known of it.

    `tasks` is plain JSON; the names in `task_state` begin with `tasks.`. `metrics` holds figures by name,
    nested as wanted; the model card shows both, and of `provenance` the keys `name`, `created`, `versions`,
    `training_data`, `start`, `limits` and `made_again`. `users` has the user ids of each task with user
    vectors, in the order of these.
    """

    front_end: FrontEnd
    patch: PatchConfig
    network_config: NetworkConfig
    network: TrackNetwork
    tokenizer: LyricTokenizer | None = None
    tasks: dict[str, Any] = field(default_factory=dict)
    task_state: dict[str, Tensor] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)
    hash: str = ""

    def __post_init__(self) -> None:
        self.network.cpu().eval().requires_grad_(False)
        self.hash = self.hash or model_hash(self.computing_config(), self.tensors())

    def compares_with(self, model_hash: str) -> bool:
        """Whether vectors of the model with that hash may meet its own: the same, or its anchor."""
        start = self.provenance.get("start", {})
        return model_hash == self.hash or ("anchored" in start and model_hash == start.get("hash"))

    @property
    def starts(self) -> list[dict[str, Any]]:
        """What is known of the model that training began with, of the one that this began with, and so on."""
        starts, start = [], self.provenance.get("start")
        while start:
            starts.append(start)
            start = start.get("start")
        return starts

    def computing_config(self) -> dict[str, Any]:
        """The settings that a vector depends on, as plain JSON."""
        return {
            "front_end": self.front_end.settings(),
            "patch": self.patch.model_dump(mode="json"),
            "network": self.network_config.model_dump(mode="json"),
            "tokenizer_sha256": sha256_of_text(self.tokenizer.to_json()) if self.tokenizer else None,
        }

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by their name in the file, in main memory."""
        network = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        return {name: tensor.detach().cpu() for name, tensor in (network | self.task_state).items()}


def model_hash(computing_config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """32 hex digits over settings and tensors, without the proxy tasks' heads."""
    digest = hashlib.sha256(json.dumps(computing_config, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        if not name.startswith("tasks."):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write `bundle` as `folder`, in place of a bundle that is there."""
    folder = Path(folder)
    if folder.exists() and not (folder / "config.json").exists() and any(folder.iterdir()):
        raise OutputPlaceError(
            f"{folder} holds other files. Choose a new or empty folder for the model bundle."
        )
    weights = safetensors.torch.save({name: tensor.contiguous() for name, tensor in bundle.tensors().items()})
    config = _config(bundle, weights)
    parameters = sum(parameter.numel() for parameter in bundle.network.parameters())
    files = {
        "model.safetensors": weights,
        "README.md": model_card(config, parameters).encode(),
        "external.onnx": bundle.front_end.model_file(),
        "tokenizer.json": bundle.tokenizer.to_json().encode() if bundle.tokenizer else None,
    }
    with replacing_folder(folder) as new:
        for name, content in files.items():
            if content is not None:
                with replacing(new / name) as file:
                    file.write(content)
        if bundle.users:
            write_users(new / "users.parquet", bundle.users)
        write_json(new / "config.json", config)


def _config(bundle: Bundle, weights: bytes) -> dict[str, Any]:
    """What goes into config.json."""
    vector = reference_vector(bundle.front_end, bundle.patch, bundle.network)
    if not np.isfinite(vector).all():
        raise SoundkinError("the network's vectors are not finite. Train again, at a lower learning rate.")
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "hash": model_hash(bundle.computing_config(), bundle.tensors()),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "reference_vector": vector.tolist(),
        **bundle.computing_config(),
        **({"external": origin} if (origin := bundle.front_end.origin()) else {}),
        "tasks": bundle.tasks,
        "metrics": bundle.metrics,
        "provenance": bundle.provenance,
    }


def load_bundle(model: Path | str, vectors: Path | None = None) -> Bundle:
    """Read the model bundle in a folder, or the one called `default`, and check it.

    A model that was trained on a table of vectors looks tracks up where that table was, or in `vectors`.
    """
    folder = model_folder(model)
    try:
        return read_whole(folder, lambda folder: _load_bundle(folder, vectors))
    except SoundkinError as error:
        if is_default(folder) and vectors is None:
            reason = str(error).partition(". ")[0].rstrip(".")
            raise ArtefactError(f"the default model cannot be used: {reason}. {INSTALL_AGAIN}") from error
        raise


def _load_bundle(folder: Path, vectors: Path | None) -> Bundle:
    if not folder.is_dir():
        raise UsageError(f"model bundle {folder} does not exist. Give the `model` folder of a training run.")
    path = folder / "config.json"
    config = read_versioned_json(path, FORMAT, FORMAT_VERSION)
    missing = {"hash", "weights_sha256", "reference_vector", *COMPUTING} - config.keys()
    if missing:
        keys = ", ".join(sorted(missing))
        raise ArtefactError(f"{path} is damaged: {keys} is missing. Copy or train the model again.")
    weights = _read_checked(folder / "model.safetensors", config["weights_sha256"])
    try:
        tensors = safetensors.torch.load(weights)
    except safetensors.SafetensorError as error:
        raise ArtefactError(f"{folder}/model.safetensors is no safetensors file ({error}). {COPY}") from error
    if model_hash({key: config[key] for key in COMPUTING}, tensors) != config["hash"]:
        raise ArtefactError(
            f"{path} was changed after training: {', '.join(COMPUTING)} or the weights do not give the hash "
            f"{config['hash']} that it states. Copy or train the model again."
        )
    bundle = _build(path, config, tensors, vectors)
    vector = reference_vector(bundle.front_end, bundle.patch, bundle.network)
    if not np.isfinite(vector).all():
        raise ArtefactError(f"{folder}/model.safetensors gives vectors that are not finite. {COPY}")
    if not embeds_alike(vector, config["reference_vector"]):
        raise ArtefactError(
            f"{folder} gives another vector for the reference sound than when it was saved: this soundkin "
            f"computes differently. {OTHER_SOUNDKIN}"
        )
    return bundle


def _read_checked(path: Path, sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}. {COPY}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ArtefactError(f"{path} is corrupt: its checksum is not the one in config.json. {COPY}")
    return content


def _front_end(folder: Path, config: Mapping[str, Any], vectors: Path | None) -> FrontEnd:
    """The front end as it was saved, with its file where that is now."""
    values = config["front_end"]
    if "path" in values:
        values = {**values, **config.get("external", {})}
        if values["path"].endswith(".onnx"):
            values["path"] = folder / "external.onnx"
            if not values["path"].is_file() or sha256_of(values["path"]) != values["sha256"]:
                raise ArtefactError(f"{values['path']} is missing or corrupt. Copy the model again.")
    front_end = stored_front_end(values, "front_end")
    if vectors is None:
        return front_end
    if front_end.takes_audio:
        raise UsageError(f"vectors={vectors}: the model {folder} takes audio, no table. Leave it out.")
    if vectors.suffix not in SUFFIXES:
        kinds = "an .npz, a .parquet or a folder of .parquet files"
        raise UsageError(f"vectors={vectors}: no table ends so. Give {kinds}.")
    return front_end.model_copy(update={"path": vectors})


def _build(path: Path, config: Any, tensors: Mapping[str, Tensor], vectors: Path | None) -> Bundle:
    """Put checked parts together; what does not fit now was made by another soundkin."""
    try:
        front_end = _front_end(path.parent, config, vectors)
        patch = validate(PatchConfig, config["patch"], "patch")
        network_config = validate(NetworkConfig, config["network"], "network")
        network = build_network(network_config, front_end.mel_bands, front_end.chroma_bands)
        state = {name: tensor for name, tensor in tensors.items() if name.startswith("network.")}
        network.load_state_dict({name.removeprefix("network."): part for name, part in state.items()})
    except (ConfigError, RuntimeError) as error:  # torch lists on many lines which tensors do not fit
        misfit = "its tensors do not fit the network."
        reason = str(error).splitlines()[0] if isinstance(error, ConfigError) else misfit
        raise ArtefactError(f"{path} is of another soundkin: {reason} {OTHER_SOUNDKIN}") from error
    tokenizer, tokenizer_sha256 = None, config["tokenizer_sha256"]
    if tokenizer_sha256 is not None:
        content = _read_checked(path.with_name("tokenizer.json"), tokenizer_sha256)
        tokenizer = LyricTokenizer.from_json(content.decode())
    return Bundle(
        front_end=front_end,
        patch=patch,
        network_config=network_config,
        network=network,
        tokenizer=tokenizer,
        task_state={name: tensor for name, tensor in tensors.items() if name.startswith("tasks.")},
        **{key: config.get(key, {}) for key in ("tasks", "metrics", "provenance")},
        users=read_users(path.with_name("users.parquet")),
        hash=config["hash"],
    )
