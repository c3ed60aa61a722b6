"""`soundkin scan`."""

from pathlib import Path

import click

from soundkin.cli.output import end, say

HELP = """Read the tags of every audio file under FOLDER into a catalog.

Tags of mp3, flac, ogg, opus, m4a and wav: title, artist, album, genres, year, lyrics; also .lrc and .txt beside a
file.

\b
Example:
  soundkin scan ~/music -o catalog.csv
"""


@click.command(help=HELP)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Catalog to write: .csv or .parquet."
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Files read at the same time."
)
def command(folder: Path, output: Path, workers: int) -> int:
    from soundkin.pipelines.scan import scan

    result = scan(folder, output, workers)
    say(f"{output}: {len(result.catalog)} tracks")
    return end(result.skipped)
