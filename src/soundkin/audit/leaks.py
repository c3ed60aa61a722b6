"""What leaks between train, valid and test: the same recording twice, its versions, an artist under two
names.

The split rule keeps the tracks of a lead artist together, however spelled (`catalog/splits.py`). Where a name
is misspelt, where an artist is a guest on others' tracks, or where a recording stands there twice under
different names, training hears what the test asks about.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from soundkin.audit.similar_names import base_title, same_names
from soundkin.catalog.artists import fold_name
from soundkin.catalog.table import Catalog
from soundkin.evaluation.label_questions import column_values

SAME_AUDIO = "same audio file"
NEAR_DUPLICATE = "near-duplicate audio"
SAME_TITLE = "same title and artist"
VERSION = "another version"
TWO_NAMES = "artist under two names"
TORN = "artist torn apart"
GUEST = "guest of another artist"
SPELLINGS = "artist spelled in several ways"  # one artist to us: no leak, but worth a correction
RECORDINGS = (SAME_AUDIO, NEAR_DUPLICATE, SAME_TITLE, VERSION)
SHOWN = 20

log = logging.getLogger(__name__)


class LeakGroup(BaseModel, frozen=True):
    """Tracks that share something they should not share over splits. All tuples hold one entry a track, but
    `names`.
    """

    kind: str
    what: str  # the title, the artist, the hash that they share
    track_ids: tuple[str, ...]
    splits: tuple[str, ...]
    names: tuple[str, ...] = ()  # of a lead artist: the commonest, then that of each track

    @property
    def leaks(self) -> bool:
        """Whether training and something it is judged by share it."""
        return "train" in self.splits and len(set(self.splits)) > 1


class Leaks(BaseModel, frozen=True):
    """All tracks that belong together and may stand in two splits."""

    kin: tuple[LeakGroup, ...]
    tracks: dict[str, int]  # by split
    tainted: dict[
        str, int
    ]  # tracks of valid and of test that training knows by one of RECORDINGS or by their artist
    looked_for: tuple[str, ...]
    notes: tuple[str, ...] = ()
    title: str = "Leaks between splits"

    @property
    def verdict(self) -> str:
        """One line."""
        tested = self.tracks.get("test", 0) + self.tracks.get("valid", 0)
        known = sum(self.tainted.values())
        inside = sum(not kin.leaks and kin.kind != SPELLINGS for kin in self.kin)
        guests = len(set(self.known_by(GUEST)) - set(self.known_by(*RECORDINGS, TWO_NAMES, TORN)))
        rest = f"; {guests} more share an artist with it, as guest" if guests and known else ""
        rest += f"; {inside} more groups stand within one split" if inside else ""
        if not tested:
            return f"no track is held out, so nothing can leak{rest}"
        if not known and guests:
            part = f"{guests} of {tested} held-out tracks ({guests / tested:.0%})"
            return f"{part} share an artist with training as guest, and nothing else is known from training{rest}"
        if not known:
            return f"nothing leaks: none of the {tested} held-out tracks is known from training{rest}"
        return f"{known} of {tested} held-out tracks ({known / tested:.0%}) are known from training{rest}"

    def table(self) -> list[dict[str, str]]:
        """How many groups of each kind there are, then the first that leak."""
        counts = Counter((kin.kind, kin.leaks) for kin in self.kin)
        summary = [
            {
                "kind": kind,
                "leaking groups": str(counts[kind, True]),
                "within one split": str(counts[kind, False]),
            }
            for kind in self.looked_for
        ]
        return summary + [_row(kin) for kin in self.kin if kin.leaks][:SHOWN]

    def known_by(self, *kinds: str) -> list[str]:
        """The held-out tracks that share one of these kinds of things with training, each once."""
        return list(
            dict.fromkeys(
                track_id
                for kin in self.kin
                if kin.leaks and kin.kind in kinds
                for track_id, split in zip(kin.track_ids, kin.splits, strict=True)
                if split != "train"
            )
        )

    def renamed(self) -> list[tuple[str, str, str]]:
        """(track id, the lead artist's name there, their commonest name) where the two are not the same."""
        return [
            (track_id, name, kin.names[0])
            for kin in self.kin
            for track_id, name in zip(kin.track_ids, kin.names[1:], strict=False)
            if name != kin.names[0]
        ]


NOTES = (
    "Titles and names are compared without case, accents, punctuation, `The`, `feat.` and words such as (Remastered "
    "2011) or - Live. Names that then differ in a letter or two, or in the order of words, are probably one artist's "
    "two. Two artists may share a name, and two songs a title: look before you merge.",
    "A version may be another performance: it shares the song, not the recording.",
)


def find_leaks(
    catalog: Catalog,
    splits: Sequence[str],
    audio_hashes: Mapping[str, str] | None = None,
    near_duplicates: Iterable[tuple[str, str]] | None = None,
) -> Leaks:
    """Look for kin among the tracks of a catalog.

    Args:
        catalog: the tracks; `title` and `artist` are looked at as far as they are there.
        splits: `train`, `valid` or `test` of each track, in row order (`SplitRule.assign`).
        audio_hashes: what tells the content of the audio, by track id; None if nobody looked.
        near_duplicates: pairs of track ids that sound the same; None if nobody listened.
    """
    kin: list[LeakGroup] = []
    looked_for = []
    if audio_hashes is not None:
        looked_for.append(SAME_AUDIO)
        hashes = [audio_hashes.get(track_id, "") for track_id in catalog.track_ids]
        kin += _grouped(catalog, splits, SAME_AUDIO, [[known] if known else [] for known in hashes])
    if near_duplicates is not None:
        looked_for.append(NEAR_DUPLICATE)
        kin += _near(catalog, splits, near_duplicates)
    looked_for += [SAME_TITLE, VERSION, TWO_NAMES, TORN, GUEST, SPELLINGS]
    kin += _titled(catalog, splits)
    kin += _artists(catalog, splits)
    kin.sort(key=lambda one: (not one.leaks, looked_for.index(one.kind), -len(one.track_ids), one.what))
    return Leaks(
        kin=tuple(kin),
        tracks=dict(Counter(splits)),
        tainted=_tainted(kin),
        looked_for=tuple(looked_for),
        notes=NOTES + _not_looked_for(audio_hashes is None, near_duplicates is None),
    )


WARNED_OF = {
    (TORN, GUEST): "are by an artist who is also in training, as lead or guest",
    (TWO_NAMES,): "are by an artist who is probably in training under another name",
    (SAME_TITLE,): "have the title and artist of a training track",
}


def warn_of_leaks(catalog: Catalog, splits: Sequence[str]) -> None:
    """Log what training should not be judged on: held-out tracks that it knows by their artist, or by their
    title.
    """
    leaks = find_leaks(catalog, splits)
    for kinds, which in WARNED_OF.items():
        if known := leaks.known_by(*kinds):
            first = next(kin for kin in leaks.kin if kin.kind in kinds and kin.leaks)
            log.warning(
                "%s: %d of %d held-out tracks %s (%s: %s), so their scores look too good. Put them into one split by a "
                "column `split`, correct the names, or see them all: soundkin audit %s",
                catalog.source,
                len(known),
                sum(split != "train" for split in splits),
                which,
                known[0],
                first.what,
                catalog.source.removeprefix("catalog "),
            )


def _not_looked_for(audio: bool, near: bool) -> tuple[str, ...]:
    notes = ["Whether two files hold the same audio was not looked at."] if audio else []
    if near:
        notes.append(
            "Nobody listened for near-duplicates: give --embeddings, made with `soundkin embed --patches`."
        )
    return tuple(notes)


def _grouped(
    catalog: Catalog, splits: Sequence[str], kind: str, keys: Sequence[Sequence[str]]
) -> list[LeakGroup]:
    """Tracks that share one of their keys; those that share several are named once."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, of_track in enumerate(keys):
        for key in of_track:
            rows[key].append(row)
    groups = {tuple(members): key for key, members in reversed(rows.items()) if len(members) > 1}
    return [_kin(catalog, splits, kind, key, members) for members, key in reversed(groups.items())]


def _kin(catalog: Catalog, splits: Sequence[str], kind: str, what: str, rows: Sequence[int]) -> LeakGroup:
    ids = tuple(catalog.track_ids[row] for row in rows)
    return LeakGroup(kind=kind, what=what, track_ids=ids, splits=tuple(splits[row] for row in rows))


def _near(catalog: Catalog, splits: Sequence[str], pairs: Iterable[tuple[str, str]]) -> list[LeakGroup]:
    rows = [(catalog.row(one), catalog.row(other)) for one, other in pairs]
    clusters = _clusters(rows, len(catalog))
    return [
        _kin(catalog, splits, NEAR_DUPLICATE, catalog.track_ids[members[0]], members) for members in clusters
    ]


def _titled(catalog: Catalog, splits: Sequence[str]) -> list[LeakGroup]:
    """Groups of one title by one artist, lead or guest, and groups of its versions: those with several
    titles.
    """
    titles = ["; ".join(title) for title in column_values(catalog, "title")]

    def groups(kind: str, normal: Callable[[str], str]) -> list[LeakGroup]:
        pairs = zip(titles, catalog.artists.keys, strict=True)
        keys = [[f"{key} / {normal(title)}" for key in by] if title else [] for title, by in pairs]
        return _grouped(catalog, splits, kind, keys)

    folded = {track_id: fold_name(title) for track_id, title in zip(catalog.track_ids, titles, strict=True)}
    return groups(SAME_TITLE, fold_name) + [
        group
        for group in groups(VERSION, base_title)
        if len({folded[track_id] for track_id in group.track_ids}) > 1
    ]


def _artists(catalog: Catalog, splits: Sequence[str]) -> list[LeakGroup]:
    """Artists in several splits, under several names, or as guests of others."""
    leading, guesting = _tracks_by_artist(catalog)
    kin = []
    for key in dict.fromkeys([*leading, *guesting]):
        rows = leading.get(key, [])
        written = [catalog.artists.written[row][0] for row in rows]
        kind = _kind_of_lead(
            {catalog.artists.keys[row][0] for row in rows}, {splits[row] for row in rows}, written
        )
        if kind:
            spellings = Counter(written)
            common = min(spellings, key=lambda name: (-spellings[name], name))
            found = _kin(
                catalog, splits, kind, common if kind == TORN else " = ".join(sorted(spellings)), rows
            )
            kin.append(found.model_copy(update={"names": (common, *written)}))
        if guests := [row for row in guesting.get(key, []) if row not in set(rows)]:
            found = _kin(catalog, splits, GUEST, catalog.artists.names[key], rows + guests)
            kin += [found] if found.leaks else []
    return kin


def _tracks_by_artist(catalog: Catalog) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """The rows that each artist leads, and those on which they are guests, by key: one of those that are
    alike.
    """
    keys = sorted({key for of_track in catalog.artists.keys for key in of_track})
    numbers = {key: number for number, key in enumerate(keys)}
    pairs = [(numbers[one], numbers[other]) for one, other in same_names(keys)]
    leader = {keys[member]: keys[cluster[0]] for cluster in _clusters(pairs, len(keys)) for member in cluster}
    leading: dict[str, list[int]] = defaultdict(list)
    guesting: dict[str, list[int]] = defaultdict(list)
    for row, of_track in enumerate(catalog.artists.keys):
        for place, key in enumerate(dict.fromkeys(leader.get(key, key) for key in of_track)):
            (guesting if place else leading)[key].append(row)
    return leading, guesting


def _kind_of_lead(keys: set[str], splits: set[str], written: Sequence[str]) -> str:
    """What is to be said of an artist's own tracks; nothing where all is well."""
    if len(keys) > 1:
        return TWO_NAMES
    if len(splits) > 1:
        return TORN
    return SPELLINGS if len({" ".join(name.casefold().split()) for name in written}) > 1 else ""


def _clusters(pairs: Sequence[tuple[int, int]], count: int) -> list[list[int]]:
    """Connected sets of at least two, each in order."""
    if not pairs:
        return []
    ones, others = np.array(pairs, dtype=int).T
    links = coo_matrix((np.ones(len(ones)), (ones, others)), shape=(count, count))
    _, labels = connected_components(links, directed=False)
    touched = np.unique(np.concatenate([ones, others]))
    members: dict[int, list[int]] = defaultdict(list)
    for row in touched.tolist():
        members[int(labels[row])].append(row)
    return [rows for rows in members.values() if len(rows) > 1]


def _tainted(kin: Iterable[LeakGroup]) -> dict[str, int]:
    """Held-out tracks that training knows, each counted once; guests are not counted: they are a part of the
    sound.
    """
    known: dict[str, set[str]] = {"valid": set(), "test": set()}
    for one in kin:
        if one.leaks and one.kind != GUEST:
            for track_id, split in zip(one.track_ids, one.splits, strict=True):
                if split in known:
                    known[split].add(track_id)
    return {split: len(tracks) for split, tracks in known.items()}


def _row(kin: LeakGroup) -> dict[str, str]:
    where = ", ".join(f"{count} {split}" for split, count in sorted(Counter(kin.splits).items()))
    first = {
        split: track_id for track_id, split in reversed(list(zip(kin.track_ids, kin.splits, strict=True)))
    }
    return {"kind": kin.kind, "what": kin.what, "where": where, "for example": ", ".join(first.values())}
