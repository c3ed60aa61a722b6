from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.bundle import Bundle
from soundkin.embedding.embedder import Embedder
from soundkin.errors import Skipped
from soundkin.evaluation.baselines import MFCC, MODEL, UNTRAINED, TrackEmbedder
from soundkin.evaluation.robustness import (
    COSINE,
    DIFFERENT,
    EVERY,
    FOUND,
    KEPT,
    NOTHING_MEASURED,
    RECIPROCAL_RANK,
    SAMPLE_RATE_HZ,
    Robustness,
    drawn_rows,
    robustness,
    score_distorted,
    vectors_of_waveform,
)
from soundkin.features.decode import read_waveform
from soundkin.features.distortions import DISTORTIONS
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.statistics.scaling import standardise


def random_vectors(tracks: int, size: int = 8, random_seed: int = 0) -> np.ndarray:
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
    originals, rows = random_vectors(60), np.array([3, 10, 11, 40, 59])
    distorted = originals[rows] + random_vectors(5, random_seed=1)
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
    originals = random_vectors(30)
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
    originals = random_vectors(400, size=32)
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
    originals = random_vectors(25, random_seed=random_seed).astype(float)
    rows = rng.permutation(25)[:6]
    distorted = originals[rows] + rng.normal(size=(6, 8))
    rotation, order = np.linalg.qr(rng.normal(size=(8, 8)))[0], rng.permutation(25)
    before = one(distorted, originals, rows, k=5)
    after = one(scale * distorted @ rotation, (originals @ rotation)[order], np.argsort(order)[rows], k=5)
    for metric in (COSINE, FOUND, RECIPROCAL_RANK, KEPT):
        assert mean(after, metric) == pytest.approx(mean(before, metric))


def test_systems_stand_side_by_side_and_the_verdict_names_the_weakest_distortion():
    originals = {"ours": random_vectors(80), "MFCC": random_vectors(80, random_seed=1)}
    rows, nudge = np.arange(0, 80, 2), random_vectors(40, random_seed=2)
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
    originals = random_vectors(40)
    distorted = {"hiss": originals[:20] + random_vectors(20, random_seed=3)}
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
    originals, groups = random_vectors(40), np.arange(40) // 5
    distorted = originals.copy()
    distorted[20:] = random_vectors(20, random_seed=4)
    interval = one(distorted, originals, np.arange(40), groups=groups).row("hiss", KEPT).scores[0]
    assert interval.high - interval.low > 0.4  # the tracks of four artists are kept, of four they are lost
    alone = one(distorted, originals, np.arange(40), groups=np.zeros(40, dtype=int))
    assert alone.row("hiss", KEPT).scores[0].low is None
    assert "no intervals: too few artists to say (1, at least 8 are needed)" in alone.notes[-1]
    assert "too few artists to say" in alone.verdict


@pytest.mark.parametrize(("tracks", "k"), [(2, 0), (3, 1), (9, 4), (40, 10)])
def test_of_few_tracks_at_most_half_of_the_others_are_neighbours(tracks, k):
    originals = random_vectors(tracks)
    found = one(originals, originals, np.arange(tracks))
    assert found.k == k
    assert (found.row("hiss", KEPT) is None) == (k == 0)
    assert found.row("hiss", FOUND).scores[0].mean == 1


def test_a_single_track_finds_itself_and_has_no_neighbours():
    found = one(random_vectors(1), random_vectors(1), [0])
    assert mean(found, FOUND) == 1
    assert found.row(DIFFERENT, COSINE) is None
    assert found.verdict == (
        "ours: too few tracks to have neighbours; weakest under hiss: 100% of tracks find themselves"
    )
    assert len(found.table()) == 2


def test_no_tracks_no_distortions_and_no_systems_are_said_plainly():
    originals, none = random_vectors(9), np.zeros(0, dtype=int)
    nothing = [
        one(originals[:0], originals, none),
        score_distorted({"ours": {}}, {"ours": originals}, np.arange(3), np.arange(9)),
        score_distorted({}, {}, none, np.arange(9)),
        one(random_vectors(0), random_vectors(0), none),
    ]
    for found in nothing:
        assert (found.verdict, found.weakest, found.table(), found.notes) == (NOTHING_MEASURED, None, [], ())


