"""`soundkin sync` as a person types it: one line that says what was done, and questions before harm."""

import json
import shutil
from pathlib import Path

import pytest

from containers import encode
from small_start import make_start
from soundkin.cli.main import main


@pytest.fixture
def music(tmp_path: Path) -> Path:
    for seed in range(4):
        encode(tmp_path / f"music/{seed}.mp3", "mp3", seed=seed)
    return tmp_path / "music"


def synced(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `soundkin sync`."""
    with pytest.raises(SystemExit) as ended:
        main(["sync", *map(str, words), "--workers", "1"])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return int(ended.value.code or 0), said.out.strip(), said.err


def test_one_line_says_what_was_done(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library, model = tmp_path / "lib", make_start(tmp_path / "model")
    place = (music, "-o", library)
    code, out, _ = synced(capsys, *place, "--model", model, "--dry-run")
    assert (code, out) == (0, f"{library}: would be 4 new, 0 untouched; nothing was written")
    code, out, _ = synced(capsys, *place, "--model", model)
    assert code == 0 and out.startswith(f"{library}: 4 new, 0 untouched; ") and out.endswith(" s")
    (music / "0.mp3").unlink()
    (music / "1.mp3").rename(music / "one.mp3")
    shutil.copy(music / "2.mp3", tmp_path / "copy.mp3")
    encode(music / "2.mp3", "mp3", seed=9)
    (music / "bad.mp3").write_text("junk")
    code, out, err = synced(capsys, *place)
    assert code == 3 and out.startswith(f"{library}: 1 gone, 1 moved, 1 changed, 1 untouched; ")
    assert "gone 0.mp3" in err and "moved one.mp3" in err and f"skipped {music}/bad.mp3" in err
    code, out, _ = synced(capsys, *place, "--json", "--allow-skipped")
    said = json.loads(out)
    assert code == 0 and said["untouched"] == 3 and said["new"] == [] and said["library"] == str(library)
    assert [item["path"] for item in said["skipped"]] == [f"{music}/bad.mp3"]


def test_tracks_that_are_gone_need_a_word(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = (music, "-o", tmp_path / "lib")
    synced(capsys, *place, "--model", make_start(tmp_path / "model"))
    for name in ("0.mp3", "1.mp3"):
        (music / name).unlink()
    code, out, err = synced(capsys, *place)
    assert code == 2 and out == "" and err.strip().endswith("If they are deleted: --yes")
    assert synced(capsys, *place, "--dry-run")[1].endswith(
        "would be 2 gone, 2 untouched; nothing was written. That is more than a quarter: it takes --yes"
    )
    assert synced(capsys, *place, "--yes")[:2][0] == 0
