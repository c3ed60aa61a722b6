"""`soundkin scan` as a person types it: what it says of what changed and of what it passed over."""

import shutil
from pathlib import Path

import pytest

from containers import encode
from soundkin.cli.main import main


def scanned(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `soundkin scan`."""
    with pytest.raises(SystemExit) as ended:
        main(["scan", *map(str, words)])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return int(ended.value.code or 0), said.out.strip(), said.err


def test_the_last_line_says_what_was_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    music, output = tmp_path / "music", tmp_path / "c.csv"
    for seed in range(3):
        encode(music / f"{seed}.mp3", "mp3", seed=seed)
    (music / "cover.jpg").touch()
    assert scanned(capsys, music, "-o", output)[:2] == (0, f"{output}: 3 tracks; 1 other file")
    assert scanned(capsys, music, "-o", output)[:2] == (0, f"{output}: 3 tracks (no changes); 1 other file")
    (music / "0.mp3").unlink()
    (music / "1.mp3").rename(music / "one.mp3")
    encode(music / "new.mp3", "mp3", seed=4)
    (music / "broken.mp3").write_text("junk")
    shutil.copytree(music, music / ".trash")
    code, out, err = scanned(capsys, music, "-o", output)
    assert code == 3
    changes, passed = "1 new, 1 moved, 1 gone", "it cannot be opened as audio (1), a hidden folder (1)"
    assert out == f"{output}: 3 tracks ({changes}), 2 passed over: {passed}; 1 other file"
    assert (
        "gone music/0.mp3" in err and f"1 row(s) of files that are gone wait in {tmp_path}/c.gone.csv" in err
    )
    assert f"skipped {music}/broken.mp3: it cannot be opened as audio" in err
    assert f"passed over {music}/.trash: a hidden folder, with 4 audio files" in err


def test_no_guess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encode(tmp_path / "Artist/Album/01 Song.mp3", "mp3")
    scanned(capsys, tmp_path, "-o", tmp_path / "c.csv", "--no-guess")
    assert "Song," not in (tmp_path / "c.csv").read_text()
    scanned(capsys, tmp_path, "-o", tmp_path / "c.csv")
    assert ",Song,Artist,Album," in (tmp_path / "c.csv").read_text()


def test_only_what_was_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encode(tmp_path / ".store/a.mp3", "mp3")
    code, _, err = scanned(capsys, tmp_path, "-o", tmp_path / "c.csv")
    assert code == 2 and "holds no audio" in err and ".store: a hidden folder, with 1 audio file" in err


def test_skipped_files_may_be_allowed_before_and_after_the_verb(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    music, output = tmp_path / "music", tmp_path / "c.csv"
    encode(music / "good.mp3", "mp3")
    (music / "bad.flac").write_text("no audio")
    assert scanned(capsys, music, "-o", output)[0] == 3
    code, _, said = scanned(capsys, music, "-o", output, "--allow-skipped")
    assert code == 0 and "bad.flac" in said
    with pytest.raises(SystemExit) as ended:
        main(["--allow-skipped", "scan", str(music), "-o", str(output)])
    assert not ended.value.code
