"""Explore library: all tracks at once: clusters by name, hubs, orphans, growth, and where plays lie."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import CatalogError, NoSuchUserError, UsageError
from soundkin.extras import require
from soundkin.pipelines.options import WHERE, Option, argument
from soundkin.pipelines.pictures import picture_place

if TYPE_CHECKING:
    import numpy as np

    from soundkin.catalog.table import Catalog
    from soundkin.explore.library_shape import LibraryShape
    from soundkin.explore.page_template import TrackCard
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Float, Int

KINDS = (".html", ".png", ".svg", ".json")
MOST_TRACKS = 50_000  # each is compared with each: of more, a random sample is explored
LABELS = ("genre", "tags")  # what clusters are named by, beside artists

log = logging.getLogger(__name__)


def explore_library(
    index: Annotated["Index | Path | str", argument("INDEX_OR_LIBRARY")],
    where: Annotated[Sequence[str], WHERE] = (),
    history: Annotated[
        Path | None,
        Option("Where these plays lie: an export of ListenBrainz or Last.fm, or a table.", metavar="FILE"),
    ] = None,
    ratings: Annotated[Path | None, Option("Where the plays of --user in this file lie.")] = None,
    user: Annotated[str | None, Option("Whose rows of --ratings count.")] = None,
    output: Annotated[
        Path | None,
        Option("A page to look at and hear, a picture, or all arrays: .html, .png, .svg, .json.", ("-o",)),
    ] = None,
    random_seed: Annotated[int, Option("Another one finds clusters from another start.")] = 0,
) -> "LibraryShape":
    """A library: clusters named by what is typical of them, hubs, orphans, growth, where plays lie.

    Clusters are found in the embedding, and named by genres, tags and artists that are more frequent in them
    than elsewhere. Hubs are among the ten nearest of far more tracks than usual, orphans of none. Of the map
    that `soundkin sync` keeps, tracks have the places.

    Examples:
      soundkin explore library ~/music -o library.html
      soundkin explore library library --where 'year>=1990' --history listens.jsonl
      soundkin explore library library --ratings ratings.csv --user user-0042 -o library.png

    Raises:
        UsageError: there is no track to explore, an option is off, or the output is of no known kind.
        NoSuchUserError: the ratings have no such user; names the nearest.
        CatalogError: history or ratings cannot be read, or are of other tracks.
        MissingExtraError: soundkin[explore] is not installed.
    """
    require("explore", "the shape of a library")
    import numpy as np

    from soundkin.pipelines.answers import Filter, opened_index

    output = picture_place(output, KINDS)
    if (ratings is None) != (user is None):
        raise UsageError("whose plays? Give both --ratings FILE and --user ID, or --history FILE.")
    if ratings and history:
        raise UsageError("whose plays? Give either --history or --ratings, not both.")
    opened = opened_index(index)
    fitting = Filter(opened, where)
    rows = np.arange(len(opened)) if fitting.allowed is None else np.flatnonzero(fitting.allowed)
    if not len(rows):
        raise UsageError(f"{fitting}, so there is nothing to explore.{fitting.hints()}")
    if len(rows) > MOST_TRACKS:
        log.warning("a random %d of %d tracks are explored", MOST_TRACKS, len(rows))
        rows = np.sort(np.random.default_rng(random_seed).permutation(rows)[:MOST_TRACKS])
    catalog = _catalog(opened, rows)
    plays = _plays(opened, rows, catalog, history, ratings, user)
    found = _explored(opened, rows, catalog, plays, ", ".join([_name(index), *where]), random_seed)
    if output is not None:
        _write(found, opened, rows, output)
    return found


def _name(index: "Index | Path | str") -> str:
    return str(index if isinstance(index, str | Path) else index.folder)


def _catalog(index: "Index", rows: "Int[np.ndarray, ' tracks']") -> "Catalog":
    """What the index knows of the tracks in `rows`, as a catalog."""
    import pandas as pd

    from soundkin.catalog.columns import years_of
    from soundkin.catalog.table import Catalog
    from soundkin.search.tracks import filled_text

    wanted = [
        name for name in ("track_id", "path", "title", "artist", *LABELS) if name in index.tracks.columns
    ]
    cells = {name: filled_text(index.tracks.batch.column(name)).take(rows).to_pylist() for name in wanted}
    frame = pd.DataFrame(cells)
    if "year" in index.tracks.columns:
        frame["year"] = years_of(pd.Series(index.tracks.batch.column("year").take(rows).to_pylist()))
    return Catalog(frame, index.audio_folder, f"index {index.folder}")


def _plays(
    index: "Index",
    rows: "Int[np.ndarray, ' tracks']",
    catalog: "Catalog",
    history: Path | None,
    ratings: Path | None,
    user: str | None,
) -> "Float[np.ndarray, ' tracks'] | None":
    """How often each track was played, None where no plays are asked for; ratings count above 0."""
    import numpy as np

    from soundkin.catalog.ratings_table import read_ratings
    from soundkin.config import nearest
    from soundkin.pipelines.answers import as_text
    from soundkin.pipelines.heard import rows_heard

    plays = np.zeros(len(index))
    if history is not None:
        heard, weights = rows_heard(index, Path(history))
        plays[heard] = np.rint(np.expm1(weights))  # a track counts by the logarithm of its plays
        plays = plays[rows]
    elif ratings is not None and user is not None:
        user, given = as_text(user), read_ratings(Path(ratings), catalog)
        own = given[given["user_id"] == user]
        if own.empty:
            raise NoSuchUserError(
                f"ratings {ratings}: there is no user {user}.{nearest(user, set(given['user_id']))}"
            )
        counts = own.groupby("track_id")["rating"].sum().clip(lower=0)
        plays = counts.reindex(catalog.track_ids, fill_value=0.0).to_numpy(float)
    else:
        return None
    if not plays.any():
        raise CatalogError(f"{history or ratings}: no play is of any of the {len(rows)} tracks explored.")
    return plays


def _explored(
    index: "Index",
    rows: "Int[np.ndarray, ' tracks']",
    catalog: "Catalog",
    plays: "Float[np.ndarray, ' tracks'] | None",
    name: str,
    random_seed: int,
) -> "LibraryShape":
    import numpy as np

    from soundkin.explore.lasting_map import lay_out
    from soundkin.explore.library_shape import library_shape
    from soundkin.pipelines.library_map import places_in, track_names
    from soundkin.pipelines.precompute import library_of

    vectors = index.vectors(rows)
    library = library_of(index.folder)
    earlier = places_in(library).reindex(catalog.track_ids).to_numpy(float) if library else None
    places = lay_out(vectors, np.full((len(rows), 2), np.nan) if earlier is None else earlier, random_seed)
    labels = {column: catalog.values(column) for column in LABELS if column in catalog.frame}
    years = catalog.frame["year"].to_numpy(float, na_value=np.nan) if "year" in catalog.frame else None
    return library_shape(
        name,
        catalog.track_ids,
        track_names(catalog),
        vectors,
        places,
        labels | {"artist": catalog.artists.labels},
        np.full(len(rows), np.nan) if years is None else years,
        plays,
        random_seed,
    )


def _write(found: "LibraryShape", index: "Index", rows: "Int[np.ndarray, ' tracks']", output: Path) -> None:
    from soundkin.files import replacing
    from soundkin.terminal import printable_json

    kind = output.suffix.lower()
    if kind == ".json":
        with replacing(output, "w") as file:
            file.write(printable_json(found.summary()) + "\n")
        return
    if kind == ".html":
        from soundkin.explore.library_page import heard_rows, render_library_page

        page = render_library_page(found, {row: _card(index, rows[row]) for row in heard_rows(found)})
        with replacing(output, "w") as file:
            file.write(page)
        return
    from soundkin.explore.library_picture import draw_library
    from soundkin.explore.palette import draw_twins

    draw_twins(lambda theme: draw_library(found, theme), output)


def _card(index: "Index", row: int) -> "TrackCard":
    """A track with ten seconds of its sound."""
    from soundkin.catalog.paths import on_disk
    from soundkin.explore.page_template import TrackCard
    from soundkin.explore.snippets import snippet

    label = index.tracks.label(row)
    audio, silence = snippet(Path(on_disk(index.audio_path(label.path))))
    return TrackCard(label.title or label.track_id, label.artist, "", audio, silence)
