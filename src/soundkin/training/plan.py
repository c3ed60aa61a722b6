"""What a run is going to train on: its tracks, the split of each, and the files that say what people do with
them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundkin.catalog.sources import Sources
from soundkin.catalog.splits import SplitRule
from soundkin.catalog.table import Catalog
from soundkin.errors import ConfigError
from soundkin.tasks import TASKS, TaskConfig
from soundkin.training.run_config import TrainConfig

FILES = ("ratings", "triplets", "playlists")  # keys of the config, and methods of Sources


@dataclass(frozen=True)
class Plan:
    """All tracks, the rule that divides them, and `splits`: train, valid or test for each track [tracks]."""

    config: TrainConfig
    catalog: Catalog
    split_rule: SplitRule
    splits: np.ndarray

    def tracks(self, split: str) -> Catalog:
        """The tracks of one split."""
        return self.catalog.select(self.splits == split)

    def sources(self, train: Catalog) -> Sources:
        """What tasks learn from, about these training tracks."""
        config = self.config
        return Sources(train, config.ratings, config.triplets, config.playlists, self.catalog)


def chosen_tasks(config: TrainConfig) -> dict[str, TaskConfig]:
    """The settings of each proxy task that is chosen, in the order of the registry.

    Raises:
        ConfigError: there is none.
    """
    chosen = {name: settings for name in TASKS if (settings := getattr(config.task, name)) is not None}
    if not chosen:
        raise ConfigError(
            f"no proxy task is chosen, so there is nothing to learn. Give task=[{','.join(TASKS)}]"
        )
    return chosen


def files_used(config: TrainConfig) -> dict[str, Path]:
    """The files that the chosen tasks learn from, of those that are named."""
    used = {
        file for name, settings in chosen_tasks(config).items() for file in TASKS[name].files_read(settings)
    }
    return {file: path for file in FILES if file in used and (path := getattr(config, file)) is not None}
