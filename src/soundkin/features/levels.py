"""How loud a track is, and where it is silent, from a stream of frames in bounded memory.

A track's *level* is the power that the loudest twentieth of its sounding frames reach, over its first five
minutes from the first sound on: the same track played softer has a level that is lower by as much, and
silence does not change it. A frame *sounds* if it is louder than `decode.SILENT_DB`, against a full-scale
sine. Frames that do not, or that lie further below the level than the front end's `silence_db`, are silent;
runs of them longer than a second are left out, so that silence before, in and after a piece does not count.
Of a file in which nothing sounds, a second stays.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from operator import itemgetter
from typing import NamedTuple

import torch
from torch import Tensor

from soundkin.features.decode import SILENT_DB
from soundkin.shapes import Bool, Float32

LEVEL_SECONDS = 300.0  # as many as are cached for training
LOUDEST_SHARE = 0.05
SILENCE_SECONDS = 1.0


class Powers(NamedTuple):
    """Powers of a block of frames in units of the floor, by mel band, and by pitch for each chroma group."""

    mels: Float32[Tensor, "frames mels"]
    pitches: Float32[Tensor, "groups pitches"] | None


class Levelled(NamedTuple):
    """A block, the gain of power that brings its track to the wanted level, and which frames are silent."""

    powers: Powers
    gain: float
    silent: Bool[Tensor, " frames"]


@dataclass(frozen=True)
class LevelRule:
    """The level that tracks are brought to and how far below it silence begins, in dB; None: no change."""

    level_db: float | None
    silence_db: float | None
    floor_db: float
    frames_per_second: float

    def __call__(self, blocks: Iterable[Powers]) -> Iterator[Levelled]:
        """Yield blocks with gain and silence by their track's level; at most LEVEL_SECONDS are held."""
        blocks = iter(blocks)
        if self.level_db is None and self.silence_db is None:
            for block in blocks:
                yield Levelled(block, 1.0, torch.zeros(len(block.mels), dtype=torch.bool))
            return
        held: list[Powers] = []
        sounding: list[Tensor] = []
        for block in blocks:
            loudness = block.mels.sum(dim=1)
            sounds = loudness > self._power(SILENT_DB)
            if not held and not sounds.any():
                yield Levelled(block, 1.0, ~sounds if self.silence_db is not None else sounds)
                continue
            held.append(block)
            sounding.append(loudness[sounds])
            if sum(len(block.mels) for block in held) >= LEVEL_SECONDS * self.frames_per_second:
                break
        if held:
            level = float(torch.quantile(torch.cat(sounding).double(), 1 - LOUDEST_SHARE))
            gain = 1.0 if self.level_db is None else self._power(self.level_db) / level
            for block in chain(held, blocks):
                yield Levelled(block, gain, self._silent(block, level))

    def _silent(self, block: Powers, level: float) -> Bool[Tensor, " frames"]:
        if self.silence_db is None:
            return torch.zeros(len(block.mels), dtype=torch.bool)
        threshold = max(self._power(SILENT_DB), level * 10 ** (self.silence_db / 10))
        return block.mels.sum(dim=1) <= threshold

    def _power(self, decibels: float) -> float:
        """Against a full-scale sine, in units of the floor."""
        return float(10 ** ((decibels - self.floor_db) / 10))


@dataclass
class WithoutSilence:
    """Leaves long silences out of a stream of frames, once, and keeps the place of each frame before."""

    frames_per_second: float
    # (frames passed on, place of the next one)
    _resumed: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])

    def place(self, frame: int) -> int:
        """The place, silence included, of a frame that was passed on already."""
        passed, place = self._resumed[bisect_right(self._resumed, frame, key=itemgetter(0)) - 1]
        return place + frame - passed

    def __call__(self, blocks: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Float32[Tensor, "frames bands"]]:
        """Yield the frames of blocks `(frames, which are silent)`; a second of nothing but silence."""
        longest = round(SILENCE_SECONDS * self.frames_per_second)
        place = passed = silent_run = 0
        waiting: list[Tensor] = []  # the silence before `place`, up to the longest that stays
        for frames, silent in blocks:
            kept: list[Tensor] = []
            changes = (1 + (silent[1:] != silent[:-1]).nonzero()[:, 0]).tolist()
            for start, stop in pairwise([0, *changes, len(frames)]):
                run = frames[start:stop]
                if silent[start]:
                    waiting.append(run[: max(0, longest - silent_run)])
                    silent_run += len(run)
                else:
                    if silent_run > longest:
                        self._resumed.append((passed, place))
                        waiting = []
                    kept += [*waiting, run]
                    passed += sum(map(len, waiting)) + len(run)
                    waiting, silent_run = [], 0
                place += len(run)
            if kept:
                yield torch.cat(kept)
        if sum(map(len, waiting)) and (not passed or silent_run <= longest):
            yield torch.cat(waiting)
