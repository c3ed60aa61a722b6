"""Which of our tracks a media server's are: by path, MusicBrainz id, or artist, title and length.

In doubt a track is not linked, and the reason is said. Where several of ours fit, the album decides, and then
which of them no path has led to.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, cached_property
from typing import Literal, NamedTuple

import pandas as pd

from soundkin.catalog.artists import Artists, fold_name
from soundkin.catalog.mounts import same_files

SAME_SECONDS = 3.0  # what decoders and containers claim of one recording
MBID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

MatchedBy = Literal["path", "musicbrainz", "names"]
Reason = Literal["missing", "other recording", "several", "unnamed", "unknown"]
REASONS: dict[Reason, str] = {
    "unknown": "no track here has that path, MusicBrainz id, or artist, title and length",
    "unnamed": "no track here has that path, and the server knows no artist and title",
    "several": "several tracks here fit as well",
    "other recording": "the file here has another title and length; has the server scanned it anew?",
    "missing": "the server says that its file is gone",
}


class Match(NamedTuple):
    """The server's row, ours, and how it was found."""

    theirs: int
    ours: int
    matched_by: MatchedBy


class Unmatched(NamedTuple):
    """A row of the server's that is none of ours for sure; `candidates` are our rows that it may be."""

    theirs: int
    reason: Reason
    candidates: tuple[int, ...] = ()


class ComparedTracks:
    """What is compared of a table's tracks but for their paths, by row; folded when it is first asked for."""

    def __init__(self, frame: pd.DataFrame, fold: Callable[[str], str]) -> None:
        self._fold = fold
        self._titles, self._albums, self._credits = (
            _texts(frame, name) for name in ("title", "album", "artist")
        )
        self.mbids = [_mbid(text) for text in _texts(frame, "recording_mbid")]
        self.seconds = frame["duration"].tolist() if "duration" in frame else [math.nan] * len(frame)

    def title(self, row: int) -> str:
        """The folded title."""
        return self._fold(self._titles[row])

    def album(self, row: int) -> str:
        """The folded name of the album."""
        return self._fold(self._albums[row])

    @cached_property
    def leads(self) -> list[str | None]:
        """The key of each lead artist, None where nobody is named."""
        return Artists.from_credits(self._credits).leads

    def names(self, row: int) -> tuple[str, str] | None:
        """Lead artist and title, where both are known."""
        lead, title = self.leads[row], self.title(row)
        return (lead, title) if lead and title else None


def match_tracks(server: pd.DataFrame, ours: pd.DataFrame) -> tuple[list[Match], list[Unmatched]]:
    """Match the tracks of `read_media_server` with those of a catalog: the surest first, each row once.

    `ours` may lack all columns but `path`.
    """
    rows = [row for row, gone in enumerate(server["missing"]) if not gone]
    left: dict[int, Unmatched] = {
        row: Unmatched(row, "missing") for row, gone in enumerate(server["missing"]) if gone
    }
    fold = cache(fold_name)  # the server's names are ours, mostly
    theirs, own = ComparedTracks(server, fold), ComparedTracks(ours, fold)
    matches: list[Match] = []
    taken: set[int] = set()

    def match(by: MatchedBy, candidates_of: Callable[[int], Sequence[int]]) -> None:
        """Match what is left; tracks that an earlier way has led to come after others."""
        new: list[Match] = []
        for row in rows:
            candidates = candidates_of(row)
            fitting = [each for each in candidates if _fits(by, theirs, row, own, each)]
            best = _best(theirs, row, own, fitting, taken)
            if len(best) == 1:
                new.append(Match(row, best[0], by))
                left.pop(row, None)
            elif best:
                left[row] = Unmatched(row, "several", tuple(best))
            elif candidates and by == "path":
                left[row] = Unmatched(row, "other recording", tuple(candidates))
            elif row not in left:
                left[row] = Unmatched(row, "unknown" if theirs.names(row) else "unnamed")
        matches.extend(new)
        taken.update(found.ours for found in new)
        done = {found.theirs for found in new}
        rows[:] = [row for row in rows if row not in done]

    files = same_files(list(zip(server["folder"], server["path"], strict=True)), ours["path"].tolist())
    match("path", lambda row: files.get(row, ()))
    mbids = _grouped(own.mbids)
    match("musicbrainz", lambda row: mbids.get(theirs.mbids[row], ()))
    named = _grouped(map(own.names, range(len(ours)))) if rows else {}
    match("names", lambda row: named.get(theirs.names(row), ()))
    return matches, sorted(left.values())


def _texts(frame: pd.DataFrame, column: str) -> list[str]:
    return frame[column].fillna("").astype(str).tolist() if column in frame else [""] * len(frame)


def _mbid(text: str) -> str:
    """A MusicBrainz id; empty where there is none."""
    found = MBID.search(text)
    return found[0].lower() if found else ""


def _grouped(keys: Iterable[object]) -> dict[object, list[int]]:
    """Rows by key; those without one are left out."""
    rows: dict[object, list[int]] = {}
    for row, key in enumerate(keys):
        if key:
            rows.setdefault(key, []).append(row)
    return rows


def _fits(by: MatchedBy, theirs: ComparedTracks, row: int, ours: ComparedTracks, own: int) -> bool:
    """Whether what else is known of two rows lets them be one recording."""
    apart = abs(theirs.seconds[row] - ours.seconds[own])  # NaN where one is not known
    if by == "names":
        same_album = theirs.album(row) and theirs.album(row) == ours.album(own)
        return apart <= SAME_SECONDS or bool(math.isnan(apart) and same_album)
    titles = theirs.title(row), ours.title(own)
    return not (apart > SAME_SECONDS and all(titles) and titles[0] != titles[1])


def _best(
    theirs: ComparedTracks, row: int, ours: ComparedTracks, candidates: list[int], taken: Collection[int]
) -> list[int]:
    """The candidates that fit best, one if it stands out."""
    if len(candidates) < 2:
        return candidates
    wishes: tuple[Callable[[int], bool], ...] = (
        lambda own: ours.album(own) == theirs.album(row) != "",
        lambda own: own not in taken,
        lambda own: ours.title(own) == theirs.title(row),
    )
    best = candidates
    for wish in wishes:
        best = [own for own in best if wish(own)] or best
    return best
