from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from soundkin.catalog.table import Catalog
from soundkin.embedding.bundle import Bundle
from soundkin.embedding.embedder import Embedder
from soundkin.errors import AudioError, UsageError
from soundkin.evaluation.baselines import (
    COEFFICIENTS,
    DELTA_FRAMES,
    MFCC,
    MODEL,
    UNTRAINED,
    TrackEmbedder,
    default_bundle,
    mfcc_statistics,
    mfccs,
    untrained_network,
)
from soundkin.evaluation.system_vectors import embed_all, refuse_none, stack, standardise_baselines
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.statistics.scaling import standardise


@pytest.fixture
def log_mel():
    return np.random.default_rng(0).normal(size=(200, 96)).astype(np.float32).cumsum(axis=0)


@pytest.mark.slow
def test_mfccs_agree_with_librosa(log_mel):
    expected = librosa.feature.mfcc(S=log_mel.T, n_mfcc=COEFFICIENTS, norm="ortho").T
    assert mfccs(log_mel) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_statistics_agree_with_librosa(log_mel):
    coefficients = mfccs(log_mel)
    courses = [coefficients.T] + [
        librosa.feature.delta(coefficients.T, width=DELTA_FRAMES, order=order, mode="nearest")
        for order in (1, 2)
    ]
    expected = np.concatenate([np.r_[course.mean(axis=1), course.std(axis=1)] for course in courses])
    assert mfcc_statistics(coefficients) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_frames_may_come_in_blocks(log_mel):
    blocks = np.concatenate([mfccs(log_mel[:77]), mfccs(log_mel[77:])])
    assert np.array_equal(blocks, mfccs(log_mel))


@pytest.mark.parametrize("frames", [1, 3, 8])
def test_a_track_shorter_than_the_delta_window_has_statistics(frames):
    statistics = mfcc_statistics(mfccs(np.ones((frames, 96), dtype=np.float32)))
    assert statistics.shape == (6 * COEFFICIENTS,)
    assert np.isfinite(statistics).all()


def test_standardised_has_mean_zero_and_deviation_one_and_forgives_a_constant():
    vectors = np.random.default_rng(0).normal(3.0, 7.0, size=(50, 4))
    vectors[:, 2] = 5.0
    scaled = standardise(vectors)
    assert scaled.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-9)
    assert scaled.std(axis=0) == pytest.approx([1, 1, 0, 1])


@pytest.fixture(scope="module")
def bundle():
    torch.manual_seed(7)
    config = NetworkConfig(convolutions=(ConvConfig(filters=8, pool=2),), dense=(), embedding_size=6)
    front_end = LogMelFrontEnd()
    network = build_network(config, front_end.mel_bands)
    with torch.no_grad():
        network.trunk.input_norm.running_mean.fill_(3.0)
    return Bundle(front_end, PatchConfig(frames=64, hop_frames=64), config, network)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "noise.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).normal(size=(60_000, 2)), 22_050)
    return path


def test_the_models_vector_is_the_one_that_is_exported(bundle, sound):
    found = TrackEmbedder(bundle, random_seed=0).vectors(sound)
    assert found[MODEL].tobytes() == Embedder(bundle).embed(sound).tobytes()


def test_mfcc_statistics_come_from_the_models_own_log_mel(bundle, sound):
    log_mel = bundle.front_end.frames(sound).numpy()
    found = TrackEmbedder(bundle, random_seed=0).vectors(sound)
    assert found[MFCC] == pytest.approx(mfcc_statistics(mfccs(log_mel)), rel=1e-5, abs=1e-5)
    assert found[MFCC].shape == (6 * COEFFICIENTS,)


