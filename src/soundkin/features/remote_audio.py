"""Audio in object stores (`s3://bucket/song.mp3`) and wherever else fsspec reads: copied here, file by file.

Decoders seek, and the hash is of the whole file: it is copied once, read, and deleted. A file that is not
there is one that cannot be used; whatever else goes wrong is the store's affair, is tried again, and then
ends the work. Keys and endpoints are those that fsspec and the store's package find (environment, config).
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from soundkin.errors import AudioError, AudioStoreError, UsageError
from soundkin.features.file_hashes import remembered_url

PAUSES_SECONDS = (1.0, 5.0, 15.0)  # before a store is asked again
# What stores call what changes with a file's content; size and time alone are not trusted.
VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "generation", "version_id")


@dataclass(frozen=True)
class RemoteFile:
    """A file by its URL. `known` is a version of it, and the hash that its content had then."""

    url: str
    known: tuple[str, str] = ("", "")

    def __str__(self) -> str:
        return self.url

    def version(self) -> str:
        """What changes with the file; empty where the store tells nothing of that kind.

        Raises:
            AudioError: there is no such file.
            AudioStoreError: the store does not say.
        """
        details = self._asked(lambda files, path: files.info(path))
        return next((f"{name}:{details[name]}" for name in VERSIONS if details.get(name)), "")

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """A copy on this machine for a while; raises as `version` does."""
        with tempfile.TemporaryDirectory(prefix="soundkin-") as folder:
            copy = Path(folder) / "audio"
            self._asked(lambda files, path: files.get_file(path, str(copy)))
            yield copy

    def _asked(self, question: Callable[[Any, str], Any]) -> Any:
        files, path = _file_system(self.url)
        for pause in (*PAUSES_SECONDS, None):
            try:
                return question(files, path)
            except Exception as error:  # each store has its own
                if _is_not_there(error):
                    raise AudioError(f"{self.url} cannot be read: there is no such file.") from error
                if pause is None:
                    why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
                    raise AudioStoreError(
                        f"{self.url} cannot be read, asked {len(PAUSES_SECONDS) + 1} times: {why}. Check the "
                        "store and the keys to it, and run the same command again to go on."
                    ) from error
            files.invalidate_cache()
            time.sleep(pause)


def remote_files(folder_url: str, paths: Sequence[str]) -> list[RemoteFile]:
    """Files by paths relative to `folder_url`, with what is remembered of them.

    Raises:
        UsageError: this is no URL, nothing here opens such URLs, or a path is absolute.
    """
    if "://" not in folder_url:
        raise UsageError(
            f"audio={folder_url} is no URL. Give one such as s3://bucket/music; a folder goes into the "
            "catalog's column audio_folder."
        )
    _file_system(folder_url)
    spell = quote if folder_url.startswith(("http://", "https://")) else str
    urls = [f"{folder_url.rstrip('/')}/{spell(path)}" for path in paths]
    if absolute := next((path for path in paths if path.startswith("/")), None):
        raise UsageError(f"{absolute} is absolute, and is to lie in {folder_url}. Write it relative to that.")
    return [RemoteFile(url, remembered_url(url)) for url in urls]


def _is_not_there(error: Exception) -> bool:
    """Whether a store says that there is no such file; over HTTP, fsspec says so of all that goes wrong."""
    cause = error.__cause__
    unreachable = isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)
    refused = getattr(cause, "status", 404) not in (404, 410)
    return isinstance(error, FileNotFoundError | IsADirectoryError) and not (unreachable or refused)


def _file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url} cannot be opened: {str(error).rstrip('.')}.") from error
    return files, str(path)
