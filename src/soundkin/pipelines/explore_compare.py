"""Explore compare: two artists, albums or playlists in one space, and what differs in sound."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import UsageError
from soundkin.extras import require
from soundkin.pipelines.options import Option, argument
from soundkin.pipelines.pictures import PAGE, PAGE_KINDS, picture_place

if TYPE_CHECKING:
    import numpy as np

    from soundkin.explore.comparison import Comparison
    from soundkin.explore.sound_differences import SoundDifferences
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Bool, Int

MOST_TRACKS = 500  # a side: of more, a random sample is compared
MOST_HEARD = 100  # a side: of more, a random sample is listened to, a quarter of a second each

log = logging.getLogger(__name__)


def explore_compare(
    index: Annotated["Index | Path | str", argument("INDEX_OR_LIBRARY")],
    first: Annotated[str, argument("A")],
    second: Annotated[str, argument("B")],
    output: Annotated[Path | None, PAGE] = None,
    without_sound: Annotated[bool, Option("Leave out what differs in sound; reads no audio.")] = False,
    random_seed: Annotated[int, Option("Another one draws other folds.")] = 0,
) -> "Comparison":
    """Two artists, albums or playlists: can they be told apart, and which tracks are most like the other?

    A linear support vector machine is tested on artists (albums, where a side has one artist) that it has not
    seen, and held against what chance gives. Tracks on both sides are left out. What differs is measured on
    up to a minute of each track, of at most 100 a side: tempo, loudness, dynamics, brightness, onsets, key.

    Examples:
      soundkin explore compare library 'artist:Ann' 'artist:Bob' -o two.html
      soundkin explore compare library playlist:run.m3u8 playlist:sleep.m3u8

    Raises:
        UsageError: there is nothing of a name, nothing is left of a side, or the output is neither page nor
            picture.
        MissingExtraError: soundkin[explore] is not installed.
    """
    require("explore", "a comparison")
    import numpy as np

    from soundkin.explore.comparison import Comparison
    from soundkin.explore.separability import lean, separability
    from soundkin.pipelines.answers import opened_index
    from soundkin.pipelines.seeds import name_of_selection, resolve_seeds

    output = picture_place(output, PAGE_KINDS)
    opened = opened_index(index)
    sides = [list(dict.fromkeys(seed.rows)) for seed in resolve_seeds(opened, (first, second))]
    both = set(sides[0]) & set(sides[1])
    if both:
        log.warning("left out %d tracks that are on both sides", len(both))
    rng, rows = np.random.default_rng(random_seed), []
    for name, side in zip((first, second), sides, strict=True):
        kept = [row for row in side if row not in both]
        if not kept:
            raise UsageError(f"{name} has no indexed track that the other side lacks. Compare other sides.")
        if len(kept) > MOST_TRACKS:
            log.warning("%s: a random %d of %d tracks are compared", name, MOST_TRACKS, len(kept))
            kept = sorted(rng.permutation(kept)[:MOST_TRACKS].tolist())
        rows.append(kept)
    taken = np.array(rows[0] + rows[1])
    of_second = np.arange(len(taken)) >= len(rows[0])
    vectors = opened.vectors(taken)
    grouped_by, groups = _groups(opened, rows)
    heard = np.empty(0, np.int64) if without_sound else _heard(of_second, rng)
    labels = [opened.tracks.label(row) for row in taken.tolist()]
    found = Comparison(
        (name_of_selection(first), name_of_selection(second)),
        [label.title or label.track_id for label in labels],
        vectors,
        of_second,
        lean(vectors, of_second),
        grouped_by,
        separability(vectors, of_second, groups, random_seed),
        _differences(opened, taken, heard, of_second, groups, random_seed) if len(heard) else None,
    )
    if output is not None:
        _write(found, opened, taken.tolist(), heard, output)
    return found


def _heard(
    of_second: "Bool[np.ndarray, ' tracks']", rng: "np.random.Generator"
) -> "Int[np.ndarray, ' heard']":
    """The places of MOST_HEARD tracks a side."""
    import numpy as np

    sides = [np.flatnonzero(side) for side in (~of_second, of_second)]
    return np.concatenate([np.sort(rng.permutation(side)[:MOST_HEARD]) for side in sides])


def _differences(
    index: "Index",
    rows: "Int[np.ndarray, ' tracks']",
    heard: "Int[np.ndarray, ' heard']",
    of_second: "Bool[np.ndarray, ' tracks']",
    groups: "Int[np.ndarray, ' tracks']",
    random_seed: int,
) -> "SoundDifferences":
    """What differs in the sound of the tracks in the places `heard`."""
    from soundkin.explore.sound_differences import sound_differences
    from soundkin.explore.sound_qualities import sound_qualities
    from soundkin.pipelines.track_sounds import read_stretch
    from soundkin.progress import progress

    stretches = (read_stretch(index, row) for row in progress(rows[heard].tolist(), "listening", len(heard)))
    sounds = [None if isinstance(each, str) else sound_qualities(each) for each in stretches]
    return sound_differences(sounds, of_second[heard], groups[heard], random_seed)


def _write(
    found: "Comparison", index: "Index", rows: Sequence[int], heard: "Int[np.ndarray, ' heard']", output: Path
) -> None:
    if output.suffix.lower() != ".html":
        from soundkin.explore.comparison_picture import draw_comparison
        from soundkin.explore.palette import draw_twins

        draw_twins(lambda theme: draw_comparison(found, theme), output)
        return
    from soundkin.explore.comparison_page import render_comparison_page
    from soundkin.files import replacing
    from soundkin.pipelines.track_sounds import track_cards

    named = [place for side in (0, 1) for place in found.nearest_to_other(side)]
    mates = [found.nearest_across(place)[0] for place in named]
    played = {*heard.tolist(), *named, *mates} if len(heard) else set()
    with replacing(output, "w") as file:
        file.write(render_comparison_page(found, track_cards(index, rows, played)))


def _groups(index: "Index", sides: Sequence[Sequence[int]]) -> "tuple[str, Int[np.ndarray, ' tracks']]":
    """What is kept together, and its number for each track: the first kind of which both sides have two."""
    import numpy as np

    for kind in ("artist", "album"):
        if kind not in index.tracks.columns:
            continue
        column = index.tracks.batch.column(kind)
        names = [[column[row].as_py() for row in side] for side in sides]
        if min(len(set(filter(None, side))) for side in names) >= 2:
            alone = [name or f"\0{place}" for place, name in enumerate(names[0] + names[1])]
            _, numbers = np.unique(alone, return_inverse=True)
            return kind, numbers
    return "track", np.arange(sum(map(len, sides)))
