"""Tables of vectors: read, checked, looked up."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundkin.config import validate
from soundkin.errors import AudioError, ConfigError, UsageError
from soundkin.features.cache import build_cache
from soundkin.features.frontends import front_end_kind
from soundkin.features.frontends.external import ExternalFrontEnd
from soundkin.features.frontends.interface import TableTrack
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.frontends.vector_table import (
    VectorTable,
    VectorTableFrontEnd,
    read_table,
    sha256_of_table,
)
from soundkin.training.run_config import TrainConfig

IDS = ["b", "a", "b", "c", "b"]
STARTS = [4.0, 0.0, 0.0, 0.0, 2.0]
VECTORS = np.arange(15, dtype=np.float32).reshape(5, 3)


def frames(front_end: ExternalFrontEnd, sound: object, seconds: float | None = None) -> np.ndarray:
    return torch.cat(list(front_end.stream(sound, seconds))).numpy()  # type: ignore[arg-type]


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
    front_end = VectorTableFrontEnd(path=path).identified()
    assert (front_end.size, front_end.mel_bands, front_end.takes_audio) == (3, 3, False)
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
        before = VectorTableFrontEnd(path=path, sha256=sha256_of_table(npz(tmp_path / "other.npz")))
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
        values = {"path": "t.csv"}
        validate(front_end_kind(values), values, "features")


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
    front_end = VectorTableFrontEnd(path=npz(tmp_path / "t.npz", vectors=vectors)).identified()
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


def test_a_table_takes_no_audio(tmp_path: Path) -> None:
    front_end = VectorTableFrontEnd(path=npz(tmp_path / "t.npz"), name="MuQ").identified()
    with pytest.raises(
        UsageError, match=r"song\.mp3: this model was trained on a table of vectors by MuQ.*track_id"
    ):
        front_end.stream(tmp_path / "song.mp3")
    assert front_end.track_inputs([tmp_path / "song.mp3"], ["b"]) == [TableTrack("b")]
    assert LogMelFrontEnd().track_inputs([tmp_path / "song.mp3"], ["b"]) == [tmp_path / "song.mp3"]


def test_another_file_than_the_one_described_is_refused(tmp_path: Path) -> None:
    described = VectorTableFrontEnd(path=npz(tmp_path / "t.npz")).identified()
    assert described.identified() == described
    assert described.sha256 == sha256_of_table(tmp_path / "t.npz")
    npz(tmp_path / "t.npz", vectors=VECTORS + 1)
    with pytest.raises(ConfigError, match=r"features\.sha256=.*Name that file, or leave it out"):
        described.identified()
    with pytest.raises(ConfigError, match=r"features\.size=4: .* has 3"):
        VectorTableFrontEnd(path=tmp_path / "t.npz", size=4).identified()
    wide = described.model_copy(update={"size": 7})
    with pytest.raises(ConfigError, match="vectors of 3 numbers, and the model was trained on vectors of 7"):
        wide.track(TableTrack("a"))


def test_what_frames_depend_on_is_the_content_not_the_place_or_the_name(tmp_path: Path) -> None:
    one = VectorTableFrontEnd(path=npz(tmp_path / "t.npz"), name="one").identified()
    moved = VectorTableFrontEnd(path=npz(tmp_path / "u.npz"), licence="MIT").identified()
    other = VectorTableFrontEnd(path=npz(tmp_path / "v.npz", vectors=VECTORS + 1)).identified()
    assert one.content_hash() == moved.content_hash() != other.content_hash()
    assert str(tmp_path) not in json.dumps(one.settings())


def test_a_training_config_comes_back_as_it_was(tmp_path: Path) -> None:
    for front_end in (
        LogMelFrontEnd(mel_bands=64),
        VectorTableFrontEnd(path=npz(tmp_path / "t.npz")).identified(),
    ):
        config = TrainConfig(catalog=Path("c"), run_dir=Path("r"), features=front_end)
        assert validate(TrainConfig, config.model_dump(mode="json")) == config
