"""`soundkin query`."""

from pathlib import Path

import click

from soundkin.cli.answer_table import cells_to_read, chosen, columns_option, print_answers

HELP = """What sounds like this? Ask by a track's id, by an audio file, or by several at once.

\b
Examples:
  soundkin query index --like 17_night-train -k 10
  soundkin query index --like new-song.mp3 --artist-cap 2
  soundkin query index --like a.mp3 --like b.mp3 --where genre=rock --where 'year>=1990' --json
"""


@click.command(help=HELP)
@click.argument("index", type=click.Path(path_type=Path))
@click.option(
    "--like", multiple=True, required=True, metavar="TRACK_ID_OR_FILE", help="A seed; give several to mix."
)
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many answers.")
@click.option(
    "--where", multiple=True, metavar="FILTER", help="genre=rock, genre!=rock, 'year>=1990'; all must hold."
)
@click.option("--artist-cap", type=click.IntRange(min=1), help="At most this many answers of one artist.")
@click.option(
    "--model", type=click.Path(path_type=Path), help="Model bundle for files; default: where embed found it."
)
@columns_option
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table, with all columns.")
def command(
    index: Path,
    like: tuple[str, ...],
    k: int,
    where: tuple[str, ...],
    artist_cap: int | None,
    model: Path | None,
    columns: str | None,
    as_json: bool,
) -> None:
    from soundkin.pipelines.query import query

    names = chosen(columns)
    answers = query(
        index, like, k, where=where, artist_cap=artist_cap, model=model, columns=cells_to_read(names, as_json)
    )
    print_answers(f"sounds like {', '.join(like)}", answers, names, as_json)
