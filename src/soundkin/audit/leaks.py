"""What leaks between splits: a recording listed twice, its versions, an artist under two names.

The split rule keeps the tracks of a lead artist together, however spelled (`catalog/splits.py`). Where a name
is misspelt, an artist is a guest on others' tracks, or a recording is listed twice, the model is tested on
what it was trained on.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel

from soundkin.audit.similar_names import same_names
from soundkin.catalog.artists import fold_name
from soundkin.catalog.table import Catalog
from soundkin.catalog.titles import base_title
from soundkin.evaluation.label_questions import column_values
from soundkin.features.file_hashes import file_hash
from soundkin.progress import progress
from soundkin.statistics.connected import connected

SAME_AUDIO = "same audio file"
NEAR_DUPLICATE = "near-duplicate audio"
SAME_TITLE = "same title and artist"
VERSION = "another version"
TWO_NAMES = "artist under two names"
TORN = "artist torn apart"
GUEST = "guest of another artist"
SPELLINGS = "artist spelled in several ways"  # one artist to us: no leak, but worth a correction
# Guests are not counted: they are a part of the sound.
COUNTED = (SAME_AUDIO, NEAR_DUPLICATE, SAME_TITLE, VERSION, TWO_NAMES, TORN)
HELD_OUT = ("valid", "test")
SHOWN = 20

log = logging.getLogger(__name__)


class LeakGroup(BaseModel, frozen=True):
    """Related tracks, which should be in one split. All tuples hold one entry per track, except `names`."""

    kind: str
    what: str  # the title, the artist, the hash that they share
    track_ids: tuple[str, ...]
    splits: tuple[str, ...]
    names: tuple[str, ...] = ()  # of a lead artist: the commonest, then that of each track

    @property
    def leaks(self) -> bool:
        """Whether training and something it is judged by share it."""
        return "train" in self.splits and len(set(self.splits)) > 1

    def row(self) -> dict[str, str]:
        """Cells to print: where the tracks are, and one of each split."""
        where = ", ".join(f"{count} {split}" for split, count in sorted(Counter(self.splits).items()))
        pairs = zip(reversed(self.splits), reversed(self.track_ids), strict=True)
        examples = ", ".join(dict(pairs).values())
        return {"kind": self.kind, "what": self.what, "where": where, "for example": examples}


class Leaks(BaseModel, frozen=True):
    """Groups of related tracks, and how many held-out tracks training knows by them."""

    groups: tuple[LeakGroup, ...]
    tracks: dict[str, int]  # by split
    tainted: dict[str, int]  # held-out tracks that training knows by a recording or their artist, by split
    looked_for: tuple[str, ...]
    notes: tuple[str, ...] = ()
    title: str = "Leaks between splits"

    @property
    def verdict(self) -> str:
        """One line."""
        tested = sum(self.tracks.get(split, 0) for split in HELD_OUT)
        known = sum(self.tainted.values())
        inside = sum(not group.leaks and group.kind != SPELLINGS for group in self.groups)
        guests = len(set(self.known_by(GUEST)) - set(self.known_by(*COUNTED)))
        rest = f"; {guests} more share an artist with it, as guest" if guests and known else ""
        rest += f"; {inside} more groups are within one split" if inside else ""
        if not tested:
            return f"no track is held out, so nothing can leak{rest}"
        if known:
            return f"{known} of {tested} held-out tracks ({known / tested:.0%}) are known from training{rest}"
        if guests:
            part = f"{guests} of {tested} held-out tracks ({guests / tested:.0%})"
            return f"{part} share an artist with training as guest, and nothing else is known from it{rest}"
        return f"nothing leaks: none of the {tested} held-out tracks is known from training{rest}"

    def table(self) -> list[dict[str, str]]:
        """How many groups of each kind there are, then the first that leak."""
        counts = Counter((group.kind, group.leaks) for group in self.groups)
        summary = [
            {
                "kind": kind,
                "leaking groups": f"{counts[kind, True]}",
                "within one split": f"{counts[kind, False]}",
            }
            for kind in self.looked_for
        ]
        return summary + [group.row() for group in self.groups if group.leaks][:SHOWN]

    def known_by(self, *kinds: str) -> list[str]:
        """The held-out tracks that share one of these kinds of things with training, each once."""
        leaking = [group for group in self.groups if group.leaks and group.kind in kinds]
        tracks = {
            track: split
            for group in leaking
            for track, split in zip(group.track_ids, group.splits, strict=True)
        }
        return [track for track, split in tracks.items() if split != "train"]

    def renamed(self) -> list[tuple[str, str, str]]:
        """(track id, the lead artist's name there, their commonest name) where the two are not the same."""
        return [
            (track_id, name, group.names[0])
            for group in self.groups
            for track_id, name in zip(group.track_ids, group.names[1:], strict=False)
            if name != group.names[0]
        ]


NOTES = (
    "Titles and names are compared without case, accents, punctuation, `The`, `feat.` and words such as "
    "(Remastered 2011) or - Live. Names that then differ in a letter or two, or in the order of words, are "
    "probably one artist's two. Two artists may share a name, and two songs a title: look before you merge.",
    "A version may be another performance: it shares the song, not the recording.",
)


def find_leaks(
    catalog: Catalog,
    splits: Sequence[str],
    audio_hashes: Mapping[str, str] | None = None,
    near_duplicates: Iterable[tuple[str, str]] | None = None,
) -> Leaks:
    """Look for related tracks; `title` and `artist` are looked at as far as they are there.

    `splits` is `train`, `valid` or `test` of each row. `audio_hashes` identifies the content of the audio by
    track id; `near_duplicates` are pairs of ids that sound the same; both are None where nobody looked.
    """
    related: list[Related] = []
    looked_for, notes = [], list(NOTES)
    if audio_hashes is None:
        notes.append("Whether two files hold the same audio was not looked at.")
    else:
        looked_for.append(SAME_AUDIO)
        hashes = [audio_hashes.get(track_id) for track_id in catalog.track_ids]
        related += _sharing(SAME_AUDIO, [[known] if known else [] for known in hashes])
    if near_duplicates is None:
        notes.append(
            "Near-duplicates were not looked for: give --embeddings, made with `soundkin embed --patches`."
        )
    else:
        looked_for.append(NEAR_DUPLICATE)
        linked = connected((catalog.row(first), catalog.row(second)) for first, second in near_duplicates)
        related += [Related(NEAR_DUPLICATE, catalog.track_ids[rows[0]], rows) for rows in linked]
    looked_for += [SAME_TITLE, VERSION, TWO_NAMES, TORN, GUEST, SPELLINGS]
    related += [*_titled(catalog), *_by_artist(catalog, splits)]
    groups = [
        LeakGroup(
            kind=kind,
            what=what,
            track_ids=tuple(catalog.track_ids[row] for row in rows),
            splits=tuple(splits[row] for row in rows),
            names=names,
        )
        for kind, what, rows, names in related
    ]
    groups = [group for group in groups if group.leaks or group.kind != GUEST]
    groups.sort(key=lambda by: (not by.leaks, looked_for.index(by.kind), -len(by.track_ids), by.what))
    leaks = Leaks(
        groups=tuple(groups),
        tracks=dict(Counter(splits)),
        tainted={},
        looked_for=tuple(looked_for),
        notes=tuple(notes),
    )
    split_of = dict(zip(catalog.track_ids, splits, strict=True))
    known = Counter(split_of[track_id] for track_id in leaks.known_by(*COUNTED))
    return leaks.model_copy(update={"tainted": {split: known[split] for split in HELD_OUT}})


WARNINGS = {
    (TORN, GUEST): "are by an artist who is also in training, as lead or guest",
    (TWO_NAMES,): "are by an artist who is probably in training under another name",
    (SAME_TITLE,): "have the title and artist of a training track",
}


def warn_of_leaks(catalog: Catalog, splits: Sequence[str]) -> None:
    """Log which held-out tracks training knows by their artist or their title."""
    leaks = find_leaks(catalog, splits)
    for kinds, which in WARNINGS.items():
        if known := leaks.known_by(*kinds):
            first = next(group for group in leaks.groups if group.kind in kinds and group.leaks)
            held_out = sum(split != "train" for split in splits)
            log.warning(
                f"{catalog.source}: {len(known)} of {held_out} held-out tracks {which} ({known[0]}: "
                f"{first.what}), so their scores look too good. Put them into one split by a column `split`, "
                "correct the names, or see them all: soundkin audit "
                f"{catalog.source.removeprefix('catalog ')}"
            )


def content_hashes(catalog: Catalog) -> dict[str, str]:
    """Hash of each track's file that has the length of another one; others cannot have the same content."""
    paths = dict(zip(catalog.track_ids, catalog.audio_paths(), strict=True))
    sizes = {track_id: path.stat().st_size for track_id, path in paths.items() if path.is_file()}
    count = Counter(sizes.values())
    alike = [track_id for track_id, size in sizes.items() if count[size] > 1]
    return {
        track_id: file_hash(paths[track_id]) for track_id in progress(alike, "comparing files", len(alike))
    }


class Related(NamedTuple):
    """Rows of tracks that share `what`; `names` as in LeakGroup."""

    kind: str
    what: str
    rows: Sequence[int]
    names: tuple[str, ...] = ()


def _sharing(kind: str, keys: Sequence[Sequence[str]]) -> list[Related]:
    """Tracks that share one of their keys; those that share several are named once, by the first."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, of_track in enumerate(keys):
        for key in of_track:
            rows[key].append(row)
    first_key: dict[tuple[int, ...], str] = {}
    for key, members in rows.items():
        first_key.setdefault(tuple(members), key)
    return [Related(kind, key, members) for members, key in first_key.items() if len(members) > 1]


def _titled(catalog: Catalog) -> list[Related]:
    """Tracks of one title by one artist, lead or guest, and versions: base titles with several titles."""
    titles = ["; ".join(title) for title in column_values(catalog, "title")]

    def sharing(kind: str, normal: Callable[[str], str]) -> list[Related]:
        pairs = zip(titles, catalog.artists.keys, strict=True)
        return _sharing(
            kind, [[f"{key} / {normal(title)}" for key in by] if title else [] for title, by in pairs]
        )

    folded = [fold_name(title) for title in titles]
    versions = sharing(VERSION, base_title)
    return sharing(SAME_TITLE, fold_name) + [
        group for group in versions if len({folded[row] for row in group.rows}) > 1
    ]


def _by_artist(catalog: Catalog, splits: Sequence[str]) -> Iterator[Related]:
    """Artists in several splits, under several names, or as guests of others."""
    keys = catalog.artists.keys
    linked = connected(same_names({key for of_track in keys for key in of_track}))
    leader = {key: group[0] for group in linked for key in group}  # one key for all names of an artist
    leading: dict[str, list[int]] = defaultdict(list)
    guesting: dict[str, list[int]] = defaultdict(list)
    for row, of_track in enumerate(keys):
        for place, key in enumerate(dict.fromkeys(leader.get(key, key) for key in of_track)):
            (guesting if place else leading)[key].append(row)
    for key in dict.fromkeys([*leading, *guesting]):
        rows = leading.get(key, [])
        written = [catalog.artists.written[row][0] for row in rows]
        spellings = Counter(written)
        kinds = {
            TWO_NAMES: len({keys[row][0] for row in rows}) > 1,
            TORN: len({splits[row] for row in rows}) > 1,
            SPELLINGS: len({" ".join(name.casefold().split()) for name in spellings}) > 1,
        }
        kind = next((kind for kind, holds in kinds.items() if holds), None)
        if kind:
            usual = min(spellings, key=lambda name: (-spellings[name], name))
            what = usual if kind == TORN else " = ".join(sorted(spellings))
            yield Related(kind, what, rows, (usual, *written))
        if guests := [row for row in guesting.get(key, []) if row not in set(rows)]:
            yield Related(GUEST, catalog.artists.names[key], rows + guests)
