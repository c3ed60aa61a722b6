"""What a catalog covers: shares of values, what is thin or missing, and the distance to a stated population.

A track of several values counts for each by an equal part, so that shares add up to 1. Intervals draw whole
artists. Without a stated population we say how even it is: as the number of equally common values that would
have the same entropy (Hill 1973).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.sparse import csr_matrix
from scipy.special import entr

from soundkin.catalog.artists import artist_key
from soundkin.catalog.columns import Column, id_columns, read_table
from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import reject_repeats
from soundkin.errors import CatalogError
from soundkin.evaluation.label_questions import column_values
from soundkin.shapes import Float, typechecked
from soundkin.statistics.bootstrap import FEW_GROUPS, LEVEL, Interval, drawn_sums, too_few

DEFAULT_COLUMNS = ("genre", "artist", "decade", "language")
ADDS_UP_WITHIN = 0.01
RESAMPLES, FEWEST_RESAMPLES = 1000, 200
MOST_DRAWN = 20_000_000  # numbers in memory: draws x values
FEW_TRACKS = 20
FEW_TRACKS_BY_ONE = 3  # of an artist or an album: with fewer, a label cannot be trained and tested
MADE_BY_ONE = ("artist", "album")
MOST_INTERVALS = 200  # values; the rarer ones of a column with more have none
SHOWN, NAMED = 25, 5
TARGET_COLUMNS = (
    *id_columns("column", "value"),
    Column(
        "share", "number", required=True, filled=True, minimum=0, maximum=1, hint="Write a share from 0 to 1."
    ),
)

Target = Mapping[str, float]


class ValueShare(BaseModel, frozen=True):
    """One value of a column; its `share` of the tracks that have a value, and `target` if it is stated."""

    value: str
    tracks: int
    artists: int
    share: Interval
    target: float | None = None
    state: str = ""  # `thin`, `missing`, or nothing to remark


class Coverage(BaseModel, frozen=True):
    """How one column is filled."""

    column: str
    tracks: int
    without_value: int
    values: tuple[ValueShare, ...]  # missing ones too; the commonest first
    effective_values: float  # exp of the entropy of the shares
    distance: Interval | None = None  # total variation to the target, in [0, 1]
    too_few: str = ""  # why nothing can be said beyond this catalog, where its artists are few
    covered: float | None = None  # what part of the target's population has any track here
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The heading of the section."""
        return f"Coverage: {self.column}"

    @property
    def verdict(self) -> str:
        """One line."""
        known = self.tracks - self.without_value
        if not known:
            return f"no track says its {self.column}: neither gaps nor balance can be seen"
        parts = [f"{self.column} is known of {known / self.tracks:.0%} of {self.tracks} tracks"]
        if self.distance is None:
            present = sum(value.tracks > 0 for value in self.values)
            even = f"{present} values, as uneven as {self.effective_values:.1f} equal ones"
            parts.append(f"{even}; nobody stated what should be there")
        else:
            away = f"{self.distance:.2f} away from its shares"
            far = f"how far from its shares: {self.too_few}" if self.too_few else away
            parts.append(f"covers {self.covered:.0%} of the stated population, {far}")
        for state in ("missing", "thin"):
            if named := [value.value for value in self.values if value.state == state]:
                rest = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
                parts.append(f"{len(named)} {state} ({', '.join(named[:NAMED])}{rest})")
        return "; ".join(parts)

    def table(self) -> list[dict[str, str]]:
        """The commonest values, and all that are missing; a last row counts the others."""
        rarer = self.values[SHOWN:]
        folded = [value for value in rarer if value.state != "missing" and not value.target]
        asked_for = [value for value in rarer if value.state == "missing" or value.target]
        rows = [self._row(value) for value in (*self.values[:SHOWN], *asked_for)]
        if folded:
            thin = sum(value.state == "thin" for value in folded)
            rows.append({self.column: f"... and {len(folded)} more", "state": f"{thin} thin" if thin else ""})
        if self.without_value:
            share = f"{self.without_value / self.tracks:.1%} of all"
            rows.append({self.column: "(no value)", "tracks": str(self.without_value), "share": share})
        return rows

    def _row(self, value: ValueShare) -> dict[str, str]:
        row = {self.column: value.value, "tracks": str(value.tracks), "artists": str(value.artists)}
        row["share"] = f"{value.share:.3f}"
        if self.distance is not None:
            row["target"] = "" if value.target is None else f"{value.target:.3f}"
        return row | {"state": value.state}


