"""Held-out scores: figures worked out by hand, and which of them there are."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from smallest_run import SMALLEST
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.errors import ConfigError
from soundkin.evaluation.user_rankings import Factors
from soundkin.pipelines.train import compose, train
from soundkin.training import fit
from soundkin.training.callbacks import History, KeepBest, StopWhenNoBetter
from soundkin.training.held_out import (
    MAX_USERS,
    HeldOutTargets,
    ItemScores,
    error_of_mean,
    held_out_scores,
    sample_users,
    selection_score,
)

LIKED = csr_matrix(np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], np.float32))
VECTORS = np.array([[1, 0], [0, 1], [0, 1]], np.float32)


def held_out(folder: Path, plays: dict[str, csr_matrix] | None = None) -> HeldOutTargets:
    rows = {
        "track_id": ["a", "b", "c"],
        "path": ["a.ogg", "b.ogg", "c.ogg"],
        "genre": ["folk", "jazz", "jazz"],
    }
    pd.DataFrame(rows).to_csv(folder / "catalog.csv", index=False)
    targets = HeldOutTargets.from_catalog(read_catalog(folder / "catalog.csv"))
    return replace(targets, positives=plays or {})


def scores_of(vectors: np.ndarray, asked: HeldOutTargets, factors: dict[str, Factors]) -> dict[str, float]:
    return held_out_scores(asked.measure(vectors, factors))


def test_labels_and_users_weigh_the_same(tmp_path: Path) -> None:
    asked = held_out(tmp_path, {"ratings": LIKED})
    assert asked.score_names() == ["genre_map", "ratings_ndcg", "retrieval"]
    scores = scores_of(VECTORS, asked, {"ratings": (np.eye(3, 2, dtype=np.float32), VECTORS)})
    assert scores["genre_map"] == pytest.approx(1.0)
    assert scores["ratings_ndcg"] == pytest.approx(1.0)
    assert scores["retrieval"] == pytest.approx(1.0)


def test_ndcg_is_that_of_twenty_places(tmp_path: Path) -> None:
    tracks = np.eye(40, dtype=np.float32)
    asked = HeldOutTargets(
        {}, [()] * 40, np.arange(40), {"ratings": csr_matrix(tracks[[0, 1]] + tracks[[39, 2]])}
    )
    users = np.zeros((2, 40), np.float32)
    users[0, 0], users[0, 39] = 1.0, -1.0  # one first, one last
    users[1, 1], users[1, 2] = 1.0, 1.0
    assert scores_of(tracks, asked, {"ratings": (users, tracks)})["ratings_ndcg"] == pytest.approx(
        (1 / (1 + 1 / np.log2(3)) + 1) / 2
    )


def test_without_plays_or_shared_labels_there_is_nothing_to_score(tmp_path: Path) -> None:
    assert held_out(tmp_path).score_names() == ["genre_map", "retrieval"]
    assert replace(held_out(tmp_path, {"ratings": LIKED}), labels={}).score_names() == [
        "ratings_ndcg",
        "retrieval",
    ]
    assert replace(held_out(tmp_path), labels={}).score_names() == []
    assert HeldOutTargets({}, [()], np.arange(1), {"ratings": LIKED[:, :1]}).score_names() == []


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3 * MAX_USERS))
def test_many_users_are_asked_by_sample_and_keep_their_rows(users: int) -> None:
    liked = csr_matrix((np.ones(users), (np.arange(users), np.zeros(users, int))), shape=(users, 2))
    asked = sample_users(liked)
    assert asked.shape == liked.shape
    assert asked.nnz == min(users, MAX_USERS)


def standard_error_of(*measures: tuple[np.ndarray, np.ndarray]) -> float:
    return error_of_mean([ItemScores(*measure) for measure in measures])


def test_the_standard_error_is_that_of_independent_groups() -> None:
    """Groups of equal items: as of the groups' means alone. One item a group: the textbook's."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=50)
    textbook = values.std(ddof=1) / np.sqrt(50)
    assert standard_error_of((values, np.arange(50))) == pytest.approx(textbook)
    assert standard_error_of((np.repeat(values, 3), np.repeat(np.arange(50), 3))) == pytest.approx(textbook)
    gaps = np.append(values, np.nan)
    assert standard_error_of((gaps, np.arange(51))) == pytest.approx(textbook)
    assert standard_error_of((values, np.zeros(50, int))) == np.inf


