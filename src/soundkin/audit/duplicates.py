"""Tracks that a catalog holds twice: near-duplicate audio, and other versions of a track.

- same file: equal audio hashes
- same recording: fingerprints that match at equal tempo (re-encoded, trimmed, louder, resampled, remastered)
- another version: fingerprints that match at another tempo only, at the same pitch; likely, to be listened to

Fingerprints (`features.alignment`) are compared only for tracks near each other by embedding, so the vectors
decide what can be found at all. `benchmarks/duplicates.py` measures both steps, and chose the default limits.
Each file is decoded once, and its fingerprint kept in a temporary folder, 22 kB a minute of audio.
"""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, NonNegativeInt, PositiveInt

from soundkin.config import Config
from soundkin.errors import AudioError, Skipped, UsageError
from soundkin.features.alignment import (
    LONGEST_SECONDS,
    Alignment,
    align,
    align_at_any_tempo,
    fingerprint_of_file,
)
from soundkin.files import explaining_output
from soundkin.parallel import in_processes
from soundkin.progress import progress
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.connected import connected
from soundkin.statistics.nearest_neighbours import nearest_others
from soundkin.statistics.scaling import unit_length

Kind = Literal["same file", "same recording", "another version"]
SURE: tuple[Kind, ...] = ("same file", "same recording")
KINDS: tuple[Kind, ...] = (*SURE, "another version")

CLEARLY_BETTER = 0.05  # by which another tempo must fit better than the same one
ROWS_SHOWN = 50


class Limits(Config):
    """What is compared, and how alike fingerprints must be; chosen by `benchmarks/duplicates.py`."""

    neighbours: PositiveInt = 20  # of each track by embedding are compared with it at equal tempo
    version_neighbours: NonNegativeInt = 5  # of these at other tempos too, which takes longer
    least_cosine: float = 0.5  # of two vectors worth comparing
    same_recording: float = 0.65  # least similarity of fingerprints at equal tempo
    another_version: float = 0.65  # least similarity of fingerprints at any tempo


class Pair(BaseModel, frozen=True):
    """Two tracks that hold the same music; the figures are those of `Alignment`, `track_id` the first."""

    track_id: str
    other_id: str
    kind: Kind
    similarity: float = 1.0
    offset_seconds: float = 0.0
    tempo_ratio: float = 1.0
    overlap: float = 1.0

    @property
    def certainty(self) -> str:
        """Another version is found on weaker grounds."""
        return "sure" if self.kind in SURE else "likely"


class Duplicates(BaseModel, frozen=True):
    """What a catalog holds twice. `pairs` are in order of kind, best first; `skipped` could not be read."""

    title: ClassVar[str] = "Near-duplicate audio and other versions"

    tracks: int
    compared: int
    limits: Limits
    pairs: tuple[Pair, ...]
    skipped: tuple[Skipped, ...] = ()

    def linked(self, kinds: Sequence[Kind] = SURE) -> list[tuple[str, str]]:
        """The ids of all pairs of these kinds, for others to use."""
        return [(pair.track_id, pair.other_id) for pair in self.pairs if pair.kind in kinds]

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Tracks that are one recording, largest group first; what is only likely joins nothing."""
        return connected(self.linked())

    @property
    def verdict(self) -> str:
        """One line."""
        spare = sum(len(group) - 1 for group in self.groups)
        versions = len(self.linked(("another version",)))
        if not self.pairs:
            return f"No track was found twice among {self.tracks:,}."
        copies = f"{spare:,} of {self.tracks:,} tracks repeat a recording that another one holds"
        groups = f" ({_counted(len(self.groups), 'recording')} in all)" if spare else ""
        return f"{copies}{groups}; {_counted(versions, 'pair')} may be versions of one piece."

    def table(self) -> list[dict[str, str]]:
        """One row a pair, the first ROWS_SHOWN."""
        return [
            {
                "track": pair.track_id,
                "other": pair.other_id,
                "kind": pair.kind,
                "certainty": pair.certainty,
                "similarity": f"{pair.similarity:.2f}",
                "offset (s)": f"{pair.offset_seconds:+.1f}",
                "tempo": f"{pair.tempo_ratio:.3f}",
                "overlap": f"{pair.overlap:.0%}",
            }
            for pair in self.pairs[:ROWS_SHOWN]
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before relying on it."""
        limits = self.limits
        notes = [
            f"{_counted(self.compared, 'pair')} near each other by embedding were compared: at most "
            f"{limits.neighbours} neighbours a track, with a cosine of at least {limits.least_cosine:g}. "
            "What is far apart in the embedding, such as copies with a very narrow band, is not found.",
            f"Audio is compared up to {LONGEST_SECONDS:.0f} s into each file, and half of the shorter one "
            "must lie on the other. Copies at another pitch, and performances whose tempo wanders, are not "
            "found.",
            "Another version is likely, not sure: listen before anything is removed. Two renderings of one "
            "score by one synthesiser may count as the same recording.",
        ]
        if len(self.pairs) > ROWS_SHOWN:
            notes.append(f"The table shows the first {ROWS_SHOWN} of {len(self.pairs):,} pairs.")
        if self.skipped:
            notes.append(f"{_counted(len(self.skipped), 'file')} could not be read and were not compared.")
        return tuple(notes)


