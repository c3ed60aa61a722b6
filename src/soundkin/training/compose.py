"""A run's config from Hydra's config groups and KEY=VALUE words: the only place that knows Hydra.

Hydra's grammar does not fit paths and free text: a mark stands in for each such value, found by the type of
its key, and is replaced by the text as given once the config is composed. `configs/` travels in the wheel.
"""

import csv
import difflib
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from soundkin.config import Config, nearest, validate
from soundkin.errors import ConfigError
from soundkin.features.frontends.external import ExternalFrontEnd
from soundkin.features.frontends.vector_table import VectorTableFrontEnd
from soundkin.files import sha256_of_text
from soundkin.tasks import TASKS
from soundkin.training.run_config import TrainConfig
from soundkin.training.start import start_bundle, start_settings

ABSENT = "null"  # what an optional key is set to, to mean none; a file of that name is ./null
LONGEST_NAME = 100
OLD_NAMES = {"trainer.watched": "trainer.selection_score"}
SEE_HELP = " See soundkin train --help for the config groups, and soundkin train --show for all keys."


def compose(overrides: Sequence[str]) -> TrainConfig:
    """The typed config that `overrides` describe, as `["experiment=demo", "catalog=catalog.csv"]`.

    Paths and texts are taken as given, whatever signs they hold.

    Raises:
        ConfigError: an unknown key, group or choice, a wrong type or range; names the nearest right one.
    """
    given = _Overrides(overrides)
    return given.compose(given.words)


@dataclass(frozen=True)
class SweptRun:
    """One run of a sweep: the settings that are its own, and its config, or what is wrong with it."""

    settings: dict[str, str]
    config: TrainConfig | ConfigError

    @property
    def name(self) -> str:
        """The name of the run's folder in the sweep's, from its settings alone: a grown sweep keeps it."""
        words = []
        for key, value in self.settings.items():
            is_list = value.startswith("[") and value.endswith("]")  # genre+artist rather than [genre,artist]
            words.append(f"{key}={value[1:-1].replace(',', '+') if is_list else value}")
        text = ",".join(words) or "run"
        safe = re.sub(r"[^\w.,=+-]", "_", text)
        if safe == text and len(text) <= LONGEST_NAME:
            return text
        return f"{safe[:LONGEST_NAME]}-{sha256_of_text(text)[:8]}"


def compose_sweep(overrides: Sequence[str]) -> list[SweptRun]:
    """A run, in a folder of its own, for each combination of the comma-separated values; paths are not swept.

    Raises:
        ConfigError: something is wrong with the config of every run.
    """
    given = _Overrides(overrides, several=True)
    runs = []
    for words in given.combinations():
        settings = given.swept_settings(words)
        try:
            config = given.compose(words)
            folder = config.run_dir / SweptRun(settings, config).name
            runs.append(SweptRun(settings, config.model_copy(update={"run_dir": folder})))
        except ConfigError as error:
            runs.append(SweptRun(settings, error))
    if all(isinstance(run.config, ConfigError) for run in runs):
        raise cast(ConfigError, runs[0].config)
    return runs


