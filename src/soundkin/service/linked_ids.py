"""Which track a media server means, and by which id it knows a track of ours."""

import pyarrow as pa
import pyarrow.compute as pc

from soundkin.catalog.server_ids import NO_SERVER_IDS, ServerIds
from soundkin.search.vector_index import Index


class LinkedIds:
    """The ids of a media server and of a version of an index; without a table (`soundkin link`), our own."""

    def __init__(self, index: Index, table: ServerIds = NO_SERVER_IDS) -> None:
        self._tracks, self.table = index.tracks, table
        ids = index.tracks.batch.column("track_id").cast(pa.large_string())
        rows = pc.fill_null(pc.index_in(table.track_ids, value_set=ids), -1).to_pylist()
        pairs = list(zip(table.server_ids.to_pylist(), rows, strict=True))
        self._rows: dict[str, int] = dict(pairs)  # -1: of a track that is not in this version
        self._server_ids = {row: server_id for server_id, row in reversed(pairs) if row >= 0}

    def __len__(self) -> int:
        """How many tracks of this version the server has an id for."""
        return len(self._server_ids)

    def track_id_of(self, server_id: str) -> str | None:
        """The track that the server means; an id that it does not have may be ours. None: there is none."""
        row = self._rows.get(server_id)
        if row is None:
            row = self._tracks.row(server_id)
        return None if row is None or row < 0 else self._tracks.label(row).track_id

    def server_id_of(self, track_id: str) -> str:
        """The server's id of a track, or else our own."""
        row = self._tracks.row(track_id)
        return track_id if row is None else self._server_ids.get(row, track_id)
