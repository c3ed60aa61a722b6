"""`soundkin recommend`."""

from pathlib import Path

import click

from soundkin.cli.answer_table import cells_to_read, chosen, columns_option, print_answers

HELP = """What would USER like to hear? Ranks all tracks of an index or an embeddings folder, never played ones too.

The model has to be one that was trained on ratings. With --ratings, tracks that the user has rated are left out, so
that the answers are unheard; and a user whom the model does not know is placed by the tracks they like in there.

\b
Examples:
  soundkin recommend index user-0042 --ratings ratings.csv
  soundkin recommend index user-0042 -k 10 --where genre=rock --artist-cap 2 --json
"""


@click.command(help=HELP)
@click.argument("tracks", metavar="INDEX_OR_EMBEDDINGS", type=click.Path(path_type=Path))
@click.argument("user")
@click.option("-k", type=click.IntRange(min=1), default=20, show_default=True, help="How many tracks.")
@click.option(
    "--ratings", type=click.Path(path_type=Path), help="Leave out what the user has rated in this file."
)
@click.option(
    "--where", multiple=True, metavar="FILTER", help="genre=rock, genre!=rock, 'year>=1990'; all must hold."
)
@click.option("--artist-cap", type=click.IntRange(min=1), help="At most this many tracks of one artist.")
@click.option("--model", type=click.Path(path_type=Path), help="Model bundle; default: where embed found it.")
@click.option(
    "--task", metavar="TASK", help="ratings or latent_factors; default: the first that the model has."
)
@columns_option
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table, with all columns.")
def command(
    tracks: Path,
    user: str,
    k: int,
    ratings: Path | None,
    where: tuple[str, ...],
    artist_cap: int | None,
    model: Path | None,
    task: str | None,
    columns: str | None,
    as_json: bool,
) -> None:
    from soundkin.pipelines.recommend import recommend

    names = chosen(columns)
    found = recommend(
        tracks,
        user,
        k=k,
        where=where,
        artist_cap=artist_cap,
        ratings=ratings,
        model=model,
        task=task,
        columns=cells_to_read(names, as_json),
    )
    print_answers(f"for {user}", found, names, as_json)
