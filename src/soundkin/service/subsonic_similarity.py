"""Similar songs and paths over the Subsonic protocol: what `/tracks/ID/similar` and `/paths` answer with.

`similarity` is the cosine, 0 where it is negative: 1 for the same sound, about 0 for most pairs of tracks. It
means the same for every song and while the library grows, so a client can cut off what is too far; the share
of pairs that are less alike (`closer_than`) is near 1 for every answer and tells none apart.
"""

from collections.abc import Callable, Sequence

from soundkin.pipelines.path import path_between
from soundkin.pipelines.query import ask
from soundkin.pipelines.seeds import mean_direction
from soundkin.search.query_description import QueryDescription
from soundkin.service.list_routes import LONGEST_PATH
from soundkin.service.messages import MOST_ANSWERS
from soundkin.service.subsonic_songs import Answered, Content, SubsonicCall, song, songs
from soundkin.service.track_routes import similar_rows


def get_sonic_similar_tracks(call: SubsonicCall) -> Answered:
    """The songs most like one."""
    row, count = call.row(), call.parameters.number("count", 10, most=MOST_ANSWERS)
    return {"sonicMatch": _matches(call, _similar(call, row, count))}


def find_sonic_path(call: SubsonicCall) -> Answered:
    """From one song to another in small steps, both among them, each with its similarity to the first."""
    first, last = call.row("startSongId"), call.row("endSongId")
    count = call.parameters.number("count", 25, least=1, most=LONGEST_PATH)
    index = call.library.index
    rows = [first] if first == last else path_between(index, first, last, max(count, 2))[0]
    start = index.vector(first)
    cosines = [1.0, *(float(start @ index.vector(row)) for row in rows[1:])]
    return {"sonicMatch": _matches(call, list(zip(rows, cosines, strict=True)))}


def get_similar_songs(call: SubsonicCall) -> Answered:
    """The songs most like a song, or like all of an album or artist."""
    return {"similarSongs": _similar_songs(call)}


def get_similar_songs2(call: SubsonicCall) -> Answered:
    """The same, under its other name."""
    return {"similarSongs2": _similar_songs(call)}


def _similar_songs(call: SubsonicCall) -> Content:
    given, count = call.parameters.required("id"), call.parameters.number("count", 50, most=MOST_ANSWERS)
    row = call.row_of(given)
    if row is not None:
        found = [each for each, _ in _similar(call, row, count)]
    else:
        found = _like_all(call, _rows_of_group(call, given), count)
    return {"song": songs(call.library, found)}


def _rows_of_group(call: SubsonicCall, given: str) -> Sequence[int]:
    """The tracks of the album or artist of this id."""
    discography = call.library.discography
    group = discography.albums.get(given) or discography.artists.get(given)
    if group is None:
        raise call.not_found("song, album or artist")
    return group.rows


def _like_all(call: SubsonicCall, rows: Sequence[int], count: int) -> list[int]:
    """The tracks most like all of these, which may be among them."""
    if not count:
        return []
    index = call.library.index
    found = ask(index, QueryDescription(k=count), vector=mean_direction(index, rows))
    return [call.library.row(answer.track_id) for answer in found]


def _similar(call: SubsonicCall, row: int, count: int) -> list[tuple[int, float]]:
    track_id = call.library.index.tracks.label(row).track_id
    return similar_rows(call.library, track_id, count) if count else []


def _matches(call: SubsonicCall, found: Sequence[tuple[int, float]]) -> list[Content]:
    return [
        {"entry": song(call.library, row), "similarity": round(min(1.0, max(0.0, cosine)), 6)}
        for row, cosine in found
    ]


METHODS: dict[str, Callable[[SubsonicCall], Answered]] = {
    "getSonicSimilarTracks": get_sonic_similar_tracks,
    "findSonicPath": find_sonic_path,
    "getSimilarSongs": get_similar_songs,
    "getSimilarSongs2": get_similar_songs2,
}
