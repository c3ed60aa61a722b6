"""What leaks between train, valid and test: the same recording twice, its versions, an artist under two names.

The split rule keeps an artist's tracks together by name (`catalog/splits.py`). Where a name is written in two ways, or
where a recording stands there twice under different names, training hears what the test asks about.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from soundkin.audit.names import base_title, same_names
from soundkin.catalog.artists import artist_key, fold_name
from soundkin.catalog.table import Catalog
from soundkin.evaluation.questions import column_values

SAME_AUDIO = "same audio file"
NEAR_DUPLICATE = "near-duplicate audio"
SAME_TITLE = "same title and artist"
VERSION = "another version"
TWO_NAMES = "artist under two names"
TORN = "artist torn apart"
GUEST = "guest of another artist"
RECORDINGS = (SAME_AUDIO, NEAR_DUPLICATE, SAME_TITLE, VERSION)
SHOWN = 20


class Kin(BaseModel, frozen=True):
    """Tracks that share something they should not share over splits. All tuples hold one entry a track, but `names`."""

    kind: str
    what: str  # the title, the artist, the hash that they share
    track_ids: tuple[str, ...]
    splits: tuple[str, ...]
    names: tuple[str, ...] = ()  # of an artist, the commonest first

    @property
    def leaks(self) -> bool:
        """Whether training and something it is judged by share it."""
        return "train" in self.splits and len(set(self.splits)) > 1


class Leaks(BaseModel, frozen=True):
    """All tracks that belong together and may stand in two splits."""

    kin: tuple[Kin, ...]
    tracks: dict[str, int]  # by split
    tainted: dict[str, int]  # tracks of valid and of test that training knows by one of RECORDINGS or by their artist
    looked_for: tuple[str, ...]
    notes: tuple[str, ...] = ()
    title: str = "Leaks between splits"

    @property
    def verdict(self) -> str:
        """One line."""
        tested = self.tracks.get("test", 0) + self.tracks.get("valid", 0)
        known = sum(self.tainted.values())
        inside = sum(not kin.leaks for kin in self.kin)
        rest = f"; {inside} more groups stand within one split" if inside else ""
        if not tested:
            return f"no track is held out, so nothing can leak{rest}"
        if not known:
            return f"nothing leaks: none of the {tested} held-out tracks is known from training{rest}"
        return f"{known} of {tested} held-out tracks ({known / tested:.0%}) are known from training{rest}"

    def table(self) -> list[dict[str, str]]:
        """How many groups of each kind there are, then the first that leak."""
        counts = Counter((kin.kind, kin.leaks) for kin in self.kin)
        summary = [
            {"kind": kind, "leaking groups": str(counts[kind, True]), "within one split": str(counts[kind, False])}
            for kind in self.looked_for
        ]
        return summary + [_row(kin) for kin in self.kin if kin.leaks][:SHOWN]

    def renamed(self) -> list[tuple[str, str, str]]:
        """(track id, the artist's name there, their commonest name) where an artist has two names."""
        return [
            (track_id, name, kin.names[0])
            for kin in self.kin
            if kin.kind == TWO_NAMES
            for track_id, name in zip(kin.track_ids, kin.names[1:], strict=False)
            if name != kin.names[0]
        ]


NOTES = (
    "Titles and names are compared without case, accents, punctuation, `The`, `feat.` and words such as (Remastered "
    "2011) or - Live; names also where a letter or two differ. Two artists may share a name, and two songs a title: "
    "look before you merge.",
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
    kin: list[Kin] = []
    looked_for = []
    if audio_hashes is not None:
        looked_for.append(SAME_AUDIO)
        kin += _grouped(catalog, splits, SAME_AUDIO, [audio_hashes.get(id_, "") for id_ in catalog.track_ids])
    if near_duplicates is not None:
        looked_for.append(NEAR_DUPLICATE)
        kin += _near(catalog, splits, near_duplicates)
    looked_for += [SAME_TITLE, VERSION, TWO_NAMES, TORN, GUEST]
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


def _not_looked_for(audio: bool, near: bool) -> tuple[str, ...]:
    notes = ["Whether two files hold the same audio was not looked at."] if audio else []
    if near:
        notes.append("Nobody listened for near-duplicates: give --embeddings, made with `soundkin embed --patches`.")
    return tuple(notes)


def _grouped(catalog: Catalog, splits: Sequence[str], kind: str, keys: Sequence[str]) -> list[Kin]:
    """Tracks that share a key; an empty key says nothing."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        if key:
            rows[key].append(row)
    return [_kin(catalog, splits, kind, key, members) for key, members in rows.items() if len(members) > 1]


def _kin(catalog: Catalog, splits: Sequence[str], kind: str, what: str, rows: Sequence[int]) -> Kin:
    ids = tuple(catalog.track_ids[row] for row in rows)
    return Kin(kind=kind, what=what, track_ids=ids, splits=tuple(splits[row] for row in rows))


def _near(catalog: Catalog, splits: Sequence[str], pairs: Iterable[tuple[str, str]]) -> list[Kin]:
    rows = [(catalog.row(one), catalog.row(other)) for one, other in pairs]
    clusters = _clusters(rows, len(catalog))
    return [_kin(catalog, splits, NEAR_DUPLICATE, catalog.track_ids[members[0]], members) for members in clusters]


def _titled(catalog: Catalog, splits: Sequence[str]) -> list[Kin]:
    """Groups of one title, and groups of its versions: those whose titles as written are not all the same."""
    titles, artists = column_values(catalog, "title"), column_values(catalog, "artist")

    def keys(normal: Callable[[str], str]) -> list[str]:
        pairs = zip(titles, artists, strict=True)
        return [f"{artist_key(by[0])} / {normal('; '.join(title))}" if by and title else "" for title, by in pairs]

    as_written = keys(fold_name)
    written = dict(zip(catalog.track_ids, as_written, strict=True))
    versions = _grouped(catalog, splits, VERSION, keys(base_title))
    return _grouped(catalog, splits, SAME_TITLE, as_written) + [
        group for group in versions if len({written[track_id] for track_id in group.track_ids}) > 1
    ]


def _artists(catalog: Catalog, splits: Sequence[str]) -> list[Kin]:
    """Artists in several splits or under several names. The first of several artists of a track decides its split."""
    credits = column_values(catalog, "artist")
    keys = sorted({artist_key(name) for names in credits for name in names})
    numbers = {key: number for number, key in enumerate(keys)}
    pairs = [(numbers[one], numbers[other]) for one, other in same_names(keys)]
    leader = {keys[member]: keys[cluster[0]] for cluster in _clusters(pairs, len(keys)) for member in cluster}
    leading: dict[str, list[int]] = defaultdict(list)
    guesting: dict[str, list[int]] = defaultdict(list)
    for row, names in enumerate(credits):
        for place, key in enumerate(dict.fromkeys(artist_key(name) for name in names)):
            (guesting if place else leading)[leader.get(key, key)].append(row)
    kin = []
    for key, rows in leading.items():
        written = [credits[row][0] for row in rows]
        spellings = Counter(written)
        if len({" ".join(name.casefold().split()) for name in spellings}) > 1:
            common = min(spellings, key=lambda name: (-spellings[name], name))
            found = _kin(catalog, splits, TWO_NAMES, " = ".join(sorted(spellings)), rows)
            kin.append(found.model_copy(update={"names": (common, *written)}))
        elif len({splits[row] for row in rows}) > 1:
            kin.append(_kin(catalog, splits, TORN, written[0], rows))
        if guests := [row for row in guesting.get(key, []) if row not in set(rows)]:
            found = _kin(catalog, splits, GUEST, written[0], rows + guests)
            kin += [found] if found.leaks and len({splits[row] for row in rows}) == 1 else []
    return kin


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


def _tainted(kin: Iterable[Kin]) -> dict[str, int]:
    """Held-out tracks that training knows, each counted once; guests are not counted: they are a part of the sound."""
    known: dict[str, set[str]] = {"valid": set(), "test": set()}
    for one in kin:
        if one.leaks and one.kind != GUEST:
            for track_id, split in zip(one.track_ids, one.splits, strict=True):
                if split in known:
                    known[split].add(track_id)
    return {split: len(tracks) for split, tracks in known.items()}


def _row(kin: Kin) -> dict[str, str]:
    where = ", ".join(f"{count} {split}" for split, count in sorted(Counter(kin.splits).items()))
    first = {split: track_id for track_id, split in reversed(list(zip(kin.track_ids, kin.splits, strict=True)))}
    return {"kind": kin.kind, "what": kin.what, "where": where, "for example": ", ".join(first.values())}
