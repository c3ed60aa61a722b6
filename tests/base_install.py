"""The base install imitated, in a process of its own: what only the extras of pyproject.toml bring cannot be
imported there.
"""

import os
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from soundkin.embedding.bundle import Bundle, save_bundle
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.lyric_tokens import LyricTokenizer
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network

ROOT = Path(__file__).parents[1]


@cache
def asked_for(extra: str | None = None) -> frozenset[str]:
    """Distributions that pyproject.toml names as dependencies, or under an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return frozenset(canonicalize_name(Requirement(line).name) for line in lines) - {"soundkin"}


@cache
def with_what_they_need(distributions: frozenset[str]) -> frozenset[str]:
    """These distributions and all that they need in turn."""
    found: set[str] = set()
    waiting = {(name, "") for name in distributions}
    while waiting:
        name, extra = waiting.pop()
        try:
            needs = [Requirement(line) for line in requires(name) or ()]
        except PackageNotFoundError:  # of another platform
            continue
        found.add(name)
        for need in needs:
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                own = canonicalize_name(need.name)
                waiting |= {(own, wanted) for wanted in ("", *need.extras) if wanted or own not in found}
    return frozenset(found)


owners_of_modules = cache(packages_distributions)  # it reads every package there is


def modules_of(distributions: frozenset[str]) -> frozenset[str]:
    """Names at the top that these distributions are imported by."""
    return frozenset(
        module
        for module, owners in owners_of_modules().items()
        if distributions & {canonicalize_name(owner) for owner in owners}
    )


def left_out() -> list[str]:
    """Modules that are installed here, and are not in the base install."""
    kept = modules_of(with_what_they_need(asked_for())) | {"soundkin"}
    return sorted(set(owners_of_modules()) - kept)


def forbid_imports(folder: Path) -> None:
    """Write a module into `folder`, to be on a Python's path, that leaves out what the base install lacks."""
    text = f"import sys\nsys.modules.update(dict.fromkeys({left_out()!r}))\n"  # None: importing it fails
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")


def run_bare(folder: Path, *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run python with these words in `folder`, with what `forbid_imports` left in there."""
    environment = {name: value for name, value in os.environ.items() if name != "SOUNDKIN_TYPECHECK"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT / "src")])
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, **options
    )


def make_model(folder: Path, tokenizer: LyricTokenizer | None = None) -> Path:
    """An untrained bundle."""
    front_end = LogMelFrontEnd(window_samples=882, hop_samples=441, mel_bands=32)
    convolutions = (ConvConfig(filters=8, width=5, pool=2, padded=True),)
    network_config = NetworkConfig(convolutions=convolutions, dense=(), embedding_size=8)
    network = build_network(network_config, front_end.mel_bands)
    patch = PatchConfig(frames=50, hop_frames=50)
    save_bundle(Bundle(front_end, patch, network_config, network, tokenizer), folder)
    return folder


def make_music(folder: Path) -> list[Path]:
    """Two songs of noise."""
    folder.mkdir()
    paths = [folder / "0.wav", folder / "1.wav"]
    for number, path in enumerate(paths):
        soundfile.write(path, np.random.default_rng(number).uniform(-0.5, 0.5, 44_100), 22_050)
    return paths
