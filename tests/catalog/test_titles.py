import pytest

from soundkin.catalog.artists import fold_name
from soundkin.catalog.titles import base_title, is_generic


@pytest.mark.parametrize(
    "title",
    [
        "Yesterday (Remastered 2009)",
        "Yesterday - Remastered 2009",
        "Yesterday [Live at Home]",
        "Yesterday (feat. Nobody)",
        "Yesterday feat. Nobody",
        "YESTERDAY (Mono Mix) (2011 Remaster)",
        "Yesterday \u2013 Acoustic Version",
    ],
)
def test_versions_share_a_base_title(title: str) -> None:
    assert base_title(title) == "yesterday"


@pytest.mark.parametrize(
    "title", ["Live and Let Die", "(Sittin' On) The Dock of the Bay", "Remix", "Alive - Part Two"]
)
def test_titles_that_only_look_like_versions(title: str) -> None:
    assert base_title(title) == fold_name(title)


@pytest.mark.parametrize("title", ["Intro", "Sonata No. 2", "Prélude in D minor", "Track 07", "Op. 11", ""])
def test_titles_of_many_pieces(title: str) -> None:
    assert is_generic(fold_name(title))


@pytest.mark.parametrize("title", ["Sinnerman", "Für Elise", "Prelude to a Kiss", "Song 2 You", "海", "???"])
def test_titles_of_one_piece(title: str) -> None:
    assert not is_generic(fold_name(title))