class _Overrides:
    """KEY=VALUE as given, in words that Hydra can parse; with `several`, commas separate values."""

    def __init__(self, given: Sequence[str], several: bool = False) -> None:
        self.given = given
        self._texts: dict[str, str] = {}
        self.words = [self._word(override, several) for override in given]
        self._parsed = [_parsed(*pair, several) for pair in zip(given, self.words, strict=True)]

    def combinations(self) -> list[list[str]]:
        """The words of each run of a sweep; the last key varies fastest."""
        runs: list[list[str]] = [[]]
        for parsed in self._parsed:
            words = [str(parsed.input_line)]
            if parsed.is_sweep_override():
                words = [f"{parsed.get_key_element()}={value}" for value in parsed.sweep_string_iterator()]
            runs = [[*run, word] for run in runs for word in words]
        return runs

    def swept_settings(self, words: Sequence[str]) -> dict[str, str]:
        """The settings that differ from run to run, by the keys as given."""
        swept = (place for place, parsed in enumerate(self._parsed) if parsed.is_sweep_override())
        pairs = ((self.given[place].partition("=")[0], words[place].partition("=")[2]) for place in swept)
        return {key: self._restore(value) for key, value in pairs}

    def compose(self, words: Sequence[str]) -> TrainConfig:
        """The typed config of one run; what it leaves open is as in the bundle that it starts with."""
        config = self._composed(words)
        bundle = start_bundle(config)
        return config if bundle is None else self._composed(words, start_settings(bundle))

    def _composed(self, words: Sequence[str], settings: Mapping[str, Any] | None = None) -> TrainConfig:
        _register_defaults(settings or {})
        try:
            with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
                config = hydra.compose("train", list(words))
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(self._explained(str(error))) from error
        try:
            resolved: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            problem = ": its ${...} names no key of the config. Name one, or write a value."
            if isinstance(error, MissingMandatoryValue):
                problem = f" is missing. Give it as {error.full_key}=VALUE."
            raise ConfigError(f"config key {error.full_key}{problem}") from error
        values = self._restore(resolved)
        for name in TASKS.keys() & values["task"].keys():
            task = values["task"][name]
            if isinstance(task, dict) and not task.keys() >= TASKS[name].config_kind.model_fields.keys():
                del values["task"][name]  # an experiment sets some keys also of a task that is not chosen
        return validate(TrainConfig, values)

    def _word(self, override: str, several: bool) -> str:
        key, equals, value = override.partition("=")
        key = OLD_NAMES.get(key, key)
        override = key + equals + value
        kinds = config_keys().get(key.lstrip("+"), ())
        if not equals or (value == ABSENT and type(None) in kinds):
            return override
        if tuple[Path, ...] in kinds and value:
            listed = value[1:-1] if value.startswith("[") and value.endswith("]") else None
            paths = [value] if listed is None else next(csv.reader([listed], skipinitialspace=True), [])
            return f"{key}=[{','.join(self._mark(_unquoted(path)) for path in paths)}]"
        if Path in kinds or tuple[Path, ...] in kinds:
            if not value:
                raise ConfigError(f"config {override}: no file is named. Give {key}=FILE, or leave it out.")
            return f"{key}={self._mark(value)}"
        if not value or not any(kind is str or typing.get_origin(kind) is Literal for kind in kinds):
            return override
        texts = next(csv.reader([value], quotechar='"', skipinitialspace=True)) if several else [value]
        return f"{key}={','.join(self._mark(_unquoted(text)) for text in texts)}"

    def _mark(self, text: str) -> str:
        mark = f"__as_given_{len(self._texts)}__"
        self._texts[mark] = text
        return mark

    def _restore(self, values: Any) -> Any:
        """`values`, plain and nested, with every mark replaced by its text."""
        if isinstance(values, dict):
            return {key: self._restore(value) for key, value in values.items()}
        if isinstance(values, list):
            return [self._restore(value) for value in values]
        if isinstance(values, str):
            for mark, text in self._texts.items():
                values = values.replace(mark, text)
        return values

    def _explained(self, complaint: str) -> str:
        """Hydra's complaint in our words, with the nearest right key or choice."""
        if choice := re.search(r"Could not (?:find|load) '([^'/]+)/([^']+)'", complaint):
            return _unknown_choice(*choice.groups())
        if key := re.search(r"Could not (?:override|delete from config\.) '([^']+)'", complaint):
            return _unknown_key(key[1])
        if key := re.search(r"Could not append to config\. An item is already at '([^']+)'", complaint):
            return f"config +{key[1]}: this key is there already. Give it without the +."
        return f"config {' '.join(self.given)}: this does not go together. Try it with less.{SEE_HELP}"


