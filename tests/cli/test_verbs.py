"""A command is what its verb's signature and docstring say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import pytest
from click.testing import CliRunner

from soundkin.cli.verbs import command_of
from soundkin.pipelines.options import Option, argument


def verb(
    model: Annotated[Path | str, argument("MODEL")],
    output: Annotated[Path, Option("Where to.", ("-o", "--output"))],
    k: Annotated[int, Option("How many.", ("-k",), minimum=1)] = 10,
    split: Annotated[Literal["train", "test"] | None, Option("Which tracks.")] = None,
    by: Annotated[Sequence[str], Option("Columns.", metavar="COLUMN")] = (),
    labels: Annotated[Sequence[str] | None, Option("Labels.", separator=",")] = None,
    guess: Annotated[bool, Option("From paths.")] = True,
    replace: Annotated[bool, Option("Without asking.")] = False,
    random_seed: int = 0,
) -> dict[str, Any]:
    """Do it to MODEL.

    More about it.

    Example:
      soundkin verb a -o b

    Raises:
        UsageError: never.
    """
    return dict(locals())


@pytest.fixture
def ran() -> tuple[click.Command, list[Any]]:
    calls: list[Any] = []

    @command_of(verb)
    def command(as_json: Annotated[bool, Option("JSON.", ("--json",))] = False, **options: Any) -> int:
        calls.append((as_json, verb(**options)))
        return 0

    return command, calls


def test_values_reach_the_verb_by_their_types(ran: tuple[click.Command, list[Any]]) -> None:
    command, calls = ran
    words = (
        "m -o out -k 3 --split test --by genre --by year --labels artist,album --no-guess --replace --json"
    )
    assert CliRunner().invoke(command, words.split()).exit_code == 0
    as_json, given = calls[0]
    assert as_json
    assert given["output"] == Path("out")
    assert (given["model"], given["k"], given["split"], given["by"]) == ("m", 3, "test", ("genre", "year"))
    assert (given["labels"], given["guess"], given["replace"]) == (("artist", "album"), False, True)


def test_defaults_are_the_signatures(ran: tuple[click.Command, list[Any]]) -> None:
    command, calls = ran
    assert CliRunner().invoke(command, ["m", "-o", "out"]).exit_code == 0
    _, given = calls[0]
    assert given == verb("m", Path("out"))


@pytest.mark.parametrize(
    "words", ["-o out", "m", "m -o out -k 0", "m -o out --split valid", "m -o out --seed 3"]
)
def test_what_the_signature_does_not_allow_is_refused(
    ran: tuple[click.Command, list[Any]], words: str
) -> None:
    assert CliRunner().invoke(ran[0], words.split()).exit_code == 2
    assert ran[1] == []


def test_the_help_is_the_docstring_without_what_python_raises(ran: tuple[click.Command, list[Any]]) -> None:
    shown = CliRunner().invoke(ran[0], ["--help"]).output
    assert "Do it to MODEL." in shown
    assert "    soundkin verb a -o b" in shown
    assert "How many.  [default: 10; x>=1]" in shown
    assert "Raises" not in shown and "seed" not in shown


def test_a_default_of_zero_is_one() -> None:
    def seeded(random_seed: Annotated[int, Option()] = 0) -> None:
        """Do it."""

    @command_of(seeded)
    def command(**options: Any) -> None:
        click.echo(options["random_seed"])

    assert CliRunner().invoke(command, []).output == "0\n"
