"""Recommendations for a history, by any index."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from soundkin.embedding.store import Embeddings
from soundkin.errors import CatalogError, UsageError
from soundkin.pipelines.heard import liking, rows_heard
from soundkin.pipelines.recommend import recommend
from soundkin.search.library_sample import sample_of
from soundkin.search.vector_index import Index, build_index, open_index

COUNT = 120


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Tracks 0 to 59 sound alike, and so do the others; four by each artist."""
    folder = tmp_path_factory.mktemp("heard")
    sides = np.repeat(np.eye(2, 8) * 2, COUNT // 2, axis=0)
    vectors = (sides + np.random.default_rng(0).standard_normal((COUNT, 8)) * 0.4).astype(np.float32)
    ids = [f"t{row:03}" for row in range(COUNT)]
    table = {
        "track_id": ids,
        "path": ids,
        "title": [f"Title {row}" for row in range(COUNT)],
        "artist": [f"The Ärtist {row // 4}" for row in range(COUNT)],
        "genre": ["rock", "jazz"] * (COUNT // 2),
    }
    embeddings = Embeddings(ids, vectors, [9.0] * COUNT, [""] * COUNT, "m", folder / "m", folder / "c.csv")
    build_index(embeddings, pa.table(table), folder, folder / "index", "exact")
    return open_index(folder / "index")


def write(folder: Path, *lines: str) -> Path:
    path = folder / "history.csv"
    path.write_text("\n".join(["artist,title,track_id,date", *lines]) + "\n")
    return path


def test_plays_are_matched_by_id_or_names_and_weighed(
    index: Index, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [
        "artist 0,TITLE 2,,",
        "Artist 0 feat. Bob,Title 2 (Live),,",
        "x,y,t005,",
        "Nobody,Nothing,,",
        "artist 1,Title 2,,",
    ]
    with caplog.at_level(logging.WARNING):
        rows, weights = rows_heard(index, write(tmp_path, *lines))
    assert rows.tolist() == [2, 5] and weights.tolist() == pytest.approx([np.log(3), np.log(2)])
    assert "2 of 5 plays are of tracks that index" in caplog.text and "Nobody - Nothing (1)" in caplog.text


def test_a_play_loses_half_its_weight_each_half_life(index: Index, tmp_path: Path) -> None:
    lines = ["x,y,t000,2024-01-31", "x,y,t001,2024-01-01", "x,y,t002,", "elsewhere,z,none,2024-02-10"]
    rows, weights = rows_heard(index, write(tmp_path, *lines), half_life_days=10)
    plays = dict(zip(rows.tolist(), np.expm1(weights), strict=True))
    assert plays == pytest.approx({0: 0.5, 1: 1 / 16, 2: 1 / 16})


def test_liking_is_the_mean_over_what_was_heard(index: Index) -> None:
    rows, weights = np.array([3, 70, 9]), np.array([1.0, 2.0, 0.5])
    vectors, sample = index.vectors(np.arange(COUNT)), sample_of(index)
    each = [
        sample.without_hubs((vectors @ vectors[row]).astype(float), vectors, vectors[row]) for row in rows
    ]
    expected = np.average(each, axis=0, weights=weights)
    np.testing.assert_allclose(liking(index, rows, weights), expected, atol=1e-5)


def test_answers_sound_like_the_history_and_are_not_in_it(index: Index, tmp_path: Path) -> None:
    history = write(tmp_path, *(f"x,y,t{row:03}," for row in (0, 5, 9)))
    answers = recommend(index.folder, history=history, k=20)
    rows = [index.row(answer.track_id) for answer in answers]
    assert len(rows) == 20 and max(rows) < COUNT // 2 and not {0, 5, 9} & set(rows)
    assert max(np.bincount(np.array(rows) // 4)) <= 2
    jazz = recommend(index.folder, history=history, k=3, where=["genre=jazz"], artist_cap=1)
    assert [index.row(answer.track_id) % 2 for answer in jazz] == [1, 1, 1]
    every = recommend(index.folder, history=history, k=COUNT)  # more than two of an artist, if it takes that
    assert len(every) == COUNT - 3


def test_a_history_of_strangers(index: Index, tmp_path: Path) -> None:
    with pytest.raises(
        CatalogError, match=r"none of its 2 plays is of a track in index .* Nobody - Nothing \(2\)"
    ):
        recommend(index.folder, history=write(tmp_path, *["Nobody,Nothing,,"] * 2))


@pytest.mark.parametrize("asked", [{"half_life": -1}, {"half_life": 0}])
def test_half_lives_that_make_no_sense(index: Index, tmp_path: Path, asked: dict) -> None:
    with pytest.raises(UsageError, match="give days above 0"):
        recommend(index.folder, history=write(tmp_path, "x,y,t000,"), **asked)
    with pytest.raises(UsageError, match="and a history"):
        recommend(index.folder, "user-1", half_life=3)
