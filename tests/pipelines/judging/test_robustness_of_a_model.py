from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.bundle import Bundle
from soundkin.embedding.embedder import Embedder
from soundkin.errors import UsageError
from soundkin.evaluation.robustness import COSINE, DIFFERENT, EVERY, FOUND, KEPT, NOTHING_MEASURED
from soundkin.evaluation.systems import MFCC, MODEL, UNTRAINED, TrackEmbedder
from soundkin.features.decode import read_waveform
from soundkin.features.distortions import DISTORTIONS
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.frontends.vector_table import VectorTableFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.pipelines.judging.robustness import (
    SAMPLE_RATE_HZ,
    drawn,
    robustness_of,
    standardised_alike,
    vectors_of_waveform,
)
from soundkin.statistics.scaling import standardise

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
def listener() -> TrackEmbedder:
    return TrackEmbedder(bundle_of(5), random_seed=0)


@pytest.fixture(scope="module")
def catalog(small_catalog) -> Catalog:
    return read_catalog(small_catalog)


@pytest.fixture(scope="module")
def vectors(listener, catalog) -> dict[str, np.ndarray]:
    tracks = [listener.vectors(path) for path in catalog.audio_paths()]
    return {name: np.stack([track[name] for track in tracks]) for name in (MODEL, MFCC, UNTRAINED)}


@pytest.fixture(scope="module")
def found(listener, catalog, vectors):
    return robustness_of(listener, catalog, vectors, tracks=12, distortions=FEW)


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


def test_the_original_is_heard_as_it_is_distorted(listener, catalog, vectors):
    """What is known of a sampled track is replaced by what its first seconds give, so that only distortion
    moves it.
    """
    blind = {name: array.copy() for name, array in vectors.items()}
    for array in blind.values():
        array[drawn(catalog.track_ids, 4, 0)] = np.nan
    found = robustness_of(listener, catalog, vectors, tracks=4, seconds=2.0, distortions=["quieter"])
    again = robustness_of(listener, catalog, blind, tracks=4, seconds=2.0, distortions=["quieter"])
    assert found == again
    assert "first 2 s" in found.notes[0]
    assert all(np.isfinite(score.mean) for row in found.rows for score in row.scores)


def test_what_a_waveform_gives_is_what_its_file_gives(listener, tmp_path):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * SAMPLE_RATE_HZ).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, SAMPLE_RATE_HZ, subtype="FLOAT")
    other = Embedder(bundle_of(6))
    heard = vectors_of_waveform(listener, {"other": other}, samples, SAMPLE_RATE_HZ)
    expected = listener.vectors(tmp_path / "noise.wav")
    assert heard[MODEL].tobytes() == expected[MODEL].tobytes()
    assert heard[UNTRAINED].tobytes() == expected[UNTRAINED].tobytes()
    assert heard[MFCC] == pytest.approx(expected[MFCC], rel=1e-5, abs=1e-5)
    assert heard["other"].tobytes() == other.embed(tmp_path / "noise.wav").tobytes()


def test_the_cosine_is_that_of_the_vectors_before_and_after(listener, catalog, vectors, found):
    cosines = []
    for row in drawn(catalog.track_ids, 12, 0):
        samples = read_waveform(catalog.audio_paths()[row], SAMPLE_RATE_HZ).samples
        quieter = samples * np.float32(10 ** (-12 / 20))
        before, after = (
            listener.embedders[MODEL].embed((sound, SAMPLE_RATE_HZ)) for sound in (samples, quieter)
        )
        cosines.append(before @ after / np.linalg.norm(before) / np.linalg.norm(after))
    assert found.row(LABELS[0], COSINE).scores[0].mean == pytest.approx(np.mean(cosines), abs=1e-6)


def test_other_models_can_be_heard_beside_and_mere_vectors_cannot(listener, catalog, vectors):
    other = Embedder(bundle_of(6))
    systems = {
        MODEL: vectors[MODEL],
        "peer": np.random.default_rng(0).normal(size=(32, 5)),
        "other": np.stack([other.embed(path) for path in catalog.audio_paths()]),
    }
    found = robustness_of(
        listener, catalog, systems, tracks=3, distortions=["quieter"], against={"other": other}
    )
    assert found.systems == (MODEL, "other")
    assert "Left out, for want of something that hears audio: peer." in found.notes
    assert not any("WSOLA" in note for note in found.notes)


