"""The folder of a training run: what was asked for, what it learns from, and how far it came.

    config.yaml        the resolved config            environment.json   versions and machine
    inputs.json        hashes of what it learns from  split.json         the rule that divides the tracks
    tracks.csv         split and audio hash of each   skipped.csv        files that cannot be used
    metrics.csv        one row an epoch               checkpoints/       what a killed run goes on from
    finished.json      the model's figures, once it is whole             model/    the bundle

A folder *holds* a run from its first checkpoint on: then another config and other inputs are refused. Before
that there is nothing to lose, and a start that failed does not stand in the way of the next.
"""

import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from soundkin import files
from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.splits import SplitRule, make_split_rule
from soundkin.catalog.table import Catalog
from soundkin.config import validate
from soundkin.errors import ConfigError, Skipped
from soundkin.training.plan import Plan, files_used
from soundkin.training.ranks import this_rank, wait_for_all
from soundkin.training.run_config import TrainConfig
from soundkin.training.start import start_bundle

FINISHED = "finished.json"
READ_FROM_THE_FILE = ("features.sha256:", "features.size:")  # inputs rather than settings
HINT = (
    "Choose another run_dir, or remove that folder; `soundkin train --again` trains anew in it, "
    "with tracks split as before."
)
PACKAGES = (
    "soundkin", "torch", "pytorch-lightning", "hydra-core", "numpy", "soundfile", "av",
    "onnxruntime",
)  # fmt: skip