def tracks_by(artists: int, tracks: int, **columns: list[str]) -> Catalog:
    count = artists * tracks
    frame = {"track_id": [f"t{row}" for row in range(count)], "path": ["x.ogg"] * count}
    frame |= {"artist": [f"Artist {row // tracks}" for row in range(count)]} | columns
    return Catalog(pd.DataFrame(frame), Path())


def test_held_out_tracks_by_one_artist_are_no_independent_evidence() -> None:
    """12 artists with 10 tracks each, of whom the artist alone decides whether a track finds its genre."""
    rng = np.random.default_rng(1)
    genres = [f"genre {row // 10 % 3}" for row in range(120)]
    vectors = np.eye(3, dtype=np.float32)[[row // 10 % 3 for row in range(120)]]
    lost = np.repeat(np.arange(12) % 4 == 0, 10)
    vectors[lost] = rng.normal(size=(30, 3))
    measure = HeldOutTargets.from_catalog(tracks_by(12, 10, genre=genres)).measure(vectors)["genre_map"]
    scores = measure.values
    of_artists = scores.reshape(12, 10).mean(axis=1)
    assert scores.std(ddof=1) / np.sqrt(120) == pytest.approx(0.035, abs=0.01), (
        "as if tracks were independent"
    )
    assert standard_error_of((scores, measure.groups)) == pytest.approx(of_artists.std(ddof=1) / np.sqrt(12))
    assert standard_error_of((scores, measure.groups)) == pytest.approx(0.091, abs=0.03)


def test_two_spellings_are_one_artist() -> None:
    names = ["Björk", "bjork", "BJÖRK feat. Tricky", "Other"]
    catalog = tracks_by(4, 1, genre=["pop"] * 4)
    catalog.frame["artist"] = names
    asked = HeldOutTargets.from_catalog(catalog)
    assert asked.groups.tolist() == [0, 0, 0, 1]
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    measures = asked.measure(vectors)
    assert measures["artist_map"].values[:3].tolist() == [1.0] * 3
    assert measures["genre_map"].values.tolist() == [1.0] * 4, "only the other artist can be retrieved"


def test_what_is_measured_on_the_same_artists_is_combined_on_them() -> None:
    """A second measure that says the same adds no evidence; one that says the contrary cancels the noise."""
    rng = np.random.default_rng(0)
    groups, values = np.repeat(np.arange(12), 10), rng.normal(size=12).repeat(10)
    alone = standard_error_of((values, groups))
    assert standard_error_of(*[(values, groups)] * 2) == pytest.approx(alone)
    assert standard_error_of((values, groups), (-values, groups)) == pytest.approx(0, abs=1e-12)
    second = rng.normal(size=12).repeat(10)
    both = (values + second).reshape(12, 10)[:, 0] / 2
    assert standard_error_of((values, groups), (second, groups)) == pytest.approx(
        both.std(ddof=1) / np.sqrt(12)
    )


def test_a_repeated_measure_does_not_pass_the_gate() -> None:
    rng = np.random.default_rng(1)
    start, noise = rng.random(40), rng.normal(0, 0.3, 40)
    noise += 0.9 * noise.std(ddof=1) / np.sqrt(40) - noise.mean()  # nine tenths of a standard error
    once, twice = (
        {"a_map": measured(start + noise)},
        {name: measured(start + noise) for name in ("a_map", "b_map")},
    )
    for measures in (once, twice):
        assert selection_score(measures, "retrieval", dict.fromkeys(measures, start)) == pytest.approx(
            start.mean()
        )


def test_users_of_several_tasks_are_the_same_users() -> None:
    asked = HeldOutTargets(
        {},
        [()] * 3,
        np.arange(3),
        {"one": LIKED, "other": LIKED},
        {"one": ["u", "v", "w"], "other": ["w", "x", "u"]},
    )
    assert asked.user_groups("one").tolist() == [0, 1, 2]
    assert asked.user_groups("other").tolist() == [2, 3, 0]
    unknown = HeldOutTargets({}, [()] * 3, np.arange(3), {"one": LIKED, "other": LIKED})
    assert set(unknown.user_groups("one")).isdisjoint(unknown.user_groups("other"))


@pytest.mark.parametrize(("artists", "passes"), [(4, False), (7, False), (8, True)])
def test_few_held_out_artists_cannot_say_that_training_helped(artists: int, passes: bool) -> None:
    groups = np.arange(5 * artists) % artists
    start = np.random.default_rng(0).random(len(groups)) / 2
    now = {"genre_map": ItemScores(start + 0.4, groups)}
    kept_by = selection_score(now, "retrieval", {"genre_map": start})
    assert kept_by == pytest.approx(start.mean() + 0.4 * passes)
    assert selection_score(now, "retrieval", None) == pytest.approx(start.mean() + 0.4)


def test_a_measure_of_few_artists_is_no_evidence_beside_one_of_many() -> None:
    start = {"genre_map": np.full(40, 0.5), "artist_map": np.full(40, 0.5)}
    noise = np.random.default_rng(0).normal(0, 0.1, 40)
    few = ItemScores(start["artist_map"] + 0.5, np.arange(40) % 3)
    assert selection_score(
        {"genre_map": measured(0.5 + noise - noise.mean()), "artist_map": few}, "retrieval", start
    ) == (pytest.approx(0.5))


def test_what_is_too_few_is_known_before_training() -> None:
    few = HeldOutTargets.from_catalog(tracks_by(4, 3, genre=["a", "b"] * 6))
    assert few.too_few("retrieval") == "4 artists, at least 8 are needed" and few.evidence() == "4 artists"
    assert few.conclusion("retrieval", had_initial=True, initial_kept=True) == (
        "too few to tell whether training helped (4 artists, at least 8 are needed): the network as it was "
        "before is kept"
    )
    enough = HeldOutTargets.from_catalog(tracks_by(8, 3, genre=["a", "b"] * 12))
    assert not enough.too_few("retrieval") and not enough.too_few("artist_map")
    assert enough.conclusion("retrieval", had_initial=True, initial_kept=False).startswith(
        "8 artists: better than"
    )


def test_of_many_tracks_a_sample_asks_always_the_same_and_all_are_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalog = tracks_by(30, 4, genre=["a", "b", "c"] * 40)
    vectors = np.random.default_rng(0).normal(size=(120, 5)).astype(np.float32)
    whole = HeldOutTargets.from_catalog(catalog).measure(vectors)
    monkeypatch.setattr("soundkin.training.held_out.MAX_QUERIES", 50)
    some, again = (HeldOutTargets.from_catalog(catalog).measure(vectors) for _ in range(2))
    for name, measure in some.items():
        asked = np.isfinite(measure.values)
        assert asked.sum() == 50
        np.testing.assert_array_equal(measure.values[asked], whole[name].values[asked])
        np.testing.assert_array_equal(measure.values, again[name].values)


def test_a_run_stops_by_the_score_as_it_is_and_keeps_weights_by_the_gate(tmp_path: Path) -> None:
    config = compose([f"catalog={tmp_path}", f"run_dir={tmp_path}", "logger=csv", "trainer.patience=2"])
    callbacks = fit._trainer(config, History(tmp_path / "metrics.csv", "retrieval"), True).callbacks
    [stop] = [callback for callback in callbacks if isinstance(callback, StopWhenNoBetter)]
    [keep] = [callback for callback in callbacks if isinstance(callback, KeepBest)]
    assert (stop.monitor, keep.monitor) == ("valid/retrieval", "valid/watched")
    climbing = [
        stop._evaluate_stopping_criteria(torch.tensor(score))[0] for score in (0.537, 0.55, 0.58, 0.603)
    ]
    assert not any(climbing)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 999), st.floats(-0.5, 0.5))
