"""Spellings of one artist, guests, and names that are nobody's, from the catalog to the table of scores."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from one_fold import evaluate_vectors

from soundkin.catalog.table import Catalog
from soundkin.evaluation.evaluation_report import Evaluation

ARTISTS, TRACKS = 40, 6
SPELLINGS = ("{}", "{}", "THE {}", "{}, The", "{} ", "{}")


def evaluated(spell: Callable[[int, int], str | None]) -> Evaluation:
    """Vectors that know the artist and nothing of the genre, which artists got by lot; `spell` writes
    credits.
    """
    rng = np.random.default_rng(0)
    genre, artist = rng.integers(4, size=ARTISTS), np.repeat(np.arange(ARTISTS), TRACKS)
    vectors = rng.standard_normal((ARTISTS, 16))[artist] + 0.1 * rng.standard_normal((len(artist), 16))
    ids = [f"t{row}" for row in range(len(artist))]
    frame = pd.DataFrame({"track_id": ids, "path": ids, "genre": [f"genre {of}" for of in genre[artist]]})
    frame["artist"] = [spell(of, row % TRACKS) for row, of in enumerate(artist)]
    return evaluate_vectors({"model": vectors}, Catalog(frame, Path()), ["genre", "artist"], resamples=50)


def score(found: Evaluation, filtered_by: str | None) -> float:
    return next(
        interval.mean
        for row in found.rows
        if (row.protocol, row.label, row.metric, row.filtered_by)
        == ("retrieval", "genre", "mAP@10", filtered_by)
        for interval in row.scores
        if interval.system == "model"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "spell",
    [
        lambda artist, track: SPELLINGS[track].format(f"Ártist Nr {artist}"),
        lambda artist, track: (f"ÁRTIST nr. {artist}", f"A\u0301rtist Nr {artist}")[track % 2],
    ],
)
def test_the_artist_filter_scores_the_same_under_any_spelling(spell: Callable[[int, int], str]) -> None:
    """With two spellings an artist, and these compared as they are, the first figure came near the second."""
    plain, spelled = evaluated(lambda artist, track: f"Artist Nr {artist}"), evaluated(spell)
    assert score(spelled, "artist") == score(plain, "artist") < 0.15
    assert score(plain, None) > 0.5
    assert spelled.rows == plain.rows and spelled.artists == plain.artists == ARTISTS


def test_who_shares_a_guest_does_not_answer_either() -> None:
    """Every track of an artist under another lead, all with the artist as guest."""
    guests = evaluated(lambda artist, track: f"Lead {artist} {track} feat. Artist Nr {artist}")
    plain = evaluated(lambda artist, track: f"Artist Nr {artist}")
    assert score(guests, "artist") == pytest.approx(score(plain, "artist"))
    assert guests.artists == ARTISTS * TRACKS


def test_nobody_is_neither_a_label_nor_a_filter() -> None:
    found = evaluated(
        lambda artist, track: ("Various Artists", "VA", None, "[unknown]", "-", "Unknown Artist")[track]
    )
    assert found.artists == ARTISTS * TRACKS
    assert {(row.label, row.filtered_by) for row in found.rows} == {("genre", None)}
