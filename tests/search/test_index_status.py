"""Status says how an index stands, and when to compact it."""

from edited_index import SIZE, add, ids_of
from soundkin.search import index_status
from soundkin.search.edits import compact, remove_tracks
from soundkin.search.index_status import status


def test_when_compaction_is_due(small, monkeypatch):
    remove_tracks(small, ids_of(range(4)))
    add(small, [30, 31])
    state = status(small)
    assert (state.count, state.new, state.removed, state.due) == (18, 2, 4, "")
    assert state.version == "v3" and state.kind == "exact"
    sizes = {file.stat().st_ino: file.stat().st_size for file in small.rglob("*") if file.is_file()}
    assert state.bytes == sum(sizes.values()) < sum(f.stat().st_size for f in small.rglob("*") if f.is_file())
    remove_tracks(small, ids_of([5]))
    assert status(small).due == "5 of the 20 tracks of the base are removed or replaced"
    monkeypatch.setattr(index_status, "NEW_NUMBERS", SIZE)
    assert status(small).due == "every query is compared with each of 2 new tracks"
    compact(small)
    state = status(small)
    assert (state.count, state.new, state.removed, state.due) == (17, 0, 0, "")
