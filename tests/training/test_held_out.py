"""What training watches: figures worked out by hand, and which of them there are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from smallest_run import SMALLEST
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.errors import ConfigError
from soundkin.evaluation.measure import Measure
from soundkin.evaluation.user_rankings import Factors
from soundkin.pipelines.train import compose, train
from soundkin.training.held_out import (
    MOST_USERS,
    SYSTEM,
    HeldOut,
    held_out_scores,
    measure_held_out,
    standard_error,
    watched_score,
)

LIKED = csr_matrix(np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], np.float32))
VECTORS = np.array([[1, 0], [0, 1], [0, 1]], np.float32)


def held_out(folder: Path, plays: dict[str, csr_matrix] | None = None) -> HeldOut:
    rows = {"track_id": ["a", "b", "c"], "path": ["a.ogg", "b.ogg", "c.ogg"], "genre": ["folk", "jazz", "jazz"]}
    pd.DataFrame(rows).to_csv(folder / "catalog.csv", index=False)
    return HeldOut.of(read_catalog(folder / "catalog.csv"), plays)


def scores_of(vectors: np.ndarray, asked: HeldOut, tastes: dict[str, Factors]) -> dict[str, float]:
    return held_out_scores(measure_held_out(vectors, asked, tastes))


def test_kin_and_listeners_weigh_the_same(tmp_path: Path) -> None:
    asked = held_out(tmp_path, {"ratings": LIKED})
    assert asked.score_names() == ["genre_map", "ratings_ndcg", "retrieval"]
    scores = scores_of(VECTORS, asked, {"ratings": (np.eye(3, 2, dtype=np.float32), VECTORS)})
    assert scores["genre_map"] == pytest.approx(1.0)
    assert scores["ratings_ndcg"] == pytest.approx(1.0)
    assert scores["retrieval"] == pytest.approx(1.0)


def test_ndcg_is_that_of_twenty_places(tmp_path: Path) -> None:
    tracks = np.eye(40, dtype=np.float32)
    asked = HeldOut({}, [()] * 40, {"ratings": csr_matrix(tracks[[0, 1]] + tracks[[39, 2]])})
    users = np.zeros((2, 40), np.float32)
    users[0, 0], users[0, 39] = 1.0, -1.0  # one first, one last
    users[1, 1], users[1, 2] = 1.0, 1.0
    assert scores_of(tracks, asked, {"ratings": (users, tracks)})["ratings_ndcg"] == pytest.approx(
        (1 / (1 + 1 / np.log2(3)) + 1) / 2
    )


def test_without_plays_or_shared_labels_there_is_nothing_to_watch(tmp_path: Path) -> None:
    assert held_out(tmp_path).score_names() == ["genre_map", "retrieval"]
    assert held_out(tmp_path, {"ratings": LIKED}).of_plays_alone().score_names() == ["ratings_ndcg", "retrieval"]
    assert held_out(tmp_path).of_plays_alone().score_names() == []
    assert HeldOut({}, [()], {"ratings": LIKED[:, :1]}).score_names() == []


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3 * MOST_USERS))
def test_many_users_are_asked_by_sample_and_keep_their_rows(users: int) -> None:
    liked = csr_matrix((np.ones(users), (np.arange(users), np.zeros(users, int))), shape=(users, 2))
    catalog = Catalog(pd.DataFrame({"track_id": ["a", "b"], "path": ["a.ogg", "b.ogg"]}), Path())
    asked = HeldOut.of(catalog, {"ratings": liked}).plays["ratings"]
    assert asked.shape == liked.shape
    assert asked.nnz == min(users, MOST_USERS)


def test_the_standard_error_is_that_of_independent_groups() -> None:
    """Groups of equal items: as of the groups' means alone. One item a group: the textbook's."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=50)
    textbook = values.std(ddof=1) / np.sqrt(50)
    assert standard_error(values, np.arange(50)) == pytest.approx(textbook)
    assert standard_error(np.repeat(values, 3), np.repeat(np.arange(50), 3)) == pytest.approx(textbook)
    gaps = np.append(values, np.nan)
    assert standard_error(gaps, np.arange(51)) == pytest.approx(textbook)
    assert standard_error(values, np.zeros(50, int)) == np.inf


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 999), st.floats(-0.5, 0.5))
def test_weights_beat_the_start_by_more_than_noise_or_not_at_all(seed: int, gain: float) -> None:
    rng = np.random.default_rng(seed)
    start, noise = rng.random(40), rng.normal(0, 0.3, 40)
    now = {"artist_map": measured(start + gain + noise)}
    kept_by = watched_score(now, "retrieval", {"artist_map": start})
    score = float((start + gain + noise).mean())
    difference = float((gain + noise).mean())
    clear = difference > noise.std(ddof=1) / np.sqrt(40)
    assert kept_by == pytest.approx(score if clear or difference <= 0 else start.mean())
    assert watched_score(now, "artist_map", {"artist_map": start}) == pytest.approx(kept_by)
    assert watched_score(now, "artist_map", None) == pytest.approx(score)


