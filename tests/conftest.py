"""Shared by all tests: shape checks on, one thread a process, Ctrl-C heard, and the real music where it is at
hand.
"""

import os

os.environ["SOUNDKIN_TYPECHECK"] = "1"  # before soundkin is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is: several test processes share few cores

import atexit
import gc
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from redis_server import RedisServer

os.environ["SOUNDKIN_CACHE"] = tempfile.mkdtemp(
    prefix="soundkin-tests-"
)  # not the user's own; gone with the tests
for _home in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
    os.environ[_home] = f"{os.environ['SOUNDKIN_CACHE']}/{_home}"
atexit.register(shutil.rmtree, os.environ["SOUNDKIN_CACHE"], ignore_errors=True)

# A shell makes what it starts in the background deaf to Ctrl-C, children included; tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("fast", max_examples=20)  # every test has the usual hundred

MUSIC = Path(__file__).resolve().parents[2] / "shared" / "music"


def pytest_configure(config: pytest.Config) -> None:
    """Where slow tests are left out, hypothesis draws fewer examples."""
    if config.option.markexpr == "not slow":
        settings.load_profile("fast")


def pytest_collection_finish() -> None:
    """All that was imported stays: the garbage collector need not go through it in each test again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def music() -> Path:
    """A folder of real, openly licensed music; tests that need it skip where it is absent."""
    if not (MUSIC / "tracks.csv").exists():
        pytest.skip(f"needs the real music at {MUSIC}")
    return MUSIC


NEEDS_CHROMIUM = "needs Chromium: apt-get install chromium, or put a browser of that name on the PATH"
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, in which tests open pages; they skip where it is absent."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install soundkin[dev]")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip(NEEDS_CHROMIUM)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


NEEDS_REDIS = "needs redis-server: apt-get install redis-server, or put one on the PATH"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis of our own; tests that need one skip where it is absent."""
    if shutil.which("redis-server") is None:
        pytest.skip(NEEDS_REDIS)
    with RedisServer() as server:
        yield server


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say last how many tests were skipped, for want of what, and how to get it."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} test{'s' * (count > 1)} skipped: {reason}", yellow=True)
        if reason in (NEEDS_CHROMIUM, NEEDS_REDIS):
            files = sorted(
                {report.nodeid.partition("::")[0] for report in reports if reason in report.longrepr[2]}
            )
            terminalreporter.write_line(f"    in {', '.join(files)}")


@pytest.fixture(scope="session")
def small_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of 32 synthesised tracks by 16 artists in 2 genres, scanned from real files; do not change
    it.
    """
    from soundkin.corpus.corpus_config import CorpusConfig
    from soundkin.corpus.synthesise import synthesise
    from soundkin.pipelines.scan import scan

    folder = tmp_path_factory.mktemp("corpus")
    config = CorpusConfig(
        genres=2, artists_per_genre=8, tracks_per_artist=2, seconds=4.0, users=20, triplets=40
    )
    synthesise(folder, config, workers=1)
    scan(folder / "music", folder / "catalog.csv")
    return folder / "catalog.csv"
