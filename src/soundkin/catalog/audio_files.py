"""From a folder of music to catalog rows: which files are audio, and a track id for each."""

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from soundkin.catalog.paths import from_disk, is_inside, not_allowed, on_disk, printable
from soundkin.errors import Skipped


def _suffixes(names: str) -> tuple[str, ...]:
    return tuple(f".{name}" for name in names.split())


AUDIO_SUFFIXES = _suffixes(
    "mp3 flac m4a ogg opus wav aac aif aiff wma oga spx m4b m4r mp2 mp1 mpga fla adts wave bwf rf64 aifc au "
    "snd caf w64 wv ape mpc mp+ tta tak dsf dff shn amr awb ac3 eac3 ec3 dts truehd thd oma aa3 voc mka weba "
    "ra xwma wsd nut"
)
# Music when there is audio in them; no line is due when there is none.
FILM_SUFFIXES = _suffixes("mp4 m4v mov mkv webm ogv avi wmv asf flv mpg mpeg vob m2ts mts 3gp 3g2 rm rmvb")
# Audio that no decoder of ours opens: OptimFROG, and what is encrypted.
UNREADABLE_SUFFIXES = _suffixes("ofr ofs m4p aax aaxc aa")
# Not worth a look inside, as files of an unknown suffix are.
NO_AUDIO_SUFFIXES = _suffixes(
    "jpg jpeg png gif webp bmp txt lrc log cue m3u m3u8 pls nfo md pdf csv tsv json xml html parquet zip "
    "part tmp"
)
# How files of audio begin, whatever they are called.
MAGIC = re.compile(
    rb"ID3|fLaC|OggS|MAC |wvpk|MPCK|MP\+|caff|TTA1|tBaK|#!AMR|DSD |FRM8|\x1aE\xdf\xa3|0&\xb2u"
    rb"|R(?:IFF|F64)....WAVE|FORM....AIF[FC]|....ftyp(?:M4|mp4|iso|3g|qt)|\xff[\xfb\xfa\xf3\xf2]",
    re.DOTALL,
)
LINKED_TWICE = "a link to what is listed anyway"
BAD_NAME = "its name is not valid UTF-8; rename it"


@dataclass
class FolderFiles:
    """The files of a folder: `audio` as paths relative to it, sorted, and what is not listed there.

    `skipped` should have been: it cannot be read, or a link leads out of the folder. `passed_over` is hidden,
    or a second name of a listed file. `others` counts files that are no audio. `linked_folders` are real
    paths outside the folder that links led to.
    """

    audio: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    passed_over: list[Skipped] = field(default_factory=list)
    others: int = 0
    linked_folders: set[str] = field(default_factory=set)


def find_audio(folder: Path, reachable: Path | None = None, follow_links: bool = False) -> FolderFiles:
    """Look for audio in `folder` and below: by suffix, and where that says nothing by how a file begins.

    Links are followed where they lead to something inside `folder` that is not listed anyway, such as a
    hidden store; loops end. Links that lead out of it are named, unless `follow_links`, as is audio that is
    hidden. Only into a hidden store may links to files lead further, if it lies in `reachable`: that of
    git-annex is next to the music.
    """
    search = _Search(folder, reachable or folder, follow_links)
    search.walk("")
    search.follow_links()
    search.count_hidden()
    files = search.files
    if files.audio:
        paths = pd.Series(files.audio, dtype="str")
        bad = not_allowed(folder, paths)
        for path in paths[bad]:
            search.skip(on_disk(path), "a catalog cannot hold its name; rename it")
        files.audio = sorted(paths[~bad])
    files.skipped.sort(key=lambda item: item.path)
    files.passed_over.sort(key=lambda item: item.path)
    return files


