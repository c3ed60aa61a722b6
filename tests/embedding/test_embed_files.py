"""`embed` of several files: each has a vector or an error, in the order they were given."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from soundkin.embedding.embedder import Embedder
from soundkin.errors import UsageError


@pytest.fixture
def files(make, tmp_path: Path) -> list[Path]:
    """Three songs, and between them one that is no audio and one that is not there."""
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", make.noise(2.0 + number, number), make.rate_hz)
    (tmp_path / "notes.mp3").write_text("no audio")
    return [tmp_path / name for name in ("2.wav", "notes.mp3", "0.wav", "missing.wav", "1.wav")]


def check(embedder: Embedder, files: list[Path], **options: object) -> None:
    embedded = embedder.embed(files, **options)
    assert [file.path for file in embedded] == files
    for place in (0, 2, 4):
        assert (
            np.array_equal(embedded[place].vector, embedder.embed(files[place])) and not embedded[place].error
        )
    assert embedded[1].vector is None and "decoded" in embedded[1].error
    assert embedded[3].vector is None and "No such file" in embedded[3].error


def test_a_bad_file_does_not_stop_the_others(
    embedder: Embedder, files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    check(embedder, files)
    assert "5/5" in capsys.readouterr().err
    check(embedder, files, show_progress=False)
    assert not capsys.readouterr().err


@pytest.mark.slow
def test_two_workers_do_as_one(embedder: Embedder, files: list[Path]) -> None:
    check(embedder, files, workers=2)


def test_names_may_come_in_any_list(embedder: Embedder, files: list[Path]) -> None:
    expected = embedder.embed(files[0])
    names = [str(files[0])] * 2
    for several in (names, tuple(names), np.array(names), pd.Series(names), iter(names)):
        assert [np.array_equal(file.vector, expected) for file in embedder.embed(several)] == [True, True]
    assert embedder.embed([]) == []


def test_options_go_for_each(embedder: Embedder, files: list[Path]) -> None:
    embedded = embedder.embed(files[:1], normalise=True, lyrics=["la la"])
    assert np.linalg.norm(embedded[0].vector) == pytest.approx(1)
    with pytest.raises(UsageError, match="lyrics of 5 files are 5 texts"):
        embedder.embed(files, lyrics=["la la"])
    with pytest.raises(UsageError, match="lyrics of 5 files are 5 texts"):
        embedder.embed(files, lyrics="la la")
    with pytest.raises(UsageError, match="workers=0"):
        embedder.embed(files, workers=0)
