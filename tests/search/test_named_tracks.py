from pathlib import Path, PurePath

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.catalog.artists import fold_name
from soundkin.search.named_tracks import (
    albums_named,
    rows_of_artist,
    rows_of_paths,
    rows_with_words,
    similar_titles,
    words_of,
)
from soundkin.search.tracks import Tracks, write_tracks

ROWS = [  # artist, title, album, path
    ("Nina Simone", "Sinnerman", "Pastel Blues", "ns/pb/1.mp3"),
    ("Nina Simone", "Sinnerman (Live)", "Live", "ns/live/1.mp3"),
    ("Nina Simone", "Be My Husband", "Pastel Blues", "ns/pb/2.mp3"),
    ("Björk feat. Ann", "Jóga", "Homogenic", "b/1.mp3"),
    ("R.E.M.", "Losing My Religion", "Greatest Hits", "rem/1.mp3"),
    ("R.E.M.", "Drive", "Greatest Hits", "rem/2.mp3"),
    ("Queen", "Don’t Stop Me Now", "Greatest Hits", "q/1.mp3"),
    ("Queen", "Bicycle Race", "Greatest Hits", "q/2.mp3"),
    ("Ann", "One", "Now 7", "various/1.mp3"),
    ("Bob", "Two", "Now 7", "various/2.mp3"),
    ("Sigur Rós", "Straße ø", "Ágætis byrjun", "s/1.mp3"),
    ("がくせい", "Now", None, "j/1.mp3"),
    (None, "The The", "", "t/1.mp3"),
    (None, None, None, "field.recordings/03_Rainy-Évening.v2.flac"),
    ("Cat", "", None, "c/.hidden"),
]


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Tracks:
    columns = dict(zip(("artist", "title", "album", "path"), zip(*ROWS, strict=True), strict=True))
    ids = [f"{row:02}" for row in range(len(ROWS))]
    path = tmp_path_factory.mktemp("named") / "tracks.arrow"
    write_tracks(pa.table({"track_id": ids, **columns}), path)
    return Tracks(path)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("nina simone sinnerman", [0]),
        ("SINNERMAN", [0]),
        ("sinnerman live", [1]),
        ("nina simone", [0, 1, 2]),
        ("bjork joga", [3]),
        ("Björk ft. Ann Joga", [3]),
        ("rem drive", [5]),
        ("R.E.M. - Drive", [5]),
        ("dont stop me now", [6]),
        ("queen dont stop me now", [6]),
        ("strasse o agaetis", [10]),
        ("がくせい", [11]),
        ("sinner", [0, 1]),
        ("the the", [12]),
        ("rainy evening", [13]),
        ("evening rain", [13]),
        ("flac", []),
        ("field", []),
        ("cat hidden", [14]),
        ("nina simone drive", []),
        ("", []),
    ],
)
def test_words(tracks: Tracks, text: str, rows: list[int]) -> None:
    assert rows_with_words(tracks, text) == rows


@given(row=st.sampled_from(range(len(ROWS))), order=st.randoms())
@settings(deadline=None)
def test_a_track_is_found_by_its_own_words(tracks: Tracks, row: int, order) -> None:
    artist, title, _, path = ROWS[row]
    words = f"{artist or ''} {title or PurePath(path).stem}".split()
    order.shuffle(words)
    assert row in rows_with_words(tracks, " ".join(words))


@given(text=st.text(alphabet="aeinrs ÄéøßＡが'&.", max_size=8))
@settings(deadline=None)
def test_the_same_as_folding_every_name(tracks: Tracks, text: str) -> None:
    """What Arrow leaves over holds all that plain folding finds."""
    wanted = words_of(text)
    whole = [
        row
        for row, cells in enumerate(ROWS)
        if wanted and wanted <= {word for cell in cells[:3] for word in fold_name(cell or "").split()}
    ]
    found = rows_with_words(tracks, text)
    titled = [row for row in whole if words_of(ROWS[row][1]) <= wanted]
    assert not whole or found == (titled or whole)


def test_albums_are_told_apart_by_artist_and_compilations_by_folder(tracks: Tracks) -> None:
    assert albums_named(tracks, "pastel blues") == [[0, 2]]
    assert albums_named(tracks, "GREATEST HITS") == [[4, 5], [6, 7]]
    assert albums_named(tracks, "greatest hits rem") == [[4, 5]]
    assert albums_named(tracks, "now 7") == [[8, 9]]
    assert albums_named(tracks, "greatest") == albums_named(tracks, "") == []


def test_artists_lead_or_are_guests(tracks: Tracks) -> None:
    assert rows_of_artist(tracks, "ANN") == [3, 8]
    assert rows_of_artist(tracks, "R. E. M.") == [4, 5]
    assert rows_of_artist(tracks, "nobody") == rows_of_artist(tracks, "-") == []


def test_paths_relative_and_absolute(tracks: Tracks) -> None:
    keys = [["/x/y", "/music/ns/pb/2.mp3"], ["/elsewhere/q/1.mp3"], []]
    assert rows_of_paths(tracks, Path("/music"), keys) == [2, None, None]


def test_spelled_alike(tracks: Tracks) -> None:
    assert similar_titles(tracks, "nina simone siinnerman")[0] == 0
    assert similar_titles(tracks, "zzzz") == []
