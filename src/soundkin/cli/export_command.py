"""`soundkin export`."""

from typing import Any

from soundkin.cli.output import say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.export_model import export_model


@command_of(export_model)
def command(**options: Any) -> None:
    exported = export_model(**options)
    kind = ", weights as int8" if options["int8"] else ""
    say(f"{exported.output}: {exported.megabytes:.1f} MB, model {exported.model_hash}{kind}")