class _Search:
    def __init__(self, folder: Path, reachable: Path, out_of_folder: bool) -> None:
        self.folder = folder
        self.out_of_folder = out_of_folder  # whether links may lead there
        self.reachable = os.path.realpath(reachable)
        self.files = FolderFiles()
        self.walked: set[str] = set()  # real paths of folders
        self.listed: set[str] = set()  # real paths of audio files
        self.folder_links: list[tuple[str, str]] = []  # a path and the real one
        self.file_links: list[tuple[str, str]] = []
        self.hidden_folders: list[str] = []

    def walk(self, start: str) -> None:
        """List the audio in and below `start`, relative to the top; links are put by for later."""
        waiting = [start]
        while waiting:
            parent = waiting.pop()
            real = os.path.realpath(self.folder / parent)
            if real in self.walked:
                continue
            self.walked.add(real)
            try:
                with os.scandir(real) as listing:
                    entries = list(listing)
            except OSError as error:
                self.skip(parent, f"the folder cannot be listed: {error.strerror}")
            else:
                waiting += [path for entry in entries if (path := self._take(parent, entry))]

    def follow_links(self) -> None:
        """List what links lead to, where it is not listed yet; walking a folder may find more of them."""
        while self.folder_links:
            links, self.folder_links = sorted(self.folder_links), []
            for path, real in links:
                if real in self.walked:
                    self._pass_over(path, LINKED_TWICE)
                else:
                    self.walk(path)
        walked = set(self.listed)
        for path, real in sorted(self.file_links):
            if real in walked:
                self._pass_over(path, LINKED_TWICE)
            else:
                self._list(path, real)

    def count_hidden(self) -> None:
        """Name the hidden folders that hold audio which no link has led to."""
        for path in self.hidden_folders:
            count = sum(
                name.lower().endswith(AUDIO_SUFFIXES) and f"{parent}/{name}" not in self.listed
                for parent, _, names in os.walk(os.path.realpath(self.folder / path))
                if parent not in self.walked
                for name in names
            )
            if count:
                self._pass_over(path, f"a hidden folder, with {count} audio file{'s' * (count > 1)}")

    def skip(self, path: str, reason: str) -> None:
        """Record what should have been listed."""
        self.files.skipped.append(Skipped(printable(self.folder / path), reason))

    def _pass_over(self, path: str, reason: str) -> None:
        self.files.passed_over.append(Skipped(printable(self.folder / path), reason))

    def _list(self, path: str, real: str) -> None:
        self.files.audio.append(from_disk(path))
        self.listed.add(real)

    def _take(self, parent: str, entry: "os.DirEntry[str]") -> str:
        """Put one entry of a folder where it belongs; the path of a folder that is to be walked, or ``."""
        path, name = f"{parent}/{entry.name}".lstrip("/"), entry.name.lower()
        if name.startswith("."):
            if entry.is_dir(follow_symlinks=False):
                self.hidden_folders.append(path)
            elif name.endswith(AUDIO_SUFFIXES) and not name.startswith("._"):  # not a Mac's side file
                self._pass_over(path, "hidden")
            else:
                self.files.others += 1
        elif entry.is_symlink():
            self._keep_link(path, entry)
        elif not _is_utf8(entry.name) and (entry.is_dir() or _may_be_audio(entry)):
            self.skip(path, BAD_NAME)
        elif entry.is_dir():
            return path
        elif name.endswith(UNREADABLE_SUFFIXES):
            self.skip(path, "no decoder here opens this kind of audio; convert it")
        elif not _may_be_audio(entry):
            self.files.others += 1
        elif not entry.is_file():
            self.skip(path, "not a regular file")
        else:
            self._list(path, entry.path)
        return ""

    def _keep_link(self, path: str, entry: "os.DirEntry[str]") -> None:
        """Keep a link for `follow_links`, unless it leads to nothing, to no audio, or out of the folder."""
        try:
            mode = entry.stat().st_mode
        except OSError:
            mode = 0
        is_folder, is_file = stat.S_ISDIR(mode), stat.S_ISREG(mode)
        real = os.path.realpath(self.folder / path)
        in_store = (
            not is_folder and real.startswith(f"{self.reachable}/") and "/." in real[len(self.reachable) :]
        )
        leads_out = not in_store and not is_inside(self.folder, self.folder / path)
        if entry.name.lower().endswith(NO_AUDIO_SUFFIXES) or (is_file and not _may_be_audio(entry)):
            self.files.others += 1
        elif not (is_folder or is_file):
            self.skip(path, "a broken link")
        elif leads_out and not self.out_of_folder:
            self.skip(path, f"a link that leads out of {self.folder}; --follow-links reads what it leads to")
        elif leads_out and is_folder and is_inside(Path(real), (self.folder / path).parent):
            self.skip(path, f"a link to {printable(real)}, which holds it: a loop")
        elif not _is_utf8(entry.name):
            self.skip(path, BAD_NAME)
        else:
            (self.folder_links if is_folder else self.file_links).append((path, real))
            if leads_out:
                self.files.linked_folders.add(real if is_folder else str(Path(real).parent))


def _is_utf8(name: str) -> bool:
    try:
        return bool(from_disk(name))
    except UnicodeDecodeError:
        return False


def _may_be_audio(entry: "os.DirEntry[str]") -> bool:
    """By its suffix, or else by how it begins."""
    name = entry.name.lower()
    if name.endswith(AUDIO_SUFFIXES + FILM_SUFFIXES):
        return True
    if name.endswith(NO_AUDIO_SUFFIXES) or not entry.is_file():
        return False
    try:
        with open(entry.path, "rb") as file:  # noqa: PTH123  # a Path for each file of a library takes time
            return MAGIC.match(file.read(12)) is not None
    except OSError:
        return False


def track_id(relative_path: str, copy: int = 1) -> str:
    """A readable id that depends on the path alone, so that it stays when other files are added or deleted.

    Paths that differ only in Unicode form (Macs write another one) share it; `copy` 2, 3, ... tells them
    apart.

    >>> track_id("Nina Simone/Pastel Blues/08 Sinnerman.flac")
    'nina-simone-pastel-blues-08-sinnerman-44426429'
    """
    path = unicodedata.normalize("NFC", relative_path)
    words = re.sub(r"[\W_]+", "-", path.rpartition(".")[0].lower()).strip("-")
    salt = f"\0{copy}" if copy > 1 else ""
    return f"{words[-60:].lstrip('-')}-{hashlib.sha256((path + salt).encode()).hexdigest()[:8]}".lstrip("-")


def new_ids(paths: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """A track id for each of these paths, none like another or among the ids already `taken`."""
    used = set(taken)
    ids = {}
    for path in sorted(paths):
        copy = 1
        while (chosen := track_id(path, copy)) in used:
            copy += 1
        used.add(chosen)
        ids[path] = chosen
    return ids
