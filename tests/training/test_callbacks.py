"""Checkpoints survive a kill and load nothing but tensors and plain values."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from soundkin.errors import ArtefactError
from soundkin.training.callbacks import CrashSafeCheckpointIO

KILLED_IN_THE_WRITE = """
import os, sys, torch
from pathlib import Path
from soundkin.training.callbacks import CrashSafeCheckpointIO
os.fsync = lambda _: os.kill(os.getpid(), 9)  # all is written, nothing is safe yet
CrashSafeCheckpointIO().save_checkpoint({"weights": torch.ones(1000)}, sys.argv[1])
"""


@pytest.mark.slow
def test_a_kill_in_the_write_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    CrashSafeCheckpointIO().save_checkpoint({"weights": torch.zeros(3)}, path)
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_THE_WRITE, str(path)], check=False)
    assert killed.returncode == -9
    assert torch.equal(CrashSafeCheckpointIO().load_checkpoint(path)["weights"], torch.zeros(3))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps(print)])
def test_damage_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"last\.ckpt is corrupt.*Remove it"):
        CrashSafeCheckpointIO().load_checkpoint(path)
