"""`soundkin index`."""

from pathlib import Path

import click

from soundkin.cli.output import say

HELP = """Build a search index over EMBEDDINGS.

\b
Example:
  soundkin index embeddings -o index
"""


@click.command(help=HELP)
@click.argument("embeddings", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Index folder to write.")
@click.option("--catalog", type=click.Path(path_type=Path), help="Take titles and other columns from this catalog.")
@click.option("--kind", default="auto", show_default=True, help="Kind of index; auto chooses by size and says why.")
def command(embeddings: Path, output: Path, catalog: Path | None, kind: str) -> None:
    from soundkin.pipelines.index import index_embeddings

    result = index_embeddings(embeddings, output, catalog=catalog, kind=kind)
    say(f"{output}: {result.count} tracks, {result.kind}: {result.reason}")