def test_tracks_are_drawn_by_their_ids():
    ids = [f"track-{number}" for number in range(500)]
    rows = drawn(ids, 50, random_seed=0)
    assert len(set(rows)) == 50 and np.all(np.diff(rows) > 0)
    assert not np.array_equal(rows, drawn(ids, 50, random_seed=1))
    backwards = drawn(ids[::-1], 50, random_seed=0)
    assert {ids[row] for row in rows} == {ids[::-1][row] for row in backwards}
    assert set(drawn(ids[:400], 50, random_seed=0)) >= {row for row in rows if row < 400}
    assert drawn(ids, 9_999, random_seed=0).tolist() == list(range(500))


def test_baselines_are_standardised_by_the_originals():
    rng = np.random.default_rng(0)
    originals = rng.normal(3, 2, size=(30, 4)).astype(np.float32)
    originals[:, 2] = 7
    moved, distorted = standardised_alike(originals, originals[:5, None] + np.float32(1))
    assert moved == pytest.approx(standardise(originals), abs=1e-5)
    shift = np.divide(1, originals.std(axis=0), out=np.zeros(4), where=np.arange(4) != 2)
    assert distorted[:, 0] - moved[:5] == pytest.approx(np.tile(shift, (5, 1)), abs=1e-5)


def without(catalog: Catalog, rows: np.ndarray) -> Catalog:
    """The catalog with the audio of some rows missing."""
    gone = catalog.select(catalog.track_ids)
    gone.frame.loc[rows, "path"] = [f"gone/{row}.ogg" for row in rows]
    return gone


def test_files_that_cannot_be_heard_are_listed_and_the_rest_is_asked(listener, catalog, vectors):
    rows = drawn(catalog.track_ids, 4, 0)
    broken = without(catalog, rows[1:3])
    found = robustness_of(listener, broken, vectors, tracks=4, distortions=["quieter"])
    assert found.sampled == 2
    assert [Path(skipped.path).name for skipped in found.skipped] == [f"{row}.ogg" for row in rows[1:3]]
    assert all(skipped.reason for skipped in found.skipped)


def test_where_nothing_can_be_heard_nothing_is_measured(listener, catalog, vectors):
    silent = without(catalog, np.arange(32))
    found = robustness_of(listener, silent, vectors, tracks=4, distortions=["quieter"])
    assert (found.verdict, found.table(), len(found.skipped)) == (NOTHING_MEASURED, [], 4)


def test_what_cannot_be_asked_is_named(listener, catalog, vectors):
    with pytest.raises(UsageError, match=r"distortion=quiter is unknown\. Did you mean quieter"):
        robustness_of(listener, catalog, vectors, distortions=["quiter"])
    with pytest.raises(UsageError, match="tracks=0: give at least 1"):
        robustness_of(listener, catalog, vectors, tracks=0)


def test_a_model_that_looks_tracks_up_cannot_be_asked(catalog, tmp_path):
    np.savez(
        tmp_path / "table.npz", track_id=np.array(catalog.track_ids), vectors=np.ones((32, 6), np.float32)
    )
    front_end = VectorTableFrontEnd(path=tmp_path / "table.npz").identified()
    config = NetworkConfig(convolutions=(), dense=(), embedding_size=6)
    bundle = Bundle(
        front_end, PatchConfig(frames=1, hop_frames=1), config, build_network(config, front_end.mel_bands)
    )
    with pytest.raises(UsageError, match="cannot hear audio, distorted or not"):
        robustness_of(TrackEmbedder(bundle, 0), catalog, {MODEL: np.ones((32, 6), np.float32)})


@pytest.mark.slow
def test_two_workers_find_the_same_as_one(listener, catalog, vectors, found):
    assert robustness_of(listener, catalog, vectors, tracks=12, distortions=FEW, workers=2) == found


@pytest.mark.slow
def test_all_distortions_can_be_asked_about(listener, catalog, vectors):
    found = robustness_of(listener, catalog, vectors, tracks=2)
    assert found.distortions == tuple(distortion.label for distortion in DISTORTIONS.values())
    assert any("WSOLA" in note for note in found.notes)
