"""Versions and machine that a model comes about on."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

PACKAGES = (
    "soundkin",
    "torch",
    "torchaudio",
    "pytorch-lightning",
    "hydra-core",
    "numpy",
    "soundfile",
    "av",
    "onnxruntime",
)


def environment() -> dict[str, Any]:
    """Versions and machine, for whoever wants to know how a model came about."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu_threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
