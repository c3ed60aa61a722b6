"""Cheap answers on an audio file: whether it has changed, and whether another holds the same sound."""

import hashlib
from pathlib import Path

import av

from soundkin.catalog.file_tags import open_container

READER = "1"
"""Goes up when tags are read another way, so that every file is read again."""
PAYLOAD_BYTES = 131_072  # 3 to 10 seconds of a compressed file


def signature(path: Path) -> str:
    """Changes when the file, or the lyrics beside it, do: size, times and inode, without opening anything.

    Raises:
        OSError: the file cannot be reached.
    """
    parts = [READER, _state(path)]
    for suffix in (".lrc", ".txt"):
        try:
            parts.append(_state(path.with_suffix(suffix)))
        except OSError:
            parts.append("-")
    return " ".join(parts)


def _state(path: Path) -> str:
    found = path.stat()
    # Tag editors can set the time of writing back, but not that of the last change.
    return f"{found.st_size}.{found.st_mtime_ns}.{found.st_ctime_ns}.{found.st_ino}"


def content_hash(path: Path) -> str:
    """Hash of the first encoded sound in a file, whatever its tags and pictures; `` if there is none."""
    digest, read = hashlib.sha256(), 0
    try:
        with open_container(path, {"probesize": "4096", "analyzeduration": "1"}) as container:
            for packet in container.demux(container.streams.audio[0]):
                digest.update(packet)
                read += packet.size
                if read >= PAYLOAD_BYTES:
                    break
    except (av.FFmpegError, OSError, ValueError, IndexError):
        pass  # of a damaged file, what could be read
    return digest.hexdigest()[:16] if read else ""
