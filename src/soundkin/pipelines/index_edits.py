"""Edits of an index: tracks are added, updated and removed without building it again; versions are kept."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import CatalogError, UsageError
from soundkin.pipelines.options import WHERE, Option, argument

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from soundkin.embedding.store import Embeddings
    from soundkin.search.edits import Edited
    from soundkin.search.index_manifest import IndexManifest
    from soundkin.search.index_status import IndexStatus
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Bool

log = logging.getLogger(__name__)

CATALOG = Option("Take titles and other columns from this catalog; default: that of EMBEDDINGS.")
ONLY = Option("Only this track of EMBEDDINGS; give several.", ("--track",), metavar="TRACK_ID")


def add_to_index(
    index: Annotated[Path, argument()],
    embeddings_folder: Annotated[Path, argument("EMBEDDINGS")],
    catalog: Annotated[Path | None, CATALOG] = None,
    track_ids: Annotated[Sequence[str], ONLY] = (),
) -> "Edited":
    """Add the tracks of EMBEDDINGS that are not in INDEX.

    They are found by the next query; nothing is built again. Those that are there stay as they are
    (`update` changes them), but for the name of the recording that they share with a new one.

    Examples:
      soundkin index add index embeddings
      soundkin index add index embeddings --track 17_night-train

    Raises:
        UsageError: there is no such index or folder, or a track named is there already or not embedded.
        ArtefactError: the embeddings are of another model than the index, or one of the two is corrupt.
        OutputError: another run is writing the index, or the disk is full.
    """
    from soundkin.search.edits import add_tracks

    opened, embeddings, table, recordings = _read(index, embeddings_folder, catalog, track_ids)
    if not track_ids:
        table = table.filter([opened.tracks.row(name) is None for name in table["track_id"].to_pylist()])
    if not len(table):
        return _nothing(opened)
    return add_tracks(index, embeddings, table, opened.audio_folder, recordings)


def update_index(
    index: Annotated[Path, argument()],
    embeddings_folder: Annotated[Path, argument("EMBEDDINGS")],
    catalog: Annotated[Path | None, CATALOG] = None,
    track_ids: Annotated[Sequence[str], ONLY] = (),
) -> "Edited":
    """Give the tracks of INDEX the vectors of EMBEDDINGS and the cells of its catalog, where they differ.

    Tracks that INDEX does not hold are left out (`add` adds them).

    Examples:
      soundkin index update index embeddings
      soundkin index update index embeddings --catalog corrected.csv

    Raises:
        UsageError: there is no such index or folder, or a track named is not there; names the nearest.
        ArtefactError: the embeddings are of another model than the index, or one of the two is corrupt.
        OutputError: another run is writing the index, or the disk is full.
    """
    from soundkin.search.edits import update_tracks
    from soundkin.search.recording_names import names_after, with_names

    opened, embeddings, table, recordings = _read(index, embeddings_folder, catalog, track_ids)
    if not track_ids:
        table = table.filter([opened.tracks.row(name) is not None for name in table["track_id"].to_pylist()])
    table = with_names(table, names_after(opened.tracks, recordings))
    table = table.filter(_differs(opened, embeddings, table))
    if not len(table):
        return _nothing(opened)
    return update_tracks(index, embeddings, table, opened.audio_folder, recordings)


def remove_from_index(
    index: Annotated[Path, argument()],
    track_ids: Annotated[Sequence[str], argument("TRACK_ID")] = (),
    where: Annotated[Sequence[str], WHERE] = (),
) -> "Edited":
    """Take tracks out of INDEX: those named, and those that match a filter.

    Examples:
      soundkin index remove index 17_night-train
      soundkin index remove index --where genre=podcast

    Raises:
        UsageError: there is no such index, or a track is not there; names the nearest, and all stay.
        OutputError: another run is writing the index, or the disk is full.
    """
    import numpy as np

    from soundkin.pipelines.answers import as_text
    from soundkin.search.conditions import mask_where, parse_condition
    from soundkin.search.edits import remove_tracks
    from soundkin.search.vector_index import open_index

    if not track_ids and not where:
        raise UsageError("nothing to remove: name tracks by their ids, or give --where FILTER.")
    chosen = [as_text(name) for name in track_ids]
    if where:
        opened = open_index(index)
        conditions = [parse_condition(as_text(text)) for text in where]
        rows = np.flatnonzero(mask_where(opened.tracks.batch, conditions))
        chosen += [opened.tracks.label(row).track_id for row in rows.tolist()]
        if not chosen:
            return _nothing(opened)
    return remove_tracks(index, chosen)


def compact_index(index: Annotated[Path, argument()]) -> "IndexManifest | None":
    """Put all tracks of INDEX into a new base, as if it was built of them now.

    `soundkin index status` says when this is due: queries get slower as more is new or removed.

    Example:
      soundkin index compact index

    Raises:
        UsageError: there is no index.
        ArtefactError: it is corrupt.
        OutputError: another run is writing it, or the disk is full.
    """
    from soundkin.search.edits import compact

    return compact(index)


def snapshot_index(
    index: Annotated[Path, argument()],
    name: Annotated[str, argument("NAME")],
    remove: Annotated[bool, Option("Forget this snapshot instead.")] = False,
) -> str:
    """Keep INDEX as it is now under a name, for `rollback`.

    A snapshot shares what has not changed with later versions. Returns its version.

    Examples:
      soundkin index snapshot index before-cleanup
      soundkin index snapshot index before-cleanup --remove

    Raises:
        UsageError: there is no index, or the name is taken, or is none.
        OutputError: another run is writing the index.
    """
    from soundkin.search.edits import forget_snapshot, snapshot

    return forget_snapshot(index, name) if remove else snapshot(index, name)


def rollback_index(
    index: Annotated[Path, argument()], name: Annotated[str | None, argument("NAME")] = None
) -> "Index":
    """Go back to a snapshot of INDEX; without NAME, to the version before the last edit.

    Examples:
      soundkin index rollback index before-cleanup
      soundkin index rollback index

    Raises:
        UsageError: there is no index, or no such snapshot.
        ArtefactError: the snapshot is corrupt; then all stays.
        OutputError: another run is writing the index.
    """
    from soundkin.search.edits import rollback

    return rollback(index, name)


def index_status(index: Annotated[Path, argument()]) -> "IndexStatus":
    """How INDEX stands: tracks, kind, what is new since it was built, snapshots, whether to compact it.

    All its files are checked.

    Example:
      soundkin index status index

    Raises:
        UsageError: there is no index.
        ArtefactError: it is corrupt.
    """
    from soundkin.search.index_status import status

    return status(index)


def _read(
    index: Path, embeddings_folder: Path, catalog: Path | None, track_ids: Sequence[str]
) -> "tuple[Index, Embeddings, pa.Table, dict[str, str]]":
    """The index, the embeddings, what the catalog says of these tracks or of `track_ids` among them, and the
    recording of each of its tracks.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from soundkin.catalog.table import read_catalog
    from soundkin.config import nearest
    from soundkin.embedding.store import read_embeddings
    from soundkin.pipelines.answers import as_text
    from soundkin.search.edits import check_embeddings, with_paths_of
    from soundkin.search.recording_names import names_in
    from soundkin.search.recordings import tracks_to_index
    from soundkin.search.vector_index import open_index

    opened = open_index(index)
    embeddings = read_embeddings(Path(embeddings_folder))
    check_embeddings(opened, embeddings)
    catalog_path = Path(catalog or embeddings.catalog_path)
    tracks = read_catalog(catalog_path)
    table = tracks_to_index(tracks, embeddings, Path(embeddings_folder))
    wanted = [as_text(name) for name in track_ids] or embeddings.track_ids
    strangers = set(wanted) - set(embeddings.track_ids)
    if strangers:
        name = min(strangers)
        raise UsageError(f"track {name} is not in {embeddings_folder}.{nearest(name, embeddings.track_ids)}")
    in_catalog = set(table["track_id"].to_pylist())
    lost = [name for name in wanted if name not in in_catalog]
    if lost and track_ids:
        raise CatalogError(f"track {lost[0]} is not in catalog {catalog_path}.{nearest(lost[0], in_catalog)}")
    if lost:
        message = "left out %d embedded tracks that are not in catalog %s, such as %s"
        log.warning(message, len(lost), catalog_path, lost[0])
    chosen = pc.is_in(table["track_id"].cast(pa.large_string()), pa.array(wanted, pa.large_string()))
    paths = with_paths_of(opened, tracks.folder, table.filter(chosen))
    return opened, embeddings, paths, names_in(table)


def _differs(index: "Index", embeddings: "Embeddings", table: "pa.Table") -> "Bool[np.ndarray, ' tracks']":
    """Which tracks, all of them in the index, have another vector or other cells there."""
    import numpy as np

    from soundkin.search.joined_tracks import same_cells
    from soundkin.search.vector_index import unit_vectors

    ids = table["track_id"].to_pylist()
    rows = np.array([index.row(name) for name in ids], dtype=int)
    row_of = {track_id: row for row, track_id in enumerate(embeddings.track_ids)}
    vectors = unit_vectors(embeddings, np.array([row_of[name] for name in ids], dtype=int))
    same = np.isclose(vectors, index.vectors(rows), atol=1e-6).all(axis=1)
    return np.asarray(~(same & same_cells(index.tracks.batch.take(rows), table)))


def _nothing(index: "Index") -> "Edited":
    from soundkin.search.edits import Edited

    return Edited(0, 0, 0, len(index))
