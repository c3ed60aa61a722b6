from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soundkin.assess.clips import FIRST_HALF, SECOND_HALF, cut
from soundkin.assess.gold_questions import gold_from_halves, read_gold
from soundkin.assess.triplet_questions import MIDDLE
from soundkin.catalog.table import Catalog
from soundkin.errors import AudioError, UsageError

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


def test_halves_are_cut_apart_and_all_clips_are_equally_loud() -> None:
    quiet, loud = np.full(4000, 0.01, np.float32), np.full(4000, 0.5, np.float32)
    samples = np.concatenate([quiet, loud]) * np.tile(np.float32([1, -1]), 4000)
    for part in (FIRST_HALF, SECOND_HALF):
        clip = cut(samples, 1000, part)
        assert len(clip) == 4000 and np.sqrt(np.mean(clip**2)) == pytest.approx(0.1, rel=0.01)
    assert len(cut(samples, 1000, MIDDLE)) == 8000
    assert np.abs(cut(np.eye(1, 4000, 2000, dtype=np.float32)[0], 1000, MIDDLE)).max() <= 0.95, (
        "a click does not clip"
    )


@pytest.mark.parametrize(
    ("samples", "said"), [(np.zeros(5000, np.float32), "silent"), (np.ones(1500, np.float32), "0.8 s long")]
)
def test_what_cannot_be_judged_is_refused(samples: np.ndarray, said: str) -> None:
    with pytest.raises(AudioError, match=said):
        cut(samples, 1000, FIRST_HALF)
