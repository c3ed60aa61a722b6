"""Train: a catalog and a config become a model bundle in the run's folder.

The folder holds `config.yaml` (resolved), `environment.json`, `tracks.csv` (split and audio hash of each track),
`skipped.csv`, `metrics.csv` (one row an epoch), `tensorboard/`, `checkpoints/` and, when done, `model/`.
"""

import csv
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import yaml

from soundkin.config import validate
from soundkin.embedding.bundle import Bundle, save_bundle
from soundkin.embedding.model_card import training_data
from soundkin.errors import ConfigError, Skipped
from soundkin.features.front_ends import identified
from soundkin.files import read_json, replacing, write_json
from soundkin.tasks.user_side import UserSide
from soundkin.training.compose import compose, sweep
from soundkin.training.config import TrainConfig
from soundkin.training.data import PreparedData, prepare
from soundkin.training.fit import fit
from soundkin.training.module import TrainingModule

__all__ = ["TrainConfig", "TrainResult", "compose", "environment", "sweep", "train"]

PACKAGES = (
    "soundkin",
    "torch",
    "torchaudio",
    "pytorch-lightning",
    "hydra-core",
    "numpy",
    "soundfile",
    "av",
    "onnxruntime",
)
PLACES = {"catalog", "run_dir", "ratings", "triplets", "playlists"}  # of this machine; a bundle goes elsewhere


@dataclass(frozen=True)
class TrainResult:
    """Where the model bundle is, how the run went, and which files it left out."""

    model: Path
    metrics: dict[str, float]
    skipped: list[Skipped]


def train(config: TrainConfig) -> TrainResult:
    """Run the training that `config` describes; go on where an earlier, interrupted run of the same config stopped.

    Raises:
        ConfigError: the run's folder holds a run of another config.
        CatalogError: the catalog breaks its promises, or lacks what a task needs.
        UsageError: the file that frozen features come from cannot be used.
        OutputError: the run's folder cannot be written.
    """
    config = config.model_copy(update={"features": identified(config.features)})
    _claim(config)
    model = config.run_dir / "model"
    if (model / "config.json").exists():
        return TrainResult(model, read_json(model / "config.json")["metrics"], [])
    data = prepare(config)
    module, epoch = fit(config, data)
    metrics = _figures_of(epoch, config.run_dir / "metrics.csv")
    save_bundle(_bundle(config, data, module, metrics, _epochs_run(config.run_dir / "metrics.csv")), model)
    return TrainResult(model, metrics, data.skipped)


def _claim(config: TrainConfig) -> None:
    """Write the resolved config and the environment; refuse a folder that another config has claimed."""
    path = config.run_dir / "config.yaml"
    values = config.model_dump(mode="json")
    if path.exists():
        before = validate(TrainConfig, yaml.safe_load(path.read_text(encoding="utf-8")) or {}, str(path))
        changed = _differences(before.model_dump(mode="json"), values)
        if changed:
            raise ConfigError(
                f"run_dir={config.run_dir} holds a run of another config ({'; '.join(changed[:3])}). "
                f"Choose another run_dir, or remove that folder."
            )
        return
    with replacing(path, "w") as file:
        yaml.safe_dump(values, file, sort_keys=False, allow_unicode=True)
    write_json(config.run_dir / "environment.json", environment())


def environment() -> dict[str, Any]:
    """Versions and machine, for whoever wants to know how a model came about."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu_threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _differences(before: Any, after: Any, path: str = "") -> list[str]:
    """`key: then -> now` for each leaf that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = list(dict.fromkeys([*before, *after]))
        return [line for key in keys for line in _differences(before.get(key), after.get(key), f"{path}.{key}")]
    return [] if before == after else [f"{path.removeprefix('.')}: {before} -> {after}"]


def _figures_of(epoch: int, history: Path) -> dict[str, float]:
    """The row of `metrics.csv` of one epoch."""
    return next(row for row in _rows_of(history) if row["epoch"] == epoch)


def _epochs_run(history: Path) -> int:
    return int(_rows_of(history)[-1]["epoch"]) + 1


def _rows_of(history: Path) -> list[dict[str, float]]:
    with history.open(encoding="utf-8", newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def _bundle(
    config: TrainConfig, data: PreparedData, module: TrainingModule, metrics: dict[str, float], epochs_run: int
) -> Bundle:
    kept_epoch = int(metrics["epoch"]) + 1
    start_kept = module.start is not None and kept_epoch <= module.frozen_epochs
    held_out = module.held_out.conclusion(config.trainer.watched, module.start is not None, start_kept)
    return Bundle(
        front_end=config.features,
        patch=config.patch,
        network_config=config.model,
        network=module.network,
        tokenizer=module.lyrics.tokenizer if module.lyrics else None,
        tasks={name: task.to_json() for name, task in module.proxy_tasks.items()},
        task_state={f"tasks.{name}": tensor for name, tensor in module.tasks.state_dict().items()},
        metrics=metrics,
        users={name: task.users for name, task in module.proxy_tasks.items() if isinstance(task, UserSide)},
        provenance={
            "training_data": training_data(data.train.catalog, config.catalog) | {"held_out": held_out},
            "training": {"epochs_run": epochs_run, "kept_epoch": kept_epoch, "start_kept": start_kept},
            "split": data.split_rule.model_dump(mode="json"),
            "versions": environment()["packages"],
            "train_config": config.model_dump(mode="json", exclude=PLACES),
        },
    )
