"""What a catalog covers: shares of values, what is thin or missing, and how far it is from a stated
population.

A track of several values counts for each by an equal part, so that shares add up to 1. Intervals draw whole
artists: what other artists' tracks might have been. Without a stated population nobody can say what should be
there; then we tell how even it is, as the number of equally common values that would have the same entropy
(Hill 1973).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix

from soundkin.catalog.artists import artist_key
from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import numbers, read_rows, refuse, refuse_empty, refuse_repeats
from soundkin.errors import CatalogError
from soundkin.evaluation.label_questions import column_values
from soundkin.shapes import Float, typechecked
from soundkin.statistics.bootstrap import FEW_GROUPS, LEVEL, Interval, drawn_sums, too_few

DEFAULT_COLUMNS = ("genre", "artist", "decade", "language")
ADDS_UP_WITHIN = 0.01
RESAMPLES, FEWEST_RESAMPLES = 1000, 200
MOST_DRAWN = 20_000_000  # numbers in memory: draws x values
FEW_TRACKS = 20
FEW_TRACKS_BY_ONE = (
    3  # of an artist or an album: a label with fewer cannot be taught, kept from overfitting and tested
)
MADE_BY_ONE = ("artist", "album")
MOST_INTERVALS = 200  # values; the rarer ones of a column with more have none
SHOWN = 25
CATALOG = "catalog"

Target = Mapping[str, float]


class ValueShare(BaseModel, frozen=True):
    """One value of a column. `share` is among tracks that have a value; `target` what it should be, if
    stated.
    """

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
            present = sum(one.tracks > 0 for one in self.values)
            parts.append(
                f"{present} values, as uneven as {self.effective_values:.1f} equal ones; nobody stated what "
                "should be there"
            )
        else:
            far = f"{self.distance:.2f} away from its shares"
            if self.too_few:
                far = f"how far from its shares: {self.too_few}"
            parts.append(f"covers {self.covered:.0%} of the stated population, {far}")
        parts += [
            f"{len(named)} {state} ({_few(named)})"
            for state in ("missing", "thin")
            if (named := [one.value for one in self.values if one.state == state])
        ]
        return "; ".join(parts)

    def table(self) -> list[dict[str, str]]:
        """The commonest values, and all that are missing; a last row counts the others."""
        shown = [
            one
            for place, one in enumerate(self.values)
            if place < SHOWN or one.state == "missing" or one.target
        ]
        rows = [self._row(one) for one in shown]
        if more := len(self.values) - len(shown):
            thin = sum(one.state == "thin" for one in self.values) - sum(one.state == "thin" for one in shown)
            rows.append({self.column: f"... and {more} more", "state": f"{thin} thin" if thin else ""})
        if self.without_value:
            share = f"{self.without_value / self.tracks:.1%} of all"
            rows.append({self.column: "(no value)", "tracks": str(self.without_value), "share": share})
        return rows

    def _row(self, one: ValueShare) -> dict[str, str]:
        row = {self.column: one.value, "tracks": str(one.tracks), "artists": str(one.artists)}
        row["share"] = f"{one.share:.3f}"
        if self.distance is not None:
            row["target"] = "" if one.target is None else f"{one.target:.3f}"
        return row | {"state": one.state}


NO_TARGET_NOTE = (
    "No target population was stated for {column}, so nothing is known of what should be there: state it in a file of "
    "column,value,share (--target)."
)
DISTANCE_NOTE = (
    "The distance is the total variation: the share of tracks that would have to be of another value to "
    "match the target. Few artists raise it by chance alone, and its interval leans upwards."
)


def read_target(path: Path) -> dict[str, dict[str, float]]:
    """Read a target population, `column, value, share`: for each column, what share each value should have.

    Shares of a column add up to 1. `decade` has values such as `1990s`.

    Raises:
        CatalogError: names the file, the row, the value and the mend.
    """
    path = Path(path)
    source = f"target {path}"
    frame = read_rows(path, source, required=("column", "value", "share"))
    for column in ("column", "value", "share"):
        refuse_empty(frame, source, column)
    mend = "Write a share from 0 to 1."
    frame["share"] = numbers(frame, source, "share", "is not a number", mend)
    refuse(frame, source, "share", (frame["share"] < 0) | (frame["share"] > 1), "is not from 0 to 1", mend)
    refuse_repeats(frame, source, ["column", "value"], "Add the two shares up in one row.")
    target: dict[str, dict[str, float]] = {}
    for column, value, share in frame[["column", "value", "share"]].itertuples(index=False):
        target.setdefault(str(column), {})[str(value)] = float(share)
    for column, shares in target.items():
        total = sum(shares.values())
        if abs(total - 1) > ADDS_UP_WITHIN:
            raise CatalogError(
                f"{source}: the shares of {column} add up to {total:g}, expected 1. Correct them, or add a "
                "row for all other values."
            )
    return target


def cover(catalog: Catalog, column: str, target: Target | None = None, random_seed: int = 0) -> Coverage:
    """What the column (`decade` is made from `year`) holds, beside what it should hold.

    Values are compared without case and surrounding space, artists as everywhere (`catalog/artists.py`).
    """
    held, labels = _values(catalog, column, target or {})
    known = np.array([bool(values) for values in held])
    weights = _weights([values for values in held if values], len(labels))
    shares = np.asarray(weights.sum(axis=0)).ravel() / max(1, known.sum())
    wanted = _wanted(column, labels, target)
    groups = catalog.artists.groups[known]
    draws = _draws(column, groups, weights, random_seed)
    artists = _artists_of(catalog, held, len(labels))
    counts = weights.getnnz(axis=0).tolist()
    order = np.argsort(-shares, kind="stable")
    values = tuple(
        ValueShare(
            value=labels[place],
            tracks=counts[place],
            artists=artists[place],
            share=_interval(labels[place], shares[place], draws[:, place] if rank < MOST_INTERVALS else None),
            target=None if wanted is None else float(wanted[place]),
            state=_state(column, counts[place], artists[place]),
        )
        for rank, place in enumerate(order.tolist())
    )
    given = wanted is not None and known.any()
    return Coverage(
        column=column,
        tracks=len(catalog),
        without_value=int((~known).sum()),
        values=values,
        effective_values=effective_number(shares),
        distance=_distance(shares, draws, wanted) if given and wanted is not None else None,
        too_few=too_few(len(np.unique(groups)), "artists") if column not in MADE_BY_ONE else "",
        covered=float(wanted[shares > 0].sum()) if given and wanted is not None else None,
        notes=_notes(column, target, catalog),
    )


@typechecked
def effective_number(shares: Float[np.ndarray, " values"]) -> float:
    """How many equally common values have the entropy of these shares; 0 where there are none."""
    present = shares[shares > 0]
    return float(np.exp(-(present * np.log(present)).sum())) if len(present) else 0.0


@typechecked
def total_variation(
    shares: Float[np.ndarray, "*draws values"], target: Float[np.ndarray, " values"]
) -> Float[np.ndarray, "*draws"]:
    """Half the sum of absolute differences: 0 where shares are the same, 1 where they have nothing in common."""
    return np.asarray(0.5 * np.abs(shares - target).sum(axis=-1))


def _values(catalog: Catalog, column: str, target: Target) -> tuple[list[list[int]], list[str]]:
    """The numbers of each track's values, and the values: those that are there, the target's, gaps of
    decades.
    """
    numbers_of: dict[str, int] = {}
    labels: list[str] = []

    def number(value: str) -> int:
        key = _same(column, value)
        if key not in numbers_of:
            numbers_of[key] = len(labels)
            labels.append(value)
        return numbers_of[key]

    held = [
        list(dict.fromkeys(number(value) for value in values)) for values in column_values(catalog, column)
    ]
    for value in [*target, *_decades_between(column, labels)]:
        number(value)
    return held, labels


def _decades_between(column: str, labels: list[str]) -> list[str]:
    """Every decade from the first to the last that is there."""
    if column != "decade" or not labels:
        return []
    years = [int(label.removesuffix("s")) for label in labels]
    return [f"{year}s" for year in range(min(years), max(years) + 1, 10)]


def _weights(held: list[list[int]], count: int) -> csr_matrix:
    """What each track gives to each value, [tracks, values]; 1 in all a track."""
    rows = np.repeat(np.arange(len(held)), [len(values) for values in held])
    columns = np.array([value for values in held for value in values], dtype=int)
    parts = np.array([1 / len(values) for values in held for _ in values], dtype=np.float64)
    return csr_matrix((parts, (rows, columns)), shape=(len(held), count))


def _draws(column: str, groups: np.ndarray, weights: csr_matrix, random_seed: int) -> np.ndarray:
    """Shares in draws of whole artists, [draws, values]; none where the artists themselves are what is
    counted.
    """
    names, group = np.unique(groups, return_inverse=True)
    resamples = min(RESAMPLES, MOST_DRAWN // max(1, weights.shape[1]))
    if column in MADE_BY_ONE or len(names) < FEW_GROUPS or resamples < FEWEST_RESAMPLES:
        return np.empty((0, weights.shape[1]))
    member = csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))), shape=(len(names), len(group)))
    totals = drawn_sums(csr_matrix(member @ weights), resamples, random_seed)[1:]
    return np.asarray(totals / totals.sum(axis=1, keepdims=True))


def _interval(value: str, share: float, draws: np.ndarray | None) -> Interval:
    if draws is None or not len(draws):
        return Interval(system=value, mean=float(share))
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(system=value, mean=float(share), low=float(low), high=float(high))


def _same(column: str, value: str) -> str:
    """What all ways to write a value share."""
    return artist_key(value) if column == "artist" else " ".join(value.casefold().split())


def _wanted(column: str, labels: list[str], target: Target | None) -> Float[np.ndarray, " values"] | None:
    """The target's share of each label."""
    if target is None:
        return None
    folded = {_same(column, value): share for value, share in target.items()}
    return np.array([folded.get(_same(column, label), 0.0) for label in labels], dtype=np.float64)


