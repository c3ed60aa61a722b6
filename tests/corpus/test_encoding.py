from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundkin.catalog.file_tags import read_tags
from soundkin.corpus.encoding import write_audio

TAGS = {
    "title": ["Ñicióngar"],
    "artist": ["Зоянжи Эльхо"],
    "album": ["あいう"],
    "tracknumber": ["3"],
    "date": ["1999-05-01"],
    "genre": ["house", "bossa nova"],
    "lyrics": ["wave and tide\n波 と 潮"],
}
UNLABELLED = {
    "title": ["a"],
    "artist": ["b"],
    "album": ["c"],
    "tracknumber": ["1"],
    "date": [""],
    "genre": [],
}


@pytest.mark.parametrize("suffix", [".ogg", ".flac", ".mp3"])
@pytest.mark.parametrize(("rate", "channels"), [(22050, 1), (44100, 2), (48000, 1)])
def test_sound_and_tags_come_back(tmp_path: Path, suffix: str, rate: int, channels: int) -> None:
    path = tmp_path / f"track{suffix}"
    seconds = np.arange(rate) / rate
    sound = np.tile(0.5 * np.sin(2 * np.pi * 440 * seconds)[:, None], channels).astype(np.float32)
    write_audio(path, sound, rate, TAGS)
    decoded, decoded_rate = soundfile.read(path, always_2d=True)
    assert (decoded_rate, decoded.shape[1]) == (rate, channels)
    assert len(decoded) == pytest.approx(rate, abs=3000)  # mp3 pads
    assert np.abs(decoded).max() == pytest.approx(0.5, abs=0.1)
    tags = read_tags(path)
    assert [tags.title, tags.artist, tags.album] == [TAGS[name][0] for name in ("title", "artist", "album")]
    assert tags.year == 1999 and tags.genre == "house;bossa nova" and [tags.lyrics] == TAGS["lyrics"]


@pytest.mark.parametrize("suffix", [".ogg", ".flac", ".mp3"])
def test_equal_music_is_equal_bytes(tmp_path: Path, suffix: str) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal((100_000, 2)).astype(np.float32)
    for name in "ab":
        write_audio(tmp_path / f"{name}{suffix}", sound, 44100, TAGS)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_unknown_labels_are_left_out(tmp_path: Path) -> None:
    for suffix in (".ogg", ".flac", ".mp3"):
        path = tmp_path / f"track{suffix}"
        write_audio(path, np.zeros((5000, 1), dtype=np.float32), 22050, UNLABELLED)
        tags = read_tags(path)
        assert (tags.genre, tags.year, tags.lyrics) == ("", None, "")
