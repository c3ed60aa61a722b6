"""Path: from one track to another in small steps."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import UsageError
from soundkin.extras import require
from soundkin.files import check_place
from soundkin.pipelines.options import ARTIST_CAP, PLAYLIST_FILE, WHERE, Option, argument

if TYPE_CHECKING:
    import numpy as np

    from soundkin.pipelines.listed_tracks import ListedTrack
    from soundkin.search.small_steps import SmallSteps
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Bool

MOST_TRACKS = 1_500  # looked at: of a larger library, those nearest to the straight line
WAYPOINTS = 9  # on that line

log = logging.getLogger(__name__)


def path(
    index: Annotated["Index | Path | str", argument("INDEX_OR_LIBRARY")],
    start: Annotated[str, argument("FROM")],
    end: Annotated[str, argument("TO")],
    length: Annotated[int, Option("How many tracks, both ends included.", ("-n",), minimum=2)] = 10,
    where: Annotated[Sequence[str], WHERE] = (),
    artist_cap: Annotated[int | None, ARTIST_CAP] = None,
    variety: Annotated[float, Option("Steps that may look larger by chance, as 0.3.")] = 0.0,
    random_seed: Annotated[int, Option("Another one goes another way, with --variety.")] = 0,
    output: Annotated[Path | None, PLAYLIST_FILE] = None,
    picture: Annotated[
        Path | None, Option("A PNG: the map of the library with the path through it.", metavar="FILE")
    ] = None,
    columns: Sequence[str] | None = (),
) -> "list[ListedTrack]":
    """From one track to another, each step as small as can be.

    The path begins with FROM and ends with TO: track ids, or words that fit one track. Its largest step is as
    small as the library allows, no track and no other version of one comes twice, and two tracks in a row
    are by different artists. `--where` narrows what lies between; both ends are always there. Where the two
    lie on islands, far from each other with nothing between, the path crosses at the narrowest place and the
    log says where.

    Examples:
      soundkin path library 17_night-train 21_blue-rain -n 12
      soundkin path library "night train" "blue rain" --variety 0.3 --random-seed 7 -o bridge.m3u8

    The score of a track is its cosine with the one before. From Python, `columns` are those whose cells the
    tracks hold (None: all).

    Raises:
        UsageError: an end is unknown or no track of the index, or an option is off.
    """
    from soundkin.catalog.playlist_files import check_playlist_file
    from soundkin.pipelines.answers import opened_index
    from soundkin.pipelines.listed_tracks import listed_tracks, write_tracks_as_playlist

    if output is not None:
        output = check_playlist_file(output)
    if picture is not None:
        picture = check_place(picture)
        require("pictures", "a picture of the path")
        require("evaluate", "a picture of the path")
    opened = opened_index(index)
    first, last = (end_of_path(opened, name) for name in (start, end))
    rows, scores = path_between(opened, first, last, length, where, artist_cap, variety, random_seed)
    listed = listed_tracks(opened, rows, scores, columns)
    if output is not None:
        ends = (listed[0].title or listed[0].track_id, listed[-1].title or listed[-1].track_id)
        write_tracks_as_playlist(listed, output, " to ".join(ends))
    if picture is not None:
        from soundkin.pipelines.path_picture import draw_path

        draw_path(opened, rows, picture)
    return listed


def path_between(
    index: "Index",
    first: int,
    last: int,
    length: int = 10,
    where: Sequence[str] = (),
    artist_cap: int | None = None,
    variety: float = 0.0,
    random_seed: int = 0,
    only: "Bool[np.ndarray, ' tracks'] | None" = None,
) -> tuple[list[int], list[float]]:
    """`path` between the tracks in two rows: the rows of its tracks, and the cosine of each with the one
    before, 1 for the first. Between its ends there are tracks of the mask `only`.
    """
    from soundkin.pipelines.answers import Filter

    if not 0 <= variety <= 10:
        raise UsageError(f"variety={variety}: give a number from 0 to 10, such as 0.3.")
    if not 2 <= length <= MOST_TRACKS:
        raise UsageError(
            f"length={length}: a path has at least 2 tracks, its ends, and at most {MOST_TRACKS}."
        )
    if first == last:
        raise UsageError(f"both ends are the same track, {index.tracks.label(first).track_id}. Name two.")
    fitting = Filter(index, where, only)
    between = _between(index, first, last, length, fitting.allowed)
    if len(between) + 2 < length:
        ends = "" if fitting.allowed is None else ", beside the ends"
        log.warning("%d of %d tracks: %s%s.%s", len(between) + 2, length, fitting, ends, fitting.hints())
    rows, found = _path(index, [first, *between, last], length, artist_cap, variety, random_seed)
    return rows, [1.0, *(1.0 - step for step in found.steps)]


def end_of_path(index: "Index", name: str) -> int:
    """The row of the one track that a person names."""
    from soundkin.pipelines.seeds import resolve_seeds

    [seed] = resolve_seeds(index, [name])
    if len(seed.rows) > 1:
        raise UsageError(f"{name} is {len(seed.rows)} tracks, and a path has one at each end. Name one.")
    if not seed.rows:
        nearest = index.tracks.label(int(index.search(seed.vector[None], 1)[1][0, 0])).track_id
        raise UsageError(f"{name} is no track of index {index.folder}. Add it, or begin near it: {nearest}")
    return seed.rows[0]


def _between(index: "Index", first: int, last: int, length: int, allowed: "np.ndarray | None") -> list[int]:
    """Tracks to go by: all that are allowed or, of too many, those nearest to points of the straight line.

    There are at least `length` if so many are allowed.
    """
    import numpy as np

    allowed = np.ones(len(index), dtype=bool) if allowed is None else allowed.copy()
    allowed[[first, last]] = False
    if allowed.sum() <= MOST_TRACKS:
        every: list[int] = np.flatnonzero(allowed).tolist()
        return every
    shares = np.linspace(0, 1, WAYPOINTS, dtype=np.float32)[:, None]
    points = (1 - shares) * index.vector(first) + shares * index.vector(last)
    points[np.abs(points).max(axis=1) < 1e-6] = index.vector(first)  # the middle of two opposites
    _, rows = index.search(points, max(MOST_TRACKS // WAYPOINTS, length), allowed)
    nearest_first = dict.fromkeys(row for row in rows.T.ravel().tolist() if row >= 0)
    return sorted(list(nearest_first)[:MOST_TRACKS])


def _path(
    index: "Index", rows: list[int], length: int, artist_cap: int | None, variety: float, random_seed: int
) -> "tuple[list[int], SmallSteps]":
    """The best path over these rows, with a note where it is not what was asked for."""
    import numpy as np

    from soundkin.search.small_steps import find_path

    length = min(length, len(rows))
    while True:
        vectors = index.vectors(np.array(rows))
        artists = [index.tracks.artists(row) for row in rows]
        found = find_path(vectors, length, artists, variety, random_seed)
        if found is None:
            log.warning("artists come twice in a row: there are too few others on the way")
            found = find_path(vectors, length, (), variety, random_seed)
            assert found is not None, "without artists there is always one"
        surplus = _surplus(found.places, artists, artist_cap) | _versions(index, rows, vectors, found.places)
        if not surplus or len(rows) - len(surplus) < length:
            break
        rows = [row for place, row in enumerate(rows) if place not in surplus]
    if surplus:
        problem = "versions of one piece, or more tracks of an artist than the cap, are on the path"
        log.warning("%s: there are too few others", problem)
    _tell_of_islands(index, vectors, rows, found)
    return [rows[place] for place in found.places], found


def _surplus(places: Sequence[int], artists: Sequence[Sequence[str]], cap: int | None) -> set[int]:
    """Tracks on a path that their artists have too many of; the ends stay."""
    counts = Counter(artist for place in (places[0], places[-1]) for artist in artists[place])
    surplus = set()
    for place in places[1:-1]:
        if cap and any(counts[artist] >= cap for artist in artists[place]):
            surplus.add(place)
        counts.update(artists[place])
    return surplus


def _versions(index: "Index", rows: list[int], vectors: "np.ndarray", places: Sequence[int]) -> set[int]:
    """Tracks on a path that are another version of one before them, or of the end."""
    from soundkin.search.same_track import identities, same_track

    identity = identities(index.tracks)
    known, versions = [places[0], places[-1]], set()
    for place in places[1:-1]:
        cosines = (vectors[known] @ vectors[place]).tolist()
        own = identity(rows[place])
        if any(same_track(identity(rows[k]), own, cosine) for k, cosine in zip(known, cosines, strict=True)):
            versions.add(place)
        known.append(place)
    return versions


def _tell_of_islands(index: "Index", vectors: "np.ndarray", rows: list[int], found: "SmallSteps") -> None:
    """Log where the path crosses from one island to another, if there are two."""
    import numpy as np

    from soundkin.search.small_steps import distances_between, island

    reached = island(distances_between(vectors), 0)
    if reached[-1]:
        return
    place = int(np.argmax(found.steps))
    before, after = (index.tracks.label(rows[found.places[n]]).track_id for n in (place, place + 1))
    log.warning(
        "the ends lie on islands: from the first, going by ten nearest at a time, %d tracks are reached, and "
        "not the other %d. The path crosses from %s to %s, a step of %.2f",
        reached.sum(), (~reached).sum(), before, after, found.steps[place],
    )  # fmt: skip
