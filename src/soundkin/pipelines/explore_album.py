"""Explore album: the tracks of an album, a playlist or any selection, in their order, beside each other."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from soundkin.errors import UsageError
from soundkin.extras import require
from soundkin.pipelines.options import WHERE, Option, argument
from soundkin.pipelines.pictures import PAGE, PAGE_KINDS, picture_place

if TYPE_CHECKING:
    from soundkin.explore.album_shape import AlbumShape
    from soundkin.search.vector_index import Index

MOST_TRACKS = 500

log = logging.getLogger(__name__)


def explore_album(
    index: Annotated["Index | Path | str", argument("INDEX_OR_LIBRARY")],
    seeds: Annotated[Sequence[str], argument("[SEED]...")] = (),
    where: Annotated[Sequence[str], WHERE] = (),
    output: Annotated[Path | None, PAGE] = None,
    plane: Annotated[
        Literal["scaling", "tsne", "umap"],
        Option("How tracks are laid into a plane; scaling keeps distances."),
    ] = "scaling",
) -> "AlbumShape":
    """An album, a playlist or a selection: its groups, the odd one out, transitions that jar.

    Tracks stand in the order of the album, the playlist or the catalog; without SEED all that --where admits.
    The page plays what is clicked: a track, two beside each other, the end and the beginning that jar.
    A track is called odd, and a transition jarring, where it lies 3.5 robust deviations below the median.

    Examples:
      soundkin explore album library 'album:Pastel Blues' -o album.html
      soundkin explore album library playlist:evening.m3u8
      soundkin explore album library --where 'artist=Nina Simone'

    Raises:
        UsageError: there is nothing of a name, fewer than two tracks or more than 500 are left, or the
            output is neither page nor picture.
        MissingExtraError: soundkin[explore] is not installed, or for UMAP soundkin[umap].
    """
    require("explore", "the shape of an album")
    if plane == "umap":
        require("umap", "a plane by UMAP")
    import numpy as np

    from soundkin.explore.album_plane import plane_for
    from soundkin.explore.album_shape import album_shape
    from soundkin.pipelines.answers import Filter, opened_index
    from soundkin.pipelines.seeds import name_of_selection, resolve_seeds

    output = picture_place(output, PAGE_KINDS)
    if not seeds and not where:
        raise UsageError("which tracks? Name an album or a playlist, album:NAME, or give --where.")
    opened = opened_index(index)
    fitting = Filter(opened, where)
    found = resolve_seeds(opened, seeds)
    every = [row for seed in found for row in seed.rows] if seeds else range(len(opened))
    rows = [row for row in dict.fromkeys(every) if fitting.admits(row)]
    name = " and ".join([*map(name_of_selection, seeds), *where])
    if len(rows) < 2:
        raise UsageError(
            f"{name}: a shape takes two indexed tracks, not {len(rows)}. See soundkin explore track."
        )
    if len(rows) > MOST_TRACKS:
        raise UsageError(
            f"{name}: {len(rows)} tracks, and {MOST_TRACKS} is the most. Narrow it down: --where."
        )
    if plane != plane_for(plane, len(rows)):
        log.warning("%d tracks are too few for --plane %s: they are scaled", len(rows), plane)
    labels = [opened.tracks.label(row) for row in rows]
    shape = album_shape(
        name, [label.title or label.track_id for label in labels], opened.vectors(np.array(rows)), plane
    )
    if output is not None:
        _write(shape, opened, rows, output)
    return shape


def _write(shape: "AlbumShape", index: "Index", rows: Sequence[int], output: Path) -> None:
    if output.suffix.lower() != ".html":
        from soundkin.explore.album_picture import draw_album
        from soundkin.explore.palette import draw_twins

        draw_twins(lambda theme: draw_album(shape, theme), output)
        return
    from soundkin.explore.album_page import render_album_page
    from soundkin.files import replacing
    from soundkin.pipelines.track_sounds import spread, track_cards, transition

    cards = track_cards(index, rows, spread(len(rows)))
    transitions = [transition(index, *rows[place : place + 2]) for place in shape.jarring_transitions]
    with replacing(output, "w") as file:
        file.write(render_album_page(shape, cards, transitions))
