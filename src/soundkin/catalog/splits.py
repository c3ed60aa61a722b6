"""Train, valid and test tracks, with no artist in two of them, and no artist ever changing sides.

A *group* is what must not be torn apart: the tracks of one lead artist, however spelled
(`catalog/artists.py`), or a single track by nobody known. Three wishes pull at each other:

1. Stable: a group stays where it is when tracks, artists or genres are added. Holding this for every catalog
   at once, with nothing remembered, leaves only one kind of rule: the split is a function of the group's name.
2. Never empty: a few artists fill all three splits; with 1. alone, six artists lack a valid or a test in most
   cases.
3. Stratified: each genre is in each split about as the shares say.

So a `SplitRule` has two parts. A hash of the group's name and `random_seed` places every group (1.). A few
named exceptions, chosen once from the catalog that the rule is made from, mend what chance left too thin (2.
and 3.): each genre has `floor(share * artists)` artists in each split, up to `ASSURED`, and no split is empty
while there are three groups. The group moved is the one whose hash lies nearest.

What stays, then:

- Under one rule, everything, always. Training makes the rule, and saves it beside the model; whoever uses the
  model later, on a catalog that has grown by any amount, applies that rule and never meets a training artist
  in the test.
- Under rules made afresh from a catalog and from a larger one, every group that is an exception in neither.
  Where the hash alone puts `ASSURED` artists of a genre in each split (from about 100 artists on), that genre
  has no exceptions, and further artists make none.
- A `split` cell in the catalog goes before both, for its track, and for its group's tracks without one. A
  rule made from such a catalog holds what the cells say of each group, for later catalogs that lack the
  column.

A track by several artists goes with the first: a guest on it may be heard in two splits. Training says how
many such tracks there are. A track whose artist is filled in or corrected goes where that artist is.

Rules of earlier versions told artists apart by their spelling. Under such a rule an artist is in training
where any of its spellings was, so that what a model was trained on is never tested.
"""

import hashlib
import logging
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Literal, Self

import pandas as pd
from pydantic import Field, model_validator

from soundkin.catalog.artists import artist_key
from soundkin.catalog.table import SPLITS, Catalog
from soundkin.config import Config

Split = Literal["train", "valid", "test"]

ASSURED = 5
"""So many artists of a genre in a split are enough to measure retrieval on; beyond them chance may rule."""

log = logging.getLogger(__name__)


class SplitConfig(Config):
    """How tracks are divided: shares of the groups, in [0, 1] and adding up to 1."""

    train: float = Field(0.7, gt=0.0, le=1.0)
    valid: float = Field(0.1, ge=0.0, le=1.0)
    test: float = Field(0.2, ge=0.0, le=1.0)
    group: str = Field("artist", description="tracks with the same value in this column stay together")
    stratify: str = Field("genre", description="each value of this column is spread over the splits")
    random_seed: int = 0

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if abs(self.train + self.valid + self.test - 1.0) > 1e-9:
            raise ValueError(f"the shares add up to {self.train + self.valid + self.test:g}, expected 1")
        return self

    def shares(self) -> dict[Split, float]:
        """The splits that are to have tracks, largest share first."""
        shares: dict[Split, float] = {"train": self.train, "valid": self.valid, "test": self.test}
        return {
            split: shares[split]
            for split in sorted(shares, key=lambda split: -shares[split])
            if shares[split]
        }


