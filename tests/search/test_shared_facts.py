"""What catalogs say of two tracks alike."""

from pathlib import Path

import pyarrow as pa

from soundkin.search.shared_facts import shared_facts
from soundkin.search.tracks import Tracks, write_tracks


def tracks(folder: Path) -> Tracks:
    table = pa.table({
        "track_id": list("abcd"),
        "path": list("abcd"),
        "artist": ["Ann & Bob", "ann", "Cy", "Di"],
        "genre": ["jazz; Soul", "soul", "rock", ""],
        "language": ["en", "en", "en", "de"],
        "year": pa.array([1969, 1969, 1970, None], pa.int64()),
        "note": ["same"] * 4,
    })  # fmt: skip
    write_tracks(table, folder / "tracks.arrow")
    return Tracks(folder / "tracks.arrow")


def test_what_two_tracks_share_but_most_do_not(tmp_path: Path) -> None:
    known = tracks(tmp_path)
    assert [(fact.column, fact.value, fact.share) for fact in shared_facts(known, 0, 1)] == [
        ("artist", "Ann", 0.5),
        ("year", "1969", 0.5),
    ]
    assert shared_facts(known, 0, 2) == [], "three of four are in English"
    assert shared_facts(known, 3, 3)[0].value == "Di"


def test_the_rarest_comes_first_and_says_how_rare_it_is(tmp_path: Path) -> None:
    facts = shared_facts(tracks(tmp_path), 0, 0)
    assert [fact.share for fact in facts] == sorted(fact.share for fact in facts)
    assert "genre jazz (25% of the library)" in map(str, facts)
