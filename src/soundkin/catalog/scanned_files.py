"""The audio files of a folder as a scan reads them: tags, and whether file or sound have changed."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import av

from soundkin.catalog.audio_files import AUDIO_SUFFIXES, FILM_SUFFIXES, FolderFiles, track_id
from soundkin.catalog.file_tags import NoAudioError, Tags, open_container, read_tags
from soundkin.catalog.paths import from_disk, on_disk, printable
from soundkin.errors import AudioError, Skipped
from soundkin.progress import progress

FIELDS = tuple(field.name for field in fields(Tags))
READER = "3"  # goes up when tags are read another way, so that every file is read again
PAYLOAD_BYTES = 131_072  # 3 to 10 seconds of a compressed file
# Stretches of the rest: one each half minute, and at most eight, since each may cost a disk a seek.
STRETCH_BYTES, STRETCH_SECONDS, STRETCHES = 4096, 30, 8
UNREADABLE = (av.FFmpegError, OSError, ValueError, IndexError)


@dataclass(frozen=True)
class ScannedFile:
    """A file as a scan read it: its tags as cells, by `FIELDS`, its `signature` and `sound_hashes`."""

    place: str  # absolute path
    path: str  # relative to the scanned folder
    default_id: str  # the id that its path gives it
    tags: Mapping[str, str]
    signature: str
    content: str
    sound: str = ""  # not known of files that an earlier version read


def read_files(
    folder: Path, listing: FolderFiles, known: Mapping[str, ScannedFile], workers: int
) -> list[ScannedFile]:
    """Read `listing.audio`; what cannot be read is added to `listing` as skipped or other.

    Files with the signature of the `known` one at the same place are not opened.
    """
    top = from_disk(os.path.realpath(folder))

    def read(path: str) -> ScannedFile | AudioError:
        try:
            file = folder / on_disk(path)
            place, state = f"{top}/{path}", signature(file)
            if place in known and known[place].signature == state:
                return replace(known[place], path=path, default_id=track_id(path))
            values = asdict(read_tags(file))
            tags = {name: "" if value is None else str(value) for name, value in values.items()}
            return ScannedFile(place, path, track_id(path), tags, state, *sound_hashes(file))
        except AudioError as error:
            return error
        except OSError as error:
            return AudioError(f"it cannot be reached: {error.strerror}")

    # Threads: a file takes 1 ms of computing, the rest is waiting for the disk.
    with ThreadPool(workers) as pool:
        results = pool.imap(read, listing.audio, chunksize=16)
        answers = list(progress(results, "reading tags", total=len(listing.audio)))
    files = []
    for path, answer in zip(listing.audio, answers, strict=True):
        if isinstance(answer, ScannedFile):
            files.append(answer)
        elif path.lower().endswith(AUDIO_SUFFIXES) or (
            path.lower().endswith(FILM_SUFFIXES) and not isinstance(answer, NoAudioError)
        ):
            listing.skipped.append(Skipped(printable(folder / on_disk(path)), str(answer)))
        else:
            listing.others += 1
    return files


def signature(path: Path) -> str:
    """Size, times and inode of a file and of the lyrics next to it, to see whether they have changed."""
    parts = [READER, _state(path)]
    for suffix in (".lrc", ".txt"):
        try:
            parts.append(_state(path.with_suffix(suffix)))
        except OSError:
            parts.append("-")
    return " ".join(parts)


def _state(path: Path) -> str:
    state = path.stat()
    # Tag editors can set the time of writing back, but not that of the last change.
    return f"{state.st_size}.{state.st_mtime_ns}.{state.st_ctime_ns}.{state.st_ino}"


def sound_hashes(path: Path) -> tuple[str, str]:
    """Hash of the first encoded sound in a file, and of that and stretches of all the rest.

    Neither depends on tags and pictures. Both are `` if there is no sound. The first tells recordings apart;
    the second also notices a file that was changed further on, or has only half arrived.
    """
    digest, read, first = hashlib.sha256(), 0, ""
    settings = {"probesize": "4096", "analyzeduration": "1"}
    with suppress(*UNREADABLE), open_container(path, settings) as container:
        read = _add_packets(digest, container, PAYLOAD_BYTES)
        first = digest.hexdigest()[:16]
        seconds = (container.duration or 0) // av.time_base if read >= PAYLOAD_BYTES else 0
        step = max(STRETCH_SECONDS, seconds // STRETCHES)
        for second in range(step, seconds, step):
            container.seek(second * av.time_base)
            _add_packets(digest, container, STRETCH_BYTES)
    return (first, digest.hexdigest()[:32]) if read else ("", "")


def _add_packets(digest: "hashlib._Hash", container: Any, size: int) -> int:
    """Take `size` bytes of sound or a little more from here on; how many there were."""
    read = 0
    with suppress(*UNREADABLE):  # of a damaged file, what can be read
        for packet in container.demux(container.streams.audio[0]):
            digest.update(packet)
            read += packet.size
            if read >= size:
                break
    return read
