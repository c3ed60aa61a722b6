"""The kinds of index, by name. All keep the exact vectors and can leave rows out while they search.

exact   compares a query with every vector (FAISS IndexFlatIP).
ivf     compares it with those that codes in the nearest lists find likely: half a byte a number in memory.
ivfpq   the same with half of these codes, for when memory holds no more: it compares more candidates.

Why not HNSW: it can remove nothing, takes ten times as long to build, and on vectors without clusters it
finds less in the same time (100,000 tracks: recall 0.76 at 1.4 ms). IVF finds nearly all: where tracks form
clusters, in a quarter of the lists; where they do not, in all of them, which 4-bit codes make five times as
fast as floats.
"""

import faiss

from soundkin.search.exact_kind import Exact
from soundkin.search.list_kinds import LIST_TRACKS, Ivf, IvfPq

EXACT_NUMBERS = 100_000 * 128  # One core compares this many in 2 ms; from there on, lists pay.
ENOUGH_RECALL = 0.98  # Vectors where lists do worse are searched exactly, as slow as that may be.

IVF_BYTES = 2**30  # More of codes and row numbers are kept in half of the bytes.

ASKED = "asked for"  # how the reason for a kind begins that somebody chose

KINDS: dict[str, type[Exact]] = {kind.name: kind for kind in (Exact, Ivf, IvfPq)}


def build_kind(name: str, vectors: faiss.IndexFlatIP) -> tuple[Exact, str]:
    """Build the kind `name`, or with `auto` the one that suits these vectors; and say why, for people."""
    size = f"{vectors.ntotal:,} tracks of {vectors.d} numbers"
    if name != "auto":
        kind = KINDS[name].build(vectors)
        return kind, f"{ASKED}; {kind.explain()}"
    exact, limit = Exact(vectors), max(EXACT_NUMBERS // vectors.d, LIST_TRACKS)
    chosen = f"chosen for {size}; {exact.explain()}"
    if vectors.ntotal < limit:
        return exact, f"{chosen}, which is fast below {limit:,} tracks"
    bytes_of_codes = vectors.ntotal * (vectors.d // 2 + 8)
    lists = (Ivf if bytes_of_codes <= IVF_BYTES else IvfPq).build(vectors)
    if lists.recall < ENOUGH_RECALL:
        return exact, f"{chosen}, since lists would find but {lists.recall:.1%} of the neighbours"
    slow = f"since comparing all is slow from {limit:,} tracks on"
    return lists, f"chosen for {size}, {slow}; {lists.explain()}"
