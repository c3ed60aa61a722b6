"""`soundkin scan`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundkin.cli.output import SHOWN, end, note, say

if TYPE_CHECKING:
    from soundkin.pipelines.scan import ScanResult

HELP = """Read the tags of every audio file under FOLDER into a catalog.

Reads mp3, flac, m4a, ogg, opus, wav and about sixty kinds more, the sound of films too: title, artist, album,
genres, year and lyrics; also .lrc and .txt beside a file. Where tags are silent, title, artist and album come
from paths such as `Artist/Album/01 Title.mp3`; the column `guessed` says which.

Run it again when the music has changed: ids, columns of your own and cells that you wrote stay, even when
files move. Rows whose file is gone wait in CATALOG.gone.csv until it returns.

\b
Example:
  soundkin scan ~/music -o catalog.csv
"""


@click.command(help=HELP)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Catalog to write: .csv or .parquet.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Files read at the same time."
)
@click.option(
    "--guess/--no-guess", default=True, help="Titles, artists, albums from paths where tags are silent."
)
def command(folder: Path, output: Path, workers: int, guess: bool) -> int:
    from soundkin.catalog.rescan import gone_table
    from soundkin.pipelines.scan import scan

    result = scan(folder, output, workers, guess)
    if result.changes:
        _name("gone", result.changes.gone)
    _name("passed over", [f"{item.path}: {item.reason}" for item in result.passed_over])
    if result.waiting:
        note(f"{result.waiting} row(s) of files that are gone wait in {gone_table(output)}")
    code = end(result.skipped)
    say(f"{output}: {_summary(result)}")
    return code


def _name(kind: str, items: Sequence[str]) -> None:
    for item in items[:SHOWN]:
        note(f"{kind} {item}")
    if len(items) > SHOWN:
        note(f"... and {len(items) - SHOWN} more {kind}")


def _summary(result: "ScanResult") -> str:
    """`480 tracks (3 new, 2 gone), 2 passed over: hidden (1), a broken link (1); 12 other files`."""
    text = f"{len(result.catalog)} tracks"
    if result.changes:
        changes = ", ".join(f"{len(paths)} {kind}" for kind, paths in vars(result.changes).items() if paths)
        text += f" ({changes or 'no changes'})"
    passed = [*result.skipped, *result.passed_over]
    if passed:
        kinds = Counter(item.reason.partition(",")[0].partition(":")[0].partition(";")[0] for item in passed)
        text += f", {len(passed)} passed over: " + ", ".join(
            f"{kind} ({count})" for kind, count in kinds.most_common()
        )
    return text + (f"; {result.others} other file{'s' * (result.others > 1)}" if result.others else "")
