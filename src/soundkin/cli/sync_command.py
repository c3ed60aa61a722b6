"""`soundkin sync`."""

import os
import sys
from dataclasses import asdict
from typing import Annotated, Any

import click

from soundkin.cli.output import SHOWN, end, note, print_json, say
from soundkin.cli.verbs import command_of
from soundkin.errors import OtherModelError, TracksGoneError
from soundkin.pipelines.options import Option
from soundkin.pipelines.sync import SyncResult, sync

MOST_WORKERS = 4  # each takes a few hundred megabytes


@command_of(sync)
def command(
    as_json: Annotated[bool, Option("JSON instead of a line, with all paths.", ("--json",))] = False,
    **options: Any,
) -> int:
    if options["workers"] is None:
        options["workers"] = min(len(os.sched_getaffinity(0)), MOST_WORKERS)
    result = _asking(options)
    for kind, paths in vars(result.changes).items():
        if kind != "new" or result.dry_run:
            _name(kind, paths)
    _name("passed over", [f"{item.path}: {item.reason}" for item in result.passed_over])
    code = end(result.skipped)
    if as_json:
        changes = vars(result.changes)
        rest = {name: value for name, value in asdict(result).items() if name != "changes"}
        print_json({**rest, "library": str(result.library), **changes})
    else:
        say(f"{result.library}: {result.summary()}")
    return code


def _asking(options: dict[str, Any]) -> SyncResult:
    """Do it; at a terminal, ask where an option has to say that this is meant."""
    try:
        return sync(**options)
    except (OtherModelError, TracksGoneError) as error:
        if not sys.stdin.isatty():
            raise
        click.confirm(f"{error}\nGo on?", abort=True, err=True)
        meant = "yes" if isinstance(error, TracksGoneError) else "replace"
        return _asking({**options, meant: True})


def _name(kind: str, items: list[str]) -> None:
    for item in items[:SHOWN]:
        note(f"{kind} {item}")
    if len(items) > SHOWN:
        note(f"... and {len(items) - SHOWN} more {kind}")
