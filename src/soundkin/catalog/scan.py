"""From a folder of music to catalog rows: which files are audio, and a track id for each."""

import hashlib
import os
import re
import stat
import unicodedata
from pathlib import Path

from soundkin.catalog.paths import is_inside
from soundkin.errors import Skipped

AUDIO_SUFFIXES = (".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wav", ".aif", ".aiff", ".wma", ".wv")


def find_audio(folder: Path) -> tuple[list[str], list[Skipped]]:
    """Paths of the audio files in `folder` and below, relative to it, sorted; and what was left out, with reasons.

    Hidden files and folders are no music. Links are not followed: those to somewhere inside would list a track twice
    or for ever, those that lead out are reported.
    """
    found: list[str] = []
    skipped: list[Skipped] = []

    def unreadable(error: OSError) -> None:
        skipped.append(_skipped(error.filename, f"the folder cannot be listed: {error.strerror}"))

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        audio = [name for name in files if name.lower().endswith(AUDIO_SUFFIXES)]
        walked = []
        for name in (name for name in folders + audio if not name.startswith(".")):
            path = Path(parent, name)
            kind = _kind(folder, path)
            if kind == "file":
                found.append(path.relative_to(folder).as_posix())
            elif kind == "folder":
                walked.append(name)
            elif kind:
                skipped.append(_skipped(path, kind))
        folders[:] = walked
    return sorted(found), sorted(skipped, key=lambda item: item.path)


def _skipped(path: str | Path, reason: str) -> Skipped:
    """With a path that can be printed, even if its bytes are not UTF-8."""
    return Skipped(os.fsencode(path).decode(errors="replace"), reason)


def _kind(folder: Path, path: Path) -> str:
    """`file`, `folder`, `` for a link to one of ours, or the reason why it cannot be listed."""
    try:
        path.name.encode()
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) and path.exists():
            return "" if is_inside(folder, path) else f"a link that leads out of {folder}; scan where it leads to"
    except UnicodeEncodeError:
        return "its name is not valid UTF-8; rename it"
    except OSError as error:
        return f"it cannot be reached: {error.strerror}"
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "a broken link"}
    return kinds.get(stat.S_IFMT(mode), "not a regular file")


def track_id(relative_path: str) -> str:
    """A readable id that depends on the path alone, so that it stays when other files come and go.

    >>> track_id("Nina Simone/Pastel Blues/08 Sinnerman.flac")
    'nina-simone-pastel-blues-08-sinnerman-44426429'
    """
    path = unicodedata.normalize("NFC", relative_path)
    words = re.sub(r"[\W_]+", "-", path.rpartition(".")[0].lower()).strip("-")
    return f"{words[-60:].lstrip('-')}-{hashlib.sha256(path.encode()).hexdigest()[:8]}".lstrip("-")
