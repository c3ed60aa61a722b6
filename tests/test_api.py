"""What `import soundkin` gives: everything by name, nothing before it is asked for."""

import inspect
import subprocess
import sys

import soundkin


def test_importing_it_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import soundkin; print(*(set(sys.modules) - before))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {
        name for name in found.split() if name.split(".")[0] not in sys.stdlib_module_names | {"soundkin"}
    }
    assert not any(name.startswith("soundkin.") for name in found.split())


def test_dir_shows_what_there_is_and_all_of_it_is_there() -> None:
    wanted = {"load", "scan", "train", "embed", "build_index", "open_index", "query", "recommend", "evaluate"}
    assert wanted <= set(dir(soundkin)) == set(soundkin.__all__)
    for name in dir(soundkin):
        thing = getattr(soundkin, name)
        assert name == "__version__" or (inspect.getdoc(thing) and callable(thing)), name
    assert soundkin.__doc__ and "soundkin.load" in soundkin.__doc__


def test_type_checkers_see_what_is_there_at_run_time() -> None:
    source = inspect.getsource(soundkin).split("if TYPE_CHECKING:")[1].split("__version__: str")[0]
    declared = {
        line.split(" import ")[1].split(" as ")[1]: line.split()
        for line in source.splitlines()
        if "import" in line
    }
    assert set(declared) | {"__version__"} == set(soundkin.__all__)
    for name, words in declared.items():
        thing = getattr(soundkin, name)
        assert thing.__name__ == words[3] or name == "compose", name
