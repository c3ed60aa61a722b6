"""`soundkin export`: from a bundle to a file."""

from pathlib import Path

import onnxruntime
import pytest

from base_install import make_model
from soundkin.cli.main import main
from soundkin.embedding.bundle import load_bundle


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("more", [[], ["--int8"]])
def test_a_bundle_becomes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    model, file = make_model(tmp_path / "model"), tmp_path / "new" / "model.onnx"
    assert run("export", model, "--onnx", "-o", file, *more) == 0
    model_hash = load_bundle(model).hash
    assert f"model {model_hash}" in capsys.readouterr().out
    known = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map
    assert known["model_hash"] == model_hash
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_form_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", "default", "-o", tmp_path / "model.onnx") == 2
    assert capsys.readouterr().err.endswith("Add --onnx.\n")
    assert not list(tmp_path.iterdir())
