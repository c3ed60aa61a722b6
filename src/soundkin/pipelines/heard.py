"""What somebody has heard, as tracks of an index with weights, and how alike the other tracks are to it."""

import logging
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


def rows_heard(
    index: Index, path: Path, half_life_days: float | None = None
) -> tuple[Int[np.ndarray, " heard"], Float[np.ndarray, " heard"]]:
    """The tracks of the index that a history names, and how much each counts; logs what is not found.

    A track counts by the logarithm of its plays. With `half_life_days` a play counts half as much as one so
    many days later; without a time, as the earliest.
    """
    plays = read_history(path)
    lookup = NameLookup(index.tracks)
    names = plays[["track_id", "artist", "title"]].drop_duplicates()
    rows = {each: _row(index, lookup, *each) for each in names.itertuples(index=False, name=None)}
    plays["row"] = [
        rows[each] for each in plays[["track_id", "artist", "title"]].itertuples(index=False, name=None)
    ]
    lost, known = plays[plays["row"].isna()], plays[plays["row"].notna()]
    _report(lost, known, path, index)
    ages = (plays["seconds"].max() - known["seconds"]) / SECONDS_A_DAY
    ages = ages.fillna(ages.max()).fillna(0.0)
    weights = 0.5 ** (ages / half_life_days) if half_life_days else ages * 0 + 1
    counts = weights.groupby(known["row"].astype(int)).sum()
    return counts.index.to_numpy(np.int64), np.log1p(counts.to_numpy(float))


def liking(
    index: Index, rows: Int[np.ndarray, " heard"], weights: Float[np.ndarray, " heard"]
) -> Float[np.ndarray, " tracks"]:
    """How alike each track of the index is to what was heard, on the scale of cosines."""
    vectors = index.vectors(np.arange(len(index)))
    return sample_of(index).taste(vectors, vectors[rows], weights)


def _row(index: Index, lookup: NameLookup, track_id: str, artist: str, title: str) -> int | None:
    row = index.tracks.row(track_id) if track_id else None
    return lookup.row(artist, title) if row is None and artist and title else row


def _report(lost: pd.DataFrame, known: pd.DataFrame, path: Path, index: Index) -> None:
    plays = len(lost) + len(known)
    labels = lost["track_id"].where(lost["track_id"] != "", lost["artist"] + " - " + lost["title"])
    most = ", ".join(f"{name} ({count})" for name, count in labels.value_counts()[:LOST_NAMED].items())
    if known.empty:
        raise CatalogError(
            f"history {path}: none of its {plays} plays is of a track in index {index.folder}. Not found, by "
            f"plays: {most}."
        )
    if len(lost):
        message = "history %s: %d of %d plays are of tracks that index %s does not hold; of %d, by plays: %s"
        log.warning(message, path, len(lost), plays, index.folder, labels.nunique(), most)
