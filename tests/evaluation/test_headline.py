from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soundkin.catalog.table import Catalog
from soundkin.evaluation.headline import headline_sentence
from soundkin.evaluation.protocol import Evaluation, evaluate_vectors


def judged(artists: int, known: float, split: str = "test") -> tuple[Evaluation, Catalog, np.ndarray]:
    """Artists of five tracks in five genres; a share of the tracks lies with its genre, the rest anywhere."""
    rng = np.random.default_rng(0)
    artist = np.repeat(np.arange(artists), 5)
    genre = artist % 5
    frame = pd.DataFrame(
        {
            "track_id": [f"t{row}" for row in range(len(artist))],
            "path": "x.ogg",
            "artist": [f"artist {number}" for number in artist],
            "genre": [f"genre {number}" for number in genre],
        }
    )
    told = rng.random(len(artist)) < known
    vectors = np.where(told[:, None], np.eye(5)[genre], 0) * 9 + rng.standard_normal((len(artist), 5)) * 0.3
    catalog = Catalog(frame, Path())
    found = evaluate_vectors({"ours": vectors}, catalog, labels=("genre",))
    return found.model_copy(update={"provenance": {"split": split, "model_hash": "0"}}), catalog, vectors


def test_a_perfect_space_a_middling_one_and_chance() -> None:
    perfect = headline_sentence(*judged(50, 1.0))
    assert (
        perfect
        == "Of ten neighbours of a track by an artist it never met, ten share its genre; chance would give two."
    )
    assert any(
        word in headline_sentence(*judged(50, 0.7)) for word in ("five share", "six share", "seven share")
    )
    assert "two share its genre; chance would give two." in headline_sentence(*judged(50, 0.0))


def test_it_claims_no_strangers_where_training_may_have_met_them() -> None:
    assert headline_sentence(*judged(50, 1.0, split="all")).startswith(
        "Of ten neighbours of a track, ten share"
    )


@pytest.mark.parametrize("artists", [5, 7])
def test_few_artists_get_no_sentence(artists: int) -> None:
    assert headline_sentence(*judged(artists, 1.0)) == ""


def test_the_own_artist_does_not_count() -> None:
    """Where tracks know their artist only, none of ten by others share the genre more than by chance."""
    found, catalog, _ = judged(50, 1.0)
    by_artist = np.eye(50)[np.repeat(np.arange(50), 5)] + 0.01 * np.random.default_rng(0).standard_normal(
        (250, 50)
    )
    assert "two share its genre; chance would give two." in headline_sentence(found, catalog, by_artist)
