"""Playlists of players, M3U and JSPF: what each entry names, by which paths a catalog may know it, writing.

Nothing here imports pandas: a query by playlist has to start quickly.
"""

import json
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from soundkin.errors import CatalogError, UsageError
from soundkin.files import check_place, replacing

M3U = (".m3u", ".m3u8")
PLAYLIST_FILES = (*M3U, ".jspf")
IDS = ".txt"  # track ids, one a line
AUDIO_URL = re.compile(
    r"https?://[^/]+/(?:.*/)?tracks/([^/?#]+)/audio"
)  # as the page of `soundkin serve` saves
EXTINF = re.compile(r"#EXTINF:[^,]*,(.*)")


@dataclass(frozen=True)
class Entry:
    """One entry of a playlist: a path, URL or track id, and names where it gives some.

    `place` is where it stands, to be said to people.
    """

    place: str
    location: str = ""
    artist: str = ""
    title: str = ""

    @property
    def track_id(self) -> str:
        """The id that the entry would be a track by: that of a URL of ours, or else the location as it is."""
        served = AUDIO_URL.fullmatch(self.location)
        return unquote(served[1]) if served else self.location


def read_entries(file: Path) -> list[Entry]:
    """The entries of an M3U or JSPF playlist, told apart by content, in order.

    UTF-8 or UTF-16, or else what Windows wrote before them. Raises CatalogError where it cannot be read.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CatalogError(f"playlist {file} cannot be read: {error.strerror or error}.") from error
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    return list(_jspf(file, text) if text.lstrip().startswith("{") else _m3u(file, text))


def read_tracks_of(file: Path) -> list[Entry]:
    """`read_entries` of a playlist that is to have some; CatalogError where it has none."""
    entries = read_entries(file)
    if not entries:
        held = (
            "is an empty file" if not file.stat().st_size else "has no entry: no line of it is a path or URL"
        )
        raise CatalogError(f"playlist {file} {held}. Put tracks into it, or give another playlist.")
    return entries


def _m3u(file: Path, text: str) -> Iterator[Entry]:
    artist = title = ""
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        stated = EXTINF.fullmatch(line.strip())
        if stated:
            artist, _, title = ("" if " - " in stated[1] else " - ").join(["", stated[1]]).partition(" - ")
        elif line.strip() and not line.startswith("#"):
            yield Entry(f"{file}, line {number}: {line.strip()}", line.strip(), artist.strip(), title.strip())
            artist = title = ""


def _jspf(file: Path, text: str) -> Iterator[Entry]:
    try:
        tracks = json.loads(text)["playlist"]["track"]
        entries = [
            {name: _first(track.get(name)) for name in ("location", "creator", "title")} for track in tracks
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CatalogError(f"playlist {file} is no JSPF: it needs a list at playlist.track.") from error
    for number, entry in enumerate(entries, start=1):
        names = " - ".join(filter(None, (entry["creator"], entry["title"])))
        place = f"{file}, track {number}: {names or entry['location']}"
        yield Entry(place, entry["location"], entry["creator"], entry["title"])


def _first(value: Any) -> str:
    """JSPF's locations are lists, and some write text."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return value.strip() if isinstance(value, str) else ""


def path_keys(location: str, playlist_folder: Path, audio_folder: Path) -> Iterator[str]:
    """The absolute paths that an entry may mean, as `path_key`s, likeliest first.

    As it stands or as `file://` and `%20`, with `/` or `\\`; absolute, or relative to the playlist or to the
    audio; and, of a playlist from another machine, by its last folders.
    """
    for written in dict.fromkeys((location, _path_of_url(location), unquote(location))):
        slashed = written.replace("\\", "/")
        for text in dict.fromkeys((written, slashed)):
            for base in (playlist_folder.absolute(), playlist_folder.resolve(), audio_folder):
                yield path_key(base / text)
        parts = [part for part in slashed.split("/") if part not in ("", ".")]
        yield from (path_key(audio_folder / "/".join(parts[start:])) for start in range(1, len(parts) - 1))


def path_key(path: Path | str) -> str:
    """What the ways to write one path share."""
    return unicodedata.normalize("NFC", os.path.normpath(path))


def _path_of_url(entry: str) -> str:
    """The path of `file:///music/a%20b.mp3`; other entries as they are."""
    if not entry.lower().startswith("file:"):
        return entry
    path = unquote(urlsplit(entry.replace("#", "%23").replace("?", "%3F")).path)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


@dataclass(frozen=True)
class ListedFile:
    """A track to be written into a playlist; `path` is absolute, `seconds` below 0 where not known."""

    track_id: str
    path: str
    title: str
    artist: str
    seconds: float = -1.0


def check_playlist_file(file: Path | str) -> Path:
    """`file` as a path; raises UsageError, or OutputError, unless `write_playlist` can write it."""
    file = Path(file)
    if file.suffix.lower() not in (*PLAYLIST_FILES, IDS):
        wanted = ".m3u8, .m3u or .jspf, or .txt for plain track ids"
        raise UsageError(f"{file}: no playlist ends so. Name it {wanted}.")
    return check_place(file)


def write_playlist(tracks: Sequence[ListedFile], file: Path, title: str) -> None:
    """Write M3U, JSPF or plain track ids, by the suffix, in place of a file that is there.

    Paths are relative to the playlist, so that both can move together.
    """
    check_playlist_file(file)
    if file.suffix.lower() == IDS:
        text = "".join(f"{track.track_id}\n" for track in tracks)
    else:
        folder = file.parent.resolve()
        text = (_as_jspf if file.suffix.lower() == ".jspf" else _as_m3u)(tracks, folder, title)
    with replacing(file, "w") as stream:
        stream.write(text)


def _as_m3u(tracks: Sequence[ListedFile], folder: Path, title: str) -> str:
    lines = ["#EXTM3U", f"#PLAYLIST:{_one_line(title)}"]
    for track in tracks:
        name = " - ".join(filter(None, map(_one_line, (track.artist, track.title))))
        seconds = round(track.seconds) if track.seconds > 0 else -1
        path = os.path.relpath(track.path, folder)
        if _one_line(path) != path:  # a line break, or blanks at an end
            path = Path(track.path).as_uri()
        lines += [f"#EXTINF:{seconds},{name}", f"./{path}" if path.startswith("#") else path]
    return "\n".join(lines) + "\n"


def _as_jspf(tracks: Sequence[ListedFile], folder: Path, title: str) -> str:
    described = [
        {
            "location": [quote(os.path.relpath(track.path, folder))],
            "title": track.title,
            "creator": track.artist,
            **({"duration": round(1000 * track.seconds)} if track.seconds > 0 else {}),
        }
        for track in tracks
    ]
    return json.dumps({"playlist": {"title": title, "track": described}}, indent=2, ensure_ascii=False) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split("\n")).replace("\r", " ").strip()
