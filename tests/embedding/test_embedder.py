import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.embedding.bundle import Bundle, save_bundle
from soundkin.embedding.embedder import Embedder, load
from soundkin.errors import AudioError, UsageError
from soundkin.features.decode import audio_hash
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig, patch_starts
from soundkin.models import PATCH_POOLINGS, ConvConfig, NetworkConfig, build_network


@pytest.fixture(scope="module")
def wide(make) -> Embedder:
    """The default network: its kernels choose their ways by shape and threads, a small one's may not."""
    torch.manual_seed(0)
    front_end, network_config = LogMelFrontEnd(), NetworkConfig()
    network = build_network(network_config, front_end.mel_bands)
    return Embedder(Bundle(front_end, PatchConfig(), network_config, network))


def test_it_is_the_mean_over_patches_of_the_network(bundle: Bundle, song: Path) -> None:
    log_mel = bundle.front_end.frames(song)
    starts = patch_starts(len(log_mel), bundle.patch)
    patches = torch.stack([log_mel[start : start + bundle.patch.frames] for start in starts])
    with torch.no_grad():
        expected = bundle.network.patches(patches.transpose(1, 2)).numpy()
    embedder = Embedder(bundle)
    vectors, start_seconds = embedder.embed_patches(song)
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(embedder.embed(song), expected.mean(axis=0), rtol=1e-5, atol=1e-6)
    assert start_seconds == [start / bundle.front_end.frames_per_second for start in starts]


def test_a_file_tells_all_in_one_pass(embedder: Embedder, song: Path) -> None:
    embedded = embedder.embed_file(song)
    assert np.array_equal(embedded.vector, embedder.embed(song))
    assert np.array_equal(embedded.patch_vectors, embedder.embed_patches(song)[0])
    assert embedded.duration_seconds == 5.5
    assert embedded.audio_hash == audio_hash(song)
    assert embedded.warnings == ()
    assert embedder.embed_file(song, "known").audio_hash == "known"


@settings(max_examples=25, deadline=None)
@given(seconds=st.floats(0.001, 21.0))
def test_any_length_has_a_vector(make, seconds: float) -> None:
    embedder = Embedder(make.bundle())
    samples = make.noise(max(seconds, 0.001))
    vectors, start_seconds = embedder.embed_patches((samples, make.rate_hz))
    assert len(vectors) == len(start_seconds)
    assert np.isfinite(vectors).all()
    assert start_seconds[0] == 0.0
    if seconds > 1.1:
        assert start_seconds[-1] + 1.0 == pytest.approx(seconds, abs=0.05)


def test_a_vector_does_not_depend_on_what_else_is_embedded(wide: Embedder, make, tmp_path: Path) -> None:
    waveforms = [
        (make.noise(seconds, i), make.rate_hz) for i, seconds in enumerate((0.5, 5.2, 11.0, 17.0, 43.0, 46.0))
    ]
    first = [wide.embed(waveform) for waveform in waveforms]
    backwards = [wide.embed(waveform) for waveform in reversed(waveforms)][::-1]
    assert all(np.array_equal(before, after) for before, after in zip(first, backwards, strict=True))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_vector_does_not_depend_on_threads(wide: Embedder, make, threads: int) -> None:
    waveform = (make.noise(50.0), make.rate_hz)
    expected, before = wide.embed(waveform), torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        embedded = wide.embed(waveform)
        assert torch.get_num_threads() == threads, "the caller's setting is put back"
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(embedded, expected)


def test_one_thread_computes(bundle: Bundle, make) -> None:
    """Kernels may split sums by the number of threads, on machines with more of them than this one."""
    threads = []
    bundle.network.trunk.register_forward_pre_hook(lambda *_: threads.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        Embedder(bundle).embed((make.noise(2.0), make.rate_hz))
    finally:
        torch.set_num_threads(before)
    assert threads == [1]


def test_several_python_threads_may_share_an_embedder(wide: Embedder, make) -> None:
    waveforms = [(make.noise(9.0, i), make.rate_hz) for i in range(6)]
    expected = [wide.embed(waveform) for waveform in waveforms]
    embedded: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda i=i: embedded.update({i: wide.embed(waveforms[i])})) for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(embedded[i], expected[i]) for i in range(6))