def config_folder() -> Path:
    """Where the config groups are: in the package in a wheel, at the project's top in a checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "configs"
    return shipped if shipped.is_dir() else package.parents[1] / "configs"


@cache
def config_keys(kind: type[Config] = TrainConfig, prefix: str = "") -> dict[str, tuple[Any, ...]]:
    """Every key of a training config, and the types that its value may have."""
    keys: dict[str, tuple[Any, ...]] = {}
    for name, field in kind.model_fields.items():
        parts = typing.get_args(field.annotation)
        is_config = (isinstance(part, type) and issubclass(part, Config) for part in parts)
        kinds = parts if type(None) in parts or any(is_config) else (field.annotation,)
        keys[f"{prefix}{name}"] = kinds
        for below in kinds:
            if isinstance(below, type) and issubclass(below, Config):
                keys |= config_keys(below, f"{prefix}{name}.")
    return keys


def _register_defaults(settings: Mapping[str, Any]) -> None:
    """Tell Hydra every key and its default, the owner's or that in `settings`; YAML files differ from it."""
    store = ConfigStore.instance()
    defaults = TrainConfig(catalog=Path(), run_dir=Path(), **settings).model_dump(mode="json")
    needed = {"catalog": "???", "run_dir": "???", "task": {}, "features": {}}
    store.store("defaults", defaults | needed)
    store.store("log_mel_defaults", defaults["features"], group="features")
    external = VectorTableFrontEnd(path=Path()).model_dump(mode="json") | {"path": "???"}
    store.store("external_defaults", external, group="features")
    for name, task in TASKS.items():
        store.store(f"{name}_defaults", {name: task.config_kind().model_dump(mode="json")}, group="task")


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _parsed(override: str, word: str, several: bool) -> Any:
    """Hydra's reading of one word; its complaints are about its grammar, so ours take their place."""
    key, equals, value = word.lstrip("+~").partition("=")
    if not word.startswith("~") and not (key and equals):
        hint = "Write it without spaces, as trainer.epochs=30."
        raise ConfigError(f"config {override}: this is no KEY=VALUE. {hint}")
    is_group = bool(key) and (config_folder() / key).is_dir()
    try:
        parsed = OverridesParser.create().parse_override(word)
    except HydraException as error:
        if is_group and not value.startswith("["):
            raise ConfigError(_unknown_choice(key, value)) from error
        if not is_group and key not in config_keys():
            raise ConfigError(_unknown_key(key)) from error
        hint = f"Close every bracket and quote, and quote a text with signs in it: '{key}=\"...\"'."
        raise ConfigError(f"config {override}: the value cannot be read. {hint}") from error
    if parsed.is_sweep_override():
        if not several:
            hint = f"Give one; or -m to train with each; or, for a list, {parsed.key_or_group}=[...]"
            raise ConfigError(f"config {override}: several values. {hint}")
    elif is_group and equals and not isinstance(parsed.value(), str | list):
        raise ConfigError(_unknown_choice(key, value))
    return parsed


def _unknown_choice(group: str, name: str) -> str:
    """The answer to `group=name` where `configs/group` holds no `name`."""
    choices = [path.stem for path in (config_folder() / group).glob("*.yaml")]
    return f"config {group}={name}: there is no such choice.{nearest(name, choices)}"


def _unknown_key(key: str) -> str:
    """The answer to a key that the config lacks: what has to be chosen first, or the nearest right key."""
    group, _, below = key.partition(".")
    part = below.split(".")[0]
    owner, _, name = key.rpartition(".")
    if key in config_keys():
        if group == "task":
            hint = f"Add it to the others, as task=[genre,{part}]."
            return f"config key {key}: the {part} task is not chosen. {hint}"
        if group == "features":
            choice = "external" if part in ExternalFrontEnd.model_fields else "default"
            return f"config key {key}: it goes with other features. Add features={choice}, or leave it out."
        return f"config key {key}: {owner} is not set. Set it as a whole: {owner}={{{name}:VALUE}}."
    if group == "task" and part and part not in TASKS:
        return f"config key {key}: there is no task {part}.{nearest(part, TASKS)}"
    siblings = [known for known in config_keys() if known.rpartition(".")[0] == owner]
    close = difflib.get_close_matches(key, siblings or config_keys(), n=1, cutoff=0.5)
    return f"config key {key} is unknown." + (f" Did you mean {close[0]}?" if close else SEE_HELP)
