"""`soundkin index`."""

from typing import Any

from soundkin.cli.output import say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.index import index_embeddings


@command_of(index_embeddings)
def command(**options: Any) -> None:
    result = index_embeddings(**options)
    say(f"{result.output}: {result.count} tracks, {result.kind}: {result.reason}")
