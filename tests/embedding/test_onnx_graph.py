"""An exported graph gives the vectors of `Embedder`, in ONNX Runtime alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile

from soundkin.embedding.embedder import Embedder
from soundkin.embedding.onnx_graph import metadata, onnx_file, with_int8_weights
from soundkin.errors import UsageError
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.lyric_tokens import LyricTokenizer
from soundkin.models import ConvConfig, NetworkConfig, build_network

ROOT = Path(__file__).parents[2]
SAMPLES = (2, 881, 882, 5_000, 22_049, 22_491, 22_932, 44_100, 100_000, 250_001)  # a patch is 22,491
WITHOUT_TORCH = """
import sys
sys.modules.update(dict.fromkeys(["torch", "soundkin", "onnx"]))  # importing one fails
"""


def session_of(content: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, waveforms: np.ndarray) -> np.ndarray:
    return session.run(["vector"], {"waveform": waveforms})[0]


def off_by(vector: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(vector - wanted) / np.linalg.norm(wanted))


def with_silence(samples: np.ndarray) -> np.ndarray:
    """Softer, with a long silence first and in the middle, and a short one."""
    quiet, length = samples * np.float32(0.01), len(samples)
    quiet[: length // 4] = quiet[length // 2 : 3 * length // 4] = quiet[-length // 50 : -length // 100] = 0
    return quiet


@pytest.fixture(scope="module")
def session(make) -> onnxruntime.InferenceSession:
    return session_of(onnx_file(make.bundle()))


@pytest.mark.parametrize("samples", SAMPLES)
def test_any_length_has_the_embedders_vector(session, make, embedder: Embedder, samples: int) -> None:
    noise = make.noise(samples / make.rate_hz, samples)
    for waveform in (noise, with_silence(noise)):
        wanted = embedder.embed(waveform, sample_rate_hz=make.rate_hz)
        assert off_by(run(session, waveform[None])[0], wanted) < 1e-5


def test_a_batch_has_the_vectors_of_its_tracks(session, make, embedder: Embedder) -> None:
    noise = make.noise(9.0)
    batch = np.stack([noise, with_silence(noise), noise[::-1], np.zeros_like(noise)])
    for waveform, vector in zip(batch, run(session, batch), strict=True):
        assert off_by(vector, embedder.embed(waveform, sample_rate_hz=make.rate_hz)) < 1e-5


@pytest.mark.parametrize("pooling", ["mean_std", "attention", "gru"])
@pytest.mark.parametrize("levels", [{}, {"level_db": None, "silence_db": None}, {"silence_db": None}])
def test_every_pooling_and_rule_of_levels(make, pooling: str, levels: dict[str, None]) -> None:
    front_end = LogMelFrontEnd(window_samples=882, hop_samples=441, mel_bands=32, **levels)
    convolutions = (ConvConfig(filters=8, width=5, pool=2, padded=True),)
    config = NetworkConfig(
        convolutions=convolutions, dense=(24,), embedding_size=8, patch_pooling=pooling, normalisation="none"
    )
    network = build_network(config, 32)
    for name, tensor in network.patch_pooling.named_parameters():
        if name.startswith(("change", "score")):
            tensor.data.normal_()
    bundle = make.bundle(front_end=front_end, network_config=config, network=network)
    session, waveform = session_of(onnx_file(bundle)), with_silence(make.noise(7.0))
    wanted = Embedder(bundle).embed(waveform, sample_rate_hz=make.rate_hz)
    assert off_by(run(session, waveform[None])[0], wanted) < 1e-5


@pytest.mark.parametrize("window_samples", [882, 1_024])
def test_chroma_at_any_length(make, window_samples: int) -> None:
    front_end = LogMelFrontEnd(window_samples=window_samples, hop_samples=441, mel_bands=32, chroma_bands=24)
    config = make.bundle().network_config
    network = build_network(config, front_end.mel_bands, front_end.chroma_bands)
    bundle = make.bundle(front_end=front_end, network_config=config, network=network)
    session, embedder = session_of(onnx_file(bundle)), Embedder(bundle)
    for samples in SAMPLES:
        radians_a_hz = 2 * np.pi * np.arange(samples) / make.rate_hz
        chord = 0.01 * make.noise(samples / make.rate_hz) + 0.3 * np.sin(
            np.outer((220, 277, 330), radians_a_hz)
        ).sum(0)
        for waveform in (chord.astype(np.float32), with_silence(chord.astype(np.float32))):
            wanted = embedder.embed(waveform, sample_rate_hz=make.rate_hz)
            batch = np.stack([waveform[::-1], waveform])
            assert off_by(run(session, batch)[1], wanted) < 1e-5


def test_the_file_says_what_it_is(session, make) -> None:
    known = session.get_modelmeta().custom_metadata_map
    assert known == metadata(make.bundle())
    assert known["sample_rate_hz"] == "22050" and known["model_hash"] == make.bundle().hash


def test_int8_weights_are_near(make, embedder: Embedder) -> None:
    whole, noise = onnx_file(make.bundle()), make.noise(5.0)
    small = with_int8_weights(whole)
    assert b"MatMulInteger" in small
    vector = run(session_of(small), noise[None])[0]
    assert 1e-5 < off_by(vector, embedder.embed(noise, sample_rate_hz=make.rate_hz)) < 0.1


def test_what_has_no_graph_says_why(make) -> None:
    with pytest.raises(UsageError, match=r"cannot be exported: it reads lyrics.*soundkin embed\.$"):
        onnx_file(make.bundle(tokenizer=LyricTokenizer.train(["la la la"], 300)))


@pytest.mark.slow
def test_the_lines_of_the_docs_run_without_torch_and_soundkin(make, embedder: Embedder, tmp_path) -> None:
    text = (ROOT / "docs/export.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "soundkin.onnx").write_bytes(onnx_file(make.bundle()))
    (tmp_path / "embed.py").write_text(WITHOUT_TORCH + lines, encoding="utf-8")
    songs = [make.noise(4.0, seed) for seed in range(2)]
    for number, song in enumerate(songs):
        soundfile.write(tmp_path / f"{number}.wav", song, make.rate_hz, subtype="FLOAT")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "embed.py", "0.wav", "1.wav"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = [float(number) for number in re.findall(r"-?\d\.\d*", done.stdout)]
    one, other = (embedder.embed(song, sample_rate_hz=make.rate_hz, normalise=True) for song in songs)
    assert np.allclose(printed, [1, one @ other, one @ other, 1], atol=1e-5)