def test_weights_beat_the_start_by_more_than_noise_or_not_at_all(seed: int, gain: float) -> None:
    rng = np.random.default_rng(seed)
    start, noise = rng.random(40), rng.normal(0, 0.3, 40)
    now = {"artist_map": measured(start + gain + noise)}
    kept_by = selection_score(now, "retrieval", {"artist_map": start})
    score = float((start + gain + noise).mean())
    difference = float((gain + noise).mean())
    clear = difference > noise.std(ddof=1) / np.sqrt(40)
    assert kept_by == pytest.approx(score if clear or difference <= 0 else start.mean())
    assert selection_score(now, "artist_map", {"artist_map": start}) == pytest.approx(kept_by)
    assert selection_score(now, "artist_map", None) == pytest.approx(score)


def measured(scores: np.ndarray) -> ItemScores:
    return ItemScores(scores, np.arange(len(scores)))


def test_measures_are_clear_together_where_neither_is_alone() -> None:
    rng = np.random.default_rng(1)
    start = {name: rng.random(40) for name in ("genre_map", "artist_map")}
    noise = rng.normal(0, 0.3, 40)
    noise += 0.9 * noise.std(ddof=1) / np.sqrt(40) - noise.mean()  # nine tenths of a standard error
    now = {
        "genre_map": measured(start["genre_map"] + noise),
        "artist_map": measured(start["artist_map"] + noise[::-1]),
    }
    both = held_out_scores(now)["retrieval"]
    assert selection_score(now, "retrieval", start) == pytest.approx(both)
    assert selection_score(now, "genre_map", start) == pytest.approx(start["genre_map"].mean())


