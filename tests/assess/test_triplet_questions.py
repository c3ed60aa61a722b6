from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.assess.triplet_questions import (
    CONTROL,
    FIRST_HALF,
    MIDDLE,
    SECOND_HALF,
    STRATA,
    UNSURE,
    gold_from_halves,
    information,
    plan_questions,
    read_gold,
    stratified_triples,
    unsure_triples,
)
from soundkin.catalog.table import Catalog
from soundkin.errors import UsageError


def catalog(artists: list[int], genres: list[int] | None = None) -> Catalog:
    names = [f"t{row}" for row in range(len(artists))]
    columns = {"track_id": names, "path": names, "artist": [f"a{artist}" for artist in artists]}
    if genres is not None:
        columns["genre"] = [f"g{genre}" for genre in genres]
    return Catalog(pd.DataFrame(columns), Path(), "catalog test.csv")


def test_information_is_one_bit_at_a_tie_and_less_the_farther_apart() -> None:
    bits = information(np.array([0.5, 0.5, 0.5, 0.9]), np.array([0.5, 0.4, 0.2, -0.9]), 0.1)
    assert bits[0] == 1.0 and (np.diff(bits) < 0).all()
    odds = np.e / (1 + np.e)  # a difference of one scale
    assert bits[1] == pytest.approx(-odds * np.log2(odds) - (1 - odds) * np.log2(1 - odds))
    assert 0 <= bits[3] < 1e-5
    assert information(np.array([0.2]), np.array([0.7]), 0.1) == information(
        np.array([0.7]), np.array([0.2]), 0.1
    )


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 6), min_size=3, max_size=40), st.integers(0, 5), st.booleans())
def test_three_tracks_by_three_artists_and_no_question_twice(
    artists: list[int], seed: int, embedded: bool
) -> None:
    numbers = np.array(artists)
    if len(set(artists)) < 3:
        with pytest.raises(UsageError, match="three artists"):
            plan_questions(catalog(artists), None)
        return
    vectors = np.random.default_rng(seed).normal(size=(len(artists), 4)).astype(np.float32)
    genres = [(f"g{artist % 3}",) if artist else () for artist in artists]
    if embedded:
        found = unsure_triples(vectors, numbers, 25, 0.2, seed)
        assert found == unsure_triples(vectors, numbers, 25, 0.2, seed)
    else:
        found = stratified_triples(genres, numbers, 25, seed)
        assert found == stratified_triples(genres, numbers, 25, seed)
    assert found and len(found) <= 25
    assert all(len({artists[row] for row in rows}) == 3 for rows, _ in found)
    keys = [(rows[0], frozenset(rows[1:])) for rows, _ in found]
    assert len(set(keys)) == len(keys)


@pytest.fixture(scope="module")
def crowd() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(size=(120, 6)).astype(np.float32), np.arange(120) // 2


def test_the_model_is_unsure_of_unsure_questions_and_sure_of_controls(
    crowd: tuple[np.ndarray, np.ndarray],
) -> None:
    vectors, artists = crowd
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = unsure_triples(vectors, artists, 200, 0.25)
    apart = {
        kind: [abs(unit[a] @ (unit[b] - unit[c])) for (a, b, c), what in found if what == kind]
        for kind in (UNSURE, CONTROL)
    }
    assert len(apart[CONTROL]) == 50
    rows = np.random.default_rng(1).integers(120, size=(2000, 3))
    at_random = np.abs(np.einsum("id,id->i", unit[rows[:, 0]], unit[rows[:, 1]] - unit[rows[:, 2]]))
    assert np.median(apart[UNSURE]) < 0.2 * np.median(at_random)
    assert np.median(apart[CONTROL]) > 1.5 * np.median(at_random)


def test_every_track_is_asked_about_and_none_fills_the_questions(
    crowd: tuple[np.ndarray, np.ndarray],
) -> None:
    vectors, artists = crowd
    vectors = vectors.copy()
    vectors[:, 0] += 3 * (np.arange(120) == 5)  # a hub
    found = [rows for rows, _ in unsure_triples(vectors, artists, 120)]
    assert sorted(rows[0] for rows in found) == list(range(120))
    assert max(Counter(row for rows in found for row in rows[1:]).values()) <= 8


