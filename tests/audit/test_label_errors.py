"""Label errors: swapped labels are found, in classes made up and in synthesised music; clean ones are left alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from soundkin.audit.label_errors import LabelErrors, as_single, find_label_errors, most_wrong, stands_out, swap_labels
from soundkin.audit.out_of_fold import class_scores, fit_temperature, log_belief, out_of_fold_scores, probabilities
from soundkin.catalog.table import Catalog, read_catalog

GENRES = ("ambient", "baroque", "house", "reggae", "swing", "waltz")


def made_up(artists: int = 90, each: int = 5, apart: float = 6.0, seed: int = 0) -> tuple[Catalog, np.ndarray]:
    """A catalog of artists of one genre, and vectors [tracks, 16] in which genres lie `apart` deviations."""
    rng = np.random.default_rng(seed)
    genre_of = np.arange(artists) % len(GENRES)
    centres = rng.standard_normal((len(GENRES), 16)) * apart / np.sqrt(2 * 16)
    own = rng.standard_normal((artists, 16)) * 0.6
    artist = np.repeat(np.arange(artists), each)
    vectors = centres[genre_of[artist]] + own[artist] + rng.standard_normal((len(artist), 16)) * 0.8
    frame = pd.DataFrame(
        {
            "track_id": [f"t{row}" for row in range(len(artist))],
            "path": "x.mp3",
            "artist": [f"artist {number}" for number in artist],
            "album": [f"album {row % 2}" for row in range(len(artist))],
            "genre": [GENRES[genre_of[number]] for number in artist],
        }
    )
    return Catalog(frame, Path("/music")), vectors.astype(np.float32)


def swapped(catalog: Catalog, label: str, share: float, seed: int) -> tuple[Catalog, set[str]]:
    """The catalog with a share of one-word labels swapped for others at random, and the ids of these tracks."""
    rng = np.random.default_rng(seed)
    values = catalog.values(label)
    names = sorted({name for held in values for name in held})
    known = np.flatnonzero([bool(held) for held in values])
    chosen = rng.choice(known, round(share * len(known)), replace=False)
    frame = catalog.frame.copy()
    for row in chosen:
        frame.loc[row, label] = rng.choice([name for name in names if name not in values[row]])
    return replace(catalog, frame=frame), {catalog.track_ids[row] for row in chosen}


def precision_recall(found: LabelErrors, wrong: set[str], likely_only: bool) -> tuple[float, float]:
    listed = [one.track_id for one in found.suspects if one.likely or not likely_only]
    hits = len(wrong.intersection(listed))
    return hits / max(1, len(listed)), hits / len(wrong)


@pytest.mark.parametrize("seed", range(3))
def test_five_percent_of_swapped_genres_are_found(seed: int) -> None:
    catalog, vectors = made_up(seed=seed)
    mistaken, wrong = swapped(catalog, "genre", 0.05, seed)
    found = find_label_errors(mistaken, "genre", vectors)
    precision, recall = precision_recall(found, wrong, likely_only=True)
    listed = precision_recall(found, wrong, likely_only=False)[1]
    assert precision >= 0.9 and recall >= 0.7, "those called likely"
    assert listed >= 0.9, "those shown for review"
    assert 0.6 * len(wrong) <= found.estimated <= 1.4 * len(wrong)
    truth = dict(zip(catalog.track_ids, catalog.frame["genre"], strict=True))
    right = [one.suggested == truth[one.track_id] for one in found.suspects if one.track_id in wrong]
    assert np.mean(right) >= 0.9
    assert found.found is not None and found.found >= 0.85 and found.swapped >= 120


def test_five_percent_of_swapped_artists_are_found_over_albums() -> None:
    catalog, vectors = made_up(artists=40, each=12)
    loud = vectors.copy()
    for number in range(40):  # artists of their own sound, beyond the genre
        loud[number * 12 : number * 12 + 12, number % 16] += 3.0 * (1 + number // 16)
    mistaken, wrong = swapped(catalog, "artist", 0.05, 1)
    found = find_label_errors(mistaken, "artist", loud)
    assert precision_recall(found, wrong, likely_only=False)[1] >= 0.8
    assert any("other albums only" in note for note in found.notes)


@pytest.mark.parametrize("apart", [6.0, 4.0])
def test_where_nothing_is_wrong_next_to_nothing_is_claimed(apart: float) -> None:
    catalog, vectors = made_up(apart=apart)
    found = find_label_errors(catalog, "genre", vectors)
    assert found.estimated <= 0.02 * found.judged
    assert found.suspects and not found.missing


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_vectors_that_tell_nothing_apart_doubt_nobody(apart: float) -> None:
    """Confident learning alone would call every second label wrong."""
    found = find_label_errors(*made_up(apart=apart)[:1], "genre", made_up(apart=apart)[1])
    assert found.telling is not None and 0.4 < found.telling < 0.7
    assert found.estimated == 0 and found.suspects == ()
    assert "do not tell genres apart well enough" in found.verdict and found.verdict == found.missing


def test_ranks_run_from_the_least_believed_and_suggest_another_label() -> None:
    catalog, vectors = made_up()
    found = find_label_errors(swapped(catalog, "genre", 0.05, 0)[0], "genre", vectors)
    assert [one.rank for one in found.suspects] == list(range(1, len(found.suspects) + 1))
    beliefs = [one.belief for one in found.suspects]
    assert beliefs == sorted(beliefs)
    assert all(one.given != one.suggested and one.confidence > one.belief for one in found.suspects)
    assert sum(one.likely for one in found.suspects) == found.estimated
    assert len(found.table()) <= 15 and found.table()[0]["likely wrong"] == "yes"
    assert find_label_errors(catalog, "genre", vectors) == find_label_errors(catalog, "genre", vectors)


def test_a_track_of_several_genres_is_doubted_only_for_all_of_them() -> None:
    catalog, vectors = made_up()
    frame = catalog.frame.copy()
    first, other = frame.loc[0, "genre"], frame.loc[5, "genre"]
    wrong = next(name for name in GENRES if name not in (first, other))
    frame.loc[0, "genre"] = f"{other};{first}"
    frame.loc[1, "genre"] = f"{wrong};{other}"
    found = find_label_errors(replace(catalog, frame=frame), "genre", vectors)
    doubted = {one.track_id: one for one in found.suspects}
    assert "t0" not in doubted
    assert doubted["t1"].given == f"{wrong};{other}" and doubted["t1"].suggested == first


def test_what_cannot_be_judged_is_said() -> None:
    catalog, vectors = made_up()
    frame = catalog.frame.copy()
    frame.loc[:9, "genre"] = None
    frame.loc[10:12, "genre"] = "polka"  # by one artist only
    found = find_label_errors(replace(catalog, frame=frame), "genre", vectors)
    assert found.judged == len(catalog) - 13
    assert any(note.startswith("10 tracks have no genre") for note in found.notes)
    assert any(note.startswith("3 tracks were not judged: 1 values of genre") for note in found.notes)
    assert "polka" not in {one.suggested for one in found.suspects}


@pytest.mark.parametrize("label", ["genre", "mood", "artist"])
def test_too_little_to_learn_from(label: str) -> None:
    catalog, vectors = made_up(artists=2, each=2)
    found = find_label_errors(catalog, label, vectors)
    assert found.missing and found.verdict == found.missing and found.table() == [] and found.suspects == ()
    assert "NaN" not in found.model_dump_json()


def test_scores_are_those_of_gaussians_with_one_covariance() -> None:
    rng = np.random.default_rng(0)
    answers = np.repeat([0, 1, 2], [200, 300, 100])
    mixing = rng.standard_normal((4, 4))
    vectors = rng.standard_normal((600, 4)) @ mixing + rng.standard_normal((3, 4))[answers] * 1.5
    ours = probabilities(class_scores(vectors, np.eye(3, dtype=bool)[answers], vectors))
    standard = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    means = np.stack([standard[answers == name].mean(axis=0) for name in range(3)])
    residuals = standard - means[answers]
    pooled = LedoitWolf(assume_centered=True).fit(residuals).covariance_ * 600 / (600 - 3) + 1e-6 * np.eye(4)
    densities = np.stack([multivariate_normal(mean, pooled).pdf(standard) for mean in means], axis=1)
    by_hand = densities * (1 / 3, 1 / 2, 1 / 6)
    assert ours == pytest.approx(by_hand / by_hand.sum(axis=1, keepdims=True), abs=1e-9)


def test_with_many_tracks_scores_are_those_of_plain_discriminant_analysis() -> None:
    rng = np.random.default_rng(0)
    answers = rng.integers(0, 3, 20_000)
    vectors = rng.standard_normal((20_000, 4)) + rng.standard_normal((3, 4))[answers]
    ours = probabilities(class_scores(vectors, np.eye(3, dtype=bool)[answers], vectors))
    theirs = LinearDiscriminantAnalysis(solver="svd").fit(vectors, answers).predict_proba(vectors)
    assert np.abs(ours - theirs).max() < 0.01, "nothing is left to shrink"


def test_a_track_never_teaches_its_own_judge() -> None:
    rng = np.random.default_rng(1)
    vectors, folds = rng.standard_normal((60, 5)), np.arange(60) % 3
    classes = np.eye(2, dtype=bool)[rng.integers(0, 2, 60)]
    before = out_of_fold_scores(vectors, classes, folds)
    changed = classes.copy()
    changed[folds == 0] = ~changed[folds == 0]
    after = out_of_fold_scores(vectors, changed, folds)
    assert np.array_equal(before[folds == 0], after[folds == 0])
    assert not np.allclose(before[folds == 1], after[folds == 1])


def test_a_class_that_no_other_fold_has_is_left_at_minus_infinity() -> None:
    classes = np.eye(3, dtype=bool)[[0, 0, 1, 1, 0, 0, 1, 1, 2]]
    folds = np.array([0, 1] * 4 + [0])
    scores = out_of_fold_scores(np.random.default_rng(0).standard_normal((9, 2)), classes, folds)
    assert np.isneginf(scores[folds == 0, 2]).all() and np.isfinite(scores[folds == 1]).all()


def test_the_temperature_undoes_what_scores_were_multiplied_by() -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((20_000, 4)) * 2
    drawn = (probabilities(scores).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert fit_temperature(scores * 5, np.eye(4, dtype=bool)[drawn]) == pytest.approx(5.0, rel=0.05)


@given(arrays(np.float64, (6, 4), elements=st.floats(-20, 20)), arrays(bool, (6, 4)))
def test_belief_is_the_probability_of_any_own_class(scores: np.ndarray, classes: np.ndarray) -> None:
    classes[~classes.any(axis=1), 0] = True
    chances = probabilities(scores)
    assert np.exp(log_belief(scores, classes)) == pytest.approx((chances * classes).sum(axis=1))
    answers, single = as_single(classes, chances)
    assert single.sum(axis=1) == pytest.approx(1.0)
    assert classes[np.arange(6), answers].all()
    assert single[np.arange(6), answers] == pytest.approx((chances * classes).sum(axis=1))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_standing_out_is_the_area_under_the_curve(low: list[int], high: list[int]) -> None:
    pairs = [(one < other) + 0.5 * (one == other) for one in low for other in high]
    assert stands_out(np.array(low) / 5, np.array(high) / 5) == pytest.approx(np.mean(pairs))


def test_most_wrong_by_hand() -> None:
    swapped_beliefs = np.array([0.0, 0.1, 0.2, 0.3])
    others = np.array([0.05, *np.linspace(0.5, 1, 9)])  # one in ten stands among the swapped ones
    assert most_wrong(swapped_beliefs, others) == pytest.approx(0.1 / 1.0)
    assert most_wrong(swapped_beliefs, np.linspace(0.5, 1, 9)) == 0.0, "a clean catalog"
    assert most_wrong(swapped_beliefs, swapped_beliefs) == 1.0, "all as bad as the swapped ones"


@given(st.integers(0, 12), st.integers(0, 2**31))
def test_swapped_labels_are_wrong_and_the_others_stay(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = rng.random((12, 4)) < 0.5
    classes[~classes.any(axis=1), 0] = True
    wrong, chosen = swap_labels(classes, count, rng)
    assert len(chosen) == min(count, int((~classes.all(axis=1)).sum()))
    assert (wrong[chosen].sum(axis=1) == 1).all() and not (wrong[chosen] & classes[chosen]).any()
    kept = np.delete(np.arange(12), chosen)
    assert np.array_equal(wrong[kept], classes[kept])


@pytest.mark.slow
def test_swapped_genres_of_synthesised_music_are_found_by_mfcc_statistics(tmp_path: Path) -> None:
    """Plain timbre tells these genres apart most of the time; most swapped labels come first all the same."""
    from soundkin.corpus.config import CorpusConfig
    from soundkin.corpus.synthesise import synthesise
    from soundkin.evaluation.baselines import mfcc_statistics, mfccs
    from soundkin.features.front_ends import stream_frames
    from soundkin.features.log_mel import FrontEnd
    from soundkin.pipelines.scan import scan

    config = CorpusConfig(genres=4, artists_per_genre=8, tracks_per_artist=4, seconds=6.0, users=0, triplets=0)
    corpus = synthesise(tmp_path, config)
    scan(corpus.music, tmp_path / "catalog.csv")
    catalog = read_catalog(tmp_path / "catalog.csv")
    front_end = FrontEnd()
    vectors = np.stack(
        [
            mfcc_statistics(np.concatenate([mfccs(block.numpy()) for block in stream_frames(path, front_end)]))
            for path in catalog.audio_paths()
        ]
    )
    mistaken, wrong = swapped(catalog, "genre", 0.05, 0)
    found = find_label_errors(mistaken, "genre", vectors)
    first = {one.track_id for one in found.suspects[: len(wrong)]}
    assert not found.missing, found.verdict
    assert len(first & wrong) / len(wrong) >= 0.4, "chance would be 0.05"
    assert precision_recall(found, wrong, likely_only=False)[1] >= 0.6
    assert found.estimated <= 4 * len(wrong)
