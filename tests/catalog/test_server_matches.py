"""Which track of ours a server's is, and which is none for sure."""

import math

import pandas as pd
import pytest

from soundkin.catalog.server_matches import Match, Unmatched, match_tracks

MBIDS = [f"0000000{number}-0000-4000-8000-000000000000" for number in range(10)]
NAMES = ("path", "title", "artist", "album", "duration", "recording_mbid")
OURS = [
    ("a/1.ogg", "Sinnerman", "Nina Simone", "Pastel Blues", 622.5, MBIDS[1]),
    ("a/2.ogg", "Army of Me", "Björk", "Post", 234.0, ""),
    ("b/3.ogg", "Army of Me", "Björk", "Greatest Hits", 234.5, ""),
    ("c/4.ogg", "", "", "", 30.0, ""),
    ("d/5.ogg", "Both", "Ann", "", math.nan, ""),
]


def ours(rows=OURS):
    return pd.DataFrame(rows, columns=NAMES)


def matched(*server, known=OURS):
    """(ours, how) of the only row of the server, or why not."""
    frame = pd.DataFrame(
        [dict(zip(NAMES, row, strict=True)) | {"folder": "/music", "missing": False} for row in server]
    )
    matches, unmatched = match_tracks(frame, ours(known))
    found = {match.theirs: (match.ours, match.matched_by) for match in matches}
    return [
        found.get(row) or next(each for each in unmatched if each.theirs == row)[1:]
        for row in range(len(server))
    ]


def test_by_path_whatever_the_tags_say_now():
    assert matched(("a/1.ogg", "Sinner Man (2013 Remaster)", "NINA", "Best of", 622.4, "")) == [(0, "path")]
    assert matched(("c/4.ogg", "", "", "", 0.0, "")) == [(3, "path")]


def test_a_file_that_has_another_title_and_length_is_another():
    [(reason, candidates)] = matched(("a/1.ogg", "Something Else", "Nina Simone", "", 100.0, ""))
    assert (reason, candidates) == ("other recording", (0,))
    assert matched(("a/1.ogg", "Sinnerman", "Nina Simone", "", 100.0, "")) == [(0, "path")]


def test_by_musicbrainz_id():
    for spelled in (MBIDS[1], MBIDS[1].upper(), f"https://musicbrainz.org/recording/{MBIDS[1]}"):
        assert matched(("x/9.mp3", "Renamed", "Someone", "", 622.0, spelled)) == [(0, "musicbrainz")]
    assert matched(("x/9.mp3", "Renamed", "Someone", "", 622.0, "no id")) == [("unknown", ())]
    assert matched(("x/9.mp3", "Renamed", "Someone", "", 60.0, MBIDS[1])) == [("unknown", ())]


@pytest.mark.parametrize(
    ("title", "artist", "seconds", "expected"),
    [
        ("SINNERMAN!", "Simone, Nina", 622.5, ("unknown", ())),
        ("sinnerman", "nina simone feat. Bob", 624.0, (0, "names")),
        ("Sinnerman", "Nina Simone", 626.0, ("unknown", ())),
        ("Sinnerman (Live)", "Nina Simone", 622.5, ("unknown", ())),
        ("", "Nina Simone", 622.5, ("unnamed", ())),
        ("Sinnerman", "[Unknown Artist]", 622.5, ("unnamed", ())),
        ("Sinnerman", "Various Artists", 622.5, ("unnamed", ())),
    ],
)
def test_by_names_and_length(title, artist, seconds, expected):
    assert matched(("x/9.mp3", title, artist, "", seconds, "")) == [expected]


def test_where_several_fit_the_album_decides_or_nothing_does():
    assert matched(("x/9.mp3", "Army of Me", "Bjork", "greatest hits", 234.0, "")) == [(2, "names")]
    assert matched(("x/9.mp3", "Army of Me", "Björk", "Single", 234.0, "")) == [("several", (1, 2))]


def test_a_track_that_a_path_led_to_is_not_meant_by_names():
    found = matched(("a/2.ogg", "", "", "", 234.0, ""), ("x/9.mp3", "Army of Me", "Björk", "", 234.0, ""))
    assert found == [(1, "path"), (2, "names")]


def test_where_a_length_is_not_known_the_album_has_to_agree():
    known = [*OURS[:4], ("d/5.ogg", "Both", "Ann", "First", math.nan, "")]
    assert matched(("x/9.mp3", "Both", "Ann", "First", 60.0, ""), known=known) == [(4, "names")]
    assert matched(("x/9.mp3", "Both", "Ann", "", 60.0, ""), known=known) == [("unknown", ())]


def test_missing_files_are_left_out_and_several_ids_of_one_file_are_not():
    rows = [
        dict(zip(NAMES, OURS[0], strict=True)) | {"folder": "/music", "missing": gone} for gone in (1, 0, 0)
    ]
    matches, unmatched = match_tracks(pd.DataFrame(rows), ours())
    assert matches == [Match(1, 0, "path"), Match(2, 0, "path")]
    assert unmatched == [Unmatched(0, "missing")]


def test_the_surest_matches_come_first():
    found, _ = match_tracks(
        pd.DataFrame(
            [
                dict(zip(NAMES, row, strict=True)) | {"folder": "/music", "missing": False}
                for row in [("x.mp3", *OURS[0][1:5], ""), OURS[0]]
            ]
        ),
        ours(),
    )
    assert [(match.theirs, match.matched_by) for match in found] == [(1, "path"), (0, "names")]


def test_a_catalog_of_paths_alone():
    frame = pd.DataFrame([dict(zip(NAMES, OURS[0], strict=True)) | {"folder": "", "missing": False}])
    matches, _ = match_tracks(frame, ours()[["path"]])
    assert matches == [Match(0, 0, "path")]
