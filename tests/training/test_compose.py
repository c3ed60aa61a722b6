"""Paths and texts reach the config as they were given, and complaints are in our words."""

from pathlib import Path

import pytest

from soundkin.config import validate
from soundkin.errors import ConfigError
from soundkin.training.compose import compose, compose_sweep, config_keys
from soundkin.training.run_config import TrainConfig

NAMES = [
    "música.csv",
    "音楽.csv",
    "Музыка/треки.csv",
    "live (2).csv",
    "it's.csv",
    "a=b.csv",
    "a,b.csv",
    "r&b.csv",
    "1990",
    "null",
    "true",
    "1e3",
    "runs/lr=0.1",
    " two words ",
    "$HOME/${catalog}.csv",
    "{a: 1}",
    "[live].csv",
    "~/music",
    "C:\\music\\new.csv",
    "'quoted'",
    '"half',
    "trailing'",
    "range(1,3)",
    "/home/jürgen/Straße #3: 100%/💿.csv",
    "tab\tand\nline",
    "__as_given_0__",
]
PARSER = (
    "Lexer",
    "mismatched",
    "viable",
    "expecting",
    "<EOF>",
    "override",
    "struct",
    "Exception",
    "hydra",
    "omegaconf",
)


def value_of(config: TrainConfig, key: str) -> object:
    value: object = config
    for part in key.split("."):
        value = getattr(value, part)
    return value


def path_keys() -> list[str]:
    return [key for key, kinds in config_keys().items() if Path in kinds]


def test_the_keys_of_paths_are_found_from_their_types() -> None:
    files = {"catalog", "run_dir", "ratings", "triplets", "playlists", "embeddings"}
    assert set(path_keys()) == files | {"data.cache_folder", "data.examples.folder", "features.path"}


@pytest.mark.parametrize(
    "first", [pytest.param(it, marks=[pytest.mark.slow] if it % 9 else []) for it in range(len(NAMES))]
)
def test_a_path_is_taken_as_it_stands(first: int) -> None:
    """Each key takes another name; three turns have every name, and all of them every name at every key."""
    names = {key: NAMES[(first + place) % len(NAMES)] for place, key in enumerate(path_keys())}
    given = {key: f"{name}.npz" if key == "features.path" else name for key, name in names.items()}
    words = ["features=external", *(f"{key}={path}" for key, path in given.items())]
    [swept] = compose_sweep([*words, "trainer.epochs=1,2"])[:1]
    for config in (compose(words), swept.config):
        assert isinstance(config, TrainConfig)
        for key, path in given.items():
            expected = (
                Path(path) / "trainer.epochs=1" if key == "run_dir" and config is swept.config else Path(path)
            )
            assert value_of(config, key) == (
                None if path == "null" and key not in ("catalog", "run_dir") else expected
            )


def test_texts_are_taken_as_they_stand_but_for_quotes_around_them() -> None:
    texts = {
        "data.split.group": "Künstler (alle)",
        "features.name": "L'encodeur, 2.0",
        "trainer.selection_score": "é=1",
    }
    words = ["features=external", "features.path=x.npz", *(f"{key}={text}" for key, text in texts.items())]
    config = compose(["catalog=c.csv", "run_dir=r", *words, 'features.licence="CC BY"'])
    assert {key: value_of(config, key) for key in texts} == texts
    assert value_of(config, "features.licence") == "CC BY"


@pytest.mark.parametrize(
    "wrong, answer",
    [
        ("catalog=", r"no file is named. Give catalog=FILE"),
        ("catalog", r"no KEY=VALUE"),
        ("--epochs", r"no KEY=VALUE"),
        ("=3", r"no KEY=VALUE"),
        ("trainer.epochs=(3", r"trainer\.epochs=\(3: the value cannot be read"),
        ("task=[genre", r"task=\[genre: the value cannot be read"),
        ("trainer.epochs=3,4", r"several values. Give one; or -m"),
        ("trainer.epochs=${epochs}", r"trainer\.epochs: its \$\{\.\.\.\} names no key"),
        ("título=3", r"título is unknown"),
        ("model=música", r"model=música: there is no such choice. Known: default"),
        ("task=3", r"task=3: there is no such choice"),
        ("experiment=my/own", r"experiment=my/own: there is no such choice. Did you mean own"),
        ("task=[gnre]", r"task=gnre: there is no such choice. Did you mean genre\?"),
        ("task.gnre.weight=1", r"there is no task gnre. Did you mean genre\?"),
        ("task.genre.foo=1", r"task\.genre\.foo is unknown"),
        ("task.genre.wieght=1", r"Did you mean task\.genre\.weight\?"),
        ("task.year.periods=5", r"the year task is not chosen. Add it to the others, as task=\[genre,year\]"),
        ("features.path=x.npz", r"features\.path: it goes with other features. Add features=external"),
        ("model.lyrics.vocabulary_size=9", r"model\.lyrics is not set. Set it as a whole"),
        ("trainer.accelerator=gpuu", r"trainer\.accelerator='gpuu'.*'gpu'"),
        ("trainer.precision=16", r"trainer\.precision='16'.*16-mixed"),
        ("+catalog=x y", r"\+catalog: this key is there already"),
        ("~nothing", r"nothing is unknown"),
    ],
)
def test_a_mistake_is_answered_in_our_words(wrong: str, answer: str) -> None:
    for answering in (compose, compose_sweep):
        if answering is compose_sweep and wrong == "trainer.epochs=3,4":
            continue
        with pytest.raises(ConfigError, match=answer) as raised:
            answering(["catalog=c.csv", "run_dir=r", wrong])
        assert not [word for word in PARSER if word in str(raised.value)]


@pytest.mark.slow
def test_a_sweep_names_its_runs_after_their_settings_and_keeps_those_that_are_right() -> None:
    runs = compose_sweep(["catalog=a,b.csv", "run_dir=r", "trainer.watched=x/y,z", "trainer.epochs=-1,3"])
    assert len({run.name for run in runs}) == 4 and runs[-1].name == "trainer.watched=z,trainer.epochs=3"
    assert [isinstance(run.config, ConfigError) for run in runs] == [True, False, True, False]
    assert runs[1].settings == {"trainer.watched": "x/y", "trainer.epochs": "3"} and "/" not in runs[1].name
    assert isinstance(runs[3].config, TrainConfig) and runs[3].config.run_dir == Path("r") / runs[3].name
    [lists] = compose_sweep(["catalog=c", "run_dir=r", "task=[genre,artist],[gnre]"])[:1]
    assert lists.name == "task=genre+artist"
    grown = compose_sweep(["catalog=c", "run_dir=r", "trainer.watched=a,z", "trainer.epochs=-1,3,4"])
    assert runs[-1].name in {run.name for run in grown}


def test_the_earlier_name_of_the_selection_score_still_works() -> None:
    places = ["catalog=c.csv", "run_dir=r"]
    assert compose([*places, "trainer.watched=genre_map"]) == compose(
        [*places, "trainer.selection_score=genre_map"]
    )
    saved = compose(places).model_dump(mode="json")
    saved["trainer"]["watched"] = saved["trainer"].pop("selection_score")
    assert validate(TrainConfig, saved) == compose(places)
