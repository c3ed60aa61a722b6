import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.errors import Skipped
from soundkin.evaluation.robustness import (
    COSINE,
    DIFFERENT,
    EVERY,
    FOUND,
    KEPT,
    NOTHING_MEASURED,
    RECIPROCAL_RANK,
    Robustness,
    score_distorted,
)


def vectors(tracks: int, size: int = 8, random_seed: int = 0) -> np.ndarray:
    return np.random.default_rng(random_seed).normal(size=(tracks, size)).astype(np.float32)


def one(distorted, originals, rows, k=10, groups=None, **others) -> Robustness:
    """Robustness of a single system under a single distortion."""
    groups = np.arange(len(originals)) if groups is None else groups
    systems = {"ours": {"hiss": distorted}}
    return score_distorted(
        systems, {"ours": originals}, np.asarray(rows, dtype=int), groups, k, resamples=200, **others
    )


def mean(found: Robustness, metric: str, distortion: str = "hiss", system: int = 0) -> float:
    return found.row(distortion, metric).scores[system].mean


def by_loop(distorted, originals, rows, k):
    """Cosine, found, reciprocal rank and neighbours kept, written down as they are defined."""
    unit = originals / np.linalg.norm(originals, axis=1, keepdims=True)
    scores = []
    for vector, row in zip(distorted / np.linalg.norm(distorted, axis=1, keepdims=True), rows, strict=True):
        ranked = list(np.argsort(-(unit @ vector)))
        neighbours = [other for other in ranked if other != row][:k]
        originally = [other for other in np.argsort(-(unit @ unit[row])) if other != row][:k]
        kept = len(set(neighbours) & set(originally)) / k
        scores.append((unit[row] @ vector, ranked[0] == row, 1 / (1 + ranked.index(row)), kept))
    return np.mean(scores, axis=0)


def test_scores_agree_with_a_loop():
    originals, rows = vectors(60), np.array([3, 10, 11, 40, 59])
    distorted = originals[rows] + vectors(5, random_seed=1)
    found = one(distorted, originals, rows, k=7)
    measured = [mean(found, metric) for metric in (COSINE, FOUND, RECIPROCAL_RANK, KEPT)]
    assert measured == pytest.approx(list(by_loop(distorted, originals, rows, 7)), abs=1e-6)
    assert 0 < measured[1] < 1 and 0 < measured[3] < 1


def test_by_hand():
    """Six tracks on a circle, at 0, 10, 30, 60, 100 and 180 degrees; that at 0 turns by 4, 12 and 49."""
    turned = np.radians([0, 10, 30, 60, 100, 180])
    originals = np.stack([np.cos(turned), np.sin(turned)], axis=1)
    for degrees, found_itself, rank, kept in ((4, 1, 1, 1.0), (12, 0, 2, 1.0), (49, 0, 4, 0.5)):
        distorted = np.array([[np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]])
        found = one(distorted, originals, [0], k=2)
        assert mean(found, COSINE) == pytest.approx(np.cos(np.radians(degrees)))
        assert (mean(found, FOUND), mean(found, RECIPROCAL_RANK)) == (found_itself, pytest.approx(1 / rank))
        assert mean(found, KEPT) == kept
    others = np.cos(np.radians([10, 30, 60, 100, 180])).mean()
    assert mean(found, COSINE, DIFFERENT) == pytest.approx(others)


def test_what_is_not_changed_loses_nothing():
    originals = vectors(30)
    found = one(originals[5:15], originals, np.arange(5, 15))
    assert [mean(found, metric) for metric in (COSINE, FOUND, RECIPROCAL_RANK, KEPT)] == pytest.approx(
        [1, 1, 1, 1]
    )
    assert found.table()[0] == {
        "distortion": "hiss",
        "tracks (artists)": "10 (10)",
        "ours: cosine": "1.00 [1.00, 1.00]",
        "ours: finds itself": "1.00 [1.00, 1.00]",
        "ours: neighbours kept": "1.00 [1.00, 1.00]",
    }


def test_vectors_of_other_tracks_find_these_and_are_as_far_as_chance():
    originals = vectors(400, size=32)
    found = one(np.roll(originals, 1, axis=0), originals, np.arange(400))
    assert mean(found, FOUND) == 0
    assert mean(found, KEPT) == pytest.approx(10 / 399, abs=0.01)
    assert mean(found, COSINE) == pytest.approx(mean(found, COSINE, DIFFERENT), abs=0.03)
    assert "0.2% of cases; of 10 neighbours 2.5% are kept" in found.notes[0]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_system_to_which_all_is_alike_finds_itself_by_chance(value):
    originals = np.full((20, 4), value)
    found = one(originals[:6], originals, np.arange(6))
    assert mean(found, COSINE) == mean(found, COSINE, DIFFERENT) == pytest.approx(value)
    assert mean(found, FOUND) == pytest.approx(1 / 20)
    assert mean(found, RECIPROCAL_RANK) == pytest.approx(np.mean(1 / np.arange(1, 21)))