NO_TARGET_NOTE = (
    "No target population was stated for {column}, so nothing is known of what should be there: state it in "
    "a file of column,value,share (--target)."
)
DISTANCE_NOTE = (
    "The distance is the total variation: the share of tracks that would have to be of another value to "
    "match the target. Few artists raise it by chance alone, and its interval leans upwards."
)


def read_target(path: Path) -> dict[str, dict[str, float]]:
    """Read `column, value, share`: for each column, what share each value should have; they add up to 1."""
    source = f"target {path}"
    frame = read_table(path, source, TARGET_COLUMNS)
    reject_repeats(frame, source, ["column", "value"], "Add the two shares up in one row.")
    target: dict[str, dict[str, float]] = {}
    for column, value, share in frame[["column", "value", "share"]].itertuples(index=False):
        target.setdefault(column, {})[value] = share
    for column, shares in target.items():
        if abs(sum(shares.values()) - 1) > ADDS_UP_WITHIN:
            raise CatalogError(
                f"{source}: the shares of {column} add up to {sum(shares.values()):g}, expected 1. Correct "
                "them, or add a row for all other values."
            )
    return target


def cover(catalog: Catalog, column: str, target: Target | None = None, random_seed: int = 0) -> Coverage:
    """What a column (or `decade`, made from `year`) holds, compared with what it should hold.

    Values are compared without case and surrounding space, artists as everywhere (`catalog/artists.py`).
    """
    held = _held(catalog, column)
    table = _table(column, held, target or {})
    by_one = column in MADE_BY_ONE
    draws = np.empty((0, len(table))) if by_one else _draws(held, table.index, random_seed)
    tracks, artists = held["row"].nunique(), held["artist"].nunique()
    values: list[ValueShare] = []
    rows = table.to_dict("records")
    for place in np.argsort(-table["share"].to_numpy(), kind="stable"):
        row = rows[place]
        drawn = draws[:, place] if len(values) < MOST_INTERVALS else draws[:0, place]
        share = _interval(row["value"], row.pop("share"), drawn)
        stated = row.pop("target")
        values.append(ValueShare(**row, share=share, target=stated if target else None))
    shares, wanted = table["share"].to_numpy(), table["target"].to_numpy()
    compared = target is not None and tracks > 0
    distances = total_variation(draws, wanted)
    distance = _interval("catalog", float(total_variation(shares, wanted)), distances)
    return Coverage(
        column=column,
        tracks=len(catalog),
        without_value=len(catalog) - tracks,
        values=tuple(values),
        effective_values=effective_number(shares),
        distance=distance if compared else None,
        too_few="" if by_one else too_few(artists, "artists"),
        covered=float(wanted[shares > 0].sum()) if compared else None,
        notes=_notes(catalog, column, target),
    )


def _interval(name: str, mean: float, drawn: Float[np.ndarray, " draws"]) -> Interval:
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(drawn, ends).tolist() if len(drawn) else (None, None)
    return Interval(system=name, mean=mean, low=low, high=high)


