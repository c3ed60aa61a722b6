"""`soundkin embed`."""

import sys
from typing import Any

import click

from soundkin.cli.output import end, say
from soundkin.cli.verbs import command_of
from soundkin.errors import OtherModelError
from soundkin.pipelines.embed import embed_catalog


@command_of(embed_catalog)
def command(**options: Any) -> int:
    try:
        result = embed_catalog(**options)
    except OtherModelError as error:
        if not sys.stdin.isatty():
            raise
        click.confirm(f"{error}\nReplace them?", abort=True, err=True)
        result = embed_catalog(**{**options, "replace": True})
    say(f"{result.output}: {result.embedded} tracks embedded, {result.reused} unchanged and kept")
    return end(result.skipped)
