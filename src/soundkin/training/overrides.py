"""KEY=VALUE as people write it, made ready for Hydra, whose grammar fits settings and does not fit paths.

Keys that hold a path or free text are found from the config's types. Their values never reach Hydra's parser:
a mark stands in for each, and is replaced by the text, as it was given, once the config is composed.
"""

import csv
import difflib
import typing
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from soundkin.config import Config, nearest
from soundkin.errors import ConfigError
from soundkin.features.frontends.external import ExternalFrontEnd
from soundkin.tasks import TASKS
from soundkin.training.run_config import TrainConfig

ABSENT = "null"  # what an optional key is set to, to mean none; a file of that name is ./null
SEE_HELP = " See soundkin train --help for the config groups, and soundkin train --show for all keys."


def config_folder() -> Path:
    """Where the config groups are: beside the package in a wheel, at the project's top in a checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "configs"
    return shipped if shipped.is_dir() else package.parents[1] / "configs"


@cache
def config_keys() -> dict[str, tuple[Any, ...]]:
    """Every key of a training config, and the types that its value may have."""
    return dict(_keys_of(TrainConfig, ""))


def _keys_of(kind: type[Config], prefix: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for name, field in kind.model_fields.items():
        union = typing.get_args(field.annotation)
        kinds = union if type(None) in union or any(_is_config(one) for one in union) else (field.annotation,)
        yield f"{prefix}{name}", kinds
        for below in filter(_is_config, kinds):
            yield from _keys_of(below, f"{prefix}{name}.")


def _is_config(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Config)


class Overrides:
    """What somebody gave as KEY=VALUE, in words that Hydra can parse: `words`; `restore` puts the texts back.

    With `several`, a comma separates the values of a setting, as a sweep has them: `combinations` has one
    list of words for each combination. Paths keep their commas: they are not swept.

    Raises:
        ConfigError: a word is no KEY=VALUE, or its value cannot be read.
    """

    def __init__(self, given: Sequence[str], several: bool = False) -> None:
        self.given = given
        self._texts: dict[str, str] = {}
        self.words = [self._word(override, several) for override in given]
        parsed = [_parsed(override, word) for override, word in zip(given, self.words, strict=True)]
        for override, one in zip(given, parsed, strict=True):
            if one.is_sweep_override() and not several:
                raise ConfigError(
                    f"config {override}: several values. Give one; or -m to train with each; or, for a list, "
                    f"{one.key_or_group}=[...]"
                )
        self._parsed = parsed

    @property
    def combinations(self) -> list[list[str]]:
        """The words of each run of a sweep; the last key varies fastest."""
        runs: list[list[str]] = [[]]
        for one in self._parsed:
            values = list(one.sweep_string_iterator()) if one.is_sweep_override() else None
            words = (
                [f"{one.get_key_element()}={value}" for value in values] if values else [str(one.input_line)]
            )
            runs = [[*run, word] for run in runs for word in words]
        return runs

    @property
    def swept(self) -> list[int]:
        """Places of the words that differ from run to run."""
        return [place for place, one in enumerate(self._parsed) if one.is_sweep_override()]

    def restore(self, values: Any) -> Any:
        """`values`, plain and nested, with every mark replaced by its text."""
        if isinstance(values, dict):
            return {key: self.restore(value) for key, value in values.items()}
        if isinstance(values, list):
            return [self.restore(value) for value in values]
        if isinstance(values, str):
            for mark, text in self._texts.items():
                values = values.replace(mark, text)
        return values

    def _word(self, override: str, several: bool) -> str:
        key, equals, value = override.partition("=")
        kinds = config_keys().get(key.lstrip("+"), ())
        if not equals or (value == ABSENT and type(None) in kinds):
            return override
        if Path in kinds:
            if not value:
                raise ConfigError(f"config {override}: no file is named. Give {key}=FILE, or leave it out.")
            return f"{key}={self._mark(value)}"
        if not value or not any(kind is str or _is_choice_of_words(kind) for kind in kinds):
            return override
        texts = next(csv.reader([value], quotechar='"', skipinitialspace=True)) if several else [value]
        return f"{key}={','.join(self._mark(_unquoted(text)) for text in texts)}"

    def _mark(self, text: str) -> str:
        mark = f"__as_given_{len(self._texts)}__"
        self._texts[mark] = text
        return mark


def _is_choice_of_words(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Literal


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _parsed(override: str, word: str) -> Any:
    """Hydra's reading of one word; its complaints are about its grammar, so ours takes their place."""
    key, equals, value = word.lstrip("+~").partition("=")
    if not word.startswith("~") and not (key and equals):
        raise ConfigError(
            f"config {override}: this is no KEY=VALUE, as trainer.epochs=30. Write it without spaces."
        )
    is_group = bool(key) and (config_folder() / key).is_dir()
    try:
        parsed = OverridesParser.create().parse_override(word)
    except HydraException as error:
        if is_group and not value.startswith("["):
            raise ConfigError(unknown_choice(key, value)) from error
        if not is_group and key not in config_keys():
            raise ConfigError(unknown_key(key)) from error
        raise ConfigError(
            f"config {override}: the value cannot be read. Close every bracket and quote, and put a text with signs "
            f"in it into quotes of its own: '{key}=\"...\"'."
        ) from error
    if is_group and equals and not (parsed.is_sweep_override() or isinstance(parsed.value(), str | list)):
        raise ConfigError(unknown_choice(key, value))
    return parsed


def unknown_choice(group: str, name: str) -> str:
    """What to answer to `group=name` where `configs/group` holds no `name`."""
    choices = [path.stem for path in (config_folder() / group).glob("*.yaml")]
    return f"config {group}={name}: there is no such choice.{nearest(name, choices)}"


def unknown_key(key: str) -> str:
    """What to answer to a key that the config at hand lacks: what has to be chosen first, or the nearest
    right key.
    """
    group, _, below = key.partition(".")
    if key in config_keys():
        if group == "task":
            task = below.split(".")[0]
            return f"config key {key}: the {task} task is not chosen. Add it to the others, as task=[genre,{task}]."
        if group == "features":
            choice = "external" if below.split(".")[0] in ExternalFrontEnd.model_fields else "default"
            return f"config key {key}: it goes with other features. Add features={choice}, or leave it out."
        whole, _, name = key.rpartition(".")
        return f"config key {key}: {whole} is not set. Set it as a whole: {whole}={{{name}:VALUE}}."
    if group == "task" and below and (task := below.split(".")[0]) not in TASKS:
        return f"config key {key}: there is no task {task}.{nearest(task, TASKS)}"
    owner = key.rpartition(".")[0]
    beside = [known for known in config_keys() if known.rpartition(".")[0] == owner]
    close = difflib.get_close_matches(key, beside or config_keys(), n=1, cutoff=0.5)
    return f"config key {key} is unknown." + (f" Did you mean {close[0]}?" if close else SEE_HELP)
