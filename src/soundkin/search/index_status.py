"""How an index stands, and whether a compaction is due."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from soundkin.search.kinds import EXACT_NUMBERS
from soundkin.search.vector_index import open_index
from soundkin.search.versions import snapshots

# A compaction is due when queries take noticeably longer (benchmarks/index_edits.py).
NEW_NUMBERS = EXACT_NUMBERS // 4  # in new tracks: half a millisecond a query on one core
REMOVED_SHARE = 0.2


@dataclass(frozen=True)
class IndexStatus:
    """How an index stands. `new` and `removed` are tracks since its base was built, `bytes` those on disk.

    `due`: why a compaction is, empty where it is not. `snapshots`: their versions by name.
    """

    folder: Path
    version: str
    count: int
    kind: str
    reason: str
    new: int
    removed: int
    due: str
    snapshots: dict[str, str]
    bytes: int


def status(index: Path) -> IndexStatus:
    """How an index, or a library's index, stands. Raises as `open_index` does."""
    opened = open_index(index)
    base, *more = opened.segments
    new, removed = sum(map(len, more)), len(base.tracks) - len(base)
    return IndexStatus(
        folder=opened.folder,
        version=opened.version,
        count=len(opened),
        kind=opened.manifest.kind,
        reason=opened.manifest.reason,
        new=new,
        removed=removed,
        due=compaction_due(opened.manifest.embedding_size, len(base.tracks), new, removed),
        snapshots=snapshots(opened.folder),
        bytes=_bytes_in(opened.folder),
    )


def _bytes_in(folder: Path) -> int:
    """How much a folder takes, files of several names once."""
    sizes = {}
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # another run may edit the index
            stat = file.stat()
            sizes[stat.st_ino] = stat.st_size if file.is_file() else 0
    return sum(sizes.values())


def compaction_due(embedding_size: int, base: int, new: int, removed: int) -> str:
    """Why a compaction is due, or nothing: `new` tracks beside a base of which some are `removed`."""
    if new > base:
        return f"hub correction goes by the {base:,} tracks of the base, and {new:,} are new"
    if new * embedding_size > NEW_NUMBERS:
        return f"every query is compared with each of {new:,} new tracks"
    if removed > REMOVED_SHARE * base:
        return f"{removed:,} of the {base:,} tracks of the base are removed or replaced"
    return ""