def find_duplicates(
    track_ids: Sequence[str],
    audio_paths: Sequence[Path],
    vectors: Float[np.ndarray, "tracks embedding"],
    audio_hashes: Sequence[str] | None = None,
    workers: int = 1,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
) -> Duplicates:
    """Find the tracks that hold the same music, with `workers` processes.

    `audio_hashes`, where known, save comparing equal files. A file that cannot be read is recorded.
    """
    contents = [""] * len(track_ids) if audio_hashes is None else audio_hashes
    counts = {"audio_paths": len(audio_paths), "vectors": len(vectors), "audio_hashes": len(contents)}
    for name, count in counts.items():
        if count != len(track_ids):
            raise UsageError(
                f"{name} has {count} entries for {len(track_ids)} tracks. Give one a track, in order."
            )
    if len(bad := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
        raise UsageError(
            f"the vector of track {track_ids[bad[0]]} is not finite. Embed it again, or leave it out."
        )
    first_of: dict[str | int, int] = {}  # an empty hash equals none
    firsts = np.array(
        [first_of.setdefault(content or row, row) for row, content in enumerate(contents)], dtype=int
    )
    pairs = [
        Pair(track_id=track_ids[first], other_id=track_ids[row], kind="same file")
        for row, first in enumerate(firsts)
        if row != first
    ]
    distinct = np.unique(firsts)
    near, ranks = near_pairs(vectors[distinct], limits.neighbours, limits.least_cosine)
    near = distinct[near]
    compared, skipped = _compare(near, ranks, audio_paths, workers, limits)
    for (first, second), (kind, alignment) in compared.items():
        pairs.append(
            Pair(track_id=track_ids[first], other_id=track_ids[second], kind=kind, **asdict(alignment))
        )
    return Duplicates(
        tracks=len(track_ids),
        compared=len(near),
        limits=limits,
        pairs=tuple(
            sorted(pairs, key=lambda pair: (KINDS.index(pair.kind), -pair.similarity, pair.track_id))
        ),
        skipped=tuple(skipped),
    )


@typechecked
def near_pairs(
    vectors: Float[np.ndarray, "tracks embedding"], neighbours: int, least_cosine: float
) -> tuple[Int[np.ndarray, "pairs 2"], Int[np.ndarray, " pairs"]]:
    """Pairs of rows, the lower first, one among the nearest of the other; and its rank there, from 0."""
    if len(vectors) < 2:
        return np.empty((0, 2), int), np.empty(0, int)
    cosines, nearest = nearest_others(unit_length(vectors.astype(np.float32)), neighbours)
    query, rank = np.nonzero(cosines >= least_cosine)
    order = np.argsort(rank, kind="stable")  # so that of a pair found twice the better rank stays
    query, rank = query[order], rank[order]
    ends = np.sort(np.stack([query, nearest[query, rank]], axis=1), axis=1)
    pairs, first = np.unique(ends, axis=0, return_index=True)
    return pairs, rank[first]


def _compare(
    near: Int[np.ndarray, "pairs 2"],
    ranks: Int[np.ndarray, " pairs"],
    audio_paths: Sequence[Path],
    workers: int,
    limits: Limits,
) -> tuple[dict[tuple[int, int], tuple[Kind, Alignment]], list[Skipped]]:
    """The pairs of rows that hold the same music, and the files that could not be read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = np.unique(near).tolist()
        jobs = ((Path(audio_paths[row]), folder / f"{row}.npy") for row in rows)
        with closing(in_processes(_save_fingerprint, jobs, workers)) as outcomes:
            read = progress(outcomes, "fingerprint audio", total=len(rows))
            unread = {rows[number]: skipped for number, skipped in read if skipped}
        pairs = [
            (first, second, rank < limits.version_neighbours)
            for (first, second), rank in zip(near.tolist(), ranks.tolist(), strict=True)
            if first not in unread and second not in unread
        ]
        with closing(in_processes(partial(_same_music, folder, limits), pairs, workers)) as matches:
            compared = progress(matches, "compare audio", total=len(pairs), unit="pair")
            same = {pairs[number][:2]: match for number, match in compared if match}
    return same, sorted(unread.values(), key=lambda skipped: skipped.path)


def _save_fingerprint(paths: tuple[Path, Path]) -> Skipped | None:
    """Write the fingerprint of a file to another; says why if it cannot be read."""
    audio, output = paths
    try:
        fingerprint = fingerprint_of_file(audio)
    except AudioError as error:
        return Skipped.because(audio, error)
    with explaining_output(output):
        np.save(output, fingerprint)
    return None


def _same_music(folder: Path, limits: Limits, job: tuple[int, int, bool]) -> tuple[Kind, Alignment] | None:
    """How the fingerprints of two rows match; None if they hold different music."""
    *rows, closely = job
    first, second = (np.load(folder / f"{row}.npy") for row in rows)
    same = align(first, second)
    if closely or same.similarity >= limits.same_recording:  # slow music is alike at a tempo near its own
        version = align_at_any_tempo(first, second)
        if version.similarity >= max(limits.another_version, same.similarity + CLEARLY_BETTER):
            return "another version", version
    return ("same recording", same) if same.similarity >= limits.same_recording else None


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
