"""One answer to who is the same artist."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundkin.catalog.artists import Artists, artist_key, split_credit


def keys(*credits: str | None) -> list[tuple[str, ...]]:
    return Artists.from_credits(credits).keys


@pytest.mark.parametrize(
    "credit",
    ["Ann feat. Bob", "Ann ft Bob", "Ann feat.Bob", "Ann (with Bob)", "Ann w/ Bob", "Ann &Bob", "Ann& Bob",
     "Ann, feat. Bob", "Ann // Bob", "Ann\0Bob", "Ann (feat Bob)", "Ann  X  Bob", "Ann;;Bob;", "Ann, and Bob",
     "Ann & Various Artists; Bob", "ANN (Featuring Bob)", "Ann [feat. Bob]", "Ann & Bob", "Ann; Bob",
     "Ann and Bob", "ann vs. BOB", "Ann x Bob", "Ann × Bob", "Ann + Bob", "Ann / Bob", "Ánn with The Bob",
     "Ann&Bob", "Ann ＆ Bob", "Ann；Bob", "Ann、Bob", "Ann · Bob", "Ann • Bob", "Ann | Bob",
      "Ann,Bob", "Ann y Bob",
     "Ann und Bob", "Ann，Bob"],
)  # fmt: skip
def test_every_way_to_credit_two_artists_names_the_same_two(credit):
    assert keys(credit, "Ann", "Bob") == [("ann", "bob"), ("ann",), ("bob",)]


@pytest.mark.parametrize(
    ("one", "other"),
    [("Björk", "BJO\u0308RK"), ("The Beatles", "beatles, the"), ("Sigur Rós", "sigur  ros"), ("MØ", "Mo"),
     ("Guns N’ Roses", "Guns N' Roses"),
     ("Ｂｊｏｒｋ", "Bjork"), ("R.E.M.", "REM"), ("J.S. Bach", "J. S. Bach"), ("N.W.A", "NWA"),
     ("Bj\u200bör\u00adk\ufeff", "Björk"),
     ("(The) Beatles", "The Beatles"), ("ABBA ", "abba"), ("Guns ‘N’ Roses", "Guns N Roses")],
)  # fmt: skip
def test_spellings_share_a_key(one, other):
    assert artist_key(one) == artist_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("!!!", "???"), ("ば", "は"), ("Blur", "Blue"), ("The The", "Them"), ("Ann B", "Ann C"), ("X Y", "X Z")],
)
def test_different_names_have_different_keys(one, other):
    assert artist_key(one) != artist_key(other)


@pytest.mark.parametrize(
    "nobody",
    [
        "Various Artists",
        "VA",
        "V.A.",
        "Unknown Artist",
        "anonymous",
        "Traditional",
        "[unknown]",
        "V/A",
        "n/a",
        " - ",
        "?",
        None,
        "",
    ],
)
def test_some_names_are_nobody(nobody):
    artists = Artists.from_credits([nobody, nobody])
    assert artists.keys == [(), ()]
    assert artists.groups.tolist() == [0, 1]
    assert not artists.names


def test_names_that_tables_take_for_missing_are_artists():
    assert keys("None", "NA", "nan", "null") == [("none",), ("na",), ("nan",), ("null",)]


def test_more_names_can_be_nobody():
    assert Artists.from_credits(["House Band", "Ann; house band"], ["House band"]).keys == [(), ("ann",)]


def test_a_single_comma_or_slash_separates_artists_who_stand_alone_elsewhere():
    assert keys("Drake, Rihanna", "Drake", "Rihanna")[0] == ("drake", "rihanna")
    assert keys("Ann/Bob", "Ann", "Bob")[0] == ("ann", "bob")
    assert keys("Bach, Johann Sebastian", "Bach")[0] == ("bach johann sebastian",)
    assert keys("AC/DC", "AC")[0] == ("ac dc",)
    assert keys("Tyler, The Creator")[0] == ("tyler the creator",)
    assert keys("Ann, Bob, Cat")[0] == keys("Ann, Bob & Cat")[0] == ("ann", "bob", "cat")


@pytest.mark.parametrize(
    ("credit", "lead"),
    [("Lil Nas X feat. Ann", "Lil Nas X"), ("Lil Nas X & Ann", "Lil Nas X"),
      ("Lil Nas X  ft. Ann", "Lil Nas X"),
     ("Little Feat & Ann", "Little Feat"), ("Malcolm X", "Malcolm X"),
     ("Tyler, The Creator & Ann", "Tyler, The Creator"),
     ("Tyler, The Creator, Ann", "Tyler, The Creator"),
     ("Sammy Davis, Jr. & Ann", "Sammy Davis, Jr."),
     ("Beatles, The feat. Ann", "The Beatles"), ("Ann (UK) feat. Bob", "Ann (UK)"),
     ("Various Artists feat. Ann", "Ann"),
     ("Bach, Andreas", "Bach, Andreas"), ("R&B Band", "R&B Band"), ("Ft. Worth Five", "Ft. Worth Five")],
)  # fmt: skip
def test_the_lead_is_the_whole_name(credit, lead):
    assert keys(credit)[0][0] == artist_key(lead)


def test_a_name_with_a_comma_is_one_where_it_stands_alone():
    bach = ("bach johann sebastian",)
    assert keys("Bach, Johann Sebastian & Ann", "Bach, Johann Sebastian")[0] == (*bach, "ann")
    assert keys("Bach, Johann Sebastian; Handel, Georg")[0] == (*bach, "handel georg")
    assert keys("Drake, Rihanna", "Drake feat. Ann", "Bob feat. Rihanna")[0] == ("drake", "rihanna")


def test_a_part_of_a_catalog_tells_artists_apart_as_the_whole():
    whole = Artists.from_credits(["Drake, Rihanna", "Drake", "Rihanna", None])
    part = whole.take([3, 0])
    assert part.keys == [(), ("drake", "rihanna")] and part.written[1] == ("Drake", "Rihanna")


def test_a_backing_band_is_no_artist_of_its_own():
    assert keys("Benny Goodman and His Orchestra", "Duke & Friends") == [("benny goodman",), ("duke",)]


def test_groups_go_by_the_lead_and_nobody_is_alone():
    artists = Artists.from_credits(["Ann", None, "ANN feat. Bob", "Bob", None, "Various"])
    np.testing.assert_array_equal(artists.groups, [0, 1, 0, 2, 3, 4])
    assert artists.leads == ["ann", None, "ann", "bob", None, None]


def test_names_are_written_as_they_mostly_are():
    assert Artists.from_credits(["Björk", "Björk", "bjork"]).names == {"bjork": "Björk"}


@given(st.text(max_size=40))
def test_no_credit_breaks_it_and_a_name_is_its_own_key(credit):
    names = split_credit(credit)
    assert len(names) >= 1
    for name in names:
        assert artist_key(name.upper()) == artist_key(name) or not name.isascii()
        assert artist_key(artist_key(name)) == artist_key(name)


@given(
    st.lists(
        st.sampled_from(["the", "The", ", The", "and", "&", "x", "Ann", "feat.", "(", "É", "ﬁ", "-", "ﾊﾞ"])
    )
)
def test_the_key_of_a_key_is_that_key(words):
    key = artist_key(" ".join(words))
    assert artist_key(key) == key
