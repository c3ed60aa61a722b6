import re
from pathlib import Path

import pytest

from soundkin.errors import UsageError
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
        ("x^1e1", "words", "x", 10),
        ("Artist:Nina Simone", "artist", "Nina Simone", 1),
        ("10^x", "words", "10^x", 1),
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


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_nothing_is_no_seed(text: str) -> None:
    with pytest.raises(UsageError, match=r"^a seed is blank"):
        as_seed(text).spelled_out()
    with pytest.raises(UsageError, match=r"^a seed is blank"):
        QueryDescription(like=[text])


@pytest.mark.parametrize("weight", ["0", "-1", "+0", "-.5", "1e999", "-1e3", "inf", "nan"])
def test_a_typed_weight_that_is_none_is_told(weight: str) -> None:
    with pytest.raises(UsageError) as caught:
        as_seed(f"sinnerman ^ {weight}").spelled_out()
    said = str(caught.value)
    assert said.startswith(f"seed sinnerman ^ {weight}: a weight is a number above 0, as in sinnerman^2. ")
    assert "\n" not in said


@pytest.mark.parametrize("kind", ["album", "artist", "track", "file", "playlist", "words", "Album"])
@pytest.mark.parametrize("rest", ["", "  ", "^2"])
def test_a_kind_without_a_name_is_told(kind: str, rest: str) -> None:
    typed = f"{kind}:{rest}"
    with pytest.raises(UsageError, match=f"no name follows {kind}: Write {kind}:NAME"):
        as_seed(typed).spelled_out()


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
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "is no JSON object"),
        ('{"likes": []}', r"query.json: key likes is unknown\. Did you mean like\?"),
        ('{"like": 3}', "like=3 should be a list"),
        ('{"like": "sinnerman"}', "like='sinnerman' should be a list"),
        ('{"like": [3]}', r"like\.0=3: a seed is a text such as .*, or \{"),
        ('{"unlike": [null]}', r"unlike\.0=None: a seed is a text"),
        ('{"like": [["a"]]}', r"like\.0=\['a'\]: a seed is a text"),
        ('{"like": [{"name": 3}]}', r"like\.0\.name=3: a seed is named by a text that is not empty"),
        ('{"like": [{"kind": "album"}]}', r"key like\.0\.name is missing"),
        ('{"like": [{"name": "a", "kind": "song"}]}', r"like\.0\.kind='song' should be 'any', 'track'"),
        ('{"like": [{"name": "a", "weight": -1}]}', r"like\.0\.weight=-1 should be greater than 0"),
        ('{"like": [{"name": "a", "weight": "x"}]}', r"like\.0\.weight='x' should be a number"),
        ('{"like": [{"name": "a", "weigth": 1}]}', r"key like\.0\.weigth is unknown\. Did you mean weight\?"),
        ('{"k": 0}', r"query\.json: k=0 should be greater than 0"),
        ('{"k": 1.5}', "k=1.5 should be a whole number"),
        ('{"k": null}', "k=None should be a whole number"),
        ('{"where": "genre=rock"}', "where='genre=rock' should be a list"),
        ('{"where": [3]}', r"where\.0=3 should be text"),
        ('{"own_artist": "perhaps"}', "own_artist='perhaps' should be true or false"),
        ('{"artist_cap": "two"}', "artist_cap='two' should be a whole number"),
        ('{"diversity": "much"}', "diversity='much' should be a number"),
        ('{"diversity": NaN}', "diversity=nan should be"),
    ],
)
def test_descriptions_that_make_no_sense(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "query.json").write_text(text)
    with pytest.raises(UsageError, match=problem) as caught:
        read_description(tmp_path / "query.json")
    assert not re.search("Input|valid|tuple|dictionary|instance", str(caught.value))
    with pytest.raises(UsageError, match="cannot be read"):
        read_description(tmp_path / "nowhere.json")


def test_a_description_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    (tmp_path / "query.json").write_text('{"like": ["a"]}', encoding="utf-8-sig")
    assert read_description(tmp_path / "query.json") == QueryDescription(like=("a",))


def test_the_name_of_a_file_that_is_not_utf8_is_a_seed() -> None:
    assert as_seed("m\udcff.mp3").name == "m\udcff.mp3"
