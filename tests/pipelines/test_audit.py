"""`audit` and `correct` as people use them: from a catalog with planted faults to a corrected one."""

import json
import re
import shutil
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soundkin.audit.label_errors import LabelErrors
from soundkin.audit.leaks import Leaks, content_hashes
from soundkin.catalog.table import read_catalog
from soundkin.cli.main import main
from soundkin.errors import CatalogError, OutputError, UsageError
from soundkin.pipelines.audit import audit
from soundkin.pipelines.correct import apply_to_catalog, corrections_of_review

SCRIPT = "<script>alert('x')</script>"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def planted(small_catalog: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of a scanned catalog of 32 real files with one wrong genre (row 0), and a table of vectors."""
    frame = pd.read_csv(small_catalog, dtype=str)
    frame["genre"] = ["jazz" if row < 16 else "rock" for row in range(32)]
    frame["artist"] = [f"Artist {'abcdefghijklmnop'[row // 2] * 3}" for row in range(32)]
    frame["title"] = [f"Title {'abcdefghijklmnop'[row // 2] * 3} {row}" for row in range(32)]
    centres = np.where(np.arange(32) < 16, -3.0, 3.0)[:, None]
    vectors = centres + np.random.default_rng(0).standard_normal((32, 4))
    frame.loc[0, "genre"], frame.loc[0, "title"] = "rock", SCRIPT
    frame["audio_folder"] = str(small_catalog.parent)
    frame.to_csv(tmp_path / "catalog.csv", index=False)
    np.savez(
        tmp_path / "vectors.npz", track_id=frame["track_id"].to_numpy(str), vectors=vectors.astype(np.float32)
    )
    return tmp_path / "catalog.csv", tmp_path / "vectors.npz"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.slow
def test_without_vectors_it_says_how_to_make_them(small_catalog: Path) -> None:
    found = audit(small_catalog)
    titles = [section.title for section in found.sections]
    assert titles == [f"Coverage: {name}" for name in ("genre", "artist", "decade", "language")] + [
        "Leaks between splits"
    ]
    assert "soundkin embed MODEL CATALOG" in found.notes[0]
    assert found.review.empty or set(found.review["column"]) == {"artist"}
    assert all(section.verdict and section.notes for section in found.sections)
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.slow
def test_a_folder_with_page_json_and_review(planted: tuple[Path, Path], tmp_path: Path) -> None:
    catalog, vectors = planted
    found = audit(catalog, tmp_path / "audit", embeddings=vectors, labels=["genre"])
    written = json.loads((tmp_path / "audit/audit.json").read_text())
    assert [section["title"] for section in written["sections"]] == [
        section.title for section in found.sections
    ]
    labels = next(section for section in found.sections if isinstance(section, LabelErrors))
    first = read_catalog(catalog).track_ids[0]
    assert labels.doubted[0].track_id == first and labels.doubted[0].suggested == "jazz"
    review = pd.read_csv(tmp_path / "audit/review.csv", dtype=str)
    assert review.loc[0, ["track_id", "column", "given", "suggested"]].tolist() == [
        first,
        "genre",
        "rock",
        "jazz",
    ]
    assert review["decision"].isna().all() and review["value"].isna().all()


@pytest.mark.slow
def test_artists_are_doubted_only_where_they_are_asked_for(
    planted: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog, vectors = planted
    titles = [one.title for one in audit(catalog, embeddings=vectors, audio=False).sections]
    assert "Doubted labels: genre" in titles and "Doubted labels: artist" not in titles
    assert run("audit", catalog, "--embeddings", vectors, "--without-audio", "--labels", "artist") == 0
    said = capsys.readouterr().out
    assert "Doubted labels: artist" in said and "Doubted labels: genre" not in said


@pytest.mark.slow
def test_what_is_decided_on_the_page_becomes_a_corrected_catalog(
    planted: tuple[Path, Path], tmp_path: Path, browser: Any
) -> None:
    """From the page of a real audit, opened from disk, over the file it saves, to the catalog."""
    catalog, vectors = planted
    audit(catalog, tmp_path / "audit", embeddings=vectors, labels=["genre"], audio=False)
    tab = browser.new_context(accept_downloads=True, offline=True).new_page()
    tab.goto((tmp_path / "audit/audit.html").as_uri())
    assert "genre labels are doubted" in tab.inner_text(".verdict")
    tab.click(".decision [data-decision=accept]")
    with tab.expect_download() as download:
        tab.click("#save")
    download.value.save_as(tmp_path / "review.csv")
    corrections = tmp_path / "corrections.csv"
    assert corrections_of_review(catalog, tmp_path / "review.csv", corrections, "ann", NOW).in_all == 1
    apply_to_catalog(catalog, corrections, tmp_path / "corrected.csv")
    assert read_catalog(tmp_path / "corrected.csv").values("genre")[0] == ("jazz",)


@pytest.mark.slow
def test_the_page_opens_offline_plays_and_cannot_be_written_into(
    planted: tuple[Path, Path], tmp_path: Path
) -> None:
    catalog, vectors = planted
    audit(catalog, tmp_path / "audit", embeddings=vectors, labels=["genre"])
    text = (tmp_path / "audit/audit.html").read_text()
    page = Page(text)
    addresses = [
        value for _, found in page.tags for key, value in found.items() if key in ("src", "href", "action")
    ]
    assert all(address and address.startswith(("data:", "#")) for address in addresses) and "://" not in text
    players = [found for tag, found in page.tags if tag == "audio"]
    assert players and str(players[0]["src"]).startswith("data:audio/mpeg;base64,")
    assert SCRIPT not in text and "&lt;script&gt;alert" in text
    policy = next(found["content"] for tag, found in page.tags if tag == "meta" and "http-equiv" in found)
    assert policy and policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy
    assert all("scope" in found for tag, found in page.tags if tag == "th")


@pytest.mark.slow
def test_the_whole_way_to_a_corrected_catalog(planted: tuple[Path, Path], tmp_path: Path) -> None:
    catalog, vectors = planted
    before = catalog.read_bytes()
    audit(catalog, tmp_path / "audit", embeddings=vectors, labels=["genre"], audio=False)
    review = pd.read_csv(tmp_path / "audit/review.csv", dtype=str)
    review["decision"] = ["accept", *["keep"] * (len(review) - 1)]
    review.to_csv(tmp_path / "filled.csv", index=False)
    corrections, corrected = tmp_path / "corrections.csv", tmp_path / "elsewhere" / "corrected.csv"
    decided = corrections_of_review(catalog, tmp_path / "filled.csv", corrections, "ann", NOW)
    assert (decided.in_all, decided.review.kept) == (1, len(review) - 1)
    assert pd.read_csv(corrections).loc[0, ["by", "timestamp"]].tolist() == ["ann", "2026-01-02T03:04:05Z"]
    again = corrections_of_review(catalog, tmp_path / "filled.csv", corrections, "bob", NOW)
    assert again.in_all == 1, "the same decision twice is one correction"
    done = apply_to_catalog(catalog, corrections, corrected)
    assert (done.cells, done.tracks) == (1, 1)
    assert catalog.read_bytes() == before
    assert read_catalog(corrected).values("genre")[0] == ("jazz",)
    assert read_catalog(corrected).audio_paths()[5].is_file()
    shutil.copy(corrected, tmp_path / "catalog.csv")
    with pytest.raises(CatalogError, match=r"genre was 'rock', and is now 'jazz'"):
        apply_to_catalog(tmp_path / "catalog.csv", corrections, tmp_path / "twice.csv")
    assert not (tmp_path / "twice.csv").exists()


@pytest.mark.slow
def test_decisions_are_never_lost(planted: tuple[Path, Path], tmp_path: Path) -> None:
    catalog, vectors = planted
    folder = tmp_path / "audit"
    audit(catalog, folder, embeddings=vectors, labels=["genre"], audio=False)
    audit(catalog, folder, embeddings=vectors, labels=["genre"], audio=False)
    review = pd.read_csv(folder / "review.csv", dtype=str).assign(decision="keep")
    review.to_csv(folder / "review.csv", index=False)
    with pytest.raises(OutputError, match=f"holds {len(review)} decisions, which would be lost"):
        audit(catalog, folder, embeddings=vectors, labels=["genre"], audio=False)
    assert pd.read_csv(folder / "review.csv")["decision"].eq("keep").all()


@pytest.mark.slow
def test_the_same_file_twice_is_seen_without_vectors(planted: tuple[Path, Path], tmp_path: Path) -> None:
    catalog = read_catalog(planted[0])
    frame = catalog.frame.astype({"year": "object"}).copy()
    frame["audio_folder"] = str(tmp_path)
    for row, path in enumerate(catalog.audio_paths()):
        target = tmp_path / f"{row}{path.suffix}"
        shutil.copy(catalog.audio_paths()[0] if row == 31 else path, target)
        frame.loc[row, "path"] = target.name
    frame["split"] = ["train"] * 16 + ["test"] * 16
    frame.to_csv(tmp_path / "twice.csv", index=False)
    hashes = content_hashes(read_catalog(tmp_path / "twice.csv"))
    ids = catalog.track_ids
    assert hashes[ids[0]] == hashes[ids[31]] and len(set(hashes.values())) == len(hashes) - 1
    leaks = next(section for section in audit(tmp_path / "twice.csv").sections if isinstance(section, Leaks))
    assert [group.track_ids for group in leaks.groups if group.kind == "same audio file"] == [
        (ids[0], ids[31])
    ]
    assert leaks.tainted["test"] == 1


@pytest.mark.slow
def test_people_are_judged_where_their_answers_are_given(small_catalog: Path, tmp_path: Path) -> None:
    corpus = small_catalog.parent
    found = audit(
        small_catalog, tmp_path, ratings=corpus / "ratings.csv", triplets=corpus / "triplets.csv", audio=False
    )
    titles = [section.title for section in found.sections]
    assert "Agreement between annotators" in titles and "Reliability of annotators" in titles
    assert (tmp_path / "annotators.csv").is_file() and (tmp_path / "audit.html").is_file()


def test_a_target_brings_its_own_columns(small_catalog: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.csv"
    target.write_text("column,value,share\ncountry,FR,0.5\ncountry,DE,0.5\n")
    sections = audit(small_catalog, target=target, columns=["album"], audio=False).sections
    assert [one.title for one in sections][4:6] == ["Coverage: country", "Coverage: album"]


def test_mistakes_are_explained(planted: tuple[Path, Path], tmp_path: Path) -> None:
    catalog, vectors = planted
    with pytest.raises(CatalogError, match="there is no column mood"):
        audit(catalog, embeddings=vectors, labels=["mood"])
    np.savez(tmp_path / "other.npz", track_id=np.array(["z"]), vectors=np.ones((1, 3), np.float32))
    with pytest.raises(UsageError, match="holds no vector of any track in catalog"):
        audit(catalog, embeddings=tmp_path / "other.npz")
    with pytest.raises(UsageError, match="give their triplets too"):
        audit(catalog, gold=tmp_path / "gold.csv", audio=False)


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_the_commands(planted: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog, vectors = planted
    output = tmp_path / "audit"
    assert (
        run("audit", catalog, "--embeddings", vectors, "--label", "genre", "--without-audio", "-o", output)
        == 0
    )
    said = capsys.readouterr()
    assert "Doubted labels: genre" in said.out and "nothing leaks" in said.out
    assert "labels swapped on purpose" in said.out and "wrong" not in said.out
    assert re.search(r"\d+ labels to decide on in review.csv", said.err)
    assert run("correct", catalog, output / "review.csv", "-o", tmp_path / "corrections.csv") == 2
    assert "nothing is decided in" in capsys.readouterr().err
    review = pd.read_csv(output / "review.csv", dtype=str)
    review.loc[0, "value"] = "blues"
    review.to_csv(tmp_path / "filled.csv", index=False)
    assert (
        run("correct", catalog, tmp_path / "filled.csv", "-o", tmp_path / "corrections.csv", "--by", "ann")
        == 0
    )
    assert "1 corrections, 1 of them from" in capsys.readouterr().out
    assert (
        run("correct", catalog, "--apply", tmp_path / "corrections.csv", "-o", tmp_path / "corrected.csv")
        == 0
    )
    assert read_catalog(tmp_path / "corrected.csv").values("genre")[0] == ("blues",)
    assert run("correct", catalog, "--apply", tmp_path / "corrections.csv", "-o", catalog) == 2
    assert run("correct", catalog, "-o", tmp_path / "x.csv") == 2
    assert run("audit", catalog, "--json", "--without-audio") == 0
    capsys.readouterr()
    assert run("audit", tmp_path / "nowhere.csv") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_names_that_are_no_artist_and_spellings_to_correct(tmp_path: Path) -> None:
    artists = ["House Band", "HOUSE BAND", "Björk", "Björk", "BJORK feat. Ann", "Ann"]
    ids = [f"t{row}" for row in range(len(artists))]
    splits = ["train", "test", "train", "train", "train", "test"]
    frame = pd.DataFrame({"track_id": ids, "path": "x.mp3", "artist": artists, "split": splits})
    frame.to_csv(tmp_path / "catalog.csv", index=False)

    def leaks_and_review(**options: Any) -> tuple[Any, pd.DataFrame]:
        found = audit(tmp_path / "catalog.csv", audio=False, **options)
        return next(section for section in found.sections if isinstance(section, Leaks)), found.review

    torn, _ = leaks_and_review()
    assert torn.tainted["test"] == 1 and [group.what for group in torn.groups if group.leaks] == [
        "HOUSE BAND",
        "Ann",
    ]
    found, review = leaks_and_review(no_artist=["the house band"])
    assert found.tainted["test"] == 0 and [group.kind for group in found.groups if group.leaks] == [
        "guest of another artist"
    ]
    assert review[["track_id", "given", "suggested"]].to_numpy().tolist() == [
        ["t4", "BJORK feat. Ann", "Björk feat. Ann"]
    ]
