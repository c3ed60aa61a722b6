"""From a verb to its command: its options, help and defaults are those of signature and docstring."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

from soundkin.pipelines.options import Option

Body = Callable[..., int | None]


def command_of(verb: Callable[..., Any]) -> Callable[[Body], click.Command]:
    """Decorate what runs `verb` and prints its result; it gets the verb's options as `**options`.

    Named parameters with an `Option` of its own are further options, of the command line alone. The verb's
    docstring up to `Raises:` is the help; indented blocks in it, such as examples, are kept as they stand.
    """

    def decorate(body: Body) -> click.Command:
        params = [param for function in (verb, body) for param in _params(function)]
        return click.Command(body.__name__, callback=body, params=params, help=_help(verb))

    return decorate


def _help(verb: Callable[..., Any]) -> str:
    text = inspect.getdoc(verb) or ""
    paragraphs = re.split(r"\n\nRaises:", text)[0].split("\n\n")
    kept = ("\b\n" + text if re.search(r"^ ", text, re.MULTILINE) else text for text in paragraphs)
    return "\n\n".join(kept)


def _params(function: Callable[..., Any]) -> list[click.Parameter]:
    params = []
    for name, parameter in inspect.signature(function).parameters.items():
        annotation = parameter.annotation  # a string where it is for Python alone
        options = [extra for extra in getattr(annotation, "__metadata__", ()) if isinstance(extra, Option)]
        if options:
            params.append(_param(name, annotation.__origin__, parameter.default, options[0]))
    return params


def _param(name: str, kind: Any, default: Any, option: Option) -> click.Parameter:
    choices = get_args(kind) if get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    several = any(_is_several(choice) for choice in choices)
    words: dict[str, Any] = {"type": _click_type(choices, option), "metavar": option.metavar}
    needed = option.required or default is inspect.Parameter.empty
    if default not in (inspect.Parameter.empty, None, ()) and default is not False:  # 0 is a default
        words |= {"default": default}
    if option.positional:
        return click.Argument([name], required=needed, nargs=-1 if several else 1, **words)
    long = f"--{name.replace('_', '-')}"
    named = any(flag.startswith("--") for flag in option.flags) or (option.flags and len(name) == 1)
    flags = [*option.flags, *([] if named else [long])]
    words |= {"help": option.help, "required": needed}
    if bool in choices:
        if default is True:
            flags = [f"{flag}/--no-{flag[2:]}" if flag.startswith("--") else flag for flag in flags]
        return click.Option([*flags, name], help=option.help, default=default is True, is_flag=True)
    if several and option.separator is None:
        return click.Option([*flags, name], multiple=True, **words)
    return click.Option([*flags, name], show_default="default" in words, **words)


def _is_several(choice: Any) -> bool:
    return (
        choice is not str and inspect.isclass(get_origin(choice)) and issubclass(get_origin(choice), Sequence)
    )


def _click_type(choices: Sequence[Any], option: Option) -> "click.ParamType[Any]":
    """The type that click checks a word by; of alternatives the one that takes most."""
    flat = [part for choice in choices for part in (get_args(choice) if _is_several(choice) else (choice,))]
    named = [value for part in flat if get_origin(part) is Literal for value in get_args(part)]
    if option.separator is not None:
        return _Separated(option.separator)
    if named:
        return click.Choice(named)
    if str in flat:
        return click.STRING
    if Path in flat:
        return click.Path(path_type=Path)
    if int in flat:
        return click.INT if option.minimum is None else click.IntRange(min=option.minimum)
    return click.FLOAT if float in flat else click.STRING


class _Separated(click.ParamType[tuple[str, ...]]):
    """`a,b` as ("a", "b")."""

    name = "text"

    def __init__(self, separator: str) -> None:
        self.separator = separator

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Split; what is split already stays."""
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(self.separator) if part.strip())