@settings(max_examples=20, deadline=None)
@given(random_seed=st.integers(0, 99), scale=st.floats(0.01, 100))
def test_turning_scaling_and_reordering_change_nothing(random_seed, scale):
    rng = np.random.default_rng(random_seed)
    originals = vectors(25, random_seed=random_seed).astype(float)
    rows = rng.permutation(25)[:6]
    distorted = originals[rows] + rng.normal(size=(6, 8))
    rotation, order = np.linalg.qr(rng.normal(size=(8, 8)))[0], rng.permutation(25)
    before = one(distorted, originals, rows, k=5)
    after = one(scale * distorted @ rotation, (originals @ rotation)[order], np.argsort(order)[rows], k=5)
    for metric in (COSINE, FOUND, RECIPROCAL_RANK, KEPT):
        assert mean(after, metric) == pytest.approx(mean(before, metric))


def test_systems_stand_side_by_side_and_the_verdict_names_the_weakest_distortion():
    originals = {"ours": vectors(80), "MFCC": vectors(80, random_seed=1)}
    rows, nudge = np.arange(0, 80, 2), vectors(40, random_seed=2)
    sizes = {
        "ours": {"hiss": 0.1, "crackle": 1.5, "hum": 0.05},
        "MFCC": {"hiss": 1.0, "crackle": 0.2, "hum": 1.0},
    }
    systems = {
        name: {label: originals[name][rows] + size * nudge for label, size in of.items()}
        for name, of in sizes.items()
    }
    found = score_distorted(systems, originals, rows, np.arange(80) // 4, resamples=200)
    assert found.systems == ("ours", "MFCC")
    assert (found.sampled, found.tracks, found.k) == (40, 80, 10)
    assert found.distortions == ("hiss", "crackle", "hum")
    assert found.weakest == "crackle"
    average = np.mean([mean(found, KEPT, label) for label in found.distortions])
    assert mean(found, KEPT, EVERY) == pytest.approx(average)
    assert found.verdict.startswith(f"ours keeps {average:.0%} [")
    assert f"(MFCC {mean(found, KEPT, EVERY, 1):.0%}); weakest under crackle: " in found.verdict
    assert "not shown" not in found.verdict
    gain = found.row("crackle", KEPT).gains[0]
    assert gain.mean == pytest.approx(mean(found, KEPT, "crackle") - mean(found, KEPT, "crackle", 1))
    assert gain.high < 0 and found.row("crackle", KEPT).better == ["MFCC"]
    assert "Other systems keep more of their neighbours than ours under crackle (MFCC)." in found.notes
    assert [row["distortion"] for row in found.table()] == ["hiss", "crackle", "hum", EVERY, DIFFERENT]
    assert found.table()[1]["MFCC: neighbours kept"] == f"{mean(found, KEPT, 'crackle', 1):.2f}"


def test_what_is_not_shown_to_be_better_is_not_called_so():
    originals = vectors(40)
    distorted = {"hiss": originals[:20] + vectors(20, random_seed=3)}
    found = score_distorted(
        {"ours": distorted, "twin": distorted},
        {"ours": originals, "twin": originals},
        np.arange(20),
        np.arange(40),
        resamples=200,
    )
    assert "not shown to beat twin; weakest" in found.verdict
    assert found.row("hiss", KEPT).better == []


def test_intervals_are_over_artists():
    originals, groups = vectors(40), np.arange(40) // 5
    distorted = originals.copy()
    distorted[20:] = vectors(20, random_seed=4)
    interval = one(distorted, originals, np.arange(40), groups=groups).row("hiss", KEPT).scores[0]
    assert interval.high - interval.low > 0.4  # the tracks of four artists are kept, of four they are lost
    alone = one(distorted, originals, np.arange(40), groups=np.zeros(40, dtype=int))
    assert alone.row("hiss", KEPT).scores[0].low is None
    assert "no intervals: too few artists to say (1, at least 8 are needed)" in alone.notes[-1]
    assert "too few artists to say" in alone.verdict


@pytest.mark.parametrize(("tracks", "k"), [(2, 0), (3, 1), (9, 4), (40, 10)])
def test_of_few_tracks_at_most_half_of_the_others_are_neighbours(tracks, k):
    originals = vectors(tracks)
    found = one(originals, originals, np.arange(tracks))
    assert found.k == k
    assert (found.row("hiss", KEPT) is None) == (k == 0)
    assert found.row("hiss", FOUND).scores[0].mean == 1


def test_a_single_track_finds_itself_and_has_no_neighbours():
    found = one(vectors(1), vectors(1), [0])
    assert mean(found, FOUND) == 1
    assert found.row(DIFFERENT, COSINE) is None
    assert found.verdict == (
        "ours: too few tracks to have neighbours; weakest under hiss: 100% of tracks find themselves"
    )
    assert len(found.table()) == 2


def test_no_tracks_no_distortions_and_no_systems_are_said_plainly():
    originals, none = vectors(9), np.zeros(0, dtype=int)
    nothing = [
        one(originals[:0], originals, none),
        score_distorted({"ours": {}}, {"ours": originals}, np.arange(3), np.arange(9)),
        score_distorted({}, {}, none, np.arange(9)),
        one(vectors(0), vectors(0), none),
    ]
    for found in nothing:
        assert (found.verdict, found.weakest, found.table(), found.notes) == (NOTHING_MEASURED, None, [], ())


def test_it_goes_to_json_and_back():
    originals = vectors(30)
    found = one(originals[:8] + vectors(8, random_seed=5), originals, np.arange(8))
    found = found.model_copy(update={"skipped": (Skipped("gone.ogg", "cannot be read"),)})
    assert Robustness.model_validate_json(found.model_dump_json()) == found
