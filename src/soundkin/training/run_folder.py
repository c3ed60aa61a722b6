"""The folder of a training run: what was asked for, what it learns from, and how far it came.

    config.yaml        the resolved config            environment.json   versions and machine
    inputs.json        hashes of what it learns from  split.json         the rule that divides the tracks
    tracks.csv         split and audio hash of each   skipped.csv        files that cannot be used
    metrics.csv        one row an epoch               checkpoints/       what a killed run goes on from
    finished.json      the model's figures, once it is whole             model/    the bundle

A folder *holds* a run from its first checkpoint on: then another config and other inputs are refused. Before
that there is nothing to lose, and a start that failed does not stand in the way of the next.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.splits import SplitRule, make_split_rule
from soundkin.catalog.table import Catalog
from soundkin.config import validate
from soundkin.errors import ConfigError, Skipped
from soundkin.files import (
    explaining_output,
    locked,
    read_json,
    replacing,
    sha256_of,
    sha256_of_text,
    write_json,
)
from soundkin.training.environment import environment
from soundkin.training.plan import Plan, files_used
from soundkin.training.run_config import TrainConfig

FINISHED = "finished.json"
FOUND_IN_THE_FILE = ("features.sha256:", "features.size:")  # inputs rather than settings
MEND = (
    "Choose another run_dir, or remove that folder; `soundkin train --again` trains anew in it, "
    "with tracks split as before."
)


@dataclass(frozen=True)
class Inputs:
    """What a run learns from: a hash of each column of the catalog and of each file, by the key of the
    config.
    """

    columns: dict[str, str]
    files: dict[str, str]

    @classmethod
    def of(cls, config: TrainConfig, catalog: Catalog) -> "Inputs":
        """As the files are now; one that is not there has no hash."""
        columns = {str(name): _sha256_of_cells(catalog.frame[name]) for name in catalog.frame}
        files = {key: sha256_of(path) for key, path in files_used(config).items() if path.is_file()}
        if config.features.file_sha256 is not None:
            files["features.path"] = config.features.file_sha256
        if config.model.lyrics:
            files["lyrics"] = sha256_of_text("\0".join(lyrics_of(catalog)))
        return cls(columns, files)


def _sha256_of_cells(column: "pd.Series[Any]") -> str:
    return sha256_of_text("\0".join(column.astype("string").fillna("").tolist()))


class RunFolder:
    """The folder `config.run_dir`, on behalf of `config` and the catalog it names."""

    def __init__(self, config: TrainConfig, catalog: Catalog) -> None:
        self.config = config
        self.catalog = catalog
        self.path = config.run_dir

    @cached_property
    def inputs(self) -> Inputs:
        """What the run learns from."""
        return Inputs.of(self.config, self.catalog)

    @property
    def model(self) -> Path:
        """Where the bundle is, or will be."""
        return self.path / "model"

    def finished(self) -> dict[str, float] | None:
        """The model's figures, if it is whole."""
        bundle, is_of_an_earlier_soundkin = (
            self.model / "config.json",
            not (self.path / "inputs.json").exists(),
        )
        if not bundle.exists() or not (is_finished(self.path) or is_of_an_earlier_soundkin):
            return None
        metrics: dict[str, float] = read_json(bundle)["metrics"]
        return metrics

    def finish(self, metrics: Mapping[str, float]) -> None:
        """Say that the model is whole."""
        write_json(self.path / FINISHED, {"metrics": metrics})

    def skipped(self) -> list[Skipped]:
        """The files that the run left out."""
        path = self.path / "skipped.csv"
        if not path.exists():
            return []
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        return [Skipped(path, reason) for path, reason in zip(rows["path"], rows["reason"], strict=True)]

    def plan(self) -> Plan:
        """The tracks, divided by the rule of the folder's first start while the config's split settings are
        the same.

        A rule that nothing was trained under yet is made anew where it leaves a split without tracks.
        """
        path, wanted = self.path / "split.json", self.config.data.split
        if path.exists():
            kept = self._plan(validate(SplitRule, read_json(path), str(path)))
            is_whole = holds_a_run(self.path) or set(kept.splits) >= set(wanted.shares())
            if kept.split_rule.config == wanted and is_whole:
                return kept
        return self._plan(make_split_rule(self.catalog, wanted))

    def _plan(self, rule: SplitRule) -> Plan:
        return Plan(self.config, self.catalog, rule, np.array(rule.assign(self.catalog), dtype=object))

    def refuse_another(self) -> None:
        """Raise ConfigError where the folder holds a run of another config, or one that learnt from other
        inputs.
        """
        path = self.path / "config.yaml"
        if not (path.exists() and holds_a_run(self.path)):
            return
        before = validate(TrainConfig, yaml.safe_load(path.read_text(encoding="utf-8")) or {}, str(path))
        differing = differences(before.model_dump(mode="json"), self.config.model_dump(mode="json"))
        if any(not line.startswith(FOUND_IN_THE_FILE) for line in differing):
            raise ConfigError(
                f"run_dir={self.path} holds a run of another config ({in_short(differing)}). {MEND}"
            )
        if changed := self._changed_inputs():
            raise ConfigError(
                f"run_dir={self.path}: its model was trained on other tracks or ratings than these. "
                f"Now {'; '.join(changed)}. {MEND}"
            )

    def _changed_inputs(self) -> list[str]:
        path = self.path / "inputs.json"
        if not path.exists():
            return [f"{self.catalog.source} has other content"] if self._is_of_another_catalog() else []
        before = Inputs(**read_json(path))
        changed = (
            [] if before.columns == self.inputs.columns else [self._changes_of_the_catalog(before.columns)]
        )
        for key in dict.fromkeys([*before.files, *self.inputs.files]):
            then, now = before.files.get(key), self.inputs.files.get(key)
            if then != now:
                named = f"{key}={files_used(self.config)[key]}" if key in files_used(self.config) else key
                changed.append(f"{named} {'is gone' if now is None else 'has other content'}")
        return changed

    def _is_of_another_catalog(self) -> bool:
        """Whether a model says so, of a run by an earlier soundkin, which kept no inputs."""
        bundle = self.model / "config.json"
        known = read_json(bundle)["provenance"].get("training_data", {}) if bundle.exists() else {}
        return known.get("catalog_sha256") not in (None, sha256_of(self.config.catalog))

    def _changes_of_the_catalog(self, before: Mapping[str, str]) -> str:
        known = pd.read_csv(self.path / "tracks.csv", usecols=["track_id"], dtype=str, keep_default_na=False)
        then, now = set(known["track_id"]), set(self.catalog.track_ids)
        counts = [f"{len(ids)} {what}" for ids, what in ((now - then, "new"), (then - now, "gone")) if ids]
        if counts:
            return f"{self.catalog.source} has {len(now)} tracks instead of {len(then)} ({', '.join(counts)})"
        if before["track_id"] != self.inputs.columns["track_id"]:
            return f"{self.catalog.source} has its rows in another order"
        names = [name for name in dict.fromkeys([*before, *self.inputs.columns])
                 if before.get(name) != self.inputs.columns.get(name)]  # fmt: skip
        return f"{self.catalog.source} has other values in {', '.join(names)}"

    @contextmanager
    def claimed(self, rule: SplitRule, again: bool) -> Iterator[None]:
        """Keep other runs out, and write down what this one is; with `again`, forget the one before but for
        its model.

        Raises:
            OutputError: the folder cannot be written, or another run is at work in it.
        """
        with explaining_output(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        first_process = int(os.environ.get("LOCAL_RANK", 0)) == 0  # of several that train together
        with locked(self.path) if first_process else nullcontext():
            if first_process:
                self._write(rule, again)
            yield

    def _write(self, rule: SplitRule, again: bool) -> None:
        if holds_a_run(self.path) and (self.path / "inputs.json").exists() and not again:
            return
        if again and (self.path / "config.yaml").exists():
            for name in (FINISHED, "metrics.csv"):
                (self.path / name).unlink(missing_ok=True)
            for name in ("checkpoints", "tensorboard"):
                shutil.rmtree(self.path / name, ignore_errors=True)
        with replacing(self.path / "config.yaml", "w") as file:
            yaml.safe_dump(self.config.model_dump(mode="json"), file, sort_keys=False, allow_unicode=True)
        write_json(self.path / "environment.json", environment())
        write_json(self.path / "inputs.json", {"columns": self.inputs.columns, "files": self.inputs.files})
        write_json(self.path / "split.json", rule.model_dump(mode="json"))


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
    said = ["not set" if value is None else str(value) for value in (before, after)]
    return [] if before == after else [f"{path.removeprefix('.')}: {said[0]} -> {said[1]}"]


def in_short(lines: list[str], most: int = 3) -> str:
    """The first lines, and how many more there are."""
    more = f"; and {len(lines) - most} more" if len(lines) > most else ""
    return "; ".join(lines[:most]) + more
