"""Checkpoints that a kill cannot harm: written next to their place, synced, renamed into it.

Lightning's own save writes to TMPDIR and moves; where that is another file system, a kill in the move leaves
the last good checkpoint at zero bytes.
"""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from soundkin.errors import ArtefactError
from soundkin.files import replacing


class CrashSafeCheckpointIO(TorchCheckpointIO):
    """Saves atomically; loads plain tensors and values only, so that a checkpoint executes nothing."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to `path`, whole or not at all."""
        with replacing(Path(path)) as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """The content of a checkpoint file; ArtefactError where it is none of ours."""
        try:
            return dict(torch.load(path, map_location=map_location, weights_only=True))
        except Exception as error:  # whatever a damaged zip or pickle makes torch raise
            raise ArtefactError(
                f"checkpoint {path} is corrupt ({type(error).__name__}). Remove it to start this run from "
                "the beginning."
            ) from error