class SplitRule(Config):
    """Which split each group is in, for this catalog and any later one; plain JSON, to be saved with the
    model.
    """

    config: SplitConfig = SplitConfig()
    exceptions: dict[str, Split] = Field({}, description="groups that are not where their hash puts them")
    artists_by: Literal["spelling", "key"] = Field(
        "spelling",
        description="what names an artist's group; rules of earlier versions do not say, and mean spelling",
    )

    def split_of(self, group: str) -> Split:
        """The split of a group, named as `group_names` does."""
        return self.exceptions.get(group) or _at(_position(group, self.config), self.config)

    def assign(self, catalog: Catalog) -> list[str]:
        """The split of each track, in row order; a `split` cell in the catalog goes first.

        Logs a warning where nothing says which tracks belong together, where the catalog's own cells tear a
        group apart, and where a split has no track.
        """
        groups = group_names(catalog, self.config)
        given = _given(catalog, groups)
        places: dict[str, str] = {**self._places(catalog, groups), **given}
        splits = [places[group] for group in groups]
        if "split" in catalog.frame:
            stated = catalog.frame["split"]
            splits = stated.where(stated.notna(), pd.Series(splits, index=stated.index)).tolist()
        _warn(catalog, self.config, groups, splits)
        return splits

    def _places(self, catalog: Catalog, groups: list[str]) -> dict[str, Split]:
        """The split of each group, whatever the catalog's own cells say."""
        if self.artists_by == "key" or self.config.group != "artist":
            return {group: self.split_of(group) for group in dict.fromkeys(groups)}
        renamed: dict[str, Split] = {}
        for name, split in self.exceptions.items():
            key = f"artist={artist_key(name.removeprefix('artist='))}"
            renamed[key] = _first_split(split, renamed.get(key, split))
        spelled = list(dict.fromkeys(zip(groups, _names_as_spelled(catalog, "artist"), strict=True)))
        excepted = {group for group, name in spelled if name in self.exceptions}
        places: dict[str, Split] = {}
        for group, name in spelled:
            # An exception is found under another spelling too, where the one that it was made for is gone.
            moved = None if group in excepted else renamed.get(group)
            split = moved or self.split_of(name)
            places[group] = _first_split(split, places.get(group, split))
        return places


def assign_splits(catalog: Catalog, config: SplitConfig) -> list[str]:
    """`train`, `valid` or `test` for each track, in row order, under a rule made from this very catalog."""
    return make_split_rule(catalog, config).assign(catalog)


def make_split_rule(catalog: Catalog, config: SplitConfig) -> SplitRule:
    """The rule for this catalog: the hash, and the exceptions that it takes to spread genres over the splits."""
    groups = group_names(catalog, config)
    given = _given(catalog, groups)
    homes: dict[str, Split] = {
        group: _at(_position(group, config), config) for group in dict.fromkeys(groups)
    }
    places = homes | given
    strata = _strata(catalog, groups, config)
    for members in strata.values():
        _spread(places, members, given, config, _fair_quotas(len(members), config))
    _spread(places, list(places), given, config, _least_quotas(len(places), config))
    return SplitRule(
        config=config,
        exceptions={group: place for group, place in places.items() if place != homes[group]},
        artists_by="key",
    )


def group_names(catalog: Catalog, config: SplitConfig) -> list[str]:
    """The group of each track, in row order: `artist=nina simone`, or `track_id=...` for a track that names
    none.
    """
    if config.group != "artist":
        return _names_as_spelled(catalog, config.group)
    pairs = zip(catalog.artists.leads, catalog.track_ids, strict=True)
    return [f"artist={lead}" if lead is not None else f"track_id={track_id}" for lead, track_id in pairs]


def _names_as_spelled(catalog: Catalog, column: str) -> list[str]:
    """As `group_names`, by the first value of a column without differences of case, spacing and Unicode form."""
    if column not in catalog.frame:
        return [f"track_id={track_id}" for track_id in catalog.track_ids]
    labels = catalog.values(column)
    names = {label: f"{column}={_folded(label[0])}" for label in set(labels) if label}
    pairs = zip(labels, catalog.track_ids, strict=True)
    return [names.get(label) or f"track_id={track_id}" for label, track_id in pairs]


def _first_split(one: Split, other: Split) -> Split:
    """Training before validation before test."""
    return one if SPLITS.index(one) < SPLITS.index(other) else other