class RunFolder:
    """The folder `config.run_dir`, on behalf of `config` and the catalog it names."""

    def __init__(self, config: TrainConfig, catalog: Catalog) -> None:
        self.config = config
        self.catalog = catalog
        self.path = config.run_dir
        self.model = self.path / "model"

    @cached_property
    def inputs(self) -> dict[str, dict[str, str]]:
        """Hashes of what the run is trained on: the catalog's columns, and files by the config's keys."""
        cells = {str(name): column.astype("string").fillna("") for name, column in self.catalog.frame.items()}
        columns = {name: files.sha256_of_text("\0".join(column.tolist())) for name, column in cells.items()}
        used = {key: path for key, path in files_used(self.config).items() if path.is_file()}
        named = {key: files.sha256_of(path) for key, path in used.items()}
        if self.config.features.file_sha256 is not None:
            named["features.path"] = self.config.features.file_sha256
        if (start := start_bundle(self.config)) is not None:
            named["start"] = start.hash
        if self.config.embeddings is not None:
            named["embeddings"] = files.sha256_of(self.config.embeddings / "manifest.json")
        if self.config.model.lyrics:
            named["lyrics"] = files.sha256_of_text("\0".join(lyrics_of(self.catalog)))
        return {"columns": columns, "files": named}

    def finished(self) -> dict[str, float] | None:
        """The model's figures, if it is whole."""
        bundle, before_inputs = self.model / "config.json", not (self.path / "inputs.json").exists()
        if not bundle.exists() or not (is_finished(self.path) or before_inputs):
            return None
        metrics: dict[str, float] = files.read_json(bundle)["metrics"]
        return metrics

    def finish(self, metrics: Mapping[str, float]) -> None:
        """Record that the model is whole."""
        files.write_json(self.path / FINISHED, {"metrics": metrics})

    def skipped(self) -> list[Skipped]:
        """The files that the run left out."""
        path = self.path / "skipped.csv"
        rows = pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else pd.DataFrame()
        return [Skipped(row["path"], row["reason"]) for row in rows.to_dict("records")]

    def plan(self) -> Plan:
        """The tracks, divided by the rule of the folder's first start while the split settings are the same.

        A rule that nothing was trained under yet is made anew where it leaves a split without tracks.
        """
        path, wanted = self.path / "split.json", self.config.data.split
        if path.exists():
            kept = self._plan(validate(SplitRule, files.read_json(path), str(path)))
            is_whole = holds_a_run(self.path) or set(kept.splits) >= set(wanted.shares())
            if kept.split_rule.config == wanted and is_whole:
                return kept
        return self._plan(make_split_rule(self.catalog, wanted))

    def _plan(self, rule: SplitRule) -> Plan:
        return Plan(self.config, self.catalog, rule, np.array(rule.assign(self.catalog), dtype=object))

    def refuse_another(self) -> None:
        """Raise ConfigError where the folder holds a run of another config or on other inputs."""
        path = self.path / "config.yaml"
        if not (path.exists() and holds_a_run(self.path)):
            return
        before = validate(TrainConfig, yaml.safe_load(path.read_text(encoding="utf-8")) or {}, str(path))
        differing = differences(before.model_dump(mode="json"), self.config.model_dump(mode="json"))
        if any(not line.startswith(READ_FROM_THE_FILE) for line in differing):
            more = f"; and {len(differing) - 3} more" if len(differing) > 3 else ""
            lines = "; ".join(differing[:3]) + more
            raise ConfigError(f"run_dir={self.path} holds a run of another config ({lines}). {HINT}")
        if changed := self._changed_inputs():
            raise ConfigError(
                f"run_dir={self.path}: its model was trained on other tracks or ratings than these. "
                f"Now {'; '.join(changed)}. {HINT}"
            )

    def _changed_inputs(self) -> list[str]:
        path = self.path / "inputs.json"
        if not path.exists():  # of an earlier soundkin, which kept no inputs; its model knows the catalog
            bundle = self.model / "config.json"
            known = files.read_json(bundle)["provenance"].get("training_data", {}) if bundle.exists() else {}
            is_another = known.get("catalog_sha256") not in (None, files.sha256_of(self.config.catalog))
            return [f"{self.catalog.source} has other content"] if is_another else []
        before, changed = files.read_json(path), []
        if before["columns"] != self.inputs["columns"]:
            changed.append(f"{self.catalog.source} has {self._catalog_changes(before['columns'])}")
        for key in {**before["files"], **self.inputs["files"]}:
            now = self.inputs["files"].get(key)
            if before["files"].get(key) != now:
                named = f"{key}={files_used(self.config)[key]}" if key in files_used(self.config) else key
                changed.append(f"{named} {'is gone' if now is None else 'has other content'}")
        return changed

    def _catalog_changes(self, before: Mapping[str, str]) -> str:
        known = pd.read_csv(self.path / "tracks.csv", usecols=["track_id"], dtype=str, keep_default_na=False)
        then, now = set(known["track_id"]), set(self.catalog.track_ids)
        counts = [f"{len(ids)} {what}" for ids, what in ((now - then, "new"), (then - now, "gone")) if ids]
        if counts:
            return f"{len(now)} tracks instead of {len(then)} ({', '.join(counts)})"
        columns = self.inputs["columns"]
        if before["track_id"] != columns["track_id"]:
            return "its rows in another order"
        changed = [name for name in {**before, **columns} if before.get(name) != columns.get(name)]
        return f"other values in {', '.join(changed)}"

    @contextmanager
    def claimed(self, rule: SplitRule, again: bool) -> Iterator[None]:
        """Keep other runs out, and write down what this one is; `again` clears the earlier one but for its
        model.

        Raises OutputError where the folder cannot be written, or another run is at work in it.
        """
        with files.explaining_output(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        is_first = this_rank().number == 0
        with files.locked(self.path) if is_first else nullcontext():
            if is_first:
                self._write(rule, again)
            wait_for_all()  # nobody looks for checkpoints before the first has cleared the folder
            yield

    def _write(self, rule: SplitRule, again: bool) -> None:
        if holds_a_run(self.path) and (self.path / "inputs.json").exists() and not again:
            return
        if again and (self.path / "config.yaml").exists():
            for name in (FINISHED, "metrics.csv"):
                (self.path / name).unlink(missing_ok=True)
            for name in ("checkpoints", "tensorboard"):
                shutil.rmtree(self.path / name, ignore_errors=True)
        with files.replacing(self.path / "config.yaml", "w") as file:
            yaml.safe_dump(self.config.model_dump(mode="json"), file, sort_keys=False, allow_unicode=True)
        files.write_json(self.path / "environment.json", environment())
        files.write_json(self.path / "inputs.json", self.inputs)
        files.write_json(self.path / "split.json", rule.model_dump(mode="json"))


def is_finished(folder: Path) -> bool:
    """Whether the run in `folder` came to its end."""
    return (folder / FINISHED).exists()


def holds_a_run(folder: Path) -> bool:
    """Whether there is anything in `folder` that a run went on from, or came to."""
    return any((folder / name).exists() for name in ("checkpoints/last.ckpt", "model/config.json", FINISHED))


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """`key: then -> now` for each leaf that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = list(dict.fromkeys([*before, *after]))
        return [
            line for key in keys for line in differences(before.get(key), after.get(key), f"{path}.{key}")
        ]
    then, now = ("not set" if value is None else str(value) for value in (before, after))
    return [] if before == after else [f"{path.removeprefix('.')}: {then} -> {now}"]


def environment() -> dict[str, Any]:
    """The versions and the machine that a model comes about on."""
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
