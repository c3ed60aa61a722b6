"""The answers of one track as bytes, which are read in microseconds: what is not asked for is not unpacked.

    answers, folded     uint32 each: how many there are
    reach               float32: the cosine of the furthest track that was considered; -2 where all were
    numbers             uint32 an answer, the best first: of tracks, as the store numbers them
    scores              float32 an answer: its cosine
    closer_than         float32 an answer: the share of random pairs that are less alike; NaN: not known
    folded_into         uint32 a folded track: which answer stands for it, from 0
    folded              uint32 a folded track: its number
    names               the answers' track_ids in UTF-8, a zero byte between; nothing where an id holds one.
                        They save looking into the list of all ids, which is in no processor's cache
    checksum            uint32: CRC-32 of the key and all before

All is little-endian.
"""

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

from soundkin.shapes import Float32, Int

HEADER, CHECKSUM = struct.Struct("<IIf"), struct.Struct("<I")
BYTES_AN_ANSWER, BYTES_A_FOLDED = 12, 8
NUMBERS, SHARES = np.dtype("<u4"), np.dtype("<f4")  # made once: numpy takes long to read their names
BETWEEN = "\0"
ALL = -2.0  # less than any cosine


@dataclass
class ListedAnswers:
    """The answers of one track, best first: rows or numbers, as it is said."""

    tracks: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    closer_than: list[float | None] = field(default_factory=list)
    folded: list[list[int]] = field(default_factory=list)  # what each stands for
    reach: float = ALL
    names: list[str] = field(default_factory=list)  # track_ids, where they are known

    def packed(self, key: bytes) -> bytes:
        """As bytes, under `key`."""
        shares = [np.nan if share is None else share for share in self.closer_than]
        places = [place for place, folded in enumerate(self.folded) for _ in folded]
        folded = [track for each in self.folded for track in each]
        body = HEADER.pack(len(self.tracks), len(folded), self.reach) + b"".join(
            np.array(values, kind).tobytes()
            for values, kind in (
                (self.tracks, "<u4"), (self.scores, "<f4"), (shares, "<f4"), (places, "<u4"), (folded, "<u4"),
            )
        )  # fmt: skip
        if not any(BETWEEN in name for name in self.names):
            body += BETWEEN.join(self.names).encode("utf-8", "surrogatepass")
        return body + CHECKSUM.pack(zlib.crc32(body, zlib.crc32(key)))


class PackedList:
    """Reads what `ListedAnswers.packed` made. Raises ValueError where that is not what it is given."""

    __slots__ = ("_count", "_folded", "_value", "reach")

    def __init__(self, key: bytes, value: bytes) -> None:
        size = len(value) - CHECKSUM.size
        if (
            size < HEADER.size
            or zlib.crc32(value[:size], zlib.crc32(key)) != CHECKSUM.unpack_from(value, size)[0]
        ):
            raise ValueError("a list is not as it was written")
        self._value = value
        self._count, self._folded, self.reach = HEADER.unpack_from(value)

    def best(
        self, k: int | None = None
    ) -> tuple[Int[np.ndarray, " answers"], Float32[np.ndarray, " answers"]]:
        """Which tracks the best `k` answers are, or all of them, and the cosine of each."""
        count = self._count if k is None else min(k, self._count)
        scores_at = HEADER.size + 4 * self._count
        return np.frombuffer(self._value, NUMBERS, count, HEADER.size), np.frombuffer(
            self._value, SHARES, count, scores_at
        )

    def names(self, k: int | None = None) -> list[str]:
        """The track_ids of the best `k` answers, or of all; empty where they are not in it."""
        start = HEADER.size + BYTES_AN_ANSWER * self._count + BYTES_A_FOLDED * self._folded
        names = self._value[start : -CHECKSUM.size].decode("utf-8", "surrogatepass")
        return names.split(BETWEEN, -1 if k is None else k)[:k] if names else []

    def listed(self) -> ListedAnswers:
        """All of it but for the names."""
        count = self._count
        shares = np.frombuffer(self._value, SHARES, count, HEADER.size + 8 * count).tolist()
        folded: list[list[int]] = [[] for _ in range(count)]
        start = HEADER.size + BYTES_AN_ANSWER * count
        pairs = np.frombuffer(self._value, NUMBERS, 2 * self._folded, start).reshape(2, -1)
        for place, number in pairs.T.tolist():
            folded[place].append(number)
        known = [share if share == share else None for share in shares]  # NaN is not itself
        numbers, scores = self.best()
        return ListedAnswers(numbers.tolist(), scores.tolist(), known, folded, self.reach)
