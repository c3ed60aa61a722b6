"""The audio files of a folder as a scan reads them: tags, and whether file or sound have changed."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path

import av

from soundkin.catalog.audio_files import AUDIO_SUFFIXES, FILM_SUFFIXES, FolderFiles, track_id
from soundkin.catalog.file_tags import NoAudioError, Tags, open_container, read_tags
from soundkin.catalog.paths import from_disk, on_disk, printable
from soundkin.errors import AudioError, Skipped
from soundkin.progress import progress

FIELDS = tuple(field.name for field in fields(Tags))
READER = "1"  # goes up when tags are read another way, so that every file is read again
PAYLOAD_BYTES = 131_072  # 3 to 10 seconds of a compressed file


@dataclass(frozen=True)
class ScannedFile:
    """A file as a scan read it: its tags as cells, by `FIELDS`, its `signature` and `content_hash`."""

    place: str  # absolute path
    path: str  # relative to the scanned folder
    default_id: str  # the id that its path gives it
    tags: Mapping[str, str]
    signature: str
    content: str


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
            return ScannedFile(place, path, track_id(path), tags, state, content_hash(file))
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
