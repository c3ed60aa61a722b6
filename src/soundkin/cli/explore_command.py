"""`soundkin explore`: one command for each thing that can be looked at."""

from pathlib import Path
from typing import Annotated, Any

import click

from soundkin.cli.answer_table import AS_JSON
from soundkin.cli.output import note, print_json, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.explore_album import explore_album
from soundkin.pipelines.explore_compare import explore_compare
from soundkin.pipelines.explore_library import explore_library
from soundkin.pipelines.explore_track import explore_track


@click.group(name="explore")
def command() -> None:
    """See the music: a song's form, an album's shape, two artists or albums compared, a whole library.

    \b
    Examples:
      soundkin explore track song.mp3 -o song.html
    """


@command_of(explore_track)
def track(as_json: Annotated[bool, AS_JSON] = False, **options: Any) -> None:
    _show(explore_track(**options), as_json, options["output"])


@command_of(explore_album)
def album(as_json: Annotated[bool, AS_JSON] = False, **options: Any) -> None:
    _show(explore_album(**options), as_json, options["output"])


@command_of(explore_compare)
def compare(as_json: Annotated[bool, AS_JSON] = False, **options: Any) -> None:
    _show(explore_compare(**options), as_json, options["output"])


@command_of(explore_library)
def library(as_json: Annotated[bool, AS_JSON] = False, **options: Any) -> None:
    _show(explore_library(**options), as_json, options["output"])


def _show(found: Any, as_json: bool, output: Path | None) -> None:
    """What was found, in words or as JSON, and where its picture is."""
    if as_json:
        print_json(found.summary())
    else:
        for line in found.lines():
            say(line)
    if output:
        note(f"{output} shows it")


for each in (track, album, compare, library):
    command.add_command(each)
