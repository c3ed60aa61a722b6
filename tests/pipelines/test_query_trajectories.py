"""Queries by trajectory over a small library of songs whose forms are known, heard by the default model."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundkin.cli.main import main
from soundkin.embedding.library import Library
from soundkin.errors import UsageError
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.query import ask, query
from soundkin.search.query_description import QueryDescription
from soundkin.search.vector_index import open_index

RATE_HZ = 22_050
FORMS = ("ABAC", "AABB", "ABBB", "ABCB")
SECTION_SECONDS = 9.0


def write_song(path: Path, form: str, low_hz: float) -> None:
    """Sections of a tone a letter, in one register."""
    seconds = np.arange(round(SECTION_SECONDS * RATE_HZ)) / RATE_HZ
    tones = [0.3 * np.sin(2 * np.pi * low_hz * 1.7 ** "ABC".index(letter) * seconds) for letter in form]
    noise = np.random.default_rng(round(low_hz)).normal(0, 0.003, len(tones) * len(seconds))
    soundfile.write(path, (np.concatenate(tones) + noise).astype(np.float32), RATE_HZ)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Each form in two registers, `low-ABAC` and `high-ABAC`, and a song of a second; do not change it."""
    kept = Library(tmp_path_factory.mktemp("library"))
    lines = ["track_id,path,title,artist"]
    for register, low_hz in (("low", 200), ("high", 900)):
        for form in FORMS:
            name = f"{register}-{form}"
            write_song(kept.folder / f"{name}.wav", form, low_hz)
            lines.append(f"{name},{name}.wav,{name},{form}")
    soundfile.write(kept.folder / "short.wav", np.full(RATE_HZ, 0.1, np.float32), RATE_HZ)
    kept.catalog.write_text("\n".join([*lines, "short,short.wav,short,nobody"]) + "\n")
    embed_catalog("default", kept.catalog, kept.embeddings, patches=True)
    index_embeddings(kept.embeddings, kept.index)
    return kept


def test_the_song_of_the_same_form_is_first_and_not_by_sound(library):
    index = open_index(library.folder)
    firsts = {by: [query(index, f"low-{form}", k=1, by=by)[0].track_id for form in FORMS]
              for by in ("sound", "trajectory")}  # fmt: skip
    assert firsts["trajectory"] == [f"high-{form}" for form in FORMS]
    assert firsts["sound"] != firsts["trajectory"]


def test_a_file_and_a_description_are_asked_by(library, tmp_path):
    write_song(tmp_path / "new.wav", "ABCB", 450)
    asked = QueryDescription.model_validate({"like": [str(tmp_path / "new.wav")], "k": 2, "by": "trajectory"})
    answers = ask(library.folder, asked)
    assert {answer.track_id for answer in answers} == {"low-ABCB", "high-ABCB"}
    assert all(0 <= answer.closer_than <= 1 for answer in answers)


def test_conditions_and_the_artist_cap_hold(library):
    answers = query(library.folder, "low-ABAC", k=9, where=["artist!=ABAC"], by="trajectory", artist_cap=1)
    assert sorted(answer.artist for answer in answers) == sorted({*FORMS} - {"ABAC"})


def test_the_command_says_what_was_asked(library, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["query", str(library.folder), "--like", "low-ABAC", "--by", "trajectory", "-k", "1"])
    told = capsys.readouterr().out
    assert "goes like" in told and "high-ABAC" in told


def test_songs_without_a_trajectory_are_no_answers_and_no_seeds(library):
    answers = query(library.folder, "low-ABAC", k=20, by="trajectory")
    assert len(answers) == 2 * len(FORMS) - 1 and "too short" in answers.why_fewer
    with pytest.raises(UsageError, match="short is too short to have a trajectory"):
        query(library.folder, "short", by="trajectory")


def test_what_is_asked_by_sound_alone_is_refused(library):
    for more in ({"unlike": "low-AABB"}, {"diversity": 0.3}, {"vector": np.ones(256)}):
        with pytest.raises(UsageError, match=f"{next(iter(more))} has no meaning by trajectory"):
            query(library.folder, "low-ABAC", by="trajectory", **more)


def test_a_library_without_patch_vectors_says_what_to_do(library, tmp_path):
    kept = Library(tmp_path)
    index_embeddings(library.embeddings, kept.index)
    with pytest.raises(UsageError, match="needs patch vectors, and there are no embeddings beside"):
        query(kept.index, "low-ABAC", by="trajectory")
    embed_catalog("default", library.catalog, kept.embeddings)
    with pytest.raises(UsageError, match="holds no patch vectors"):
        query(kept.index, "low-ABAC", by="trajectory")


def test_why_says_what_the_courses_have_in_common(library, tmp_path, capsys):
    write_song(tmp_path / "new.wav", "ABAC", 450)
    for seed in ("low-ABAC", str(tmp_path / "new.wav")):
        with pytest.raises(SystemExit, match="0"):
            main(["query", str(library.folder), "--like", seed, "--by", "trajectory", "-k1", "--why"])
        told = capsys.readouterr()
        assert "sound alike here, and so do" in told.out + told.err


def test_why_of_a_described_query_is_by_trajectory_too(library, tmp_path, capsys):
    description = tmp_path / "asked.json"
    description.write_text('{"like": ["low-ABCB"], "by": "trajectory", "k": 1}')
    with pytest.raises(SystemExit, match="0"):
        main(["query", str(library.folder), "--description", str(description), "--why", "--json"])
    [answer] = json.loads(capsys.readouterr().out)
    first, second = answer["why"]["return_here"]
    assert 9 < first < 18 and 27 < second < 36


def test_trajectories_are_stored_in_the_library(library):
    query(library.folder, "low-ABAC", k=1, by="trajectory")
    assert list(library.trajectories.glob("*.npz"))
