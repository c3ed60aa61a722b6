"""A store of neighbours: every track's answers, computed ahead, and read by track_id in microseconds.

A store is a key-value store, an LMDB file or a hash of Redis, whose versions are swapped in whole:

    about           JSON: the index version, the model and the settings that the lists are of
    ids             JSON: the track_id of each number; null for a number that is free
    fingerprints    8 bytes a number: what the track was like when its list was made
    =TRACK_ID       its list (`packed_list`); `#` and a SHA-256 for a long id
    ~TRACK_ID       its vector (float16) when its list was made; `^` and a SHA-256 for a long id

Lists hold numbers and not rows of the index, which move when a track is added: so only the lists that an edit
touches are written anew. Vectors tell which these are.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from soundkin.config import Config, nearest, validate
from soundkin.errors import ArtefactError, ConfigError, UsageError
from soundkin.extras import require
from soundkin.files import sha256_of_text
from soundkin.search.packed_list import PackedList

if TYPE_CHECKING:  # whoever reads does without FAISS
    from soundkin.search.vector_index import Index

FORMAT = "soundkin neighbours"
FORMAT_VERSION = 3
ABOUT, IDS, FINGERPRINTS = b"about", b"ids", b"fingerprints"
LIST, VECTOR = b"=#", b"~^"  # what keys begin with: of ids, and of their hashes
LONGEST_KEY = 500  # bytes; LMDB takes 511
IDS_TO_COMPARE = 10_000  # with one that is unknown


class ListSettings(Config):
    """Which answers a track's list holds: the `k` of a query that asks nothing else."""

    k: int = 50


class StoreManifest(Config):
    """What a version of a store holds the lists of; `sample`: SHA-256 of what hub correction rests on."""

    index_version: str
    model_hash: str
    count: int
    settings: ListSettings
    sample: str


class StoredAnswer(NamedTuple):
    """A track like another: as `Answer` has it, but for what the catalog says."""

    track_id: str
    score: float
    closer_than: float | None
    folded: tuple[str, ...]


class Values(Protocol):
    """One version of a store, which never changes."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values under these keys."""

    def get(self, key: bytes) -> bytes | None:
        """The value under a key. Raises ArtefactError where the version was removed meanwhile."""

    def is_current(self) -> bool:
        """Whether no other version has taken its place."""

    def close(self) -> None:
        """Let go of it."""


class Draft(Protocol):
    """The next version of a store; a killed run leaves it as it was after the last `put`."""

    def get(self, key: bytes) -> bytes | None:
        """The value under a key."""

    def restart(self, from_current: bool) -> None:
        """Throw away what is in it, and begin with the current version's values or with none."""

    def put(self, values: Mapping[bytes, bytes], removed: Sequence[bytes] = ()) -> None:
        """Write all of this in one step."""

    def publish(self) -> None:
        """Let it take the current version's place."""


class StorePlace(Protocol):
    """Where a store is."""

    def current(self) -> Values | None:
        """The current version; None where there is none yet."""

    def drafting(self) -> AbstractContextManager[Draft]:
        """The next version. Raises OutputError where another run is writing it."""


def place_at(location: str | Path) -> StorePlace:
    """A Redis for redis://, rediss:// and unix://, else a file of LMDB."""
    require("serve", "a store of neighbours")
    if is_address(location):
        from soundkin.search.redis_hashes import RedisHashes

        return RedisHashes(str(location))
    from soundkin.search.lmdb_files import LmdbFile

    return LmdbFile(Path(location))


def is_address(location: str | Path) -> bool:
    """Whether a store is in a Redis."""
    return str(location).startswith(("redis://", "rediss://", "unix://"))