def measured(scores: np.ndarray) -> Measure:
    return Measure("retrieval", "artist", "mAP@10", None, {SYSTEM: scores}, np.arange(len(scores)))


def test_measures_are_clear_together_where_neither_is_alone() -> None:
    rng = np.random.default_rng(1)
    start = {name: rng.random(40) for name in ("genre_map", "artist_map")}
    noise = rng.normal(0, 0.3, 40)
    noise += 0.9 * noise.std(ddof=1) / np.sqrt(40) - noise.mean()  # nine tenths of a standard error
    now = {"genre_map": measured(start["genre_map"] + noise), "artist_map": measured(start["artist_map"] + noise[::-1])}
    both = held_out_scores(now)["retrieval"]
    assert watched_score(now, "retrieval", start) == pytest.approx(both)
    assert watched_score(now, "genre_map", start) == pytest.approx(start["genre_map"].mean())


@pytest.mark.slow
def test_training_watches_the_listeners_of_held_out_tracks(small_catalog: Path, tmp_path: Path) -> None:
    places = [f"catalog={small_catalog}", f"ratings={small_catalog.parent / 'ratings.csv'}"]
    both = [*places, *SMALLEST, "task=[genre,latent_factors]", "trainer.epochs=3"]
    run = train(compose([*both, f"run_dir={tmp_path / 'both'}", "trainer.watched=latent_factors_ndcg"]))
    rows = pd.read_csv(tmp_path / "both" / "metrics.csv")
    parts = rows[[name for name in rows if name.startswith("valid/") and name.endswith(("_map", "_ndcg"))]]
    assert parts.shape[1] > 1
    np.testing.assert_allclose(rows["valid/retrieval"], parts.mean(axis=1), rtol=1e-5)
    candidates = rows["valid/watched"][max(0, round(0.2 * 3) - 1) :]
    assert run.metrics["valid/watched"] == pytest.approx(candidates.max())
    assert (rows["valid/watched"] <= rows["valid/latent_factors_ndcg"] + 1e-6).all()
    alone = [*places, *SMALLEST, "task=[latent_factors]", "trainer.epochs=1", f"run_dir={tmp_path / 'alone'}"]
    train(compose(alone))
    watched = [name for name in pd.read_csv(tmp_path / "alone" / "metrics.csv") if name.startswith("valid/")]
    assert watched == ["valid/latent_factors_ndcg", "valid/retrieval", "valid/watched"]


@pytest.mark.slow
def test_a_score_that_is_not_there_is_answered_with_the_nearest(small_catalog: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.watched=artist_mop.* Did you mean artist_map\?"):
        train(
            compose(
                [f"catalog={small_catalog}", f"run_dir={tmp_path / 'run'}", *SMALLEST, "trainer.watched=artist_mop"]
            )
        )


@pytest.mark.slow
def test_ratings_of_test_tracks_are_not_looked_at(small_catalog: Path, tmp_path: Path) -> None:
    ratings, histories = pd.read_csv(small_catalog.parent / "ratings.csv"), []
    run = [
        f"catalog={small_catalog}",
        *SMALLEST,
        "task=[latent_factors]",
        "trainer.epochs=2",
        "data.split={train:0.5,valid:0.2,test:0.3}",
    ]
    for name in ("all", "without"):
        ratings.to_csv(tmp_path / f"{name}.csv", index=False)
        train(compose([*run, f"ratings={tmp_path / name}.csv", f"run_dir={tmp_path / name}"]))
        histories.append(pd.read_csv(tmp_path / name / "metrics.csv").drop(columns=["seconds", "data_wait_share"]))
        splits = pd.read_csv(tmp_path / name / "tracks.csv").set_index("track_id")["split"]
        ratings = ratings[~ratings["track_id"].map(splits).eq("test")]
    assert splits.eq("test").any()
    pd.testing.assert_frame_equal(*histories)
