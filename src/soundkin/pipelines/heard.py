"""What somebody has heard, as tracks of an index with weights, and how alike the other tracks are to it."""

import logging
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
LONGEST_NAME = 200  # characters of a name that is not found


@dataclass(frozen=True)
class Heard:
    """The tracks of an index that a history names, how much each counts, and what is not found.

    `plays` are all plays of the history, `lost` those by name that are of no track here, most played first.
    """

    rows: Int[np.ndarray, " heard"]
    weights: Float[np.ndarray, " heard"]
    plays: int
    lost: dict[str, int]


def rows_heard(index: Index, path: Path, half_life_days: float | None = None) -> Heard:
    """The tracks of the index that the history in a file names; logs what is not found."""
    heard = heard_in(index, read_history(path), f"history {path}", half_life_days)
    if heard.lost:
        lost = sum(heard.lost.values())
        message = "history %s: %d of %d plays are of tracks that index %s does not hold; of %d, by plays: %s"
        log.warning(message, path, lost, heard.plays, index.folder, len(heard.lost), _most(heard.lost))
    return heard


def heard_in(index: Index, plays: pd.DataFrame, source: str, half_life_days: float | None = None) -> Heard:
    """The tracks of the index that are named by plays as `read_plays` has them.

    A track counts by the logarithm of its plays. With `half_life_days` a play counts half as much as one so
    many days later; without a time, as the earliest.

    Raises CatalogError, which begins with `source`, where no play is of a track of the index.
    """
    lookup = NameLookup(index.tracks)
    names = plays[["track_id", "artist", "title"]].drop_duplicates()
    rows = {each: _row(index, lookup, *each) for each in names.itertuples(index=False, name=None)}
    plays["row"] = [
        rows[each] for each in plays[["track_id", "artist", "title"]].itertuples(index=False, name=None)
    ]
    lost, known = plays[plays["row"].isna()], plays[plays["row"].notna()]
    names_lost = lost["track_id"].where(lost["track_id"] != "", lost["artist"] + " - " + lost["title"])
    by_plays = {str(name): int(count) for name, count in names_lost.str[:LONGEST_NAME].value_counts().items()}
    if known.empty:
        raise CatalogError(
            f"{source}: none of its {len(plays)} plays is of a track in index {index.folder}. Not found, by "
            f"plays: {_most(by_plays)}."
        )
    ages = (plays["seconds"].max() - known["seconds"]) / SECONDS_A_DAY
    ages = ages.fillna(ages.max()).fillna(0.0)
    weights = 0.5 ** (ages / half_life_days) if half_life_days else ages * 0 + 1
    counts = weights.groupby(known["row"].astype(int)).sum()
    weights_heard = np.log1p(counts.to_numpy(float))
    return Heard(counts.index.to_numpy(np.int64), weights_heard, len(plays), by_plays)


def liking(
    index: Index, rows: Int[np.ndarray, " heard"], weights: Float[np.ndarray, " heard"]
) -> Float[np.ndarray, " tracks"]:
    """How alike each track of the index is to what was heard, on the scale of cosines."""
    vectors = index.vectors(np.arange(len(index)))
    return sample_of(index).taste(vectors, vectors[rows], weights)


def _row(index: Index, lookup: NameLookup, track_id: str, artist: str, title: str) -> int | None:
    row = index.tracks.row(track_id) if track_id else None
    return lookup.row(artist, title) if row is None and artist and title else row


def _most(lost: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in list(lost.items())[:LOST_NAMED])
