"""A page that is really served, and a browser that really opens it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import uvicorn

from served_library import ServedApp
from soundkin.assess.annotator_state import SessionConfig
from soundkin.assess.assessment import Assessment
from soundkin.pipelines.assess import open_assessment
from soundkin.pipelines.sync import sync
from soundkin.service.assess_page import make_app
from subsonic_library import TOKEN, build_subsonic_library

RATE_HZ, SECONDS = 22_050, 5
QUICK = {
    "tutorial": 2,
    "qualifier": 3,
    "qualifier_right": 2,
    "gold_every": 3,
    "listen_seconds": 0.3,
    "fast_seconds": 0.0,
}


@pytest.fixture(scope="session")
def music_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve tracks by twelve artists in three genres, each a tone of its own; titles that a page must not
    show.
    """
    folder = tmp_path_factory.mktemp("tones")
    seconds = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    rows = ["track_id,path,title,artist,genre"]
    for number in range(12):
        tone = 0.3 * np.sin(2 * np.pi * (200 + 60 * number) * seconds)
        soundfile.write(folder / f"{number}.wav", tone, RATE_HZ)
        rows.append(
            f"track-{number},{number}.wav,Secret Title {number},Secret Artist {number},genre {number % 3}"
        )
    (folder / "catalog.csv").write_text("\n".join(rows) + "\n")
    return folder / "catalog.csv"


@pytest.fixture
def opened(music_catalog: Path, tmp_path: Path) -> Iterator[Callable[..., Assessment]]:
    """Opens an assessment whose answers are in tmp_path/triplets.csv; settings may be given by name."""
    assessments: list[Assessment] = []

    def open_(**settings: Any) -> Assessment:
        for assessment in assessments:
            assessment.close()
        config = SessionConfig(**{**QUICK, **settings})
        assessments.append(open_assessment(music_catalog, tmp_path / "triplets.csv", sessions=config))
        return assessments[-1]

    yield open_
    for assessment in assessments:
        assessment.close()


class Served:
    """An assessment on a port of its own, in a thread."""

    def __init__(self, assessment: Assessment, port: int = 0) -> None:
        self.assessment = assessment
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/"
        settings = uvicorn.Config(
            make_app(assessment), log_level="error", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serves an assessment until the test ends."""
    running: list[Served] = []

    def start(assessment: Assessment, port: int = 0) -> Served:
        running.append(Served(assessment, port))
        return running[-1]

    yield start
    for served in running:
        served.stop()


@pytest.fixture(scope="session")
def library(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of 32 synthesised tracks by the default model; do not change it."""
    folder = tmp_path_factory.mktemp("libraries") / "library"
    sync(small_catalog.parent / "music", folder)
    return folder


@pytest.fixture(scope="session")
def asked(library: Path) -> Iterator[ServedApp]:
    """The library, served to this machine without a token."""
    served = ServedApp(library)
    yield served
    served.stop()


@pytest.fixture
def serve_library() -> Iterator[Callable[..., ServedApp]]:
    """Serves libraries until the test ends."""
    running: list[ServedApp] = []

    def start(folder: Path, **settings: Any) -> ServedApp:
        running.append(ServedApp(folder, **settings))
        return running[-1]

    yield start
    for served in running:
        served.stop()


@pytest.fixture(scope="session")
def subsonic_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of `subsonic_library`; do not change it."""
    folder = tmp_path_factory.mktemp("subsonic") / "library"
    build_subsonic_library(folder)
    return folder


@pytest.fixture(scope="session")
def subsonic(subsonic_folder: Path) -> Iterator[ServedApp]:
    """It served to this machine without a token."""
    served = ServedApp(subsonic_folder)
    yield served
    served.stop()


@pytest.fixture(scope="session")
def guarded_subsonic(subsonic_folder: Path) -> Iterator[ServedApp]:
    """It served with a token, and an access log."""
    served = ServedApp(subsonic_folder, token=TOKEN, access_log=True)
    yield served
    served.stop()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page with a fresh profile; an error in its script fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    page.set_default_timeout(10_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None
    )
    yield page
    context.close()
    assert not errors
