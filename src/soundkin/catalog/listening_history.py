"""What somebody has listened to, as services export it: plays by track_id, or by artist and title.

JSON, JSON lines or CSV, told apart by content and by the names of their keys or columns: ListenBrainz'
exports and API (`listened_at`, `track_metadata`), those of Last.fm (`recenttracks`; the CSV without a header
that lists artist, album, title, date; `scrobbles`), Spotify's (`master_metadata_track_name`, `trackName`),
any table with `artist` and `title` or with `track_id`, and plain lists of ids.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from soundkin.catalog.times import read_unix_seconds
from soundkin.errors import CatalogError

# Keys and columns, the surest first; compared without case.
TITLES = ("track_name", "trackname", "master_metadata_track_name", "title", "track", "name")
ARTISTS = ("artist_name", "artistname", "master_metadata_album_artist_name", "artist", "creator")
TIMES = ("listened_at", "ts", "endtime", "uts", "utc_time", "timestamp", "date", "time", "played_at")
IDS = ("track_id",)
SCROBBLES = ("artist", "album", "title", "date")  # of a table of four columns without a header


def read_history(path: Path) -> pd.DataFrame:
    """One row a play: `track_id`, `artist`, `title` (text, empty where unknown), `seconds` (Unix, or NaN).

    Raises CatalogError where the file holds no play, or times that cannot be read.
    """
    source = f"history {path}"
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CatalogError(f"{source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CatalogError(f"{source} cannot be read as UTF-8 text: {error}.") from error
    return plays_in(text, source)


def plays_in(text: str, source: str = "history") -> pd.DataFrame:
    """As `read_history`, of what such a file holds; `source` is what errors call it."""
    try:
        plays = list(_from_json(text, source) if text.lstrip()[:1] in ("{", "[") else _from_table(text))
    except csv.Error as error:
        raise CatalogError(f"{source} is neither JSON nor a table: {error}.") from error
    except RecursionError as error:
        raise CatalogError(f"{source} nests lists or objects too deeply for an export.") from error
    if not plays:
        forms = (
            "a JSON or CSV export of ListenBrainz or Last.fm, or a table with track_id, or artist and title"
        )
        raise CatalogError(f"{source} names no tracks. Give {forms}.")
    frame = pd.DataFrame(plays, columns=["track_id", "artist", "title", "time"])
    frame["time"] = (
        frame["time"].str.replace(",", "").replace("", None).astype("str").where(frame["time"] != "")
    )
    frame["seconds"] = read_unix_seconds(frame, source, "time")
    return frame.drop(columns="time")


Play = tuple[str, str, str, str]


def _from_json(text: str, source: str) -> Iterator[Play]:
    try:
        values = [json.loads(text)]
    except ValueError:
        try:
            values = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise CatalogError(f"{source} is neither JSON nor JSON lines: {error}.") from error
    return _plays_in(values, "")


def _plays_in(value: Any, time: str) -> Iterator[Play]:
    """The plays in nested JSON; the time may stand outside of what names the track."""
    if isinstance(value, list):
        for part in value:
            yield from _plays_in(part, time)
    elif isinstance(value, dict):
        time = _first(value, TIMES) or time
        play = (_first(value, IDS), _first(value, ARTISTS), _first(value, TITLES), time)
        if play[0] or (play[1] and play[2]):
            yield play
        else:
            for part in value.values():
                yield from _plays_in(part, time)


def _from_table(text: str) -> Iterator[Play]:
    sample = text[:10_000].partition("\n")[0]
    separator = max(",;\t", key=sample.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(row)]
    header = [cell.strip().casefold().partition("#")[0] for cell in rows[0]] if rows else []
    if not set(header) & {*TITLES, *IDS} and len(header) == 1:
        header = ["track_id"]
    elif not set(header) & {*TITLES, *IDS} and len(header) == len(SCROBBLES):
        header = list(SCROBBLES)
    else:
        rows = rows[1:]
    for row in rows:
        cells = dict(zip(header, row, strict=False))
        play = (_first(cells, IDS), _first(cells, ARTISTS), _first(cells, TITLES), _first(cells, TIMES))
        if play[0] or (play[1] and play[2]):
            yield play


def _first(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of the named values that is there, as text; Last.fm wraps some as `{"#text": ...}`."""
    folded = {key.casefold(): value for key, value in values.items()}
    for name in names:
        value = folded.get(name)
        if isinstance(value, dict):
            value = value.get("uts") or value.get("#text") or value.get("name")
        if isinstance(value, str | int | float) and str(value).strip():
            return str(value).strip().encode(errors="replace").decode()  # JSON may spell half a character
    return ""
