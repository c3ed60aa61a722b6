"""The tracks that meet conditions, kept for when somebody asks again: most filters are asked many times.

A mask is kept as bits, 125 kB for a million tracks, as long as the tracks of that version of an index are. Of
what a condition warns about, it warns once a version.
"""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from soundkin.search.conditions import Condition, mask_where
from soundkin.search.tracks import Tracks
from soundkin.shapes import Bool, UInt8

MOST_BYTES = 32 * 2**20  # of each index that is open; those that were asked last stay

_lock = Lock()
_kept: "WeakKeyDictionary[Tracks, OrderedDict[Condition, UInt8[np.ndarray, ' bytes']]]" = WeakKeyDictionary()


def matching(tracks: Tracks, conditions: Iterable[Condition]) -> Bool[np.ndarray, " tracks"]:
    """Which tracks meet all conditions, as an array of its own; raises as `mask_where` does."""
    mask = np.ones(len(tracks), dtype=bool)
    for condition in conditions:
        mask &= np.unpackbits(_bits(tracks, condition), count=len(tracks)).view(bool)
    return mask


def _bits(tracks: Tracks, condition: Condition) -> UInt8[np.ndarray, " bytes"]:
    with _lock:
        known = _kept.setdefault(tracks, OrderedDict())
        if condition in known:
            known.move_to_end(condition)
            return known[condition]
    bits = np.packbits(mask_where(tracks.batch, [condition]))
    with _lock:
        known[condition] = bits
        while len(known) > 1 and len(known) * bits.nbytes > MOST_BYTES:
            known.popitem(last=False)
    return bits
