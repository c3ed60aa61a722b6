import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundkin.catalog.artists import artist_key, fold_name
from soundkin.catalog.titles import base_title
from soundkin.search.same_track import Identity, same_track


def track(
    title: str = "Sinnerman", artist: str = "Ann", album: str = "One", seconds: float = 200
) -> Identity:
    return Identity(fold_name(title), base_title(title), artist_key(artist), fold_name(album), seconds, "")


@pytest.mark.parametrize(
    ("other", "cosine"),
    [
        (track(seconds=200.4), 0.999),  # encoded anew
        (track(album="Best of Ann", seconds=201), 0.93),
        (track("Sinnerman (Live)", seconds=400), 0.75),
        (track("Sinnerman - Remastered 2009"), 0.9),
        (track("SINNERMAN feat. Bob", album=""), 0.9),
    ],
)
def test_the_same(other: Identity, cosine: float) -> None:
    assert same_track(track(), other, cosine) and same_track(other, track(), cosine)


@pytest.mark.parametrize(
    ("one", "other", "cosine"),
    [
        (track(), track("Feeling Good"), 0.9999),
        (track(), track(artist="Bob"), 0.95),  # a cover
        (track(), track(seconds=180), 0.99),  # two takes on one album
        (track(), track(album="", seconds=200), 0.99),
        (track(), track(album="Best of", seconds=0), 0.99),
        (track(), track("Sinnerman (Live)"), 0.6),
        (track("Prelude"), track("Prelude", album="Two"), 0.95),
        (track("Sonata No. 1"), track("Sonata No. 1 (Live)"), 0.95),
        (track("", ""), track("", ""), 0.9999),  # sound alone does not tell: two drones, two noises
        (track(artist=""), track(artist="", album="Two"), 0.99),
    ],
)
def test_when_in_doubt_they_are_two(one: Identity, other: Identity, cosine: float) -> None:
    assert not same_track(one, other, cosine) and not same_track(other, one, cosine)


IDENTITIES = st.builds(
    track,
    st.sampled_from(["", "Dawn", "Dawn (Live)", "Prelude"]),
    st.sampled_from(["", "Ann", "Bob"]),
    st.sampled_from(["", "One", "Two"]),
    st.sampled_from([0, 200, 200.5, 260]),
)


@given(one=IDENTITIES, other=IDENTITIES, cosine=st.floats(-1, 1))
def test_either_way_round_and_surer_when_nearer(one: Identity, other: Identity, cosine: float) -> None:
    same = same_track(one, other, cosine)
    assert same == same_track(other, one, cosine)
    assert not same or same_track(one, other, 1.0)