def _table(column: str, held: pd.DataFrame, target: Target) -> pd.DataFrame:
    """A row for each value, those of the target and missing decades too: the fields of ValueShare."""
    wanted = {_key(column, value): share for value, share in target.items()}
    years = [int(value.removesuffix("s")) for value in held["value"]] if column == "decade" else []
    gaps = [f"{year}s" for year in range(min(years), max(years) + 1, 10)] if years else []
    spellings: dict[str, str] = {}  # the first one of each value
    for value in [*held["value"], *target, *gaps]:
        spellings.setdefault(_key(column, value), value)
    by_key = held.groupby("key")
    table = by_key.agg(tracks=("row", "size"), artists=("artist", "nunique"), share=("part", "sum"))
    table = table.reindex(pd.Index(spellings), fill_value=0)
    table["share"] /= max(1, held["row"].nunique())
    table["value"] = list(spellings.values())
    table["target"] = [wanted.get(key, 0.0) for key in spellings]
    by_one = column in MADE_BY_ONE
    few_tracks = table["tracks"] < (FEW_TRACKS_BY_ONE if by_one else FEW_TRACKS)
    thin = few_tracks | ((table["artists"] < FEW_GROUPS) & (not by_one))
    table["state"] = np.select([table["tracks"] == 0, thin], ["missing", "thin"], "")
    return table


@typechecked
def effective_number(shares: Float[np.ndarray, " values"]) -> float:
    """How many equally common values have the entropy of these shares; 0 where there are none."""
    return float(np.exp(entr(shares).sum())) if shares.any() else 0.0


@typechecked
def total_variation(
    shares: Float[np.ndarray, "*draws values"], target: Float[np.ndarray, " values"]
) -> Float[np.ndarray, "*draws"]:
    """Half the sum of absolute differences: 0 for the same shares, 1 where they have nothing in common."""
    return np.asarray(0.5 * np.abs(shares - target).sum(axis=-1))


def _held(catalog: Catalog, column: str) -> pd.DataFrame:
    """A row for each value of a track: row, key, value, artist, and its `part` of the track, in all 1."""
    values = column_values(catalog, column)
    pairs = [(row, _key(column, value), value) for row, held in enumerate(values) for value in held]
    frame = pd.DataFrame(pairs, columns=["row", "key", "value"]).drop_duplicates(["row", "key"])
    artist = catalog.artists.groups[frame["row"].to_numpy(int)]
    return frame.assign(artist=artist, part=1 / frame.groupby("row")["key"].transform("size"))


def _draws(held: pd.DataFrame, keys: pd.Index, random_seed: int) -> Float[np.ndarray, "draws values"]:
    """Shares in draws of whole artists; none where there are too few artists or too many values."""
    resamples = min(RESAMPLES, MOST_DRAWN // max(1, len(keys)))
    artists, names = pd.factorize(held["artist"], sort=True)
    if len(names) < FEW_GROUPS or resamples < FEWEST_RESAMPLES:
        return np.empty((0, len(keys)))
    shape = (len(names), len(keys))
    by_artist = csr_matrix((held["part"], (artists, keys.get_indexer(pd.Index(held["key"])))), shape=shape)
    totals = drawn_sums(by_artist, resamples, random_seed)[1:]
    return np.asarray(totals / totals.sum(axis=1, keepdims=True))


def _key(column: str, value: str) -> str:
    """What all ways to write a value share."""
    return artist_key(value) if column == "artist" else " ".join(value.casefold().split())


def _notes(catalog: Catalog, column: str, target: Target | None) -> tuple[str, ...]:
    notes = [NO_TARGET_NOTE.format(column=column) if target is None else DISTANCE_NOTE]
    artists = len(np.unique(catalog.artists.groups))
    if column in MADE_BY_ONE:
        notes.append(f"Thin: fewer than {FEW_TRACKS_BY_ONE} tracks.")
    else:
        notes.append(f"Thin: fewer than {FEW_TRACKS} tracks or {FEW_GROUPS} artists.")
        if not any(catalog.artists.keys):
            notes.append(
                "No artist is known: intervals take every track for independent, and are too narrow."
            )
        elif artists < FEW_GROUPS:
            notes.append(f"There are no intervals: {too_few(artists, 'artists')}.")
    if column == "decade":
        notes.append("Decades without a track between the first and the last count as missing.")
    return tuple(notes)
