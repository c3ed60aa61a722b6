"""What an audio file says of itself: title, artist, album, genres, year, lyrics, licence, MBID and length.

mutagen reads the tags of ID3 (mp3, wav, aiff), Vorbis comments (flac, ogg, opus), MP4 (m4a, m4b), APEv2 and
ASF (wma); ID3 and APEv2 also where both are in one file. What it cannot open (mka, webm, au, caf, ...), and
wav files with RIFF INFO tags, are opened by PyAV, which goes by content whatever the name says.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import mutagen
from mutagen.aac import AAC
from mutagen.ac3 import AC3
from mutagen.apev2 import APEv2, APEv2File
from mutagen.id3 import ID3, SYLT, TCON, UFID, ID3FileType
from mutagen.mp4 import MP4, AtomDataType, MP4FreeForm

from soundkin.catalog.artists import word_list
from soundkin.catalog.lyric_texts import lyrics_beside, plain_lyrics
from soundkin.errors import AudioError

# Where each format keeps what we want to know, in lower case, the best place first.
TAG_NAMES = {
    "title": ("tit2", "©nam", "title", "track/title"),
    "artist": (
        *("tpe1", "©art", "artist", "author", "artists", "track/artist"),
        *("tpe2", "aart", "albumartist", "album artist", "album_artist", "wm/albumartist", "album/artist"),
    ),
    "album": ("talb", "©alb", "album", "wm/albumtitle", "album/title"),
    "genre": ("tcon", "©gen", "genre", "wm/genre", "track/genre", "album/genre"),
    # The year of the recording, before that of a remaster.
    "year": (
        *("tdor", "originaldate", "originalyear", "original year", "wm/originalreleaseyear", "date_recorded"),
        *("tdrc", "©day", "date", "year", "wm/year", "date_released", "album/date_released"),
    ),
    "lyrics": (
        *("uslt", "©lyr", "lyrics", "unsyncedlyrics", "unsynced lyrics", "wm/lyrics", "syncedlyrics", "sylt"),
    ),
    "licence": ("wcop", "license", "licence", "tcop", "cprt", "copyright"),
    # Called a track's id by taggers: MusicBrainz has named it a recording's since.
    "recording_mbid": ("ufid", "musicbrainz_trackid", "musicbrainz track id", "musicbrainz/track id"),
}

WORDS = range(3)  # of what SYLT frames hold: anything, lyrics, transcriptions; not chords or events
TAKES_ID3_AND_APE = (ID3FileType, APEv2File, AAC, AC3)

Texts = dict[str, list[str]]


class NoAudioError(AudioError):
    """The file can be opened, and there is no audio in it: a silent film, a picture."""


@dataclass(frozen=True)
class Tags:
    """Labels as catalog cells hold them: `` where unknown, several values joined by `;`."""

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    duration: float | None = None  # seconds, as the container claims
    lyrics: str = ""
    licence: str = ""
    recording_mbid: str = ""  # MusicBrainz' id of the recording


def read_tags(path: Path) -> Tags:
    """Read the tags of one audio file, and the lyrics in a file next to it where it holds none."""
    sources, duration = _mutagen_texts(path) or _av_texts(path)
    texts = {field: _first(sources, names) for field, names in TAG_NAMES.items()}
    artists = _first(sources, ["artists"])  # each by itself, where `artist` may be `Ann feat. Bob`
    return Tags(
        title=as_line(texts["title"][:1]),
        artist=as_line(artists if len(artists) > 1 else texts["artist"]),
        album=as_line(texts["album"][:1]),
        genre=as_line(split_genres(texts["genre"])),
        year=_year(texts["year"]),
        duration=round(duration, 2) if math.isfinite(duration) and duration > 0 else None,
        lyrics=next(filter(None, map(plain_lyrics, texts["lyrics"])), "") or lyrics_beside(path),
        licence=as_line(texts["licence"][:1]),
        recording_mbid=as_line(texts["recording_mbid"][:1]),
    )


def as_line(values: Iterable[str]) -> str:
    """Different values, each on one line of valid Unicode, joined by `;`."""
    texts = ("".join(char if char.isprintable() else " " for char in value) for value in values)
    return ";".join(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))


def split_genres(texts: Iterable[str]) -> list[str]:
    """The single genres, ID3's numbers spelled out; names in whole_genres.txt stay in one piece.

    >>> split_genres(["Rock/Pop, Hip-Hop/Rap", "(17)"])
    ['Rock', 'Pop', 'Hip-Hop/Rap', 'Rock']
    """
    names = [name.strip() for text in texts for name in _genre_pattern().findall(text)]
    return TCON(encoding=3, text=names).genres  # type: ignore[no-untyped-call, no-any-return]


@cache
def _genre_pattern() -> re.Pattern[str]:
    """One genre: a name of whole_genres.txt, whatever its spaces and hyphens, or all up to a separator."""
    names = sorted(
        (re.sub(r"[\s-]", "", name) for name in word_list("whole_genres.txt")), key=len, reverse=True
    )
    whole = "|".join(r"[\s-]*".join(map(re.escape, name)) for name in names)
    separator = r";,/\\|\0"
    pattern = rf"[\s-]*(?:{whole})[\s-]*(?=[{separator}]|\Z)|[^{separator}]+"
    return re.compile(pattern, re.IGNORECASE)


def _mutagen_texts(path: Path) -> tuple[list[Texts], float] | None:
    """Tag names in lower case with their values, the best source first, and seconds; None if unreadable."""
    try:
        file = mutagen.File(path)
    except Exception:  # mutated files make mutagen raise IndexError and more besides its own MutagenError
        return None
    if file is None or (not file.tags and "audio/wav" in file.mime):
        return None
    if isinstance(file, MP4) and not getattr(file.info, "codec", ""):  # a film without sound
        return None
    sources = [file.tags]
    if isinstance(file, TAKES_ID3_AND_APE):
        for kind in (ID3, APEv2):  # mp3gain and foobar2000 add APEv2 tags to an mp3
            if not isinstance(file.tags, kind):
                with suppress(Exception):  # none there, or mutated
                    sources.append(kind(path))
    # ID3v1 comes last: it cuts titles after 30 letters.
    sources = sorted(filter(None, sources), key=lambda tags: isinstance(tags, ID3) and tags.version < (2,))
    return [_texts(tags) for tags in sources], float(getattr(file.info, "length", 0.0))


def _texts(tags: Any) -> Texts:
    texts: Texts = {}
    for key, value in tags.items():
        # `USLT::eng` is uslt, but of `TXXX:LYRICS` and `----:com.apple.iTunes:LYRICS` the last word counts.
        name = key.rpartition(":")[2] if key.startswith(("TXXX:", "----:")) else key.partition(":")[0]
        texts.setdefault(name.lower(), []).extend(_strings(value))
    return texts


def _strings(value: object) -> Iterator[str]:
    """The texts in one tag value, whatever wraps them; pictures and numbers in tuples are none."""
    if isinstance(value, SYLT):
        if value.type in WORDS:  # type: ignore[attr-defined]
            yield _timed_words([text for text, _ in value.text])  # type: ignore[attr-defined]
        return
    if isinstance(value, UFID):
        if value.owner == "http://musicbrainz.org":  # type: ignore[attr-defined]
            yield value.data.decode("ascii", "replace")  # type: ignore[attr-defined]
        return
    value = getattr(value, "text", getattr(value, "url", value))
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, MP4FreeForm) and item.dataformat in (AtomDataType.IMPLICIT, AtomDataType.UTF8):
            item = bytes(item).decode(errors="replace")
        if not isinstance(item, bytes | tuple):
            yield from str(item).split("\0")


def _timed_words(pieces: list[str]) -> str:
    """One line each, or put together where white space in them shows that they are syllables."""
    syllables = any(piece != piece.strip() for piece in pieces)
    return ("" if syllables else "\n").join(pieces)


def _av_texts(path: Path) -> tuple[list[Texts], float]:
    try:
        with open_container(path) as container:
            # FFmpeg takes the suffix's word for files it cannot tell, and then finds no sample rate.
            codecs = [(stream, stream.codec_context) for stream in container.streams.audio]
            with_sound = [stream for stream, codec in codecs if codec and codec.sample_rate]
            if any(codec is None for _, codec in codecs) and not with_sound:
                raise AudioError("its audio is of a kind that no decoder here opens")
            if not with_sound:
                raise NoAudioError("there is no audio in it")
            sources = [_av_names(part.metadata) for part in (container, *with_sound[:1])]
            return sources, (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"it cannot be opened as audio: {reason}") from error


def open_container(path: Path, options: Mapping[str, str] | None = None) -> Any:
    """Open a file with PyAV, and nothing else that it may point to."""
    options = {"protocol_whitelist": "file", **(options or {})}
    return av.open(f"file:{path.absolute()}", options=options, metadata_errors="replace")


def _av_names(metadata: Mapping[str, str]) -> Texts:
    """FFmpeg says `lyrics-eng` where a language is given."""
    return {
        re.sub(r"^(lyrics|syncedlyrics)-.*", r"\1", key.lower()): [value] for key, value in metadata.items()
    }


def _first(sources: Iterable[Texts], names: Iterable[str]) -> list[str]:
    """The values under the first of `names` that has any, in the first source that knows one of the names."""
    names = list(names)
    for texts in sources:
        for name in names:
            values = [value for value in texts.get(name, []) if value.strip()]
            if values:
                return values
    return []


def _year(dates: Iterable[str]) -> int | None:
    """The first year in dates such as `1999-05-01`, `May 1999` or `19990501`."""
    year = re.search(r"(?<!\d)([12]\d{3})(?:\d{4})?(?!\d)", " ".join(dates))
    return int(year[1]) if year else None
