"""`soundkin explore`: one command for each thing that can be looked at."""

from typing import Annotated, Any

import click

from soundkin.cli.answer_table import AS_JSON
from soundkin.cli.output import note, print_json, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.explore_compare import explore_compare
from soundkin.pipelines.explore_track import explore_track


@click.group(name="explore")
def command() -> None:
    """See the music: a song's form, two artists or albums compared.

    \b
    Examples:
      soundkin explore track song.mp3 -o song.html
    """


@command_of(explore_track)
def track(as_json: Annotated[bool, AS_JSON] = False, **options: Any) -> None:
    found = explore_track(**options)
    if as_json:
        print_json(found.summary())
    else:
        for line in found.lines():
            say(line)
    if options["output"]:
        note(f"{options['output']} shows it")


@command_of(explore_compare)
def compare(as_json: Annotated[bool, AS_JSON] = False, **options: Any) -> None:
    found = explore_compare(**options)
    if as_json:
        print_json(found.summary())
    else:
        for line in found.lines():
            say(line)
    if options["output"]:
        note(f"{options['output']} shows it")


command.add_command(track)
command.add_command(compare)
