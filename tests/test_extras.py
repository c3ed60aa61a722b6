"""What the base install can do, and what everything else says there: in processes that lack the extras."""

import ast
import json
import subprocess
from pathlib import Path

import pytest

from base_install import (
    ROOT,
    asked_for,
    forbid_imports,
    left_out,
    make_model,
    make_music,
    modules_of,
    run_bare,
    with_what_they_need,
)
from soundkin.cli.main import COMMANDS
from soundkin.errors import MissingExtraError
from soundkin.extras import EXTRAS, is_installed, require
from soundkin.features.lyric_tokens import LyricTokenizer

SOUNDKIN = ("-m", "soundkin")
EVERY_MODULE = """
import importlib, json, pkgutil, soundkin
outcomes = {}
for module in pkgutil.walk_packages(soundkin.__path__, "soundkin.", onerror=lambda name: None):
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        outcomes[module.name] = "lacks " + str(error.name).split(".")[0]
    except Exception as error:
        outcomes[module.name] = str(error)
    else:
        outcomes[module.name] = "imported"
print(json.dumps(outcomes))
"""
FROM_PYTHON = """
import json, sys, soundkin
assert soundkin.load("model").embed("music/0.wav").shape == (8,)
assert len(soundkin.query("index", ["music/1.wav"], k=1)) == 1
assert "pandas" not in sys.modules  # a third of a second
print(json.dumps([name for name in sys.modules if name.startswith("soundkin.")]))
"""
NEEDED = {  # by a verb that the base install lacks: its extra, and words that get so far
    "train": ("train", ["catalog=catalog.csv", "run_dir=run"]),
    "evaluate": ("evaluate", ["model", "catalog.csv"]),
    "audit": ("evaluate", ["catalog.csv"]),
    "neighbours": ("serve", ["index"]),
    "export": ("onnx", ["model", "--onnx", "-o", "model.onnx"]),
    "explore": ("explore", ["compare", "index", "artist:A", "artist:B"]),
    "serve": ("serve", ["index"]),
    "assess": ("serve", ["catalog.csv", "-o", "triplets.csv"]),
    "transfer": ("train", ["catalog.csv", "--source", "artist", "--run-dir", "run"]),
    "reproduce": (
        "train",
        ["vandenoord2013", "--catalog", "catalog.csv", "--ratings", "r.csv", "--run-dir", "run"],
    ),
    "demo": ("train", ["--run-dir", "run"]),
}
ANSWERS = {  # of verbs in the base, once there is an index
    "why": ["index", "music/0.wav", "music/1.wav", "-o", "why.html"],
    "path": ["index", "music/0.wav", "music/1.wav", "-n", "2", "-o", "way.jspf"],
    "playlist": ["index", "--like", "music/0.wav", "-n", "1", "-o", "list.m3u8"],
}
IN_THE_BASE = ("sync", "scan", "embed", "index", "query", "why", "path", "playlist", "recommend", "correct")
IN_THE_BASE += ("link",)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and two songs, in which processes lack the extras."""
    folder = tmp_path_factory.mktemp("bare")
    forbid_imports(folder)
    make_model(folder / "model")
    make_music(folder / "music")
    return folder


@pytest.fixture(scope="module")
def chain(bare: Path) -> list[subprocess.CompletedProcess[str]]:
    """From the folder of music to answers."""
    steps = (
        ["scan", "music", "-o", "catalog.csv"],
        ["embed", "model", "catalog.csv", "-o", "embeddings"],
        ["index", "embeddings", "-o", "index"],
        ["query", "index", "--like", "music/0.wav", "--json"],
    )
    return [run_bare(bare, *SOUNDKIN, *step) for step in steps]


def test_a_library_is_kept_without_a_map(bare: Path) -> None:
    done = run_bare(bare, *SOUNDKIN, "sync", "music", "-o", "library", "--model", "model", "--workers", "1")
    assert done.returncode == 0 and done.stdout.startswith("library: 2 new, 0 untouched; "), done.stderr
    assert "map.html is not drawn: pip install 'soundkin[pictures,evaluate]'" in done.stderr
    assert run_bare(bare, *SOUNDKIN, "query", "library", "--like", "music/0.wav").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("verb", ANSWERS)
def test_an_index_answers_without_extras(
    bare: Path, chain: list[subprocess.CompletedProcess[str]], verb: str
) -> None:
    done = run_bare(bare, *SOUNDKIN, verb, *ANSWERS[verb])
    assert done.returncode == 0, done.stderr
    assert (bare / ANSWERS[verb][-1]).exists() or verb == "playlist"  # the two songs pass for copies


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_table_of_extras_is_pyprojects(extra: str) -> None:
    assert modules_of(asked_for(extra)) & set(EXTRAS[extra]), "none of its modules is what it is told by"
    for distribution in asked_for(extra):
        assert modules_of(frozenset({distribution})) & set(EXTRAS[extra]), f"{distribution} is not in EXTRAS"
    brought = modules_of(with_what_they_need(asked_for(extra)))
    assert set(EXTRAS[extra]) <= brought, "pyproject.toml does not bring all that EXTRAS has"
    assert not set(EXTRAS[extra]) - set(left_out()), "the base install has it already"


def test_all_is_all_of_them_and_dev_has_all() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'all = ["soundkin[{",".join(EXTRAS)}]"]' in text
    assert 'dev = [\n    "soundkin[all]",' in text


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_installed("train")
    monkeypatch.setitem(EXTRAS, "train", ("yaml", "nowhere_to_be_found"))
    assert not is_installed("train")
    with pytest.raises(MissingExtraError, match=r"^a needs nowhere_to_be_found, .*'soundkin\[train\]'$"):
        require("train", "a")


@pytest.mark.slow
def test_every_module_imports_or_names_its_extra(bare: Path) -> None:
    outcomes: dict[str, str] = json.loads(run_bare(bare, "-c", EVERY_MODULE).stdout)
    imported = {name for name, outcome in outcomes.items() if outcome == "imported"}
    rooms = {name for name in outcomes if name.count(".") == 1}
    refused = {room: outcomes[room].rpartition("pip install ")[2] for room in rooms - imported}
    assert refused == {
        "soundkin.training": "'soundkin[train]'",
        "soundkin.corpus": "'soundkin[train]'",
        "soundkin.evaluation": "'soundkin[evaluate]'",
        "soundkin.audit": "'soundkin[evaluate]'",
        "soundkin.assess": "'soundkin[serve]'",
        "soundkin.service": "'soundkin[serve]'",
    }
    unnamed = {name: outcome for name, outcome in outcomes.items() if "pip install 'soundkin[" not in outcome}
    assert set(unnamed.values()) == {"imported"}, unnamed


@pytest.mark.slow
def test_from_a_folder_of_music_to_answers(bare: Path, chain: list[subprocess.CompletedProcess[str]]) -> None:
    assert [(step.returncode, step.stderr) for step in chain if step.returncode] == []
    assert [answer["path"] for answer in json.loads(chain[-1].stdout)] == [str(bare / "music/1.wav")]


@pytest.mark.slow
def test_what_base_verbs_import_is_among_the_base_dependencies(
    bare: Path, chain: list[subprocess.CompletedProcess[str]]
) -> None:
    """Nothing is there only because another package happens to bring it."""
    done = run_bare(bare, "-c", FROM_PYTHON)
    assert done.returncode == 0, done.stderr
    used = set()
    for name in json.loads(done.stdout):
        path = ROOT / "src" / name.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        used |= set().union(*map(imported_by, ast.parse(path.read_text(encoding="utf-8")).body))
    elsewhere = used & modules_of(with_what_they_need(asked_for()))
    assert {"torch", "pyarrow", "faiss", "soundfile"} <= elsewhere <= modules_of(asked_for())


def imported_by(statement: ast.stmt) -> set[str]:
    """Names at the top that a statement imports when its module is imported."""
    if isinstance(statement, ast.Import):
        return {name.name.split(".")[0] for name in statement.names}
    return {(statement.module or "").split(".")[0]} if isinstance(statement, ast.ImportFrom) else set()


def test_each_verb_is_in_the_base_or_has_an_extra() -> None:
    assert {*NEEDED, *IN_THE_BASE} == set(COMMANDS)


@pytest.mark.parametrize(
    "verb", [pytest.param(it, marks=[pytest.mark.slow] if it != "train" else []) for it in NEEDED]
)
def test_a_verb_without_its_extra_says_what_to_install(bare: Path, verb: str) -> None:
    extra, words = NEEDED[verb]
    before = sorted(bare.iterdir())
    done = run_bare(bare, *SOUNDKIN, verb, *words)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("soundkin: ") and done.stderr.count("\n") == 1
    assert done.stderr.endswith(f": pip install 'soundkin[{extra}]'\n")
    assert sorted(bare.iterdir()) == before


@pytest.mark.slow
@pytest.mark.parametrize("verb", COMMANDS)
def test_help_needs_no_extra(bare: Path, verb: str) -> None:
    assert f"soundkin {verb}" in run_bare(bare, *SOUNDKIN, verb, "--help").stdout


@pytest.mark.slow
def test_from_python_the_error_is_the_same(bare: Path) -> None:
    code = "import soundkin\ntry: soundkin.train\nexcept soundkin.SoundkinError as error: print(error)"
    assert run_bare(bare, "-c", code).stdout.endswith(": pip install 'soundkin[train]'\n")


@pytest.mark.slow
def test_a_model_that_reads_lyrics_names_its_extra(
    bare: Path, chain: list[subprocess.CompletedProcess[str]]
) -> None:
    make_model(bare / "reader", LyricTokenizer.train(["la la la"], 300))
    done = run_bare(bare, *SOUNDKIN, "embed", "reader", "catalog.csv", "-o", "read")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.endswith(
        "a model that reads lyrics needs tokenizers, not installed here: pip install 'soundkin[lyrics]'\n"
    )


def test_training_on_lyrics_is_refused_before_any_audio_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from soundkin.training.compose import compose
    from soundkin.training.plan import check_settings

    monkeypatch.setitem(EXTRAS, "lyrics", ("nowhere_to_be_found",))
    words = ["catalog=catalog.csv", "run_dir=run", "task=[genre]"]
    check_settings(compose(words))
    with pytest.raises(MissingExtraError, match=r"model\.lyrics needs .*'soundkin\[lyrics\]'"):
        check_settings(compose([*words, "model.lyrics={}"]))