def test_the_untrained_network_is_a_fresh_one_with_the_same_normalisation(bundle):
    before = torch.get_rng_state()
    network, again, other = (untrained_network(bundle, random_seed) for random_seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [
        net.state_dict()["trunk.blocks.0.conv.weight"] for net in (network, again, other, bundle.network)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
    assert network.trunk.input_norm.running_mean.tolist() == [3.0] * bundle.front_end.mel_bands


def test_embedding_leaves_the_number_of_threads_alone(bundle, sound):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    TrackEmbedder(bundle, random_seed=0).vectors(sound)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


def test_a_file_that_is_no_audio_is_an_audio_error(bundle, tmp_path):
    path = tmp_path / "text.mp3"
    path.write_text("la la la")
    with pytest.raises(AudioError, match=r"text\.mp3"):
        TrackEmbedder(bundle, random_seed=0).vectors(path)


def test_the_model_comes_first_and_as_it_is_and_the_baselines_standardised():
    rng = np.random.default_rng(0)
    tracks = [
        {name: rng.normal(3, 2, size=4).astype(np.float32) for name in (UNTRAINED, MODEL, MFCC)}
        for _ in range(9)
    ]
    systems = standardise_baselines(stack(tracks))
    assert list(systems) == [MODEL, MFCC, UNTRAINED]
    assert np.array_equal(systems[MODEL][2], tracks[2][MODEL])
    assert systems[MFCC].std(axis=0) == pytest.approx(np.ones(4), abs=1e-5)


def test_an_embedder_may_leave_out_the_model_or_what_it_has_to_beat(bundle, sound):
    everything = TrackEmbedder(bundle, random_seed=0, name="ours").vectors(sound)
    assert set(everything) == {"ours", UNTRAINED, MFCC}
    alone = TrackEmbedder(bundle, random_seed=0, baselines=False).vectors(sound)
    others = TrackEmbedder(bundle, random_seed=0, own=False).vectors(sound)
    assert set(alone) == {MODEL} and set(others) == {UNTRAINED, MFCC}
    for name, vector in (alone | others).items():
        assert vector.tobytes() == everything["ours" if name == MODEL else name].tobytes()


def test_the_hash_tells_what_embeds(bundle):
    same = TrackEmbedder(bundle, random_seed=0).hash
    assert same == TrackEmbedder(bundle, random_seed=0).hash
    others = [
        TrackEmbedder(bundle, random_seed=1),
        TrackEmbedder(bundle, random_seed=0, own=False),
        TrackEmbedder(bundle, random_seed=0, baselines=False),
        TrackEmbedder(replace(bundle, front_end=LogMelFrontEnd(hop_samples=400), hash=""), random_seed=0),
        TrackEmbedder(replace(bundle, patch=PatchConfig(frames=32), hash=""), random_seed=0),
    ]
    assert len({same, *(embedder.hash for embedder in others)}) == 6


def test_vectors_without_a_model_are_compared_with_the_default_network():
    before = torch.get_rng_state()
    one, again, other = (default_bundle(random_seed) for random_seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert one.hash == again.hash != other.hash
    assert (one.front_end, one.network_config) == (LogMelFrontEnd(), NetworkConfig())


def catalog_of(folder: Path, *names: str) -> Catalog:
    return Catalog(
        pd.DataFrame({"track_id": [f"track {name}" for name in names], "path": list(names)}), folder
    )


@pytest.fixture
def music(sound, tmp_path):
    """Three files, the last of which is no audio."""
    for number in range(2):
        samples, rate_hz = soundfile.read(sound)
        soundfile.write(tmp_path / f"{number}.wav", samples * (1 + number), rate_hz)
    (tmp_path / "text.wav").write_text("la la la")
    return tmp_path


def test_tracks_are_embedded_once_whatever_else_is_asked_for_in_between(bundle, music, monkeypatch):
    embedder, cache = TrackEmbedder(bundle, random_seed=0), music / "cache"
    whole = catalog_of(music, "0.wav", "1.wav", "text.wav")
    vectors, skipped = embed_all(embedder, whole, 1, cache)
    assert list(vectors) == ["track 0.wav", "track 1.wav"] and [one.path for one in skipped] == ["text.wav"]
    expected = embedder.vectors(music / "1.wav")
    assert {name: vector.tobytes() for name, vector in vectors["track 1.wav"].items()} == {
        name: vector.tobytes() for name, vector in expected.items()
    }
    with monkeypatch.context() as patched:
        patched.setattr(TrackEmbedder, "embed_file", None)
        assert list(embed_all(embedder, catalog_of(music, "1.wav"), 1, cache)[0]) == ["track 1.wav"]
        assert list(embed_all(embedder, catalog_of(music, "0.wav", "1.wav"), 1, cache)[0]) == list(vectors)
        with pytest.raises(TypeError):
            embed_all(TrackEmbedder(bundle, random_seed=1), catalog_of(music, "1.wav"), 1, cache)
    again, skipped_again = embed_all(embedder, whole, 1, cache)
    assert list(again) == list(vectors) and skipped_again == skipped


def test_where_no_track_can_be_decoded_the_first_reason_is_given(bundle, music):
    nothing = catalog_of(music, "text.wav")
    embedded, skipped = embed_all(TrackEmbedder(bundle, random_seed=0), nothing, 1)
    with pytest.raises(UsageError, match=r"none of the 1 files could be decoded\. First: "):
        refuse_none(embedded, skipped, nothing)
