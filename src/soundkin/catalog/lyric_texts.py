"""Lyrics as plain text, from cells of the catalog, files that these name, or files next to the audio."""

import logging
import re
from pathlib import Path

import numpy as np

from soundkin.catalog.paths import absolute_elsewhere, climbing, linked_elsewhere, on_disk, with_slashes
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError

log = logging.getLogger(__name__)

LARGEST_BYTES = 1_000_000  # a longer .txt next to the audio is a log or a book, not a song


def lyrics_of(catalog: Catalog) -> list[str]:
    """The words of each track in row order; `` where there are none.

    A cell of the column `lyrics` holds the words, or names a .txt or .lrc file relative to the catalog's
    folder, as `path` is. A file that is missing, too large or not UTF-8 counts as no lyrics, with a warning
    in the log. Raises CatalogError about a file outside the folder.
    """
    if "lyrics" not in catalog.frame:
        return [""] * len(catalog)
    cells = catalog.frame["lyrics"].fillna("").astype("str")
    named = cells.str.fullmatch(r"[^\r\n]+\.(?:txt|lrc)", case=False).to_numpy(bool)
    cells[named] = with_slashes(catalog.folder, cells[named])
    files, folder = cells[named], catalog.folder
    linked = linked_elsewhere(folder, files.str.removeprefix(f"{folder}/"))
    outside = np.flatnonzero(absolute_elsewhere(folder, files) | climbing(files) | linked)
    if len(outside):
        row, cell = files.index[outside[0]], files.iloc[outside[0]]
        where = f"{catalog.source}, track_id={catalog.track_ids[row]}: lyrics={cell}"
        hint = "Copy the file there, or write the words into the cell."
        raise CatalogError(f"{where} lies outside {folder}, or may, by `..` or a link. {hint}")
    texts = [plain_lyrics(cell) for cell in cells.where(~named, "")]
    unread = []
    for row in np.flatnonzero(named):
        texts[row], problem = _read(catalog.folder / on_disk(cells.iloc[row]))
        if problem:
            unread.append(f"track_id={catalog.track_ids[row]}: lyrics={cells.iloc[row]} {problem}")
    if unread:
        message = (
            "%s: %d of %d files of lyrics cannot be read, the first for %s. These tracks count as without"
        )
        log.warning(message, catalog.source, len(unread), named.sum(), unread[0])
    return texts


def lyrics_beside(audio: Path) -> str:
    """The words in `song.lrc` or `song.txt` next to `song.mp3`; `` where there is none that is UTF-8 text."""
    for suffix in (".lrc", ".txt"):
        text, problem = _read(audio.with_suffix(suffix), follow_links=False)
        if not problem:
            return text
    return ""


def plain_lyrics(text: str) -> str:
    """Words without the times `[01:23.45]`, `<01:23.45>` and the headers `[ar: ...]` of LRC.

    >>> plain_lyrics("[ar: Nina]\\n[00:12.00]Birds [00:13.10]flying\\n[00:15]High")
    'Birds flying\\nHigh'
    """
    lines = (line for line in text.splitlines() if not re.fullmatch(r"\s*\[[a-zA-Z#]+:.*\]\s*", line))
    words = (re.sub(r"[\[<]\d+:\d+(?:[.:]\d+)?[\]>]", "", line).strip() for line in lines)
    return "\n".join(words).strip().replace("\0", "")


def _read(file: Path, follow_links: bool = True) -> tuple[str, str]:
    """The words in a text file, and what is wrong with it, if anything."""
    try:
        if not file.is_file() or (file.is_symlink() and not follow_links):
            return "", "is no file"
        if file.stat().st_size > LARGEST_BYTES:
            return "", f"holds more than {LARGEST_BYTES:,} bytes"
        return plain_lyrics(file.read_text(encoding="utf-8-sig")), ""
    except UnicodeDecodeError:
        return "", "is not UTF-8 text"
    except OSError as error:
        return "", f"cannot be opened: {error.strerror}"
