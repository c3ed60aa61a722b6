"""`soundkin explore album` on indexes of a few tracks: selections, pictures, and what is refused."""

import json
from pathlib import Path

import pytest
from PIL import Image

from arc_index import arc, make_index
from soundkin.cli.main import main
from soundkin.errors import UsageError
from soundkin.pipelines.explore_album import explore_album


@pytest.mark.slow
def test_a_selection_is_shown_in_the_order_of_its_playlist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_index(tmp_path, arc(12), ["Ann"] * 8 + ["Bob"] * 4)
    playlist, picture = tmp_path / "list.txt", tmp_path / "album.png"
    playlist.write_text("07\n02\n11\n05\n")
    words = [str(tmp_path / "index"), f"playlist:{playlist}", "--where", "artist=Ann", "-o", str(picture)]
    with pytest.raises(SystemExit, match="0"):
        main(["explore", "album", *words, "--json"])
    assert json.loads(capsys.readouterr().out)["tracks"] == ["Title 07", "Title 02", "Title 05"]
    assert Image.open(picture).size == Image.open(tmp_path / "album-dark.png").size


def test_two_tracks_are_drawn_and_a_where_alone_selects(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(6), ["Ann"] * 2 + ["Bob"] * 4)
    shape = explore_album(index, where=["artist=Ann"], output=tmp_path / "two.svg")
    assert shape.names == ["Title 00", "Title 01"] and (tmp_path / "two.svg").exists()


def test_what_has_no_shape_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = make_index(tmp_path, arc(6), ["Ann"] + ["Bob"] * 5)
    monkeypatch.setattr("soundkin.pipelines.explore_album.MOST_TRACKS", 4)
    for seeds, where, said in (
        ((), (), "which tracks"),
        (("artist:Ann",), (), "takes two indexed tracks, not 1"),
        (("artist:Bob",), (), "5 tracks, and 4 is the most"),
        (("artist:Bop",), (), "Did you mean Bob"),
    ):
        with pytest.raises(UsageError, match=said):
            explore_album(index, seeds, where)
    with pytest.raises(UsageError, match=r"ends in .png or .svg"):
        explore_album(index, ("artist:Bob",), output=tmp_path / "x.gif")
