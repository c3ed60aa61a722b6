from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.bundle import Bundle
from soundkin.embedding.embedder import Embedder
from soundkin.evaluation.baselines import MFCC, MODEL, UNTRAINED, TrackEmbedder
from soundkin.evaluation.robustness import (
    COSINE,
    DIFFERENT,
    EVERY,
    FOUND,
    KEPT,
    NOTHING_MEASURED,
    SAMPLE_RATE_HZ,
    drawn_rows,
    robustness,
    vectors_of_waveform,
)
from soundkin.features.decode import read_waveform
from soundkin.features.distortions import DISTORTIONS
from soundkin.features.log_mel import FrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.statistics.scaling import standardise

FEW = ("quieter", "noise_0_db", "excerpt")
LABELS = tuple(DISTORTIONS[name].label for name in FEW)


def bundle_of(random_seed: int) -> Bundle:
    torch.manual_seed(random_seed)
    config = NetworkConfig(convolutions=(ConvConfig(filters=16, pool=4),), dense=(), embedding_size=12)
    front_end = FrontEnd()
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
