"""What somebody has heard, as tracks of an index with weights, and how alike the other tracks are to it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.catalog.listening_history import read_history
from soundkin.errors import CatalogError
from soundkin.search.library_sample import sample_of
from soundkin.search.named_tracks import NameLookup
from soundkin.search.vector_index import Index
from soundkin.shapes import Float, Int

log = logging.getLogger(__name__)

SECONDS_A_DAY = 86_400
LOST_NAMED = 3


@dataclass(frozen=True)
class HeardTracks:
    """Tracks of an index that a history names, how much each counts, and what was not found.

    Of `plays` plays, `lost` counts those of each track that the index does not hold, the most played first.
    """

    rows: Int[np.ndarray, " heard"]
    weights: Float[np.ndarray, " heard"]
    plays: int
    lost: Mapping[str, int]


def rows_heard(
    index: Index, path: Path, half_life_days: float | None = None
) -> tuple[Int[np.ndarray, " heard"], Float[np.ndarray, " heard"]]:
    """The tracks of the index that a history names, and how much each counts; logs what is not found."""
    heard = heard_tracks(index, read_history(path), half_life_days, f"history {path}")
    if heard.lost:
        message = "history %s: %d of %d plays are of tracks that index %s does not hold; of %d, by plays: %s"
        lost = sum(heard.lost.values())
        log.warning(message, path, lost, heard.plays, index.folder, len(heard.lost), _named(heard.lost))
    return heard.rows, heard.weights


def heard_tracks(
    index: Index, plays: pd.DataFrame, half_life_days: float | None = None, source: str = "history"
) -> HeardTracks:
    """The tracks of the index that `plays` are of, which is a table as `read_history` has it.

    A track counts by the logarithm of its plays. With `half_life_days` a play counts half as much as one so
    many days later; without a time, as the earliest. Raises CatalogError where no play is of such a track.
    """
    lookup = NameLookup(index.tracks)
    names = plays[["track_id", "artist", "title"]].drop_duplicates()
    rows = {each: _row(index, lookup, *each) for each in names.itertuples(index=False, name=None)}
    plays["row"] = [
        rows[each] for each in plays[["track_id", "artist", "title"]].itertuples(index=False, name=None)
    ]
    lost, known = plays[plays["row"].isna()], plays[plays["row"].notna()]
    labels = lost["track_id"].where(lost["track_id"] != "", lost["artist"] + " - " + lost["title"])
    not_found = {str(name): int(count) for name, count in labels.value_counts().items()}
    if known.empty:
        raise CatalogError(
            f"{source}: none of its {len(plays)} plays is of a track in index {index.folder}. Not found, by "
            f"plays: {_named(not_found)}."
        )
    ages = (plays["seconds"].max() - known["seconds"]) / SECONDS_A_DAY
    ages = ages.fillna(ages.max()).fillna(0.0)
    weights = 0.5 ** (ages / half_life_days) if half_life_days else ages * 0 + 1
    counts = weights.groupby(known["row"].astype(int)).sum()
    rows_known = counts.index.to_numpy(np.int64)
    return HeardTracks(rows_known, np.log1p(counts.to_numpy(float)), len(plays), not_found)


def liking(
    index: Index, rows: Int[np.ndarray, " heard"], weights: Float[np.ndarray, " heard"]
) -> Float[np.ndarray, " tracks"]:
    """How alike each track of the index is to what was heard, on the scale of cosines."""
    vectors = index.vectors(np.arange(len(index)))
    return sample_of(index).taste(vectors, vectors[rows], weights)


def _row(index: Index, lookup: NameLookup, track_id: str, artist: str, title: str) -> int | None:
    row = index.tracks.row(track_id) if track_id else None
    return lookup.row(artist, title) if row is None and artist and title else row


def _named(lost: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in list(lost.items())[:LOST_NAMED])
