"""Training on what teachers say: aligned in time where stored, resumable where asked in the loop."""

import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from command_line import soundkin_command
from onnx_teachers import onnx_teacher
from smallest_run import SMALLEST
from soundkin.embedding.bundle import load_bundle
from soundkin.errors import CatalogError, ConfigError
from soundkin.pipelines.train import train
from soundkin.training.compose import compose

pytestmark = pytest.mark.slow

RATE_HZ, SECONDS, TRACKS = 22_050, 12, 40
BANDS_HZ = (200.0, 600.0, 1_800.0, 5_400.0)
NETWORK = [
    *SMALLEST, "trainer.steps_per_epoch=30", "data.batch_patches=32",
    "patch.frames=30", "patch.hop_frames=30",
    "model.embedding_size=16", "data.split.train=0.5", "data.split.valid=0.5", "data.split.test=0",
    "trainer.selection_score=distill_agreement",
]  # fmt: skip


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tracks that hold a tone of another band each second, a catalog of them, and a teacher that names it."""
    folder = tmp_path_factory.mktemp("changing")
    rng, rows, answers = np.random.default_rng(0), [], []
    for number in range(TRACKS):
        bands = rng.integers(len(BANDS_HZ), size=SECONDS)
        seconds = np.arange(RATE_HZ) / RATE_HZ
        tones = [np.sin(2 * np.pi * BANDS_HZ[band] * rng.uniform(0.9, 1.1) * seconds) for band in bands]
        soundfile.write(folder / f"{number}.flac", 0.3 * np.concatenate(tones), RATE_HZ)
        rows.append({"track_id": f"t{number}", "path": f"{number}.flac", "artist": f"a{number // 2}"})
        answers += [(f"t{number}", float(second), band) for second, band in enumerate(bands)]
    pd.DataFrame(rows).to_csv(folder / "catalog.csv", index=False)
    ids, starts, bands = zip(*answers, strict=True)
    named = {"track_id": np.array(ids), "vectors": np.eye(len(BANDS_HZ), dtype=np.float32)[list(bands)]}
    np.savez(folder / "aligned.npz", start_seconds=np.array(starts), **named)
    np.savez(folder / "shifted.npz", start_seconds=np.array(starts) + 0.5, **named)
    return folder


def trained(folder: Path, run_dir: Path, *more: str) -> dict[str, float]:
    words = [f"catalog={folder / 'catalog.csv'}", f"run_dir={run_dir}", "task=[distill]", *NETWORK, *more]
    return train(compose(words)).metrics


def test_what_is_said_of_each_second_is_learnt_and_less_when_shifted(changing: Path, tmp_path: Path) -> None:
    agreement = {
        name: trained(changing, tmp_path / name, f"teacher={changing / name}.npz", "trainer.epochs=10")[
            "valid/distill_agreement"
        ]
        for name in ("aligned", "shifted")
    }
    missing = {name: 1 - value for name, value in agreement.items()}
    assert missing["aligned"] < 0.02
    assert missing["shifted"] > 5 * missing["aligned"], "half a patch off, half of it is another tone"


def test_a_run_with_a_teacher_in_the_loop_resumes_to_the_same_weights(changing: Path, tmp_path: Path) -> None:
    teacher = onnx_teacher(tmp_path / "teacher.onnx")
    words = [
        f"catalog={changing / 'catalog.csv'}", "task=[distill,artist]", *NETWORK, f"teacher={teacher}",
        "trainer.epochs=6", "trainer.steps_per_epoch=4", "trainer.averaged=0.9", "data.examples.first=256",
        "data.examples.seen=0.5", "data.examples.kept=512", "data.examples.held_out=256",
    ]  # fmt: skip
    whole = train(compose([*words, f"run_dir={tmp_path / 'whole'}"]))
    assert whole.metrics["train/distill_agreement"] > 0 and "valid/distill_agreement" in whole.metrics
    run_dir = tmp_path / "killed"
    command = soundkin_command("train", *words, f"run_dir={run_dir}")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 240
        while not (run_dir / "checkpoints" / "last.ckpt").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
    train(compose([*words, f"run_dir={run_dir}"]))
    assert load_bundle(run_dir / "model").hash == load_bundle(tmp_path / "whole" / "model").hash
    bundle = load_bundle(run_dir / "model")
    assert bundle.tasks["distill"]["teachers"] == [["loudness", 2, 1, "", ""]]


def test_two_ranks_with_a_teacher_in_the_loop_have_the_losses_of_one_process(
    changing: Path, tmp_path: Path
) -> None:
    """A stored teacher and one in the loop share each batch, and the ranks share it otherwise."""
    teacher = onnx_teacher(tmp_path / "teacher.onnx")
    words = [
        f"catalog={changing / 'catalog.csv'}", "task=[distill,artist]", *NETWORK, "model.dropout=0",
        f"teacher=[{teacher},{changing / 'aligned.npz'}]", "trainer.epochs=2", "trainer.steps_per_epoch=4",
        "data.examples.first=256", "data.examples.held_out=256",
    ]  # fmt: skip
    names = "train/distill_loss", "train/artist_loss", "valid/distill_agreement"
    alone, together = (
        train(compose([*words, f"run_dir={tmp_path / str(devices)}", f"trainer.devices={devices}"])).metrics
        for devices in (1, 2)
    )
    for name in names:
        assert together[name] == pytest.approx(alone[name], rel=1e-4), name


def test_what_a_teacher_lacks_is_said_before_any_audio_is_decoded(changing: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="teacher=FILE"):
        trained(changing, tmp_path / "none")
    np.savez(tmp_path / "other.npz", track_id=np.array(["x"]), vectors=np.ones((1, 3), np.float32))
    options = f"teacher={tmp_path / 'other.npz'}", "task.distill.stretch_seconds=3"
    with pytest.raises(CatalogError, match="no row is about a training track"):
        trained(changing, tmp_path / "other", *options)
    with pytest.raises(CatalogError, match="does not exist"):
        trained(changing, tmp_path / "absent", f"teacher=[{changing / 'aligned.npz'},{tmp_path / 'no.onnx'}]")
    with pytest.raises(ConfigError, match=r"task\.distill\.loss"):
        trained(changing, tmp_path / "loss", f"teacher={changing / 'aligned.npz'}", "task.distill.loss=l7")
