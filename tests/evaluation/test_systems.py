from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from soundkin.embedding.bundle import Bundle
from soundkin.embedding.embedder import Embedder
from soundkin.errors import AudioError
from soundkin.evaluation.baselines import COEFFICIENTS, mfcc_statistics, mfccs
from soundkin.evaluation.systems import (
    MFCC,
    MODEL,
    UNTRAINED,
    TrackEmbedder,
    as_systems,
    default_bundle,
    untrained_network,
)
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network


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


def test_the_untrained_network_is_a_fresh_one_that_hears_through_the_same_normalisation(bundle):
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


def test_hearing_leaves_the_number_of_threads_alone(bundle, sound):
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
    systems = as_systems(tracks)
    assert list(systems) == [MODEL, MFCC, UNTRAINED]
    assert np.array_equal(systems[MODEL][2], tracks[2][MODEL])
    assert systems[MFCC].std(axis=0) == pytest.approx(np.ones(4), abs=1e-5)


def test_a_listener_may_leave_out_the_model_or_what_it_has_to_beat(bundle, sound):
    everything = TrackEmbedder(bundle, random_seed=0, name="ours").vectors(sound)
    assert set(everything) == {"ours", UNTRAINED, MFCC}
    alone = TrackEmbedder(bundle, random_seed=0, baselines=False).vectors(sound)
    others = TrackEmbedder(bundle, random_seed=0, own=False).vectors(sound)
    assert set(alone) == {MODEL} and set(others) == {UNTRAINED, MFCC}
    for name, vector in (alone | others).items():
        assert vector.tobytes() == everything["ours" if name == MODEL else name].tobytes()


def test_a_fingerprint_tells_what_listens(bundle):
    same = TrackEmbedder(bundle, random_seed=0).fingerprint
    assert same == TrackEmbedder(bundle, random_seed=0).fingerprint
    others = [
        TrackEmbedder(bundle, random_seed=1),
        TrackEmbedder(bundle, random_seed=0, own=False),
        TrackEmbedder(bundle, random_seed=0, baselines=False),
        TrackEmbedder(replace(bundle, front_end=LogMelFrontEnd(hop_samples=400), hash=""), random_seed=0),
        TrackEmbedder(replace(bundle, patch=PatchConfig(frames=32), hash=""), random_seed=0),
    ]
    assert len({same, *(listener.fingerprint for listener in others)}) == 6


def test_vectors_without_a_model_stand_beside_the_default_network():
    before = torch.get_rng_state()
    one, again, other = (default_bundle(random_seed) for random_seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert one.hash == again.hash != other.hash
    assert (one.front_end, one.network_config) == (LogMelFrontEnd(), NetworkConfig())