def test_it_goes_to_json_and_back():
    originals = random_vectors(30)
    found = one(originals[:8] + random_vectors(8, random_seed=5), originals, np.arange(8))
    found = found.model_copy(update={"skipped": (Skipped("gone.ogg", "cannot be read"),)})
    assert Robustness.model_validate_json(found.model_dump_json()) == found


FEW = ("quieter", "noise_0_db", "excerpt")
LABELS = tuple(DISTORTIONS[name].label for name in FEW)


def bundle_of(random_seed: int) -> Bundle:
    torch.manual_seed(random_seed)
    config = NetworkConfig(convolutions=(ConvConfig(filters=16, pool=4),), dense=(), embedding_size=12)
    front_end = LogMelFrontEnd()
    return Bundle(
        front_end, PatchConfig(frames=64, hop_frames=64), config, build_network(config, front_end.mel_bands)
    )


@pytest.fixture(scope="module")
def embedder() -> TrackEmbedder:
    return TrackEmbedder(bundle_of(5), random_seed=0)


@pytest.fixture(scope="module")
def catalog(small_catalog) -> Catalog:
    return read_catalog(small_catalog)


@pytest.fixture(scope="module")
def vectors(embedder, catalog) -> dict[str, np.ndarray]:
    tracks = [embedder.vectors(path) for path in catalog.audio_paths()]
    return {name: np.stack([track[name] for track in tracks]) for name in (MODEL, MFCC, UNTRAINED)}


@pytest.fixture(scope="module")
def found(embedder, catalog, vectors):
    return robustness(embedder, catalog, vectors, tracks=12, distortions=FEW)


def test_every_system_is_asked_about_every_distortion(found):
    assert found.systems == (MODEL, MFCC, UNTRAINED)
    assert (found.sampled, found.tracks, found.k) == (12, 32, 10)
    assert found.distortions == LABELS
    assert [row["distortion"] for row in found.table()] == [*LABELS, EVERY, DIFFERENT]
    assert all(len(row.scores) == 3 and len(row.gains) == 2 for row in found.rows)
    assert found.skipped == ()


def test_drowning_in_noise_costs_more_than_turning_down(found):
    quieter, noisy, _ = LABELS
    for system in range(3):
        for metric in (COSINE, FOUND, KEPT):
            after = [found.row(label, metric).scores[system].mean for label in (quieter, noisy)]
            assert after[0] > after[1], (system, metric)
    assert found.weakest == noisy
    assert f"weakest under {noisy}" in found.verdict


def test_the_original_is_heard_as_it_is_distorted(embedder, catalog, vectors):
    """What is known of a sampled track is replaced by what its first seconds give, so that only distortion
    moves it.
    """
    blind = {name: array.copy() for name, array in vectors.items()}
    for array in blind.values():
        array[drawn_rows(catalog.track_ids, 4, 0)] = np.nan
    found = robustness(embedder, catalog, vectors, tracks=4, seconds=2.0, distortions=["quieter"])
    again = robustness(embedder, catalog, blind, tracks=4, seconds=2.0, distortions=["quieter"])
    assert found == again
    assert "first 2 s" in found.notes[0]
    assert all(np.isfinite(score.mean) for row in found.rows for score in row.scores)


def test_what_a_waveform_gives_is_what_its_file_gives(embedder, tmp_path):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * SAMPLE_RATE_HZ).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, SAMPLE_RATE_HZ, subtype="FLOAT")
    other = Embedder(bundle_of(6))
    heard = vectors_of_waveform(embedder, {"other": other}, (samples, SAMPLE_RATE_HZ))
    expected = embedder.vectors(tmp_path / "noise.wav")
    assert heard[MODEL].tobytes() == expected[MODEL].tobytes()
    assert heard[UNTRAINED].tobytes() == expected[UNTRAINED].tobytes()
    assert heard[MFCC] == pytest.approx(expected[MFCC], rel=1e-5, abs=1e-5)
    assert heard["other"].tobytes() == other.embed(tmp_path / "noise.wav").tobytes()


