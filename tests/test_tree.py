"""The tree as ARCHITECTURE.md promises it: one home per notion, names that stand once, short files."""

import ast
import re
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "soundkin"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if not path.name.startswith("__"))


def twice(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def test_module_names_stand_once() -> None:
    assert twice([path.name for path in MODULES]) == []


def test_public_class_names_stand_once() -> None:
    classes = [
        node.name
        for tree in (ast.parse(path.read_text(encoding="utf-8")) for path in MODULES)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert twice(classes) == []


def test_files_are_short() -> None:
    lines = {path.name: path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    assert {name: count for name, count in lines.items() if count > 390} == {}


def test_vectors_are_cached_by_the_embeddings_store_alone() -> None:
    rooms = ("evaluation", "experiments", "pipelines")
    writers = [path.name for path in MODULES if path.parent.name in rooms and "np.save" in path.read_text()]
    assert writers == [
        "codeword_regressions.py"
    ]  # what fitted regressions predict, a step of a resumable run


def test_no_front_end_is_told_by_its_class() -> None:
    asked = [path.name for path in MODULES if re.search(r"isinstance\([^)]*FrontEnd\)", path.read_text())]
    assert asked == []


def test_every_room_is_on_the_map() -> None:
    text = (SOURCE.parent.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert {room for room in rooms if f"`{room}`" not in text} == set()
