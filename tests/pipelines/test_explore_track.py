from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from made_songs import sung
from soundkin.cli.main import cli
from soundkin.errors import AudioError, UsageError
from soundkin.explore.song_spectra import RATE_HZ
from soundkin.pipelines import explore_track as module
from soundkin.pipelines.explore_track import explore_track

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "<b>A$AP.flac"
    soundfile.write(path, sung("ABAC", beats=32), RATE_HZ)
    return path


def test_the_form_is_found_from_sound(song: Path) -> None:
    found = explore_track(song)
    assert found.form == "ABAC"
    assert [section.start for section in found.sections] == pytest.approx([0, 16, 32, 48], abs=0.6)


def test_a_part_of_it(song: Path) -> None:
    found = explore_track(song, start=30, seconds=10)
    assert found.course.seconds == pytest.approx(10, abs=0.01)
    assert np.abs(found.course.samples).max() > 0


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_pictures_with_twins(song: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"song{suffix}"
    explore_track(song, str(output), sections=3)  # as people write it in a script
    begin = b"\x89PNG" if suffix == ".png" else b"<?xml"
    for path in (output, tmp_path / f"song-dark{suffix}"):
        assert path.read_bytes().startswith(begin)


def test_the_page_plays_where_it_is_clicked(song: Path, tmp_path: Path, browser: Any) -> None:
    output = tmp_path / "song.html"
    explore_track(song, output)
    page = browser.new_page(viewport={"width": 400, "height": 800})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(output.as_uri())
    assert page.locator("h1").inner_text() == "How <b>A$AP.flac goes"
    page.wait_for_function("document.getElementById('song').readyState > 0")
    page.locator("canvas[data-row=envelope]").click(position={"x": 180, "y": 20})
    page.wait_for_function("!document.getElementById('song').paused")
    width = page.locator("canvas[data-row=envelope]").bounding_box()["width"]
    assert page.evaluate("document.getElementById('song').currentTime") == pytest.approx(
        180 / width * 64, abs=2
    )
    page.get_by_role("button", name="C 0:48 to 1:04").click()
    page.wait_for_function("document.getElementById('song').currentTime >= 47")
    page.locator("canvas[data-square='0']").hover(position={"x": 100, "y": 20})
    assert "cosine" in page.locator("#pointed").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert not problems
    page.close()


@pytest.mark.parametrize("seconds", [0.2, 2.0])
def test_hardly_any_sound(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, sung("A")[: int(seconds * RATE_HZ)], RATE_HZ)
    found = explore_track(path, tmp_path / "short.html")
    assert found.form == "A" and found.course.tempo == 0


def test_silence(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(5 * RATE_HZ), RATE_HZ)
    found = explore_track(path, tmp_path / "silence.png")
    assert "hardly changes" in found.finding and "no steady beat" in found.finding


def test_what_is_too_long_is_refused(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SECONDS", 60.0)
    with pytest.raises(UsageError, match="--start 0 --seconds"):
        explore_track(song)
    with pytest.raises(UsageError, match="at most 60"):
        explore_track(song, seconds=61)
    assert explore_track(song, seconds=20).course.seconds == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["-o", "song.gif"], "ends in .html"),
        (["--start", "-1"], "from 0 on"),
        (["--seconds", "0"], "more than 0 s"),
        (["--sections", "99"], "changes too little"),
        (["--start", "999"], "ends before second 999"),
    ],
)
def test_mistakes_end_in_a_line(song: Path, options: list[str], hint: str) -> None:
    outcome = CliRunner().invoke(cli, ["explore", "track", str(song), *options])
    assert isinstance(outcome.exception, UsageError | AudioError)
    assert hint in str(outcome.exception)


def test_what_is_said_and_as_json(song: Path) -> None:
    outcome = CliRunner().invoke(cli, ["explore", "track", str(song), "--json"])
    assert outcome.exit_code == 0 and '"form": "ABAC"' in outcome.output
