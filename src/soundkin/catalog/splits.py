"""Train, valid and test tracks, with no artist in two of them, and no artist ever changing sides.

A *group* is what must not be torn apart: the tracks of one lead artist, however spelled
(`catalog/artists.py`), or a single track by nobody known. Splits are to be stable (a group stays when tracks,
artists or genres are added), never empty (six artists fill all three splits), and stratified by genre.
Without memory, stability leaves only a function of the group's name. So a `SplitRule` has two parts: a hash
of the name and `random_seed` places every group; a few named exceptions, chosen once from the catalog that
the rule is made from, correct what chance left too thin: each genre has `floor(share * artists)` artists in
each split, up to `ASSURED`, and no split is empty while there are three groups. The group moved is the one
whose hash lies nearest.

- Under one rule nothing ever moves. Training saves its rule with the model; on a catalog that has grown by
  any amount, no training artist is ever in the test.
- Under rules made afresh from a catalog and from a larger one, every group stays that is an exception in
  neither. From about 100 artists on, a genre has no exceptions.
- A `split` cell in the catalog goes before both, for its track, and for its group's tracks without one. A
  rule made from such a catalog holds what the cells say of each group, for later catalogs without the column.

A track by several artists goes with the first: a guest on it may be in two splits; training says how many
such tracks there are. A track whose artist is filled in or corrected goes where that artist is.

Rules of earlier versions told artists apart by their spelling. Under such a rule an artist is in training
where any of its spellings was, so that what a model was trained on is never tested.
"""

import hashlib
import logging
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Literal, Self

import pandas as pd
from pydantic import Field, model_validator

from soundkin.catalog.artists import artist_key
from soundkin.catalog.table import SPLITS, Catalog
from soundkin.config import Config

Split = Literal["train", "valid", "test"]

# So many artists of a genre in a split are enough to measure retrieval on; beyond them chance may rule.
ASSURED = 5

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
        return {split: share for split, share in sorted(shares.items(), key=lambda item: -item[1]) if share}

    def borders(self) -> dict[Split, tuple[float, float]]:
        """The part of [0, 1) that is home to each split."""
        middle = self.train + self.valid
        return {"train": (0.0, self.train), "valid": (self.train, middle), "test": (middle, 1.0)}

    def position(self, group: str) -> float:
        """Where a group's hash lies in [0, 1); the same on every machine, for ever."""
        digest = hashlib.sha256(f"{self.random_seed}:{group}".encode()).digest()
        return int.from_bytes(digest[:6]) / 2**48

    def home(self, group: str) -> Split:
        """The split in which a group's hash lies."""
        position = self.position(group)
        return next(split for split, (_, high) in self.borders().items() if position < high)

    def distance(self, group: str, split: Split) -> float:
        """How far a group's hash lies from the home of a split."""
        low, high = self.borders()[split]
        position = self.position(group)
        return max(low - position, position - high, 0.0)


class SplitRule(Config):
    """Which split each group is in, for this catalog and later ones; plain JSON, saved with the model."""

    config: SplitConfig = SplitConfig()
    exceptions: dict[str, Split] = Field({}, description="groups that are not where their hash puts them")
    artists_by: Literal["spelling", "key"] = Field(
        "spelling",
        description="what names an artist's group; rules of earlier versions do not say, and mean spelling",
    )

    def split_of(self, group: str) -> Split:
        """The split of a group, named as `group_names` does."""
        return self.exceptions.get(group) or self.config.home(group)

    def assign(self, catalog: Catalog) -> list[str]:
        """The split of each track, in row order; a `split` cell in the catalog goes first.

        Logs a warning where nothing says which tracks belong together, where the catalog's own cells tear a
        group apart, and where a split has no track.
        """
        groups = group_names(catalog, self.config)
        places: dict[str, Split] = {**self._places(catalog, groups), **_stated(catalog, groups)}
        splits: list[str] = [places[group] for group in groups]
        if "split" in catalog.frame:
            cells = catalog.frame["split"]
            splits = cells.where(cells.notna(), pd.Series(splits, index=cells.index)).tolist()
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
            # An exception holds for other spellings too, where the one that it was made for is gone.
            moved = None if group in excepted else renamed.get(group)
            split = moved or self.split_of(name)
            places[group] = _first_split(split, places.get(group, split))
        return places


