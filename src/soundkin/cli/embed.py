"""`soundkin embed`."""

from pathlib import Path

import click

from soundkin.cli.output import end, say

HELP = """Give every track of CATALOG a vector by the model bundle MODEL.

Run it again after a kill or after adding tracks: files that have not changed are not computed again.

\b
Example:
  soundkin embed runs/first/model catalog.csv -o embeddings --workers 2
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
@click.option("--patches", is_flag=True, help="Also write each patch's vector and the second at which it starts.")
def command(model: Path, catalog: Path, output: Path, workers: int, vectors: Path | None, patches: bool) -> int:
    from soundkin.pipelines.embed import embed_catalog

    result = embed_catalog(model, catalog, output, workers=workers, patches=patches, vectors=vectors)
    say(f"{output}: {result.embedded} tracks embedded, {result.reused} unchanged and kept")
    return end(result.skipped)
