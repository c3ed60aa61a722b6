"""Composing a run from Hydra's config groups: the only place that knows Hydra.

`configs/` at the top of the project travels in the wheel as `soundkin/configs`.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from soundkin.config import validate
from soundkin.errors import ConfigError
from soundkin.features.frontends.vector_table import VectorTableFrontEnd
from soundkin.files import sha256_of_text
from soundkin.tasks import TASKS
from soundkin.training.overrides import SEE_HELP, Overrides, config_folder, unknown_choice, unknown_key
from soundkin.training.run_config import TrainConfig

LONGEST_NAME = 100


def compose(overrides: Sequence[str]) -> TrainConfig:
    """The typed config that `overrides` describe, as `["experiment=demo", "catalog=catalog.csv"]`.

    Paths and texts are taken as they stand, whatever signs they hold.

    Raises:
        ConfigError: an unknown key, group or choice, a wrong type or range; names the nearest right one.
    """
    given = Overrides(overrides)
    return _composed(given, given.words)


@dataclass(frozen=True)
class SweptRun:
    """One run of a sweep: the settings that are its own, and its config, or what is wrong with it."""

    settings: dict[str, str]
    config: TrainConfig | ConfigError

    @property
    def name(self) -> str:
        """Of the run's folder in the sweep's: the same settings have the same name in a sweep that has grown."""
        text = ",".join(f"{key}={_without_brackets(value)}" for key, value in self.settings.items()) or "run"
        plain = re.sub(r"[^\w.,=+-]", "_", text)
        if plain == text and len(text) <= LONGEST_NAME:
            return text
        return f"{plain[:LONGEST_NAME]}-{sha256_of_text(text)[:8]}"


def _without_brackets(value: str) -> str:
    """`[genre,artist]` as `genre+artist`: brackets and commas are a nuisance in the names of folders."""
    is_list = value.startswith("[") and value.endswith("]")
    return value[1:-1].replace(",", "+") if is_list else value


def compose_sweep(overrides: Sequence[str]) -> list[SweptRun]:
    """A run for each combination of the comma-separated values in `overrides`, each in a folder of its own.

    Paths are taken as they stand, commas too: they are not swept.

    Raises:
        ConfigError: something is wrong with the config of every run.
    """
    given = Overrides(overrides, several=True)
    runs = []
    for words in given.combinations:
        settings = dict(given.restore(words[place]).split("=", 1) for place in given.swept)
        try:
            config = _composed(given, words)
            folder = config.run_dir / SweptRun(settings, config).name
            runs.append(SweptRun(settings, config.model_copy(update={"run_dir": folder})))
        except ConfigError as error:
            runs.append(SweptRun(settings, error))
    if all(isinstance(run.config, ConfigError) for run in runs):
        raise cast(ConfigError, runs[0].config)
    return runs


def _composed(given: Overrides, words: Sequence[str]) -> TrainConfig:
    _register_defaults()
    with _explaining(given), hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = hydra.compose("train", list(words))
    return _typed(config, given)


def _typed(config: DictConfig, given: Overrides) -> TrainConfig:
    """Check a composed config and give it its types."""
    try:
        values = given.restore(OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    except MissingMandatoryValue as error:
        missing = str(error.full_key)
        raise ConfigError(f"config key {missing} is missing. Give it as {missing}=VALUE.") from error
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"config key {error.full_key}: its ${{...}} names no key of the config. Name one, or write a value."
        ) from error
    values["task"] = {name: task for name, task in values["task"].items() if _is_chosen(name, task)}
    return validate(TrainConfig, values)


def _is_chosen(name: str, task: Any) -> bool:
    """Whether a task is among those of `task=[...]`: an experiment sets some keys also of one that is not."""
    return (
        not isinstance(task, dict)
        or name not in TASKS
        or TASKS[name].config_kind.model_fields.keys() <= task.keys()
    )


def _register_defaults() -> None:
    """Tell Hydra every key and its owner's default, so that YAML files hold only what differs."""
    store = ConfigStore.instance()
    placeholders = {"catalog": "???", "run_dir": "???"}
    defaults = TrainConfig(catalog=Path(), run_dir=Path()).model_dump(mode="json") | placeholders
    store.store("defaults", defaults | {"task": {}, "features": {}})
    store.store("log_mel_defaults", defaults["features"], group="features")
    external = VectorTableFrontEnd(path=Path()).model_dump(mode="json") | {"path": "???"}
    store.store("external_defaults", external, group="features")
    for name, task in TASKS.items():
        store.store(f"{name}_defaults", {name: task.config_kind().model_dump(mode="json")}, group="task")


@contextmanager
def _explaining(given: Overrides) -> Iterator[None]:
    """Turn Hydra's complaints into ours, with the nearest right key or choice."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(str(error), given)) from error


def _explain(complaint: str, given: Overrides) -> str:
    if choice := re.search(r"Could not (?:find|load) '([^'/]+)/([^']+)'", complaint):
        return unknown_choice(*choice.groups())
    if key := re.search(r"Could not (?:override|delete from config\.) '([^']+)'", complaint):
        return unknown_key(key.group(1))
    if key := re.search(r"Could not append to config\. An item is already at '([^']+)'", complaint):
        return f"config +{key.group(1)}: this key is there already. Give it without the +."
    return f"config {' '.join(given.given)}: this does not go together. Try it with less.{SEE_HELP}"
