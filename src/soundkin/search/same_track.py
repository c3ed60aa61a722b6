"""Whether two tracks of an index are one recording or versions of one piece, so that one answer is enough.

They are one where their audio or their tags said so when they were indexed (`recordings`). Otherwise, when in
doubt, they are two: vectors of different pieces for one instrument come as near as those of copies, so names
have to agree as well, and titles that many pieces have (`Prelude`) do not count. `benchmarks/queries.py`
counts wrong merges among all pairs.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from soundkin.catalog.artists import fold_name
from soundkin.catalog.titles import base_title, is_generic
from soundkin.search.tracks import Tracks, seconds_in

COPY_COSINE, COPY_SECONDS = 0.998, 1.0  # the same sound, encoded anew
REISSUE_COSINE, REISSUE_SECONDS = 0.9, 2.0  # the same recording on another album
VERSION_COSINE = 0.7  # live, remixed, acoustic


class Identity(NamedTuple):
    """What tells a track from others; empty, or 0 seconds, where it is not known."""

    title: str  # folded
    base: str  # without what tells versions apart
    artist: str  # key of the lead
    album: str  # folded
    seconds: float
    recording: str  # a name that copies share


def identities(tracks: Tracks) -> Callable[[int], Identity]:
    """What gives the identity of a row."""
    columns = {name: tracks.batch.column(name) for name in ("album", "duration") if name in tracks.columns}

    @cache
    def identity(row: int) -> Identity:
        title = tracks.label(row).title
        cells = {name: column[row].as_py() for name, column in columns.items()}
        lead = next(iter(tracks.artists(row)), "")
        album = fold_name(str(cells.get("album") or ""))
        seconds = seconds_in(cells.get("duration"))
        recording = tracks.recordings.get(row, "")
        return Identity(fold_name(title), base_title(title), lead, album, seconds, recording)

    return identity


def same_track(one: Identity, other: Identity, cosine: float) -> bool:
    """Whether two tracks with this cosine are copies, reissues or versions of one piece."""
    if one.recording and one.recording == other.recording:
        return True
    if cosine < VERSION_COSINE or not one.base or one.base != other.base or one.artist != other.artist:
        return False
    apart = abs(one.seconds - other.seconds) if one.seconds and other.seconds else float("inf")
    if cosine >= COPY_COSINE and apart <= COPY_SECONDS:
        return True
    if not one.artist or is_generic(one.base):
        return False
    if one.title != other.title:
        return True
    reissued = bool(one.album and other.album) and one.album != other.album
    return reissued and cosine >= REISSUE_COSINE and apart <= REISSUE_SECONDS