def make_split_rule(catalog: Catalog, config: SplitConfig) -> SplitRule:
    """The rule for this catalog: the hash, and the exceptions that spread genres over the splits."""
    groups = group_names(catalog, config)
    stated = _stated(catalog, groups)
    homes = {group: config.home(group) for group in dict.fromkeys(groups)}
    places = homes | stated
    for members in _strata(catalog, groups, config).values():
        shares = config.shares().items()
        quotas = {split: min(ASSURED, int(share * len(members) + 1e-9)) for split, share in shares}
        _spread(places, members, stated, config, quotas)
    one_each = dict.fromkeys(list(config.shares())[: len(places)], 1)
    _spread(places, list(places), stated, config, one_each)
    exceptions = {group: place for group, place in places.items() if place != homes[group]}
    return SplitRule(config=config, exceptions=exceptions, artists_by="key")


def group_names(catalog: Catalog, config: SplitConfig) -> list[str]:
    """The group of each track in row order: `artist=nina simone`, or `track_id=...` where none is named."""
    if config.group != "artist":
        return _names_as_spelled(catalog, config.group)
    pairs = zip(catalog.artists.leads, catalog.track_ids, strict=True)
    return [f"artist={lead}" if lead is not None else f"track_id={track_id}" for lead, track_id in pairs]


def _names_as_spelled(catalog: Catalog, column: str) -> list[str]:
    """As `group_names`, by the first value of a column, whatever its case, spacing and Unicode form."""
    labels = catalog.values(column) if column in catalog.frame else [()] * len(catalog)
    names = {
        label: f"{column}={' '.join(unicodedata.normalize('NFKC', label[0]).casefold().split())}"
        for label in set(labels)
        if label
    }
    pairs = zip(labels, catalog.track_ids, strict=True)
    return [names.get(label) or f"track_id={track_id}" for label, track_id in pairs]


def _first_split(*splits: Split) -> Split:
    """Training before validation before test."""
    return min(splits, key=SPLITS.index)


def _stated(catalog: Catalog, groups: list[str]) -> dict[str, Split]:
    """The split that the catalog itself states for a group, its first where it states two."""
    stated: dict[str, Split] = {}
    if "split" in catalog.frame:
        for group, split in zip(groups, catalog.frame["split"].fillna(""), strict=True):
            if split:
                stated.setdefault(group, split)
    return stated


def _strata(catalog: Catalog, groups: list[str], config: SplitConfig) -> dict[str, list[str]]:
    """Groups by the label that most of their tracks name first; `` for those without."""
    labels = catalog.values(config.stratify) if config.stratify in catalog.frame else [()] * len(groups)
    counts = Counter(zip(groups, (names[0] if names else "" for names in labels), strict=True))
    main: dict[str, tuple[int, str]] = {}
    for (group, label), count in counts.items():
        main[group] = min(main.get(group, (0, "")), (-count if label else 0, label))
    strata: dict[str, list[str]] = {}
    for group, (_, label) in main.items():
        strata.setdefault(label, []).append(group)
    return strata


def _spread(
    places: dict[str, Split],
    members: list[str],
    fixed: Collection[str],
    config: SplitConfig,
    quotas: Mapping[Split, int],
) -> None:
    """Move single groups among `members` from splits with too many to those that miss their quota."""
    counts = Counter(places[group] for group in members)
    for split, quota in quotas.items():
        while counts[split] < quota:
            spare = [
                group
                for group in members
                if group not in fixed
                and places[group] != split
                and counts[places[group]] > quotas.get(places[group], 0)
            ]
            if not spare:
                return
            group = min(spare, key=lambda group: (config.distance(group, split), group))
            counts.subtract([places[group]])
            counts[split] += 1
            places[group] = split


def _warn(catalog: Catalog, config: SplitConfig, groups: list[str], splits: list[str]) -> None:
    """Say what makes scores on held-out tracks untrue or impossible."""
    too_good = "so scores on held-out tracks look too good"
    if not any(group.startswith(f"{config.group}=") for group in groups):
        message = "%s: no %s is known: tracks by one may be in train and in test, %s"
        log.warning(message, catalog.source, config.group, too_good)
    places = Counter(group for group, _ in set(zip(groups, splits, strict=True)))
    torn = sorted(group for group, count in places.items() if count > 1)
    if torn:
        message = "%s: its split column tears %d groups apart (%s), %s"
        log.warning(message, catalog.source, len(torn), torn[0], too_good)
    empty = [split for split in SPLITS if split in config.shares() and split not in splits]
    if empty:
        message = (
            "%s: no track is left for %s: there are only %d groups by %s. Add tracks by others to evaluate"
        )
        log.warning(message, catalog.source, " and ".join(empty), len(places), config.group)
