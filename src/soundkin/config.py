"""Typed, validated configs: every part of the pipeline owns a frozen `Config` that holds its defaults.

YAML files and bundles hold plain mappings; `validate` turns one into the owner's config or explains what is
off.
"""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from soundkin.errors import ConfigError


class Config(BaseModel):
    """A frozen record of settings that refuses unknown keys and wrong types."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def content_hash(self) -> str:
        """Sixteen hex digits that change when any setting does."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


AnyConfig = TypeVar("AnyConfig", bound=Config)

LONGEST_VALUE = 80  # characters of a wrong value that are shown
MOST_KNOWN = 40  # right ones that are listed

# What people call the types that pydantic expects, by the type of its error.
EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "string_type": "text",
    "tuple_type": "a list",
}
PROBLEMS = {"extra_forbidden": "is unknown", "missing": "is missing"}


def validate(
    kind: type[AnyConfig], values: Mapping[str, Any], where: str = "", noun: str = "config"
) -> AnyConfig:
    """Build `kind` from a plain mapping; `noun` is what people call it.

    Raises:
        ConfigError: names each wrong key or value, what was expected, and the nearest right key.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        complaints = [_explain(kind, values, dict(complaint), where, noun) for complaint in error.errors()]
        raise ConfigError("\n".join(complaints)) from error


def nearest(word: str, known: Iterable[str]) -> str:
    """` Did you mean x?` when something known looks like `word`, else what there is to choose from."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    shown = ", ".join(known[:MOST_KNOWN]) + (", ..." if len(known) > MOST_KNOWN else "")
    return f" Did you mean {close[0]}?" if close else f" Known: {shown}."


def _explain(
    kind: type[Config], values: Mapping[str, Any], complaint: Mapping[str, Any], where: str, noun: str
) -> str:
    location = [str(part) for part in complaint["loc"]]
    key = ".".join(([where] if where else []) + location)
    if complaint["type"] == "extra_forbidden":
        owner = _owner(kind, values, location[:-1])
        return f"{noun} key {key} is unknown." + nearest(location[-1], owner.model_fields if owner else ())
    if complaint["type"] == "missing":
        return f"{noun} key {key} is missing. Give it as {key}=VALUE."
    given = repr(complaint["input"])
    shown = given if len(given) <= LONGEST_VALUE else f"{given[:LONGEST_VALUE]} ..."
    problem = problem_in_words(complaint)
    separator = " " if problem.startswith("should ") else ": "
    return f"{noun} {key}={shown}{separator}{problem}."


def problem_in_words(complaint: Mapping[str, Any]) -> str:
    """What pydantic complains of, without a full stop; what a value should be begins with `should`."""
    if complaint["type"] in EXPECTED:
        return f"should be {EXPECTED[complaint['type']]}"
    if complaint["type"] in PROBLEMS:
        return PROBLEMS[complaint["type"]]
    problem = str(complaint["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return problem.removesuffix(".")


def _owner(kind: type[Config], values: Any, path: list[str]) -> type[Config] | None:
    """The config class that `path` leads to inside `kind`; of several, the one with most of the keys."""
    for part in path:
        if isinstance(values, list | tuple):  # `kind` is that of its items
            values = values[int(part)]
            continue
        field, below = kind.model_fields.get(part), values.get(part)
        if field is None:
            return None
        choices = [field.annotation, *getattr(field.annotation, "__args__", ())]
        configs = [choice for choice in choices if isinstance(choice, type) and issubclass(choice, Config)]
        if not configs or not isinstance(below, Mapping | list | tuple):
            return None
        keys, values = below.keys() if isinstance(below, Mapping) else set(), below
        kind = max(configs, key=lambda choice: len(choice.model_fields.keys() & keys))
    return kind
