"""A Redis server for tests: on a free port and a unix socket, with nothing kept on disk."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self


class RedisServer:
    """Runs from `with` on; `url` and `tcp_url` are its addresses."""

    def __init__(self, *options: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="redis-"))  # short: a socket's path has at most 107 bytes
        self.socket = self._folder / "redis.sock"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self.tcp_url = f"unix://{self.socket}", f"redis://127.0.0.1:{self.port}"
        self._command = ["redis-server", "--port", str(self.port), "--unixsocket", str(self.socket)]
        self._command += ["--save", "", "--appendonly", "no", "--dir", str(self._folder), *options]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended"
            time.sleep(0.01)
        return self

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port)):
                return self.socket.exists()
        except OSError:
            return False

    def __exit__(self, *_: Any) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
