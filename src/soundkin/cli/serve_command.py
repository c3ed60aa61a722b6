"""`soundkin serve`."""

from typing import Any

from soundkin.cli.output import say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.serve import serve_settings


@command_of(serve_settings)
def command(**options: Any) -> None:
    from soundkin.service.serving import serve_library

    serve_library(serve_settings(**options), announce=lambda address: say(f"Serving {address} (Ctrl-C ends)"))
