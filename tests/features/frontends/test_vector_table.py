import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from audio_files import tune
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from soundkin.config import validate
from soundkin.errors import AudioError, ConfigError, UsageError
from soundkin.features.cache import build_cache
from soundkin.features.decode import audio_hash, read_waveform
from soundkin.features.external import ExternalFrontEnd
from soundkin.features.front_ends import (
    input_hash,
    settings_of,
    stored_front_end,
    stream_frames,
    track_inputs,
)
from soundkin.features.frontends.log_mel import LogMelFrontEnd, log_mel_of_file
from soundkin.features.frontends.onnx_encoder import OnnxEncoder, OnnxInput
from soundkin.features.patches import PatchConfig, patch_starts
from soundkin.features.frontends.vector_table import TableTrack, VectorTable, read_table, sha256_of_table
from soundkin.training.run_config import TrainConfig

IDS = ["b", "a", "b", "c", "b"]
STARTS = [4.0, 0.0, 0.0, 0.0, 2.0]
VECTORS = np.arange(15, dtype=np.float32).reshape(5, 3)


def frames(front_end: ExternalFrontEnd, sound: object, seconds: float | None = None) -> np.ndarray:
    return torch.cat(list(front_end.stream(sound, seconds))).numpy()  # type: ignore[arg-type]


# Tables


def npz(path: Path, **changes: object) -> Path:
    arrays = {"track_id": np.array(IDS), "vectors": VECTORS, "start_seconds": np.array(STARTS), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})  # type: ignore[arg-type]
    return path


def parquet(path: Path, rows: Sequence[int] = range(5), vectors: object = None) -> Path:
    column = [VECTORS[row].tolist() for row in rows] if vectors is None else vectors
    pq.write_table(
        pa.table(
            {
                "track_id": [IDS[row] for row in rows],
                "vector": column
                if isinstance(column, pa.Array)
                else pa.array(column, pa.list_(pa.float32())),
                "start_seconds": [STARTS[row] for row in rows],
                "further": ["kept out"] * len(rows),
            }
        ),
        path,
    )
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    parquet(path / "1.parquet", [0, 1])
    parquet(path / "2.parquet", [2, 3, 4])
    return path


@pytest.mark.parametrize("kind", ["npz", "parquet", "folder"])
def test_a_track_has_its_rows_in_order_of_time(tmp_path: Path, kind: str) -> None:
    path = {"npz": npz, "parquet": parquet, "folder": folder}[kind](
        tmp_path / f"t.{kind}".removesuffix(".folder")
    )
    front_end = ExternalFrontEnd(path=path).identified()
    assert (front_end.size, front_end.mel_bands, front_end.is_table) == (3, 3, True)
    stream = front_end.stream(TableTrack("b"))
    found = torch.cat(list(stream))
    np.testing.assert_array_equal(found, VECTORS[[2, 4, 0]])
    assert found.dtype == torch.float32
    assert [stream.start_seconds(frame) for frame in range(3)] == [0.0, 2.0, 4.0]
    assert frames(front_end, TableTrack("b"), 3.0).tolist() == VECTORS[[2, 4]].tolist()
    assert frames(front_end, TableTrack("b"), 0.0).tolist() == VECTORS[[2]].tolist(), "one frame at least"


