"""ONNX models that are run: windows, outputs, refusals."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from audio_files import tune
from onnx import TensorProto, helper, numpy_helper

from soundkin.errors import AudioError, UsageError
from soundkin.features.decode import audio_hash, read_waveform
from soundkin.features.frontends import stored_front_end
from soundkin.features.frontends.external import ExternalFrontEnd, OnnxInput
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.frontends.onnx_encoder import OnnxEncoder, OnnxFrontEnd
from soundkin.features.patches import PatchConfig, patch_starts


def frames(front_end: ExternalFrontEnd, sound: object, seconds: float | None = None) -> np.ndarray:
    return torch.cat(list(front_end.stream(sound, seconds))).numpy()  # type: ignore[arg-type]


RATE_HZ = 8_000
WINDOW = 2_000  # samples: a quarter of a second
WEIGHTS = np.random.default_rng(0).normal(size=(3, 1, 400)).astype(np.float32)
Nodes = list[onnx.NodeProto]


def save(
    path: Path, nodes: Nodes, input_shape: Sequence[int | str], output_shape: Sequence[int | str]
) -> Path:
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, output_shape)],
        [numpy_helper.from_array(WEIGHTS, "weights"), numpy_helper.from_array(np.array([1]), "one")],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("elsewhere", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


HEARING = [
    helper.make_node("Unsqueeze", ["audio", "one"], ["channel"]),
    helper.make_node("Conv", ["channel", "weights"], ["filtered"], strides=[400]),
    helper.make_node("Relu", ["filtered"], ["features"]),
]
POOLING = [helper.make_node("ReduceMean", ["features"], ["vector"], axes=[2], keepdims=0)]
TURNING = [helper.make_node("Transpose", ["features"], ["vector"], perm=[0, 2, 1])]


def waveform_model(path: Path, pooled: bool = True, samples: int | str = "samples") -> Path:
    """Convolution with known weights, rectifier, mean over time; unpooled, the frames themselves."""
    nodes, shape = (POOLING, [1, 3]) if pooled else (TURNING, [1, "frames", 3])
    return save(path, HEARING + nodes, [1, samples], shape)


def by_hand(window: np.ndarray) -> np.ndarray:
    features = window.reshape(-1, 400) @ WEIGHTS[:, 0].T
    return np.maximum(features, 0).mean(axis=0)


SETTINGS = OnnxInput(sample_rate_hz=RATE_HZ, window_seconds=0.25, hop_seconds=0.125)


def onnx_front_end(path: Path, **changes: object) -> OnnxFrontEnd:
    return OnnxFrontEnd(path=path, onnx=SETTINGS.model_copy(update=changes)).identified()


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("kind", ["flac", "mp3"])
def test_windows_of_a_file_go_through_the_model(
    tmp_path: Path, audio: Callable[[str], Path], kind: str, pooled: bool
) -> None:
    front_end = onnx_front_end(waveform_model(tmp_path / "m.onnx", pooled))
    assert (front_end.size, front_end.takes_audio) == (3, True)
    waveform = read_waveform(audio(kind), RATE_HZ).samples
    starts = patch_starts(len(waveform), PatchConfig(frames=WINDOW, hop_frames=1_000))
    stream = front_end.stream(audio(kind))
    found = torch.cat(list(stream)).numpy()
    expected = np.stack([by_hand(waveform[start : start + WINDOW]) for start in starts])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert [stream.start_seconds(frame) for frame in range(len(found))] == [
        start / RATE_HZ for start in starts
    ]
    assert stream.duration_seconds == pytest.approx(3.0, abs=0.06)
    assert front_end.input_hash(audio(kind)) == audio_hash(audio(kind))


def test_the_same_file_gives_the_same_frames(tmp_path: Path, audio: Callable[[str], Path]) -> None:
    front_end = onnx_front_end(waveform_model(tmp_path / "m.onnx"))
    np.testing.assert_array_equal(frames(front_end, audio("ogg")), frames(front_end, audio("ogg")))
    cut = frames(front_end, audio("ogg"), 1.0)  # at the cut the resampler does not know what follows
    np.testing.assert_array_equal(cut[:-1], frames(front_end, audio("ogg"))[: len(cut) - 1])
    assert len(cut) == 7


def test_a_short_track_is_repeated_until_it_fills_a_window(tmp_path: Path) -> None:
    front_end = onnx_front_end(waveform_model(tmp_path / "m.onnx"))
    soundfile.write(tmp_path / "short.wav", tune(RATE_HZ, 0.1, 1), RATE_HZ, subtype="FLOAT")
    waveform = read_waveform(tmp_path / "short.wav", RATE_HZ).samples
    expected = by_hand(np.resize(waveform, WINDOW))
    np.testing.assert_allclose(
        frames(front_end, tmp_path / "short.wav"), expected[None], rtol=1e-4, atol=1e-6
    )


def test_log_mels_go_through_the_model(tmp_path: Path, audio: Callable[[str], Path]) -> None:
    log_mel = LogMelFrontEnd(mel_bands=40)
    pool = helper.make_node("ReduceMean", ["audio"], ["vector"], axes=[2], keepdims=0)
    path = save(tmp_path / "m.onnx", [pool], [1, 40, "frames"], [1, 40])
    front_end = onnx_front_end(path, input="log_mel", log_mel=log_mel, window_seconds=1.0, hop_seconds=1.0)
    whole = log_mel.frames(audio("flac")).numpy()
    starts = patch_starts(len(whole), PatchConfig(frames=30, hop_frames=30))
    expected = np.stack([whole[start : start + 30].mean(axis=0) for start in starts])
    stream = front_end.stream(audio("flac"))
    np.testing.assert_allclose(torch.cat(list(stream)), expected, rtol=1e-5, atol=1e-5)
    assert stream.start_seconds(1) == pytest.approx(1.0)


def test_opposite_channels_and_silence_are_no_frames_of_their_own(tmp_path: Path) -> None:
    front_end = onnx_front_end(waveform_model(tmp_path / "m.onnx"), hop_seconds=0.25)
    before = onnx_front_end(waveform_model(tmp_path / "n.onnx"), hop_seconds=0.25, **OnnxInput.BEFORE_STATED)
    mono, silence = tune(RATE_HZ, 2.0, 1)[:, 0], np.zeros(3 * RATE_HZ, np.float32)
    track = np.concatenate([silence, mono, silence])
    soundfile.write(tmp_path / "mono.wav", mono, RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "track.wav", np.stack([track, -track], axis=1), RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "silence.wav", silence, RATE_HZ, subtype="FLOAT")
    stream = front_end.stream(tmp_path / "track.wav")
    found = torch.cat(list(stream)).numpy()
    np.testing.assert_allclose(found, frames(front_end, tmp_path / "mono.wav"), rtol=1e-3, atol=1e-4)
    assert [stream.start_seconds(frame) for frame in range(len(found))] == [
        3 + frame / 4 for frame in range(8)
    ]
    assert len(frames(front_end, tmp_path / "silence.wav")) == 1
    assert len(frames(before, tmp_path / "track.wav")) == 32
    assert not frames(before, tmp_path / "track.wav").any()
    assert front_end.content_hash() != before.content_hash()


def test_an_encoder_from_before_these_settings_is_used_as_it_was(tmp_path: Path) -> None:
    settings = onnx_front_end(waveform_model(tmp_path / "m.onnx")).settings()
    for name in OnnxInput.BEFORE_STATED:
        del settings["onnx"][name]
    for name in LogMelFrontEnd.BEFORE_STATED:
        del settings["onnx"]["log_mel"][name]
    found = stored_front_end(settings)
    assert isinstance(found, OnnxFrontEnd)
    assert (found.onnx.downmix, found.onnx.keep_silence) == ("mean", True)
    assert found.onnx.log_mel == LogMelFrontEnd(downmix="mean", level_db=None, silence_db=None)


def test_models_that_take_something_else_are_refused(tmp_path: Path) -> None:
    path = waveform_model(tmp_path / "m.onnx", samples=16_000)
    with pytest.raises(
        UsageError, match=r"m\.onnx: it takes audio: tensor\(float\) \[1, 16000\].*\[1, 2000\]"
    ):
        onnx_front_end(path)
    assert onnx_front_end(path, window_seconds=2.0).size == 3
    with pytest.raises(UsageError, match=r"float32 array \[1, 96, 8\] \(log_mel\).*features\.onnx\.input"):
        onnx_front_end(path, input="log_mel")
    with pytest.raises(UsageError, match=r"fails on one float32 array \[1, 80\].*window_seconds"):
        onnx_front_end(waveform_model(tmp_path / "m.onnx"), window_seconds=0.01)
    whole = save(
        tmp_path / "w.onnx", [helper.make_node("ReduceMean", ["audio"], ["vector"])], [1, "n"], [1, 1]
    )
    assert onnx_front_end(whole).size == 1
    squeeze = helper.make_node("Squeeze", ["pooled"], ["vector"])
    pool = helper.make_node("ReduceMean", ["features"], ["pooled"], axes=[2], keepdims=0)
    flat = save(tmp_path / "f.onnx", [*HEARING, pool, squeeze], [1, "n"], ["size"])
    with pytest.raises(UsageError, match=r"its output vector is float32\[3\].*\[1, size\]"):
        onnx_front_end(flat)


def test_one_output_is_used(tmp_path: Path) -> None:
    model = onnx.load(waveform_model(tmp_path / "m.onnx"))
    model.graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 3, "frames"]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(UsageError, match=r"several outputs: vector, features.*features\.onnx\.output=NAME"):
        onnx_front_end(tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="it has the outputs vector, features, and not vectors"):
        onnx_front_end(tmp_path / "m.onnx", output="vectors")
    assert onnx_front_end(tmp_path / "m.onnx", output="features").size == 5


def test_files_that_are_no_model_or_more_than_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("la la la")
    with pytest.raises(UsageError, match=r"text\.onnx is not an ONNX model that can be run"):
        onnx_front_end(tmp_path / "text.onnx")
    with pytest.raises(UsageError, match=r"none\.onnx cannot be read: No such file"):
        onnx_front_end(tmp_path / "none.onnx")
    own = helper.make_node("Listen", ["audio"], ["vector"], domain="elsewhere")
    with pytest.raises(UsageError, match="with the operators of ONNX alone"):
        onnx_front_end(save(tmp_path / "own.onnx", [own], [1, "n"], [1, 3]))
    model = onnx.load(waveform_model(tmp_path / "m.onnx"))
    onnx.save(model, tmp_path / "e.onnx", save_as_external_data=True, location="e.data", size_threshold=0)
    with pytest.raises(UsageError, match="as one file, weights included"):
        onnx_front_end(tmp_path / "e.onnx")


def test_a_model_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    front_end = onnx_front_end(waveform_model(tmp_path / "m.onnx"))
    waveform_model(tmp_path / "m.onnx", pooled=False)
    with pytest.raises(UsageError, match="is not the file that it was"):
        OnnxEncoder(front_end.path, front_end.onnx, front_end.sha256)


def test_a_model_without_an_answer_is_the_files_error(tmp_path: Path, audio: Callable[[str], Path]) -> None:
    logarithm = [*HEARING[:2], helper.make_node("Log", ["filtered"], ["features"]), *POOLING]
    front_end = onnx_front_end(save(tmp_path / "m.onnx", logarithm, [1, "samples"], [1, 3]))
    with pytest.raises(
        AudioError, match=r"tune\.flac: the ONNX model answers at 0\.0 s with numbers that are not"
    ):
        frames(front_end, audio("flac"))
    (tmp_path / "text.mp3").write_text("no audio")
    with pytest.raises(AudioError, match=r"text\.mp3"):
        frames(front_end, tmp_path / "text.mp3")
