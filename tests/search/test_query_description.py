from pathlib import Path

import pytest

from soundkin.errors import ConfigError, UsageError
from soundkin.search.query_description import QueryDescription, Seed, as_seed, read_description


@pytest.mark.parametrize(
    ("typed", "kind", "name", "weight"),
    [
        ("nina simone sinnerman", "words", "nina simone sinnerman", 1),
        ("artist: Nina Simone", "artist", "Nina Simone", 1),
        ("album:Pastel Blues^2", "album", "Pastel Blues", 2),
        ("sinnerman ^ .5", "words", "sinnerman", 0.5),
        ("2^10^3", "words", "2^10", 3),
        ("mood:blue", "words", "mood:blue", 1),
        ("track:artist:x", "track", "artist:x", 1),
        ("^2", "words", "^2", 1),
    ],
)
def test_as_typed(typed: str, kind: str, name: str, weight: float) -> None:
    assert as_seed(typed).spelled_out() == Seed(name=name, kind=kind, weight=weight)


def test_what_is_spelled_out_stays() -> None:
    seed = Seed(name="album:x^2", kind="track", weight=3)
    assert seed.spelled_out() == seed
    assert Seed(name="x^2", weight=3).spelled_out().weight == 6


@pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan")])
def test_weights_that_make_no_sense(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        Seed(name="x", weight=weight)


def test_nothing_is_no_seed() -> None:
    with pytest.raises(ConfigError, match=r"seed\.name"):
        as_seed("")
    with pytest.raises(ConfigError, match="greater than 0"):
        as_seed("x^0").spelled_out()


def test_json_in_and_out(tmp_path: Path) -> None:
    asked = QueryDescription(
        like=("a^2", Seed(name="Days", kind="album")),
        unlike=("b",),
        where=("year>=1990",),
        artist_cap=0,
        diversity=0.2,
    )
    (tmp_path / "query.json").write_text(asked.model_dump_json())
    assert read_description(tmp_path / "query.json") == asked


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "is no JSON object"),
        ('{"likes": []}', r"query\.likes is unknown\. Did you mean like\?"),
        ('{"like": [{"name": "a", "kind": "song"}]}', r"query\.like\.0\.kind='song'"),
        ('{"k": 0}', r"query\.k=0"),
    ],
)
def test_descriptions_that_make_no_sense(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "query.json").write_text(text)
    with pytest.raises(UsageError, match=problem):
        read_description(tmp_path / "query.json")
    with pytest.raises(UsageError, match="cannot be read"):
        read_description(tmp_path / "nowhere.json")


def test_the_name_of_a_file_that_is_not_utf8_is_a_seed() -> None:
    assert as_seed("m\udcff.mp3").name == "m\udcff.mp3"
