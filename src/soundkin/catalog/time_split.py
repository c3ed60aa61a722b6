"""Ratings before a point in time and after it."""

from dataclasses import dataclass

import pandas as pd

SHARE_BEFORE = 0.8


@dataclass(frozen=True, eq=False)
class TimeSplit:
    """Ratings by when they were made; `untimed` ones have no timestamp and are on neither side."""

    cutoff: pd.Timestamp
    before: pd.DataFrame
    after: pd.DataFrame
    untimed: pd.DataFrame


def split_by_time(ratings: pd.DataFrame, cutoff: pd.Timestamp | None = None) -> TimeSplit | None:
    """Split ratings, as `read_ratings` returns them, into those before a time and those from it on.

    The default is the first time before which `SHARE_BEFORE` of the timed ratings fall, or else the last.
    None where ratings have no times, or all fall on one side.
    """
    if "timestamp" not in ratings or not ratings["timestamp"].notna().any():
        return None
    times = ratings["timestamp"]
    if cutoff is None:
        counts = times.value_counts().sort_index()  # of known times
        earlier = counts.cumsum() - counts
        enough = earlier.index[earlier >= SHARE_BEFORE * counts.sum()]
        cutoff = pd.Timestamp(enough[0] if len(enough) else earlier.index[-1])
    parts = [ratings[times < cutoff], ratings[times >= cutoff], ratings[times.isna()]]
    before, after, untimed = (part.reset_index(drop=True) for part in parts)
    return TimeSplit(cutoff, before, after, untimed) if len(before) and len(after) else None