def test_the_cosine_is_that_of_the_vectors_before_and_after(embedder, catalog, vectors, found):
    cosines = []
    for row in drawn_rows(catalog.track_ids, 12, 0):
        samples = read_waveform(catalog.audio_paths()[row], SAMPLE_RATE_HZ).samples
        quieter = samples * np.float32(10 ** (-12 / 20))
        before, after = (
            embedder.embedders[MODEL].embed((sound, SAMPLE_RATE_HZ)) for sound in (samples, quieter)
        )
        cosines.append(before @ after / np.linalg.norm(before) / np.linalg.norm(after))
    assert found.row(LABELS[0], COSINE).scores[0].mean == pytest.approx(np.mean(cosines), abs=1e-6)


def test_other_models_can_be_heard_beside_and_mere_vectors_cannot(embedder, catalog, vectors):
    other = Embedder(bundle_of(6))
    systems = {
        MODEL: vectors[MODEL],
        "peer": np.random.default_rng(0).normal(size=(32, 5)),
        "other": np.stack([other.embed(path) for path in catalog.audio_paths()]),
    }
    found = robustness(
        embedder, catalog, systems, tracks=3, distortions=["quieter"], against={"other": other}
    )
    assert found.systems == (MODEL, "other")
    assert "Left out, for want of a model that takes audio: peer." in found.notes
    assert not any("WSOLA" in note for note in found.notes)


def test_tracks_are_drawn_by_their_ids():
    ids = [f"track-{number}" for number in range(500)]
    rows = drawn_rows(ids, 50, random_seed=0)
    assert len(set(rows)) == 50 and np.all(np.diff(rows) > 0)
    assert not np.array_equal(rows, drawn_rows(ids, 50, random_seed=1))
    backwards = drawn_rows(ids[::-1], 50, random_seed=0)
    assert {ids[row] for row in rows} == {ids[::-1][row] for row in backwards}
    assert set(drawn_rows(ids[:400], 50, random_seed=0)) >= {row for row in rows if row < 400}
    assert drawn_rows(ids, 9_999, random_seed=0).tolist() == list(range(500))


def test_baselines_are_standardised_by_the_originals():
    rng = np.random.default_rng(0)
    originals = rng.normal(3, 2, size=(30, 4)).astype(np.float32)
    originals[:, 2] = 7
    moved = standardise(originals)
    distorted = standardise(originals[:5] + np.float32(1), over=originals)
    shift = np.divide(1, originals.std(axis=0), out=np.zeros(4), where=np.arange(4) != 2)
    assert distorted - moved[:5] == pytest.approx(np.tile(shift, (5, 1)), abs=1e-5)


def without(catalog: Catalog, rows: np.ndarray) -> Catalog:
    """The catalog with the audio of some rows missing."""
    gone = catalog.select(catalog.track_ids)
    gone.frame.loc[rows, "path"] = [f"gone/{row}.ogg" for row in rows]
    return gone


def test_files_that_cannot_be_heard_are_listed_and_the_rest_is_asked(embedder, catalog, vectors):
    rows = drawn_rows(catalog.track_ids, 4, 0)
    broken = without(catalog, rows[1:3])
    found = robustness(embedder, broken, vectors, tracks=4, distortions=["quieter"])
    assert found.sampled == 2
    assert [Path(skipped.path).name for skipped in found.skipped] == [f"{row}.ogg" for row in rows[1:3]]
    assert all(skipped.reason for skipped in found.skipped)


def test_where_nothing_can_be_heard_nothing_is_measured(embedder, catalog, vectors):
    silent = without(catalog, np.arange(32))
    found = robustness(embedder, silent, vectors, tracks=4, distortions=["quieter"])
    assert (found.verdict, found.table(), len(found.skipped)) == (NOTHING_MEASURED, [], 4)


@pytest.mark.slow
def test_two_workers_find_the_same_as_one(embedder, catalog, vectors, found):
    assert robustness(embedder, catalog, vectors, tracks=12, distortions=FEW, workers=2) == found


@pytest.mark.slow
def test_all_distortions_can_be_asked_about(embedder, catalog, vectors):
    found = robustness(embedder, catalog, vectors, tracks=2)
    assert found.distortions == tuple(distortion.label for distortion in DISTORTIONS.values())
    assert any("WSOLA" in note for note in found.notes)
