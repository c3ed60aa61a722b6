"""Why two tracks are alike: tracks that share a passage at known places, heard by the default model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import soundkin
from soundkin.cli.main import main
from soundkin.embedding.library import Library
from soundkin.errors import ArtefactError, UsageError
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.query import query
from soundkin.pipelines.why import Explainer, why, why_answers
from soundkin.search.vector_index import open_index

RATE_HZ = 22_050
HERE, THERE, SECONDS = 9.0, 3.5, 8.0


def tune(random_seed: int, seconds: float, low_hz: float) -> np.ndarray:
    """Notes of half a second with some overtones of their own."""
    rng = np.random.default_rng(random_seed)
    time = np.arange(RATE_HZ // 2) / RATE_HZ
    overtones = rng.uniform(0, 1, 6)
    notes = [
        sum(
            loud * np.sin(2 * np.pi * (place + 1) * low_hz * 2 ** (rng.integers(12) / 12) * time)
            for place, loud in enumerate(overtones)
        )
        * np.exp(-time * rng.uniform(1, 9))
        for _ in range(round(seconds * 2))
    ]
    return (0.2 * np.concatenate(notes)).astype(np.float32)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Two tracks that share eight seconds of a third; do not change it."""
    folder = tmp_path_factory.mktemp("library")
    passage = np.random.default_rng(7).normal(0, 0.1, round(SECONDS * RATE_HZ)).astype(np.float32)
    first, second = tune(0, 24, 110), tune(1, 20, 440)
    for host, start, gain in ((first, HERE, 1.0), (second, THERE, 0.5)):
        place = round(start * RATE_HZ)
        host[place : place + len(passage)] = gain * passage
    for name, samples in (("first", first), ("second", second), ("third", tune(2, 16, 220))):
        soundfile.write(folder / f"{name}.wav", samples, RATE_HZ)
    lines = ["track_id,path,title,artist,genre"]
    lines += [f"{name},{name}.wav,{name.title()},Ann,{genre}" for name, genre in
              (("first", "noise"), ("second", "noise"), ("third", "calm"))]  # fmt: skip
    kept = Library(folder)
    kept.catalog.write_text("\n".join(lines) + "\n")
    embed_catalog("default", kept.catalog, kept.embeddings, patches=True)
    index_embeddings(kept.embeddings, kept.index)
    return kept


def copied(library: Library, folder: Path) -> Library:
    shutil.copytree(library.folder, folder)
    return Library(folder)


def test_the_passage_that_two_tracks_share_is_found_within_a_second(library: Library) -> None:
    found = why(library.folder, "first", "second")
    assert found.moment is not None
    assert found.moment.here_seconds == pytest.approx(HERE, abs=1)
    assert found.moment.there_seconds == pytest.approx(THERE, abs=1)
    assert found.moment.seconds == pytest.approx(SECONDS, abs=1.5)
    assert found.carried is not None and 0.01 < found.carried < 0.2
    index = open_index(library.index)
    score = float(index.vector(index.row("first")) @ index.vector(index.row("second")))
    assert found.score == pytest.approx(score, abs=1e-6)
    assert found.beliefs == [], "the default model has no heads that name labels"
    mirrored = why(index, "second", "first")
    assert mirrored.moment is not None
    assert mirrored.moment.here_seconds == found.moment.there_seconds


def test_without_audio_the_stored_patches_say_it(library: Library, tmp_path: Path) -> None:
    moved = copied(library, tmp_path / "moved")
    (moved.folder / "second.wav").unlink()
    found = why(moved.folder, "first", "second")
    assert found.moment is not None
    assert found.moment.here_seconds == pytest.approx(HERE, abs=3)
    assert found.moment.there_seconds == pytest.approx(THERE, abs=3)
    stored = Explainer(open_index(library.index))
    quick = stored.explain(stored.track("first"), stored.track("second"), fine=False)
    assert quick.moment == found.moment


def test_with_neither_the_rest_is_told_and_the_log_says_so(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = copied(library, tmp_path / "moved")
    shutil.rmtree(moved.embeddings)
    (moved.folder / "second.wav").unlink()
    found = why(moved.folder, "first", "second")
    assert found.moment is None and [fact.value for fact in found.facts] == []
    assert "no moment is told" in caplog.text and "--embeddings" in caplog.text
    given = why(moved.folder, "first", "second", embeddings=library.embeddings)
    assert given.moment is not None


def test_a_file_that_is_not_in_the_library_is_heard(library: Library, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "new.wav", soundfile.read(library.folder / "second.wav")[0][RATE_HZ:], RATE_HZ)
    found = why(library.folder, "first", tmp_path / "new.wav")
    assert found.there == "new.wav" and found.moment is not None
    assert found.moment.there_seconds == pytest.approx(THERE - 1, abs=1)


def test_a_track_is_all_of_itself(library: Library) -> None:
    found = why(library.folder, "first", "first")
    assert (
        found.score == pytest.approx(1) and found.carried is None and "all of one of them" in found.lines()[1]
    )


def test_embeddings_of_another_model_are_refused(library: Library, tmp_path: Path) -> None:
    other = copied(library, tmp_path / "other").embeddings
    manifest = json.loads((other / "manifest.json").read_text()) | {"model_hash": "0" * 32}
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtefactError, match="are by model 0000"):
        why(library.folder, "first", "second", embeddings=other)


def test_unknown_tracks_name_the_nearest(library: Library) -> None:
    with pytest.raises(UsageError, match="Did you mean first"):
        why(library.folder, "frist", "second")


def test_the_command_prints_lines_and_json_and_writes_a_page(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "why.html"
    for words in (["-o", str(page)], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            main(["why", str(library.folder), "first", "second", *words])
        assert ended.value.code == 0
    lines, _, rest = capsys.readouterr().out.partition("{")
    assert lines.startswith("First by Ann and Second by Ann: score 0.") and "0:09 here, 0:03 there" in lines
    assert json.loads("{" + rest)["moment"]["here_seconds"] == pytest.approx(HERE, abs=1)
    text = page.read_text()
    assert text.count("<audio") == 2 and "http" not in text.partition("<body>")[2].replace("data:", "")
    assert "0:09 to 0:1" in text


def test_it_is_part_of_the_package() -> None:
    assert soundkin.why is why


def test_each_answer_of_a_query_has_its_reasons(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    reasons = why_answers(library.folder, ["first"], query(library.folder, "first"))
    assert [reason.here for reason in reasons] == ["First by Ann"] * 2
    assert {reason.there for reason in reasons} == {"Second by Ann", "Third by Ann"}
    several = why_answers(library.folder, ["first", "artist:ann"], query(library.folder, "third"))
    assert [reason.here for reason in several] == [reason.there for reason in several], "the nearest seed"
    file = str(library.folder / "third.wav")
    assert why_answers(library.folder, [file], query(library.folder, "first", k=1))[0].moment is not None
    for words in ([], ["--json"]):
        with pytest.raises(SystemExit):
            main(["query", str(library.folder), "--like", "first", "--why", *words])
    table, _, told = capsys.readouterr().out.partition("[\n")
    assert "\n1. 0:" in table and "\n2. 0:" in table
    assert all("moment" in answer["why"] for answer in json.loads("[" + told))