@pytest.mark.slow
def test_training_scores_the_users_of_held_out_tracks(small_catalog: Path, tmp_path: Path) -> None:
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
    scores = [name for name in pd.read_csv(tmp_path / "alone" / "metrics.csv") if name.startswith("valid/")]
    assert scores == ["valid/latent_factors_ndcg", "valid/retrieval", "valid/watched"]


@pytest.mark.slow
def test_a_run_with_few_held_out_artists_keeps_the_start_and_says_so(
    small_catalog: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = [f"catalog={small_catalog}", f"run_dir={tmp_path / 'run'}", *SMALLEST, "trainer.epochs=4"]
    with caplog.at_level("WARNING"):
        result = train(compose([*run, "task=[genre,artist]"]))
    assert re.search(
        r"too few held-out tracks to tell whether training helps \(\d artists, at least 8", caplog.text
    )
    assert result.metrics["epoch"] == 0.0, "the frozen epoch, in which the network is as it was"
    rows = pd.read_csv(tmp_path / "run/metrics.csv")
    assert (rows["valid/watched"] <= rows["valid/retrieval"].iloc[0] + 1e-9).all()
    card = (result.model / "README.md").read_text()
    assert re.search(
        r"Held out: too few to tell whether training helped \(\d artists.* as it was before is kept", card
    )
    saved = json.loads((result.model / "config.json").read_text())["provenance"]["training"]
    assert saved == {"epochs_run": len(rows), "kept_epoch": 1, "start_kept": True}


@pytest.mark.slow
def test_a_score_that_is_not_there_is_answered_with_the_nearest(small_catalog: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.selection_score=artist_mop.* Did you mean artist_map\?"):
        train(
            compose(
                [
                    f"catalog={small_catalog}",
                    f"run_dir={tmp_path / 'run'}",
                    *SMALLEST,
                    "trainer.watched=artist_mop",
                ]
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
        histories.append(
            pd.read_csv(tmp_path / name / "metrics.csv").drop(columns=["seconds", "data_wait_share"])
        )
        splits = pd.read_csv(tmp_path / name / "tracks.csv").set_index("track_id")["split"]
        ratings = ratings[~ratings["track_id"].map(splits).eq("test")]
    assert splits.eq("test").any()
    pd.testing.assert_frame_equal(*histories)