def test_strata_are_what_they_say_and_take_turns() -> None:
    genres = [(f"g{row % 4}",) for row in range(60)]
    found = stratified_triples(genres, np.arange(60), 60)
    shared = {stratum: count for stratum, count in zip(STRATA, (1, 2, 0), strict=True)}
    for (anchor, one, other), stratum in found:
        assert (genres[one] == genres[anchor]) + (genres[other] == genres[anchor]) == shared[stratum]
    assert Counter(stratum for _, stratum in found) == dict.fromkeys(STRATA, 20)
    assert Counter(genres[anchor] for (anchor, _, _), _ in found[:8]) == {(f"g{n}",): 2 for n in range(4)}


def test_shared_questions_are_spread_evenly() -> None:
    plan = plan_questions(catalog(list(range(30))), None, count=100, shared_share=0.3)
    shared = [question.shared for question in plan]
    assert sum(shared) == 30 and all(sum(shared[start : start + 10]) == 3 for start in range(0, 100, 10))


def test_a_catalog_without_artists_or_genres_will_do() -> None:
    names = ["x", "y", "z"]
    bare = Catalog(pd.DataFrame({"track_id": names, "path": names}), Path(), "catalog bare.csv")
    plan = plan_questions(bare, None, count=10)
    assert len(plan) == 3 and {question.anchor.track_id for question in plan} == set(names)


def test_equal_vectors_are_no_trouble() -> None:
    assert len(unsure_triples(np.ones((9, 3), np.float32), np.arange(9), 9)) == 9
    assert len(unsure_triples(np.zeros((9, 3), np.float32), np.arange(9), 9, 0.5)) == 9


NAMES = list("abcdefgh")
FRAME = pd.DataFrame(
    {"track_id": NAMES, "path": NAMES, "artist": list("AABBCCDD"), "genre": [*"xxyyxxy", None]}
)
CATALOG = Catalog(FRAME, Path(), "catalog test.csv")


def test_the_farther_track_is_by_another_artist_of_another_genre() -> None:
    artist, genre = (dict(zip(NAMES, FRAME[column], strict=True)) for column in ("artist", "genre"))
    found = gold_from_halves(CATALOG)
    assert sorted(gold.anchor.track_id for gold in found) == NAMES
    for gold in found:
        anchor, closer, farther = gold.clips
        assert closer.track_id == anchor.track_id and farther.part == MIDDLE
        assert {anchor.part, closer.part} == {FIRST_HALF, SECOND_HALF}
        own, far = anchor.track_id, farther.track_id
        assert artist[own] != artist[far]
        assert genre[own] is None or genre[own] != genre[far] or not isinstance(genre[own], str)
    assert found == gold_from_halves(CATALOG) and found != gold_from_halves(CATALOG, random_seed=1)
    assert len(gold_from_halves(CATALOG, count=3)) == 3


def test_with_vectors_it_is_one_of_the_least_similar() -> None:
    angles = np.linspace(0, np.pi, 8)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    bare = Catalog(FRAME[["track_id", "path"]], Path(), "catalog bare.csv")
    for gold in gold_from_halves(bare, vectors):
        place = NAMES.index(gold.anchor.track_id)
        assert gold.candidates[1].track_id in ("gh" if place < 4 else "ab")


def test_one_artist_is_not_enough() -> None:
    alone = Catalog(FRAME.assign(artist="A"), Path(), "catalog alone.csv")
    with pytest.raises(UsageError, match="by one artist"):
        gold_from_halves(alone)


def write(folder: Path, *rows: str) -> Path:
    (folder / "gold.csv").write_text("anchor_id,closer_id,farther_id\n" + "".join(f"{row}\n" for row in rows))
    return folder / "gold.csv"


def test_gold_from_a_file(tmp_path: Path) -> None:
    found = read_gold(write(tmp_path, "a,b,c", "d,e,f", "a,b,c"), CATALOG, least=2)
    assert [tuple(clip.track_id for clip in gold.clips) for gold in found] == [tuple("abc"), tuple("def")]


@pytest.mark.parametrize(
    ("rows", "said"), [(["a,b,c"], "1 questions, .* take 2"), (["a,b,c", "a,c,b"], "two answers")]
)
def test_gold_files_that_are_refused(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_gold(write(tmp_path, *rows), CATALOG, least=2)