def _distance(shares: np.ndarray, draws: np.ndarray, wanted: np.ndarray) -> Interval:
    return _interval(CATALOG, float(total_variation(shares, wanted)), total_variation(draws, wanted))


def _artists_of(catalog: Catalog, held: list[list[int]], count: int) -> list[int]:
    """How many lead artists each value has; a track that names none counts as one of its own."""
    groups = catalog.artists.groups
    pairs = {(value, int(group)) for values, group in zip(held, groups, strict=True) for value in values}
    return np.bincount([value for value, _ in pairs], minlength=count).tolist() if pairs else [0] * count


def _state(column: str, tracks: int, artists: int) -> str:
    if not tracks:
        return "missing"
    if column in MADE_BY_ONE:
        return "thin" if tracks < FEW_TRACKS_BY_ONE else ""
    return "thin" if tracks < FEW_TRACKS or artists < FEW_GROUPS else ""


def _notes(column: str, target: Target | None, catalog: Catalog) -> tuple[str, ...]:
    notes = [NO_TARGET_NOTE.format(column=column) if target is None else DISTANCE_NOTE]
    if column in MADE_BY_ONE:
        notes.append(f"Thin: fewer than {FEW_TRACKS_BY_ONE} tracks.")
    else:
        notes.append(f"Thin: fewer than {FEW_TRACKS} tracks or {FEW_GROUPS} artists.")
        if not any(catalog.artists.keys):
            notes.append(
                "No artist is known: intervals take every track for independent, and are too narrow."
            )
        elif len(np.unique(catalog.artists.groups)) < FEW_GROUPS:
            notes.append(
                f"There are no intervals: {too_few(len(np.unique(catalog.artists.groups)), 'artists')}."
            )
    if column == "decade":
        notes.append("Decades without a track between the first and the last count as missing.")
    return tuple(notes)


def _few(names: list[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