def test_a_short_track_pays_for_its_own_patches_only(bundle: Bundle, make, monkeypatch) -> None:
    batches = []
    bundle.network.trunk.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    Embedder(bundle).embed((make.noise(2.0), make.rate_hz))
    assert batches == [2]
    batches.clear()
    monkeypatch.setattr("soundkin.features.patches.FRAMES_PER_BATCH", 8 * 50)
    Embedder(bundle).embed((make.noise(11.0), make.rate_hz))
    assert batches == [8, 3]


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_an_array_is_as_good_as_a_file(embedder: Embedder, make, tmp_path: Path, suffix: str) -> None:
    stereo = np.stack([make.noise(3.0, 1), make.noise(3.0, 2)], axis=1)
    path = tmp_path / f"stereo.{suffix}"
    soundfile.write(path, stereo, 44_100)
    decoded, rate_hz = soundfile.read(path, dtype="float32")
    assert np.array_equal(embedder.embed((decoded, rate_hz)), embedder.embed(path))
    assert np.array_equal(embedder.embed((decoded.astype(np.float64), rate_hz)), embedder.embed(str(path)))


def test_channels_may_come_first_or_last(embedder: Embedder, make) -> None:
    stereo = np.stack([make.noise(3.0, 1), make.noise(3.0, 2)])
    first = embedder.embed(stereo, sample_rate_hz=44_100)
    assert np.array_equal(first, embedder.embed(stereo.T, sample_rate_hz=44_100))
    assert np.array_equal(first, embedder.embed((stereo, 44_100))), "the pair is the same as the keyword"
    mono = make.noise(3.0, 1)
    assert np.array_equal(
        embedder.embed((mono, 44_100)), embedder.embed((mono[np.newaxis], np.int64(44_100)))
    )


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "uint8", "uint16"])
def test_integers_are_scaled_by_their_type(embedder: Embedder, make, kind: str) -> None:
    samples, limits = make.noise(3.0), np.iinfo(kind)
    half_scale = 2.0 ** (limits.bits - 1)
    centre = half_scale if limits.min == 0 else 0.0
    integers = np.round(samples * half_scale + centre).astype(kind)
    floats = ((integers - np.float64(centre)) / half_scale).astype(np.float32)
    assert np.array_equal(embedder.embed((integers, 22_050)), embedder.embed((floats, 22_050)))
    assert embedder.embed((integers, 22_050)) == pytest.approx(embedder.embed((samples, 22_050)), abs=0.2)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 9, 5), np.float32), r"samples of shape \(2, 9, 5\): Give floats"),
        (np.zeros((900, 900), np.float32), "samples of shape"),
        (np.float32(0.5), r"samples of shape \(\)"),
        (np.zeros(22_050, np.int64), "samples of type int64: Give floats"),
        (np.zeros(22_050, bool), "samples of type bool"),
        (np.zeros(22_050, complex), "samples of type complex128"),
        (
            np.array([0.0, np.nan, np.inf] * 99),
            "198 samples are not finite as 32 bit floats, the first at 1: nan",
        ),
        (np.array([0.0, 1e300] * 99), "99 samples are not finite as 32 bit floats, the first at 1: 1e"),
    ],
)
def test_arrays_that_make_no_sense_are_refused(embedder: Embedder, samples: np.ndarray, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        embedder.embed((samples, 22_050))


@pytest.mark.parametrize("rate", [0, -1, 10**9, 22_050.5, float("nan"), float("inf"), "22050", None, True])
def test_rates_that_make_no_sense_are_refused(embedder: Embedder, rate: object) -> None:
    with pytest.raises(UsageError, match=r"sample_rate_hz=.*give a whole number"):
        embedder.embed((np.zeros(22_050, np.float32), rate))


def test_what_is_no_audio_is_refused(embedder: Embedder, song: Path) -> None:
    with pytest.raises(AudioError, match="the waveform holds 0 samples"):
        embedder.embed((np.zeros(0, np.float32), 22_050))
    with pytest.raises(UsageError, match="needs its rate"):
        embedder.embed(np.zeros(22_050, np.float32))
    with pytest.raises(UsageError, match="a file says its own rate"):
        embedder.embed(song, sample_rate_hz=22_050)
    for odd in ([0.1, 0.2], [song, None], 5, (song, 22_050)):
        with pytest.raises(UsageError, match="Give a path, several paths, or an array"):
            embedder.embed(odd)


def test_normalised_vectors_have_length_1(embedder: Embedder, song: Path) -> None:
    raw, unit = embedder.embed(song), embedder.embed(song, normalise=True)
    assert np.linalg.norm(unit) == pytest.approx(1) and unit.dtype == np.float32
    np.testing.assert_allclose(unit * np.linalg.norm(raw), raw, rtol=1e-5)


def test_silence_has_a_vector_and_a_warning(embedder: Embedder, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(44_100), 22_050)
    embedded = embedder.embed_file(tmp_path / "silent.wav")
    assert np.isfinite(embedded.vector).all()
    assert embedded.warnings == ("silent from start to end",)


def test_a_model_that_was_trained_to_nothing_is_told(bundle: Bundle, song: Path) -> None:
    bundle.network.trunk.dense[-1].bias.fill_(float("nan"))
    with pytest.raises(AudioError, match="finite numbers"):
        Embedder(bundle).embed(song)


def test_files_that_are_no_audio_are_told(embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "notes.mp3").write_text("not audio at all")
    for path in (tmp_path / "notes.mp3", tmp_path / "missing.mp3", tmp_path):
        with pytest.raises(AudioError, match=str(path)):
            embedder.embed_file(path)


def test_load_gives_the_same_embedder(bundle: Bundle, song: Path, tmp_path: Path) -> None:
    save_bundle(bundle, tmp_path / "model")
    loaded = load(str(tmp_path / "model"))
    assert loaded.hash == bundle.hash
    assert loaded.embedding_size == 8
    assert np.array_equal(loaded.embed(song), Embedder(bundle).embed(song))


def python(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys, soundkin; "
    code += "print(soundkin.__version__, [m for m in ('torch', 'numpy') if m in sys.modules])"
    assert python(code).split(maxsplit=1)[1] == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize("pooling", PATCH_POOLINGS)
def test_a_vector_does_not_depend_on_how_many_patches_are_heard_at_once(
    make, monkeypatch: pytest.MonkeyPatch, pooling: str
) -> None:
    torch.manual_seed(0)
    front_end = LogMelFrontEnd(window_samples=882, hop_samples=441, mel_bands=32)
    convolution = ConvConfig(filters=16, width=5, pool=2, padded=True)
    config = NetworkConfig(convolutions=(convolution,), dense=(24,), embedding_size=8, patch_pooling=pooling)
    network = build_network(config, front_end.mel_bands)
    for parameter in network.patch_pooling.parameters():
        torch.nn.init.normal_(parameter, std=0.5)  # untrained, all poolings are the mean
    embedder = Embedder(Bundle(front_end, PatchConfig(frames=50, hop_frames=50), config, network))
    vectors = []
    for patches_at_once in (1, 3, 8, 100):
        monkeypatch.setattr("soundkin.features.patches.FRAMES_PER_BATCH", 50 * patches_at_once)
        vectors.append(embedder.embed((make.noise(20.0), make.rate_hz)))
    for vector in vectors[1:]:
        np.testing.assert_allclose(vector, vectors[0], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_using_a_model_needs_neither_lightning_nor_hydra(bundle: Bundle, song: Path, tmp_path: Path) -> None:
    save_bundle(bundle, tmp_path / "model")
    code = (
        "import sys, soundkin; soundkin.load(sys.argv[1]).embed(sys.argv[2]);"
        "unwanted = {'pytorch_lightning', 'lightning', 'hydra', 'omegaconf', 'faiss', 'sklearn'};"
        "unwanted |= {'matplotlib'};"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    assert python(code, tmp_path / "model", song) == "[]\n"


@pytest.mark.slow
def test_a_long_file_takes_no_more_memory_than_a_short_one(bundle: Bundle, make, tmp_path: Path) -> None:
    save_bundle(bundle, tmp_path / "model")
    code = (
        "import resource, sys, soundkin; soundkin.load(sys.argv[1]).embed(sys.argv[2]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    mebibytes = []
    for minutes in (1, 60):
        path = tmp_path / f"{minutes}.flac"
        with soundfile.SoundFile(path, "w", 22_050, 1) as file:
            for _ in range(minutes):
                file.write(make.noise(60.0) / 100)
        mebibytes.append(int(python(code, tmp_path / "model", path)) / 1024)
    assert mebibytes[1] - mebibytes[0] < 30, "an hour of samples alone is 300 MiB"
