"""Audio in object stores: fsspec's memory, and a server on loopback that fails and changes as told."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fsspec.registry import known_implementations

from soundkin.errors import AudioError, AudioStoreError, UsageError
from soundkin.features import remote_audio
from soundkin.features.remote_audio import RemoteFile, remote_files


@dataclass
class Store:
    """What is at `url`, by name, and with which status it answers."""

    files: dict[str, bytes] = field(default_factory=dict)
    failures: int = 0  # of the next requests
    asked: Counter[str] = field(default_factory=Counter)  # by method
    url: str = ""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store over HTTP, whose files have an ETag."""
    pytest.importorskip("aiohttp", reason="fsspec reads http by aiohttp")
    monkeypatch.setattr(remote_audio, "PAUSES_SECONDS", (0.0, 0.0))
    made = Store()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked[self.command] += 1
            content = made.files.get(self.path.strip("/"))
            made.failures, failing = max(0, made.failures - 1), made.failures > 0
            self.send_response(503 if failing else 404 if content is None else 200)
            body = b"" if failing or content is None else content
            self.send_header("ETag", f'"{hash(body)}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()


def test_a_file_is_copied_and_the_copy_deleted(store: Store) -> None:
    store.files["song.mp3"] = b"sound"
    file = RemoteFile(f"{store.url}/song.mp3")
    before = file.version()
    with file.copied() as copy:
        assert copy.read_bytes() == b"sound"
    assert not copy.parent.exists()
    assert before == file.version() != ""
    store.files["song.mp3"] = b"other"
    assert file.version() != before


def test_a_file_that_is_not_there_is_not_the_stores_fault(store: Store) -> None:
    for ask in (RemoteFile.version, lambda file: file.copied().__enter__()):
        with pytest.raises(AudioError, match=r"/none\.mp3 cannot be read: there is no such file\.$"):
            ask(RemoteFile(f"{store.url}/none.mp3"))


def test_a_store_is_asked_again_and_then_named(store: Store) -> None:
    store.files["song.mp3"] = b"sound"
    file = RemoteFile(f"{store.url}/song.mp3")
    store.failures = 2
    with file.copied() as copy:
        assert copy.read_bytes() == b"sound"
    store.failures = 99
    with pytest.raises(
        AudioStoreError, match=r"/song\.mp3 cannot be read, asked 3 times: .*503.* to go on\.$"
    ):
        file.copied().__enter__()
    gone = RemoteFile("http://127.0.0.1:1/song.mp3")
    with pytest.raises(AudioStoreError, match=r"asked 3 times: .*Check the store"):
        gone.version()


def test_paths_are_relative_to_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = remote_files("memory://music/", ["Nina/01 #1.mp3"])
    assert [str(file) for file in files] == ["memory://music/Nina/01 #1.mp3"]
    [spelled] = remote_files("http://127.0.0.1/music", ["Nina/01 #1?.mp3"])
    assert spelled.url == "http://127.0.0.1/music/Nina/01%20%231%3F.mp3"
    for url, paths, message in (
        ("music", ["a.mp3"], r"^audio=music is no URL\. Give one such as"),
        ("nowhere://music", ["a.mp3"], r"^nowhere://music cannot be opened: .*nowhere"),
        ("memory://music", ["/a.mp3"], r"^/a\.mp3 is absolute, and is to lie in memory://music"),
    ):
        with pytest.raises(UsageError, match=message):
            remote_files(url, paths)


def test_a_store_whose_package_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lacks = {"class": "nowhere_to_be_found.S3", "err": "Install s3fs to access S3"}
    monkeypatch.setitem(known_implementations, "s3", lacks)
    with pytest.raises(UsageError, match=r"^s3://bucket cannot be opened: Install s3fs to access S3\.$"):
        remote_files("s3://bucket", ["a.mp3"])


def test_versions_that_say_nothing_are_none(tmp_path: Path) -> None:
    (tmp_path / "song.mp3").write_bytes(b"sound")
    assert RemoteFile(f"file://{tmp_path}/song.mp3").version() == ""
