"""Names of recordings: each track that shares its recording has the first id of those who do in a cell.

Which tracks share one changes as tracks come and go, so an edit may change cells of tracks that stay.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping

import pyarrow as pa

from soundkin.search.tracks import RECORDING, Tracks, filled_text


def named_by_first(recordings: Mapping[str, str]) -> dict[str, str]:
    """Recordings by track id, under the first id of those who share them; without those of one track."""
    sharing = defaultdict(list)
    for track_id, recording in recordings.items():
        if recording:
            sharing[recording].append(track_id)
    return {track_id: min(ids) for ids in sharing.values() if len(ids) > 1 for track_id in ids}


def names_in(table: pa.Table) -> dict[str, str]:
    """The recording of each track of a table, empty where none is known."""
    ids = table["track_id"].to_pylist()
    if RECORDING not in table.column_names:
        return dict.fromkeys(ids, "")
    return dict(zip(ids, filled_text(table[RECORDING]).to_pylist(), strict=True))


def names_after(
    tracks: Tracks, told: Mapping[str, str], coming: Collection[str] = (), leaving: Collection[str] = ()
) -> dict[str, str]:
    """The names of recordings by track id, once tracks have come to those of an index and others have left.

    `told` are the recordings of some tracks, those that come and others; the rest keep theirs.
    """
    before = _names(tracks)
    told = {
        track_id: recording
        for track_id, recording in told.items()
        if track_id in before or (recording and (track_id in coming or tracks.row(track_id) is not None))
    }
    return named_by_first({name: it for name, it in {**before, **told}.items() if name not in leaving})


def with_names(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """The same tracks, with these names of recordings."""
    cells = [names.get(track_id, "") for track_id in table["track_id"].to_pylist()]
    if RECORDING not in table.column_names:
        return table.append_column(RECORDING, pa.array(cells, pa.large_string())) if any(cells) else table
    place = table.column_names.index(RECORDING)
    return table.set_column(place, RECORDING, pa.array(cells, pa.large_string()))


def renamed(tracks: Tracks, names: Mapping[str, str], but: Collection[str]) -> pa.Table:
    """The tracks of an index, `but` some, whose recording has another name now, with this name."""
    before = _names(tracks)
    changed = sorted(name for name in {*before, *names} - {*but} if before.get(name) != names.get(name))
    rows = pa.array([tracks.row(track_id) for track_id in changed], pa.int64())
    return with_names(pa.table(tracks.batch.select(tracks.columns).take(rows)), names)


def _names(tracks: Tracks) -> dict[str, str]:
    return {tracks.label(row).track_id: name for row, name in tracks.recordings.items()}
