"""What an audio file says of itself: title, artist, album, genres, year, lyrics, licence and length.

mutagen reads the tags of ID3 (mp3, wav, aiff), Vorbis comments (flac, ogg, opus), MP4 (m4a), APEv2 and ASF (wma). What
it cannot open, and wav files with RIFF INFO tags, are opened by PyAV, which goes by content whatever the name says.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import mutagen
from mutagen.id3 import TCON

from soundkin.catalog.lyrics import lyrics_beside, plain_lyrics
from soundkin.errors import AudioError

TAG_NAMES = {
    "title": ("tit2", "©nam", "title"),
    "artist": ("tpe1", "©art", "artist", "author", "tpe2", "aart", "albumartist", "album artist", "wm/albumartist"),
    "album": ("talb", "©alb", "album", "wm/albumtitle"),
    "genre": ("tcon", "©gen", "genre", "wm/genre"),
    # The year of the recording, before that of a remaster.
    "year": ("tdor", "originaldate", "originalyear", "tdrc", "©day", "date", "year", "wm/year"),
    "lyrics": ("uslt", "©lyr", "lyrics", "unsyncedlyrics", "unsynced lyrics", "wm/lyrics"),
    "licence": ("wcop", "license", "licence", "tcop", "cprt", "copyright"),
}
"""Where each format keeps what we want to know, in lower case, the best place first."""


@dataclass(frozen=True)
class Tags:
    """Labels as catalog cells hold them: `` where unknown, several values joined by `;`."""

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    duration: float | None = None
    """Seconds, as the container claims."""
    lyrics: str = ""
    licence: str = ""


def read_tags(path: Path) -> Tags:
    """Read the tags of one audio file, and the lyrics beside it where it holds none.

    Raises:
        AudioError: the container cannot be opened.
    """
    texts, duration = _mutagen_texts(path) or _av_texts(path)
    found = {field: _first(texts, names) for field, names in TAG_NAMES.items()}
    genres = TCON(encoding=3, text=found["genre"]).genres  # type: ignore[no-untyped-call]  # (17) and 17 are Rock
    return Tags(
        title=_line(found["title"][:1]),
        artist=_line(found["artist"]),
        album=_line(found["album"][:1]),
        genre=_line(genre for value in genres for genre in value.split(";")),
        year=_year(found["year"]),
        duration=round(duration, 2) if math.isfinite(duration) and duration > 0 else None,
        lyrics=plain_lyrics("\n".join(found["lyrics"][:1])) or lyrics_beside(path),
        licence=_line(found["licence"][:1]),
    )


Texts = dict[str, list[str]]


def _mutagen_texts(path: Path) -> tuple[Texts, float] | None:
    """Tag names in lower case with their values, and seconds; None where mutagen has nothing to say."""
    try:
        file = mutagen.File(path)
    except Exception:  # mutated files make mutagen raise IndexError and more besides its own MutagenError
        return None
    if file is None or (not file.tags and "audio/wav" in file.mime):
        return None
    texts: Texts = {}
    for key, value in (file.tags or {}).items():
        texts.setdefault(key.split(":")[0].lower(), []).extend(_strings(value))
    return texts, float(getattr(file.info, "length", 0.0))


def _strings(value: object) -> list[str]:
    """The texts in one tag value, whatever its format wraps them in; pictures and numbers in tuples are none."""
    value = getattr(value, "text", getattr(value, "url", value))
    values = value if isinstance(value, list) else [value]
    return [text for item in values if not isinstance(item, bytes | tuple) for text in str(item).split("\0")]


def _av_texts(path: Path) -> tuple[Texts, float]:
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            # FFmpeg takes the suffix's word for files it cannot tell, and then finds no sample rate.
            if not any(stream.codec_context and stream.codec_context.sample_rate for stream in container.streams.audio):
                raise AudioError("there is no audio in it")
            texts = {key.lower(): [value] for key, value in container.metadata.items()}
            return texts, (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"it cannot be opened as audio: {reason}") from error


def _first(texts: Mapping[str, list[str]], names: Iterable[str]) -> list[str]:
    """The values under the first of `names` that has any."""
    for name in names:
        values = [value for value in texts.get(name, []) if value.strip()]
        if values:
            return values
    return []


def _line(values: Iterable[str]) -> str:
    """Different values, each on one line of valid Unicode, joined by `;`."""
    texts = ("".join(char if char.isprintable() else " " for char in value) for value in values)
    return ";".join(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))


def _year(dates: Iterable[str]) -> int | None:
    """The first year in dates such as `1999-05-01`, `May 1999` or `19990501`."""
    found = re.search(r"(?<!\d)([12]\d{3})(?:\d{4})?(?!\d)", " ".join(dates))
    return int(found[1]) if found else None
