"""`soundkin explore compare` on indexes of a few tracks: sides, pictures, and what is refused."""

from pathlib import Path

import pytest
from PIL import Image
from sounding_index import make_sounding_index

from arc_index import arc, make_index
from soundkin.cli.main import main
from soundkin.errors import UsageError
from soundkin.pipelines.explore_compare import explore_compare


@pytest.mark.slow
def test_two_artists_are_told_apart_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_index(tmp_path, arc(24), ["Ann"] * 12 + ["Bob"] * 12)
    picture = tmp_path / "two.png"
    words = ["artist:Ann", "artist:Bob", "-o", str(picture)]
    with pytest.raises(SystemExit, match="0"):
        main(["explore", "compare", str(tmp_path / "index"), *words])
    printed = capsys.readouterr().out
    assert "12 and 12 tracks): told apart" in printed and "chance gives" in printed
    assert "of artist:Ann most like artist:Bob: Title 11" in printed
    assert Image.open(picture).size == Image.open(tmp_path / "two-dark.png").size


def test_one_song_a_side_is_too_few_and_still_drawn(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(2), ["Ann", "Bob"])
    found = explore_compare(index, "artist:Ann", "artist:Bob", tmp_path / "two.svg")
    assert found.separability is None and "too few" in found.finding
    assert (tmp_path / "two.svg").exists()


@pytest.mark.slow
def test_what_differs_in_sound_is_heard_and_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    index = make_sounding_index(tmp_path, arc(20), ["Ann"] * 10 + ["Bob"] * 10, silent=1)
    sound = explore_compare(index, "artist:Ann", "artist:Bob").sound
    assert sound is not None and sound.tracks == (10, 9) and sound.left_out == 1
    found = {each.quality: each for each in sound.differences}
    assert found["loudness"].is_found and found["loudness"].verdict("Bob") == "Bob is louder"
    assert found["loudness"].medians[1] - found["loudness"].medians[0] == pytest.approx(20, abs=3)
    assert not found["brightness"].is_found
    assert explore_compare(index, "artist:Ann", "artist:Bob", without_sound=True).sound is None


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(4), ["Ann", "Ann", "Bob", "Bob"])
    with pytest.raises(UsageError, match="lacks"):
        explore_compare(index, "artist:Ann", "artist:Ann")
    with pytest.raises(UsageError, match="Did you mean Ann"):
        explore_compare(index, "artist:Anne", "artist:Bob")
    with pytest.raises(UsageError, match=r"ends in .png or .svg"):
        explore_compare(index, "artist:Ann", "artist:Bob", tmp_path / "two.gif")
