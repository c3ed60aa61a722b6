"""Title, artist and album from a path such as `Artist/Album/CD1/03 Title.mp3`, where tags are silent.

Read as well: `03 - Artist - Title`, `Artist - Title`, `Artist - Album - 03 - Title`, a folder `Artist -
Album`.
"""

import re
import unicodedata
from collections.abc import Mapping

from soundkin.catalog.artists import artist_key, no_artist_keys
from soundkin.catalog.file_tags import as_line

DASH = re.compile(r"\s+[-\u2013\u2014]+\s+")
DISC = re.compile(
    r"(?:cd|dis[ck]|side|lp|tape)[\s_.#-]*(?:\d{1,2}|[a-d]|one|two|three|four)\b.*", re.IGNORECASE
)
NUMBER = re.compile(r"[(\[]?(?:\d{1,2}[-.])?\d{1,3}[)\]]?")
PADDED = re.compile(
    r"(?:0\d|\d{2,3})\s+(?=\S)|[(\[]?(?:\d{1,2}[-.])?\d{1,3}[)\]]?\s*[._)\]-]+\s*(?=\D)|\d-\d{2}\s+(?=\S)"
)
NO_TITLE = re.compile(
    r"(?:(?:audio)?\s*track|titel|piste|pista|untitled|unknown)?[\W_]*\d{0,3}[\W_]*", re.IGNORECASE
)
VERSION = re.compile(
    r"\b(?:live|re-?mix|mix|edit|version|acoustic|demo|instrumental|remaster(?:ed)?|bonus|reprise|part|pt|feat|ft"
    r"|intro|outro|take)\b",
    re.IGNORECASE,
)
YEAR_OR_DISC = re.compile(
    r"^(?:[(\[][12]\d{3}[)\]]\s*|[12]\d{3}\s+-\s+)(?=\S)"
    r"|(?<=\S)\s*[(\[](?:[12]\d{3}|(?:cd|dis[ck])\s*\d+)[)\]]$|(?<=\S)\s+(?:cd|dis[ck])\s*\d+$",
    re.IGNORECASE,
)
NO_ALBUM = ("unknown album", "unknown", "no album", "singles", "misc", "various", "music", "downloads")
NO_ARTIST_FOLDERS = (
    *(
        "compilations",
        "compilation",
        "soundtracks",
        "soundtrack",
        "ost",
        "samplers",
        "sampler",
        "mixes",
        "mixtapes",
    ),
    *("playlists", "music", "audio", "downloads", "misc", "unsorted", "singles", "albums"),
)


def guess(path: str) -> dict[str, str]:
    """What a file's path in the scanned folder says of `title`, `artist` and `album`; `` for nothing.

    >>> guess("Nina Simone/1965 - Pastel Blues/CD 1/08 Sinnerman.flac")
    {'title': 'Sinnerman', 'artist': 'Nina Simone', 'album': 'Pastel Blues'}
    """
    *folders, file = unicodedata.normalize("NFC", path).split("/")
    artist, album = _from_folders([_spaced(name) for name in folders if not DISC.fullmatch(name)])
    name = _spaced(file.rpartition(".")[0] or file)
    named_artist, named_album, title = _from_name(name, bool(album), artist)
    return {
        "title": "" if NO_TITLE.fullmatch(title) else as_line([title]),
        "artist": as_line([named_artist or artist]),
        "album": as_line([named_album or album]),
    }


def fill_silent(tags: Mapping[str, str], path: str) -> dict[str, str]:
    """The guesses for those of title, artist and album that `tags` say nothing about."""
    guessed = guess(path) if not all(tags[field] for field in ("title", "artist", "album")) else {}
    return {field: value for field, value in guessed.items() if value and not tags[field]}


def _from_folders(folders: list[str]) -> tuple[str, str]:
    """The artist and the album that the folders above a file name."""
    if not folders:
        return "", ""
    parts = DASH.split(YEAR_OR_DISC.sub("", folders[-1]), maxsplit=1)
    if len(folders) == 1:
        if len(parts) == 1:
            return "", ""  # one folder may be an artist, an album or a shelf
        artist, album = parts
    else:
        artist, album = folders[-2], parts[-1] if _same(parts[0], folders[-2]) else " - ".join(parts)
    album = YEAR_OR_DISC.sub("", album)
    return "" if _is_nobody(artist) else artist, "" if album.casefold() in NO_ALBUM else album


def _from_name(name: str, in_album: bool, artist: str) -> tuple[str, str, str]:
    """The artist, the album and the title in a file's name, given the `artist` of its folder."""
    parts = [part.strip() for part in DASH.split(name)]
    numbered = len(parts) > 1 and NUMBER.fullmatch(parts[0]) is not None
    parts = parts[1:] if numbered else [_without_number(parts[0], in_album), *parts[1:]]
    if len(parts) == 4 and NUMBER.fullmatch(parts[2]):
        return parts[0], parts[1], parts[3]
    if len(parts) == 3 and NUMBER.fullmatch(parts[1]):
        parts = [parts[0], parts[2]]
    if len(parts) == 1:
        return "", "", parts[0]
    title = " - ".join(parts[1:])
    if _same(parts[0], artist):
        return "", "", title
    if artist and (not numbered or VERSION.search(title)):
        return "", "", " - ".join(parts)  # `Song - Live`
    return "" if _is_nobody(parts[0]) else parts[0], "", title


def _without_number(name: str, in_album: bool) -> str:
    """Without the track's number: in an album `99 Luftballons` has one, `7 Rings` never."""
    number = PADDED.match(name)
    if not number or (not in_album and re.fullmatch(r"[1-9]\d+\s+", number[0])):
        return name
    return name[number.end() :]


def _spaced(name: str) -> str:
    """Underscores as spaces, where there are no spaces."""
    return name if " " in name else name.replace("_", " ").strip()


def _same(name: str, artist: str) -> bool:
    return bool(name) and artist_key(name) == artist_key(artist)


def _is_nobody(name: str) -> bool:
    return artist_key(name) in no_artist_keys(NO_ARTIST_FOLDERS)
