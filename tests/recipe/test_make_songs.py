import numpy as np
import pandas as pd
import pytest
import soundfile

from make_songs import SongMaker, make_songs
from songs import data, tools
from songs.mastering import RECORDINGS
from songs.patterns import PATTERNS
from songs.song import DRUM_KEYS, Song, make_song
from soundkin.errors import SoundkinError, UsageError

STYLES = data.read("styles")


@pytest.fixture
def with_tools() -> None:
    """Skip where songs cannot be made."""
    try:
        tools.check_tools()
    except SoundkinError as error:
        pytest.skip(f"songs cannot be made here: {error}")


@pytest.mark.parametrize("name", STYLES)
def test_a_style_names_what_there_is(name: str) -> None:
    style = STYLES[name]
    instruments, drums = data.read("instruments"), data.read("drums")
    assert set(style["record"]) <= set(RECORDINGS)
    assert set(style["chords"]) <= set(data.read("harmony"))
    assert all(set(pattern) <= set(DRUM_KEYS) for pattern in drums[style["drums"]])
    assert sum(style.get("voice", {}).values()) <= 1
    for part in [*style["parts"], *([style["bass"]] if "bass" in style else [])]:
        assert part["pattern"] in PATTERNS
        assert set(part["instruments"]) <= set(instruments)


def test_drum_patterns_are_a_bar_long() -> None:
    for kind, patterns in data.read("drums").items():
        steps = {len(marks) for pattern in patterns for marks in pattern.values()}
        assert steps <= {12 if kind == "waltz" else 16}


def test_chords_are_on_the_scale_and_notes_in_time() -> None:
    song = Song(np.random.default_rng(4), "folk")
    on_scale = {(place + song.transposed) % 12 for place in song.scale}
    assert {key % 12 for bar in range(song.bars) for key in song.chord(bar, 60)} <= on_scale
    assert 0 <= song.time_of(2, 4) - 2 * song.bar - song.beat < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("style", ["punk", "old school rap", "gospel"])
def test_a_song_is_22_seconds_of_sound_and_depends_on_its_seed_alone(with_tools, style: str) -> None:
    one, again = (make_song(np.random.default_rng([5, 1]), style) for _ in range(2))
    assert one.shape == (485_100,)
    assert np.sqrt(np.mean(one[-22_050:] ** 2)) > 1e-3
    assert np.array_equal(one, again)


@pytest.mark.slow
def test_songs_go_on_where_they_stopped(with_tools, tmp_path) -> None:
    make_songs(tmp_path, 1, random_seed=2, only_style="solo piano")
    first = tmp_path / "audio" / "000000.flac"
    before = first.stat().st_mtime_ns
    catalog = pd.read_csv(make_songs(tmp_path, 2, random_seed=2, only_style="solo piano"))
    assert first.stat().st_mtime_ns == before
    assert list(catalog["collection"]) == ["made up: solo piano"] * 2
    for path in catalog["path"]:
        samples, rate_hz = soundfile.read(tmp_path / path)
        assert (samples.shape, rate_hz) == ((485_100,), 22_050)
    with pytest.raises(UsageError, match="another folder"):
        make_songs(tmp_path, 2, random_seed=3)


def test_the_style_of_a_song_is_known_without_making_it(tmp_path) -> None:
    maker = SongMaker(tmp_path, random_seed=1)
    assert len({maker.style(number) for number in range(300)}) > 35
    assert [maker.row(7)["genre"]] * 2 == [maker.style(7), SongMaker(tmp_path, 1).style(7)]


def test_each_missing_tool_is_named_with_how_to_install_it(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(tools.shutil, "which", lambda name: None)
    monkeypatch.setattr(tools, "FONT_PACKAGES", {tmp_path / "none.sf2": "fluid-soundfont-gm"})
    with pytest.raises(SoundkinError) as caught:
        tools.check_tools()
    lines = str(caught.value).splitlines()
    for wanted in (
        "install espeak-ng",
        "install flite",
        "none.sf2 is missing: apt-get install fluid-soundfont-gm",
    ):
        assert sum(wanted in line for line in lines) == 1


def test_an_unknown_style_is_refused_with_those_there_are(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"polka: there is no such style. There are .*punk"):
        make_songs(tmp_path, 1, only_style="polka")
