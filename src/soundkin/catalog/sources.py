"""The training tracks, and the files that say what people do with them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from soundkin.catalog.playlists import read_playlists
from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets_table import COLUMNS, read_triplets
from soundkin.errors import CatalogError


@dataclass(frozen=True)
class Sources:
    """The training tracks, and the files of ratings, triplets and playlists, which may name `all_tracks`;
    `teachers` are opened by the task that learns from them.

    What is read of these files is about training tracks alone. A CatalogError says that no file was named for
    a task, that it is wrong, or that it has no row about training tracks.
    """

    catalog: Catalog
    ratings: Path | None = None
    triplets: Path | None = None
    playlists: Path | None = None
    all_tracks: Catalog | None = None
    teachers: tuple[Path, ...] = ()
    tables: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)  # each file is read once

    def about(self, catalog: Catalog) -> "Sources":
        """The same files, with the rows about the tracks of `catalog`."""
        return replace(self, catalog=catalog)

    def read_ratings(self, task: str) -> pd.DataFrame:
        """The ratings of the training tracks, for a task that is trained on them."""
        return self._read("ratings", self.ratings, read_ratings, ["track_id"], task)

    def read_triplets(self, task: str) -> pd.DataFrame:
        """The triplets of three training tracks."""
        return self._read("triplets", self.triplets, read_triplets, COLUMNS, task)

    def read_playlists(self, task: str) -> pd.DataFrame:
        """The playlists, with their training tracks only."""
        return self._read("playlists", self.playlists, read_playlists, ["track_id"], task)

    def _read(
        self,
        kind: str,
        path: Path | None,
        read: Callable[[Path, Catalog], pd.DataFrame],
        ids: list[str],
        task: str,
    ) -> pd.DataFrame:
        hint = f"Give {kind}=FILE, or train without it: task.{task}=null"
        if path is None:
            raise CatalogError(f"the {task} task learns from {kind}, and no file of them was named. {hint}")
        if kind not in self.tables:
            self.tables[kind] = read(path, self.all_tracks or self.catalog)
        rows = self.tables[kind]
        rows = rows[rows[ids].isin(set(self.catalog.track_ids)).all(axis="columns")].reset_index(drop=True)
        if rows.empty:
            raise CatalogError(f"{kind} {path}: no row is about training tracks alone. {hint}")
        return rows
