"""Teachers: stored answers averaged over what a patch covers, ONNX files at their own rate, refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from onnx_teachers import onnx_teacher
from soundkin.errors import UsageError
from soundkin.features.teachers import OnnxTeacher, StoredTeacher, open_teacher

ROWS: dict[str, Any] = {
    "track_id": np.array(["a", "a", "a", "b"]),
    "start_seconds": np.array([0.0, 3.0, 6.0, 0.0]),
    "vectors": np.array([[0.0, 1.0], [2.0, 1.0], [8.0, 1.0], [5.0, 5.0]], np.float32),
    "tag_probabilities": np.array([[0.1], [0.3], [0.5], [0.9]], np.float32),
}


def table(folder: Path, **changes: Any) -> Path:
    np.savez(folder / "teacher.npz", **(ROWS | changes))
    return folder / "teacher.npz"


def test_a_patch_is_answered_by_the_mean_over_the_time_it_covers(tmp_path: Path) -> None:
    teacher = open_teacher(table(tmp_path))
    assert isinstance(teacher, StoredTeacher) and (teacher.seconds, teacher.sizes) == (3.0, (2, 1))
    np.testing.assert_allclose(teacher.answers("a", 3.0, 3.0), [2.0, 1.0, 0.3], rtol=1e-6)
    np.testing.assert_allclose(teacher.answers("a", 1.5, 3.0), [1.0, 1.0, 0.2], rtol=1e-6)
    np.testing.assert_allclose(teacher.answers("a", 2.0, 6.0), [(0 + 3 * 2 + 2 * 8) / 6, 1, 2 / 6], rtol=1e-6)
    assert np.isnan(teacher.answers("a", 8.0, 3.0)).all(), "two of three seconds are not covered"


@given(start=st.floats(0, 6), seconds=st.floats(0.5, 9))
def test_a_constant_answer_is_the_answer_about_any_patch(start: float, seconds: float) -> None:
    teacher = StoredTeacher(Path("t"), 3.0)
    constant = np.full((3, 2), 4.0, np.float32)
    object.__setattr__(teacher, "track", lambda track_id: (constant, np.array([0.0, 3.0, 6.0])))
    answers = teacher.answers("a", start, seconds)
    assert np.isnan(answers).all() or np.allclose(answers, 4.0)


def test_an_embeddings_folder_with_patches_is_a_teacher(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "patches").mkdir()
    (tmp_path / "tracks").mkdir()
    vectors = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    rows = {"track_id": ["a"] * 3, "start_seconds": [0.0, 8.6, 10.1], "vector": vectors}
    pq.write_table(pa.table(rows), tmp_path / "patches" / "000000-0.parquet")
    teacher = open_teacher(tmp_path, stretch_seconds=8.6)
    np.testing.assert_allclose(teacher.answers("a", 0.0, 8.6), [1.0, 2.0])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vectors": np.array([[0.0], [1.0], [np.nan], [2.0]], np.float32)}, "row 2 .*track_id=a at 6 s"),
        ({"start_seconds": np.array([0.0, 3.0, 3.0, 0.0])}, "row 2 .*another row has its track"),
        ({"vectors": ROWS["vectors"][:3]}, "4 track ids"),
        ({"tag_probabilities": ROWS["tag_probabilities"] + 1}, r"in \[0, 1\]"),
        ({"start_seconds": np.array([0.0, 3.0, np.inf, 0.0])}, "start_seconds"),
        ({"track_id": np.array(list("abcd"))}, "stretch_seconds"),
    ],
)
def test_a_table_that_is_wrong_says_where(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        open_teacher(table(tmp_path, **changes))


def test_an_onnx_file_hears_at_its_own_rate(tmp_path: Path) -> None:
    teacher = open_teacher(onnx_teacher(tmp_path / "t.onnx"))
    assert isinstance(teacher, OnnxTeacher) and (teacher.samples, teacher.sizes) == (1_000, (2, 1))
    heard = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 4_000)).astype(np.float32)
    vectors, tags = teacher(heard, 16_000)
    for waveform, vector, tag in zip(heard, vectors, tags, strict=True):
        own = soxr.resample(waveform, 16_000, 8_000)[:1_000]
        np.testing.assert_allclose(vector, [own.mean(), (own**2).mean()], atol=1e-5)
        np.testing.assert_allclose(tag, (own**2).mean(), atol=1e-5)
    short = teacher(heard[:1, :500], 8_000)[0]
    np.testing.assert_allclose(short, teacher(np.tile(heard[:1, :500], 2), 8_000)[0], atol=1e-6)
    alone = teacher(heard[1:2], 16_000)[0]
    np.testing.assert_array_equal(alone[0], vectors[1])


def test_an_onnx_file_that_is_no_teacher_says_why(tmp_path: Path) -> None:
    bare = onnx_teacher(tmp_path / "bare.onnx", tags=False)
    assert open_teacher(bare).sizes == (2, 0)
    model = onnx.load(bare)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "no_rate.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    for name, said in (
        ("no_rate", "sample_rate_hz"),
        ("text", "not an ONNX model"),
        ("none", "cannot be read"),
    ):
        with pytest.raises(UsageError, match=said):
            open_teacher(tmp_path / f"{name}.onnx")
    with pytest.raises(UsageError, match=r"ends in \.csv"):
        open_teacher(tmp_path / "answers.csv")
