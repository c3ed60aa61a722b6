"""Composing a run from Hydra's config groups: the only place that knows Hydra.

`configs/` at the top of the project travels in the wheel as `soundkin/configs`.
"""

import difflib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from soundkin.config import nearest, validate
from soundkin.errors import ConfigError
from soundkin.features.external import ExternalFrontEnd
from soundkin.tasks import TASKS
from soundkin.training.config import TrainConfig


def config_folder() -> Path:
    """Where the config groups are: beside the package in a wheel, at the project's top in a checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "configs"
    return shipped if shipped.is_dir() else package.parents[1] / "configs"


def compose(overrides: Sequence[str]) -> TrainConfig:
    """The typed config that Hydra's `overrides` describe, as `["experiment=demo", "catalog=catalog.csv"]`.

    Raises:
        ConfigError: an unknown key, group or choice, a wrong type or range; names the nearest right one.
    """
    _register_defaults()
    with _explaining(), hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        return typed(hydra.compose("train", list(overrides)))


def sweep(overrides: Sequence[str], job: Callable[[TrainConfig], Any]) -> None:
    """Run `job` as Hydra does: once for each combination of comma-separated overrides, each in its own folder."""
    _register_defaults()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us, to be explained, instead of being printed

    def one(config: DictConfig) -> None:
        OmegaConf.update(config, "run_dir", HydraConfig.get().runtime.output_dir)
        job(typed(config))

    run = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="train")(one)
    arguments, sys.argv = sys.argv, ["soundkin train", "--multirun", *overrides]
    try:
        with _explaining():
            run()
    finally:
        sys.argv = arguments


def typed(config: DictConfig) -> TrainConfig:
    """Check a composed config and give it its types."""
    try:
        values: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        missing = str(error.full_key)
        raise ConfigError(f"config key {missing} is missing. Give it as {missing}=VALUE.") from error
    values["task"] = {name: task for name, task in values["task"].items() if _is_chosen(name, task)}
    return validate(TrainConfig, values)


def _is_chosen(name: str, task: Any) -> bool:
    """Whether a task is among those of `task=[...]`: an experiment sets some keys also of one that is not."""
    return not isinstance(task, dict) or name not in TASKS or TASKS[name].config_kind.model_fields.keys() <= task.keys()


def _register_defaults() -> None:
    """Tell Hydra every key and its owner's default, so that YAML files hold only what differs."""
    store = ConfigStore.instance()
    placeholders = {"catalog": "???", "run_dir": "???"}
    defaults = TrainConfig(catalog=Path(), run_dir=Path()).model_dump(mode="json") | placeholders
    store.store("defaults", defaults | {"task": {}, "features": {}})
    store.store("log_mel_defaults", defaults["features"], group="features")
    external = ExternalFrontEnd(path=Path()).model_dump(mode="json") | {"path": "???"}
    store.store("external_defaults", external, group="features")
    for name, task in TASKS.items():
        store.store(f"{name}_defaults", {name: task.config_kind().model_dump(mode="json")}, group="task")


_SEE_HELP = " See soundkin train --help for the config groups, and configs/ for what they hold."


class _explaining:  # noqa: N801 - reads as a phrase: with _explaining()
    """Turn Hydra's complaints into ours, with the nearest right key or choice."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, HydraException | OmegaConfBaseException):
            raise ConfigError(_explain(str(error))) from error


def _explain(complaint: str) -> str:
    if choice := re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", complaint):
        group, name = choice.groups()
        choices = [path.stem for path in (config_folder() / group).glob("*.yaml")]
        return f"config {group}={name}: there is no such choice.{nearest(name, choices)}"
    if key := re.search(r"Could not override '([^']+)'", complaint):
        close = difflib.get_close_matches(key.group(1), _known_keys(), n=1, cutoff=0.5)
        return f"config key {key.group(1)} is unknown." + (f" Did you mean {close[0]}?" if close else _SEE_HELP)
    return complaint.splitlines()[0].rstrip(".") + "." + _SEE_HELP


def _known_keys() -> list[str]:
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        composed = OmegaConf.to_container(hydra.compose("train"), throw_on_missing=False)
    keys: list[str] = []

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for name, below in node.items():
                walk(below, f"{path}.{name}" if path else str(name))
        if path:
            keys.append(path)

    walk(composed, "")
    return keys
