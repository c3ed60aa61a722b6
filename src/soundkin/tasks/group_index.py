"""Groups of tracks, such as playlists: which tracks share one, looked up for a batch at a time.

A table of all pairs would grow with the square of a playlist; this one grows with its length.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.shapes import Float, Int, typechecked


class GroupIndex:
    """Sparse track-group membership; groups of one track are dropped.

    `members` [memberships] are rows of the training catalog, and `groups` [memberships] is the group of each.
    """

    def __init__(self, track_ids: Sequence[str], members: ArrayLike = (), groups: ArrayLike = ()) -> None:
        from scipy.sparse import csr_array

        self.track_ids = track_ids
        pairs = np.stack([np.asarray(members, np.int64), pd.factorize(np.asarray(groups))[0]])
        pairs = np.unique(pairs, axis=1)
        sizes = np.bincount(pairs[1])
        pairs = pairs[:, sizes[pairs[1]] > 1]
        columns = pd.factorize(pairs[1])[0]
        self.count = int(columns.max(initial=-1)) + 1
        # So scaled that the product of two tracks' rows is a sum over the groups they share.
        shares = (1 / np.sqrt(sizes[pairs[1]] - 1)).astype(np.float32)
        self._table = csr_array((shares, (pairs[0], columns)), shape=(len(track_ids), self.count))

    @classmethod
    def from_playlists(cls, sources: Sources, task: str) -> Self:
        """The playlists of the training tracks."""
        frame, track_ids = sources.read_playlists(task), sources.catalog.track_ids
        rows = positions(track_ids, frame["track_id"].tolist())
        return cls(track_ids, rows, frame["playlist_id"].to_numpy(object))

    @classmethod
    def from_artists(cls, catalog: Catalog) -> Self:
        """The tracks that share an artist, lead or guest."""
        pairs = [(row, key) for row, keys in enumerate(catalog.artists.keys) for key in keys]
        return cls(catalog.track_ids, [row for row, _ in pairs], [key for _, key in pairs])

    def rows(self, catalog: Catalog) -> Int[Tensor, " tracks"]:
        """The row of the training catalog that each track of `catalog` has; -1 where it has none."""
        return torch.from_numpy(positions(self.track_ids, catalog.track_ids))

    @typechecked
    def group_counts(self, rows: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """How many groups each training track is in; 0 for a row of -1."""
        known, starts = rows.cpu().numpy(), self._table.indptr
        counts = np.where(known >= 0, starts[known + 1] - starts[known], 0)
        return torch.from_numpy(counts.astype(np.int64)).to(rows.device)

    @typechecked
    def shared(self, rows: Int[Tensor, " batch"]) -> Float[Tensor, "batch batch"]:
        """Sum over the groups that two tracks share of 1 / (other members of the group); 0 for a row of -1.

        It is how likely a walk over a random group of the first track to a random other member ends at the
        second track, times how many groups the first is in.
        """
        known = rows.cpu().numpy()
        chosen = self._table[known[known >= 0]]
        shared = np.zeros((len(known), len(known)), np.float32)
        shared[np.ix_(known >= 0, known >= 0)] = (chosen @ chosen.T).toarray()
        return torch.from_numpy(shared).to(rows.device)

    def draw_pairs(self, per_track: int, random_seed: int = 0) -> Int[Tensor, "pairs two"]:
        """For each track, `per_track` pairs: a group, then another member, drawn evenly."""
        generator = np.random.default_rng(random_seed)
        table, members = self._table, self._table.tocsc()
        tracks = np.repeat(np.flatnonzero(np.diff(table.indptr)), per_track)
        groups = table.indices[_draw(table.indptr, tracks, generator)]
        # One of all members but the last; where that is the track itself, the last takes its place.
        partners = members.indices[_draw(members.indptr, groups, generator, spared=1)]
        partners = np.where(partners == tracks, members.indices[members.indptr[groups + 1] - 1], partners)
        return torch.from_numpy(np.stack([tracks, partners], axis=1).astype(np.int64))


def positions(known_ids: Sequence[str], track_ids: Sequence[str]) -> Int[np.ndarray, " tracks"]:
    """The position of each track among `known_ids`, which are distinct; -1 where it is none of them."""
    return pd.Index(list(known_ids)).get_indexer(pd.Index(list(track_ids))).astype(np.int64)


def _draw(starts: np.ndarray, rows: np.ndarray, generator: np.random.Generator, spared: int = 0) -> Any:
    """An entry drawn evenly in each of `rows` of a sparse table, but for its last `spared` ones."""
    counts = starts[rows + 1] - starts[rows] - spared
    return starts[rows] + (generator.random(len(rows)) * counts).astype(np.int64)