class NeighbourStore:
    """The lists of one version of an index, whatever takes their place meanwhile; use `open`."""

    def __init__(self, place: StorePlace, values: Values) -> None:
        self.place, self.values = place, values
        self.about = _read_about(place, values)

    @classmethod
    def open(cls, location: str | Path, index: "Index | None" = None) -> Self:
        """Open the current version: of this index, if one is given.

        Raises:
            UsageError: there is no store.
            ArtefactError: it is corrupt, or holds the lists of another version of the index or of another
                model.
            StoreError: Redis cannot be reached, or refuses us.
        """
        place = place_at(location)
        values = place.current()
        if values is None:
            make = f"soundkin neighbours INDEX -o {place}"
            raise UsageError(f"there is no store of neighbours at {place}. Make one: {make}")
        store = cls(place, values)
        if index is not None and store.about.index_version != version_of(index):
            other = store.about.model_hash != index.manifest.model_hash
            what = "another model" if other else "another version"
            raise ArtefactError(
                f"{place} holds the neighbours of {what} than index {index.folder}. "
                f"Bring it up to date: soundkin neighbours {index.folder} -o {place}"
            )
        return store

    def __len__(self) -> int:
        return self.about.count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file or the connection."""
        self.values.close()

    def is_current(self) -> bool:
        """Whether the store still holds this version; to go on to the next, open it again."""
        return self.values.is_current()

    @cached_property
    def ids(self) -> list[str | None]:
        """The track_id of each number; None for a number that is free."""
        try:
            return list(json.loads(self.values.get(IDS) or b""))
        except ValueError as error:
            raise corrupt(self.place) from error

    def neighbours(self, track_id: str, k: int | None = None) -> list[tuple[str, float]]:
        """The `k` best answers of a track, or all that are kept: track_ids and cosines, best first.

        Raises UsageError where the track is not in the store, and for more answers than are kept.
        """
        found = self._list(track_id, k)
        numbers, scores = found.best(k)
        names = found.names(k) or map(self._name, numbers.tolist())
        return list(zip(names, scores.tolist(), strict=True))

    def answers(self, track_id: str, k: int | None = None) -> list[StoredAnswer]:
        """The same answers, and all that is known of them. Raises as `neighbours` does."""
        found = self._list(track_id, k).listed()
        name = self._name
        return [
            StoredAnswer(name(number), score, share, tuple(map(name, folded)))
            for number, score, share, folded in zip(
                found.tracks[:k], found.scores, found.closer_than, found.folded, strict=False
            )
        ]

    def _name(self, number: int) -> str:
        return str(self.ids[number])

    def _list(self, track_id: str, k: int | None) -> PackedList:
        kept = self.about.settings.k
        if k is not None and not 0 < k <= kept:
            raise UsageError(f"k={k}: {self.place} keeps {kept} neighbours a track. Ask for 1 to {kept}.")
        key = key_of(track_id)
        value = self.values.get(key)
        if value is None:
            known = filter(None, self.ids[:IDS_TO_COMPARE])
            raise UsageError(f"{track_id} is not a track_id in {self.place}.{nearest(track_id, known)}")
        return self.read(key, value)

    def read(self, key: bytes, value: bytes) -> PackedList:
        """A list; raises ArtefactError where it is not as it was written."""
        try:
            return PackedList(key, value)
        except ValueError as error:
            raise corrupt(self.place) from error


def key_of(track_id: str, what: bytes = LIST) -> bytes:
    """Where the list of a track is, or its vector."""
    key = what[:1] + track_id.encode("utf-8", "surrogateescape")
    return key if len(key) <= LONGEST_KEY else what[1:] + hashlib.sha256(key[1:]).hexdigest().encode()


def version_of(index: "Index") -> str:
    """What tells one version of an index from another: 64 hex digits."""
    return sha256_of_text(index.manifest.model_dump_json())


def corrupt(place: StorePlace | Path, problem: object = "it is not as it was written") -> ArtefactError:
    """What to say of a store that cannot be trusted."""
    return ArtefactError(f"{place} is corrupt: {problem}. Make it again: {_made_again(place)}")


def _made_again(place: StorePlace | Path) -> str:
    return f"soundkin neighbours INDEX -o {place} --replace"


def _read_about(place: StorePlace, values: Values) -> StoreManifest:
    try:
        described = json.loads(values.get(ABOUT) or b"")
        written_as = described.pop("format"), described.pop("format_version")
    except (ValueError, KeyError, TypeError) as error:
        raise corrupt(place) from error
    if written_as != (FORMAT, FORMAT_VERSION):
        raise ArtefactError(
            f"{place} is {written_as[0]} of format version {written_as[1]}; this soundkin reads {FORMAT} of "
            f"version {FORMAT_VERSION}. Update soundkin, or make it again: {_made_again(place)}"
        )
    try:
        return validate(StoreManifest, described)
    except ConfigError as error:
        raise corrupt(place) from error


def write_about(about: StoreManifest) -> bytes:
    """The value under ABOUT."""
    described = {"format": FORMAT, "format_version": FORMAT_VERSION, **about.model_dump(mode="json")}
    return json.dumps(described, sort_keys=True).encode()