@given(st.permutations(range(5)))
def test_the_order_of_rows_makes_no_difference(order: list[int]) -> None:
    table = VectorTable(Path("t"), IDS, VECTORS, np.array(STARTS))
    shuffled = VectorTable(Path("t"), [IDS[row] for row in order], VECTORS[order], np.array(STARTS)[order])
    for track_id in "abc":
        assert table.track(track_id).content_hash() == shuffled.track(track_id).content_hash()
        np.testing.assert_array_equal(table.track(track_id).vectors, shuffled.track(track_id).vectors)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"vectors": None}, "no array vectors. It has track_id, start_seconds"),
        ({"track_id": np.array(IDS, dtype=object)}, "Nothing in it is unpickled"),
        ({"track_id": np.array(IDS[:4])}, r"4 track ids, and vectors of shape \(5, 3\)"),
        ({"vectors": VECTORS.astype(int)}, "type int64. Save floats"),
        ({"vectors": VECTORS[0]}, r"shape \(3,\)"),
        ({"start_seconds": None}, "track_id=b has several rows.*start_seconds"),
        ({"start_seconds": np.full(5, np.nan)}, "one finite number a row"),
    ],
)
def test_an_npz_that_breaks_its_promises(tmp_path: Path, changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        read_table(npz(tmp_path / "t.npz", **changes))


def test_ids_in_a_column_of_an_npz_are_ids(tmp_path: Path) -> None:
    table = read_table(npz(tmp_path / "t.npz", track_id=np.array(IDS)[:, None]))
    np.testing.assert_array_equal(table.track("b").vectors, VECTORS[[2, 4, 0]])


@pytest.mark.parametrize("damage", [b"", b"no zip", "cut", "flipped"])
@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_file_that_is_damaged(tmp_path: Path, suffix: str, damage: bytes | str) -> None:
    path = npz(tmp_path / "t.npz") if suffix == ".npz" else parquet(tmp_path / "t.parquet")
    whole = path.read_bytes()
    middle = len(whole) // 8  # the zip's checksum covers it, or the vectors of the Parquet do not
    flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    path.write_bytes({"cut": whole[: len(whole) // 2], "flipped": flipped}.get(str(damage), damage))  # type: ignore[arg-type]
    if damage == "flipped":
        before = ExternalFrontEnd(path=path, sha256=sha256_of_table(npz(tmp_path / "other.npz")))
        with pytest.raises((UsageError, ConfigError)):
            before.identified()
        return
    with pytest.raises(UsageError, match=rf"t\{suffix} is not an? .* that can be read"):
        read_table(path)


@pytest.mark.parametrize(
    ("vectors", "complaint"),
    [
        (
            [[1.0, 2.0], [1.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]],
            "row 1 .* has 1 numbers, and those before it 2",
        ),
        ([[1.0], None, [1.0], [1.0], [1.0]], "row 1 .* has 0 numbers"),
        (pa.array(list("abcde")), "column vector holds string. Make it lists of float32"),
    ],
)
def test_a_parquet_that_breaks_its_promises(tmp_path: Path, vectors: object, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        read_table(parquet(tmp_path / "t.parquet", vectors=vectors))
    with pytest.raises(UsageError, match=r"0 track ids, and vectors of shape \(0, 0\).* at least one"):
        read_table(parquet(tmp_path / "none.parquet", rows=()))
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "u.parquet")
    with pytest.raises(UsageError, match=r"no column track_id, vector\. It has id: name them so"):
        read_table(tmp_path / "u.parquet")


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"t\.npz does not exist.*--vectors FILE"):
        read_table(tmp_path / "t.npz")
    with pytest.raises(UsageError, match=r"holds no \.parquet file"):
        read_table(tmp_path)
    with pytest.raises(ConfigError, match=r"features\.path='t\.csv'.*\.npz"):
        validate(ExternalFrontEnd, {"path": "t.csv"}, "features")


def test_a_table_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz")
    assert read_table(path).size == 3
    npz(path, vectors=VECTORS[:, :2])
    path.touch()
    assert read_table(path).size == 2


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e5])
def test_tracks_that_cannot_be_used_are_told_apart_from_the_others(tmp_path: Path, number: float) -> None:
    vectors = VECTORS.copy()
    vectors[3, 1] = number
    front_end = ExternalFrontEnd(path=npz(tmp_path / "t.npz", vectors=vectors)).identified()
    with pytest.raises(
        AudioError, match=r"track_id=c: its vector in row 3 of .*t\.npz.*not finite or beyond 65504"
    ):
        front_end.track(TableTrack("c"))
    with pytest.raises(AudioError, match=r"track_id=z is not in .*t\.npz"):
        front_end.input_hash(TableTrack("z"))
    build = build_cache([TableTrack(name) for name in "abcz"], front_end, tmp_path / "cache", workers=2)
    assert [key is None for key in build.keys] == [False, False, True, True]
    assert [one.path for one in build.skipped] == ["track_id=c", "track_id=z"]
    assert build.skipped[1].reason.startswith("is not in")
    np.testing.assert_array_equal(build.cache.log_mel(str(build.keys[1])), VECTORS[[2, 4, 0]])
    assert json.loads((build.cache.folder / "front_end.json").read_text()) == front_end.settings()


def test_audio_is_not_heard_by_a_table(tmp_path: Path) -> None:
    front_end = ExternalFrontEnd(path=npz(tmp_path / "t.npz"), name="MuQ").identified()
    with pytest.raises(
        UsageError, match=r"song\.mp3: this model learnt from a table of vectors by MuQ.*track_id"
    ):
        front_end.stream(tmp_path / "song.mp3")
    assert front_end.track_inputs([tmp_path / "song.mp3"], ["b"]) == [TableTrack("b")]
    assert LogMelFrontEnd().track_inputs([tmp_path / "song.mp3"], ["b"]) == [tmp_path / "song.mp3"]


def test_another_file_than_the_one_described_is_refused(tmp_path: Path) -> None:
    described = ExternalFrontEnd(path=npz(tmp_path / "t.npz")).identified()
    assert described.identified() == described
    assert described.sha256 == sha256_of_table(tmp_path / "t.npz")
    npz(tmp_path / "t.npz", vectors=VECTORS + 1)
    with pytest.raises(ConfigError, match=r"features\.sha256=.*Name that file, or leave it out"):
        described.identified()
    with pytest.raises(ConfigError, match=r"features\.size=4: .* has 3"):
        ExternalFrontEnd(path=tmp_path / "t.npz", size=4).identified()
    wide = described.model_copy(update={"size": 7})
    with pytest.raises(ConfigError, match="vectors of 3 numbers, and the model learnt from vectors of 7"):
        wide.track(TableTrack("a"))


def test_what_frames_depend_on_is_the_content_not_the_place_or_the_name(tmp_path: Path) -> None:
    one = ExternalFrontEnd(path=npz(tmp_path / "t.npz"), name="one").identified()
    moved = ExternalFrontEnd(path=npz(tmp_path / "u.npz"), licence="MIT").identified()
    other = ExternalFrontEnd(path=npz(tmp_path / "v.npz", vectors=VECTORS + 1)).identified()
    assert one.content_hash() == moved.content_hash() != other.content_hash()
    assert str(tmp_path) not in json.dumps(one.settings())


# ONNX models

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


def onnx_front_end(path: Path, **changes: object) -> ExternalFrontEnd:
    return ExternalFrontEnd(path=path, onnx=SETTINGS.model_copy(update=changes)).identified()


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("kind", ["flac", "mp3"])
def test_windows_of_a_file_go_through_the_model(
    tmp_path: Path, audio: Callable[[str], Path], kind: str, pooled: bool
) -> None:
    front_end = onnx_front_end(waveform_model(tmp_path / "m.onnx", pooled))
    assert (front_end.size, front_end.is_table) == (3, False)
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
    assert isinstance(found, ExternalFrontEnd)
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
    with pytest.raises(UsageError, match=r"it fails .* Check the window"):
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


# Settings


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"path": "t.npz", "lisence": "MIT"}, r"features\.lisence is unknown\. Did you mean licence\?"),
        (
            {"path": "t.onnx", "onnx": {"hop_second": 1}},
            r"features\.onnx\.hop_second is unknown\. Did you mean hop_seconds\?",
        ),
        ({"path": "t.onnx", "onnx": {"input": "wave"}}, r"features\.onnx\.input='wave'.*waveform"),
        ({"path": "t.onnx", "onnx": {"hop_seconds": 0}}, r"features\.onnx\.hop_seconds=0.*greater than 0"),
        ({"mel_band": 64}, r"features\.mel_band is unknown\. Did you mean mel_bands\?"),
        ({"mel_bands": 300}, r"mel_bands=300 leaves bands"),
        (3, r"features=3"),
    ],
)
def test_settings_that_do_not_fit_name_their_owners_keys(values: object, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        validate(TrainConfig, {"catalog": "c", "run_dir": "r", "features": values})


def test_a_training_config_comes_back_as_it_was(tmp_path: Path) -> None:
    for front_end in (LogMelFrontEnd(mel_bands=64), ExternalFrontEnd(path=npz(tmp_path / "t.npz")).identified()):
        config = TrainConfig(catalog=Path("c"), run_dir=Path("r"), features=front_end)
        assert validate(TrainConfig, config.model_dump(mode="json")) == config
