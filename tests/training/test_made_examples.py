"""Examples that a teacher in the loop answers: shards by number alone, windows, waiting, failing."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from onnx_teachers import onnx_teacher
from soundkin.errors import SoundkinError
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.teachers import OnnxTeacher
from soundkin.training import made_examples
from soundkin.training.made_examples import (
    PER_SHARD,
    TRAIN,
    AnsweredExamples,
    ExampleConfig,
    ExampleMaker,
    MadeExamples,
    joined,
)

RATE_HZ = 8_000
FRONT_END = LogMelFrontEnd(
    sample_rate_hz=RATE_HZ, window_samples=512, hop_samples=266, mel_bands=8, high_hz=3_900.0
)


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExampleMaker:
    monkeypatch.setattr(made_examples, "PER_SHARD", 8)
    paths = []
    for number in range(3):
        samples = np.random.default_rng(number).uniform(-0.3, 0.3, RATE_HZ).astype(np.float32)
        paths.append(tmp_path / f"{number}.wav")
        soundfile.write(paths[-1], samples, RATE_HZ)
    teacher = OnnxTeacher(onnx_teacher(tmp_path / "teacher.onnx"))
    settings = ExampleConfig(first=16, kept=32, seen=2.0)
    folder = tmp_path / "examples"
    folder.mkdir()
    return ExampleMaker(
        folder, TRAIN, paths, [0, 0, 1], [0, 1, 2], FRONT_END, 16, [teacher], settings, 300.0, random_seed=0
    )


def draw(made: MadeExamples, step: int, own: slice = slice(None)) -> AnsweredExamples:
    return joined(made.draw(0, step, 4, np.random.default_rng(step), own), np.stack)


def test_a_shard_depends_on_its_number_alone(maker: ExampleMaker) -> None:
    maker.make(1)
    first = maker.path(1).read_bytes()
    maker.path(1).unlink()
    maker.make(0)
    maker.make(1)
    again = made_examples._Shard(maker.path(1))
    maker.path(0).rename(maker.path(2))
    other = made_examples._Shard(maker.path(2))
    assert again.count == 8 and len(first) > 1_000
    np.testing.assert_array_equal(again.all()[0], _from_bytes(first, maker))
    assert not np.array_equal(again.all()[0], other.all()[0])
    frames, answers, groups = again.all()
    assert frames.shape == (8, 16, 8) and answers.shape == (8, 3) and set(groups) <= {0, 1, 2}
    assert np.isfinite(frames).all() and np.isfinite(answers).all()


def _from_bytes(content: bytes, maker: ExampleMaker) -> np.ndarray:
    maker.path(9).write_bytes(content)
    return made_examples._Shard(maker.path(9)).all()[0]


def test_the_teacher_hears_what_the_student_hears(maker: ExampleMaker) -> None:
    """This teacher says how loud the excerpt is."""
    maker.make(0)
    shard = made_examples._Shard(maker.path(0))
    loudness = shard.answers[:, 2].astype(float)
    assert loudness.std() > 0 and (loudness > 0).all(), "each excerpt has a level of its own"


def test_epochs_see_windows_that_move_on(maker: ExampleMaker) -> None:
    made = MadeExamples(maker, None, examples_per_epoch=2 * PER_SHARD, epochs=40)
    assert made.window(0) == range(0, 2)
    windows = [made.window(epoch) for epoch in range(40)]
    assert all(a.start <= b.start and a.stop <= b.stop for a, b in itertools.pairwise(windows))
    assert windows[-1].start > 0 and len(windows[-1]) <= 4


def test_an_epoch_gives_each_example_once_and_drawing_repeats(maker: ExampleMaker) -> None:
    made = MadeExamples(maker, None, examples_per_epoch=16, epochs=1)
    for number in (0, 1):
        maker.make(number)
    answers = np.concatenate([draw(made, step).answers for step in range(4)])
    stored = np.concatenate([made_examples._Shard(maker.path(number)).answers for number in (0, 1)])
    np.testing.assert_array_equal(np.unique(answers, axis=0), np.unique(stored, axis=0))
    np.testing.assert_array_equal(answers[12:], draw(made, 3).answers)


def test_ranks_draw_their_shares_of_the_same_examples(maker: ExampleMaker) -> None:
    made = MadeExamples(maker, None, examples_per_epoch=16, epochs=1)
    for number in (0, 1):
        maker.make(number)
    whole, parts = draw(made, 1), [draw(made, 1, own) for own in (slice(0, 1), slice(1, 4))]
    for field in range(3):
        np.testing.assert_array_equal(whole[field], np.concatenate([part[field] for part in parts]))


def test_a_failure_ends_the_waiting(maker: ExampleMaker) -> None:
    made = MadeExamples(maker, None, examples_per_epoch=16, epochs=1)
    (maker.folder / "failed.txt").write_text("OSError: no space left")
    with pytest.raises(SoundkinError, match="no space left"):
        made.draw(0, 0, 4, np.random.default_rng(0))
    maker.path(0).write_bytes(b"damaged")
    with pytest.raises(SoundkinError, match="damaged"):
        made_examples._Shard(maker.path(0))


@pytest.mark.slow
def test_examples_are_made_beside_this_process(maker: ExampleMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # a worker imports the module anew
    for path in maker.folder.iterdir():
        path.unlink()
    made = MadeExamples(maker, None, examples_per_epoch=16, epochs=1)
    made.start()
    drawn = draw(made, 0)
    made.stop()
    assert drawn.log_mel.shape == (4, 16, 8) and maker.path(0).exists()
