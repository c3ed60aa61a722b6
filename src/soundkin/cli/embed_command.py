"""`soundkin embed`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundkin.cli.output import end, say
from soundkin.errors import OtherModelError

if TYPE_CHECKING:
    from soundkin.pipelines.embed import EmbedResult

HELP = """Give every track of CATALOG a vector by the model bundle MODEL.

Run it again after a kill or after adding tracks: files that have not changed are not computed again, and those that
could not be used (skipped.csv) are tried again when they change.

\b
Examples:
  soundkin embed runs/first/model catalog.csv -o embeddings --workers 2
  soundkin embed runs/second/model catalog.csv -o embeddings --replace
"""


@click.command(help=HELP)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("catalog", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of Parquet files to write."
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option(
    "--vectors", type=click.Path(path_type=Path), help="Table of frozen vectors, where it has moved or grown."
)
@click.option(
    "--patches", is_flag=True, help="Also write each patch's vector and the second at which it starts."
)
@click.option(
    "--replace", is_flag=True, help="Replace vectors of another model in the output folder without asking."
)
def command(
    model: Path, catalog: Path, output: Path, workers: int, vectors: Path | None, patches: bool, replace: bool
) -> int:
    from soundkin.pipelines.embed import embed_catalog

    def embed(replace: bool) -> "EmbedResult":
        return embed_catalog(
            model, catalog, output, workers=workers, patches=patches, vectors=vectors, replace=replace
        )

    try:
        result = embed(replace)
    except OtherModelError as error:
        if not sys.stdin.isatty():
            raise
        click.confirm(f"{error}\nReplace them?", abort=True, err=True)
        result = embed(replace=True)
    say(f"{output}: {result.embedded} tracks embedded, {result.reused} unchanged and kept")
    return end(result.skipped)