def _folded(name: str) -> str:
    """A name without differences of case, spacing and Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _position(group: str, config: SplitConfig) -> float:
    """Where a group's hash lies in [0, 1); the same on every machine, for ever."""
    digest = hashlib.sha256(f"{config.random_seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _borders(config: SplitConfig) -> dict[Split, tuple[float, float]]:
    """The part of [0, 1) that is home to each split."""
    return {
        "train": (0.0, config.train),
        "valid": (config.train, config.train + config.valid),
        "test": (config.train + config.valid, 1.0),
    }


def _at(position: float, config: SplitConfig) -> Split:
    return next(split for split, (_, high) in _borders(config).items() if position < high)


def _given(catalog: Catalog, groups: list[str]) -> dict[str, Split]:
    """The split that the catalog itself states for a group, its first where it states two."""
    if "split" not in catalog.frame:
        return {}
    pairs = zip(groups, catalog.frame["split"].fillna(""), strict=True)
    stated: dict[str, Split] = {}
    for group, split in pairs:
        if split:
            stated.setdefault(group, split)
    return stated


def _strata(catalog: Catalog, groups: list[str], config: SplitConfig) -> dict[str, list[str]]:
    """Groups by the label that most of their tracks name first; `` for those without."""
    if config.stratify not in catalog.frame:
        return {"": list(dict.fromkeys(groups))}
    label = [labels[0] if labels else None for labels in catalog.values(config.stratify)]
    counts = pd.DataFrame({"group": groups, "label": label}).value_counts(sort=False).reset_index()
    counts = counts.sort_values(["group", "count", "label"], ascending=[True, False, True]).drop_duplicates(
        "group"
    )
    main = dict(zip(counts["group"], counts["label"], strict=True))
    strata: dict[str, list[str]] = {}
    for group in dict.fromkeys(groups):
        strata.setdefault(main.get(group, ""), []).append(group)
    return strata


def _fair_quotas(groups: int, config: SplitConfig) -> dict[Split, int]:
    """How many of a genre's groups each split has at least: its share rounded down, up to `ASSURED`."""
    return {split: min(ASSURED, int(share * groups + 1e-9)) for split, share in config.shares().items()}


def _least_quotas(groups: int, config: SplitConfig) -> dict[Split, int]:
    """How many groups of the whole catalog each split has at least: one, the largest shares first."""
    return dict.fromkeys(list(config.shares())[:groups], 1)


def _spread(
    places: dict[str, Split],
    members: list[str],
    given: Mapping[str, Split],
    config: SplitConfig,
    quotas: Mapping[Split, int],
) -> None:
    """Move single groups among `members` from where there are too many to where `quotas` are not met."""
    counts = Counter(places[group] for group in members)
    for split, quota in quotas.items():
        while counts[split] < quota:
            spare = [group for group in members if group not in given
                     and places[group] != split and counts[places[group]] > quotas.get(places[group], 0)]  # fmt: skip
            if not spare:
                return
            group = min(spare, key=lambda group: (_distance(group, split, config), group))
            counts.subtract([places[group]])
            counts[split] += 1
            places[group] = split


def _distance(group: str, split: Split, config: SplitConfig) -> float:
    """How far a group's hash lies from the home of a split."""
    low, high = _borders(config)[split]
    position = _position(group, config)
    return max(low - position, position - high, 0.0)


def _warn(catalog: Catalog, config: SplitConfig, groups: list[str], splits: list[str]) -> None:
    """Say what makes scores on held-out tracks untrue or impossible."""
    if not any(group.startswith(f"{config.group}=") for group in groups):
        message = (
            "%s: no %s is known, so tracks by one may stand in train and in test, and scores look too good"
        )
        log.warning(message, catalog.source, config.group)
    places = set(zip(groups, splits, strict=True))
    torn = sorted(group for group, count in Counter(group for group, _ in places).items() if count > 1)
    if torn:
        message = (
            "%s: its split column tears %d groups apart (%s), so scores on held-out tracks look too good"
        )
        log.warning(message, catalog.source, len(torn), torn[0])
    empty = [split for split in SPLITS if split in config.shares() and split not in splits]
    if empty:
        message = (
            "%s: no track is left for %s: there are only %d groups by %s. Add tracks by others to evaluate"
        )
        log.warning(message, catalog.source, " and ".join(empty), len(set(groups)), config.group)
