"""Link: the tracks of a library are known by a media server's ids, so that its players can ask about them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import UsageError
from soundkin.pipelines.options import Option, argument

if TYPE_CHECKING:
    import pandas as pd

    from soundkin.search.vector_index import Index


@dataclass(frozen=True)
class Unlinked:
    """A track of the server that none of ours is for sure; `candidates` are the ids of those it may be."""

    server_id: str
    path: str
    title: str
    artist: str
    album: str
    reason: str
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class LinkResult:
    """What became of a server's tracks.

    `by` counts its linked ids by how they were found (`path`, `musicbrainz`, `names`), `reasons` those that
    were not. `linked` of the library's `tracks` have an id now.
    """

    library: Path
    by: Mapping[str, int]
    reasons: Mapping[str, int]
    unlinked: Sequence[Unlinked]
    linked: int
    tracks: int
    dry_run: bool


def link(
    library: Annotated[Path, argument()],
    export: Annotated[Path, argument()],
    output: Annotated[
        Path | None, Option("Table of what was not linked: .csv or .parquet.", ("-o", "--output"))
    ] = None,
    dry_run: Annotated[bool, Option("Say what would be linked, and keep nothing.")] = False,
) -> LinkResult:
    """Link the ids of a media server to the tracks of LIBRARY, so that its players can ask for what is alike.

    EXPORT is navidrome.db, Navidrome's database, or a CSV or TSV table of any server's tracks with the
    columns id, path, title, artist, album, duration (seconds) and mbid (of the MusicBrainz recording); id is
    needed, and path or title and artist. Tracks are found by path, wherever the server has the music mounted,
    else by MusicBrainz id, else by artist, title and length; where several fit, none is linked.

    Run it again whenever the server's ids may have changed: after it has scanned new music, was moved or
    updated. The links before are replaced. `soundkin serve` takes the new ones up without a restart.

    Examples:
      soundkin link ~/music /var/lib/navidrome/navidrome.db
      soundkin link library export.csv --dry-run -o unmatched.csv

    Raises:
        UsageError: `library` is no library, or none of the tracks could be linked.
        CatalogError: the export cannot be read, or lacks a column.
        OutputError: the library or `output` cannot be written.
        ArtefactError: the library's index is corrupt.
    """
    from soundkin.catalog.media_server import read_media_server
    from soundkin.catalog.server_ids import write_server_ids
    from soundkin.catalog.server_matches import REASONS, match_tracks
    from soundkin.catalog.table_io import check_suffix
    from soundkin.pipelines.precompute import library_of
    from soundkin.search.vector_index import open_index

    home = library_of(Path(library))
    if home is None:
        raise UsageError(f"{library} is no library. Make one of your music: soundkin sync")
    if output is not None:
        check_suffix(Path(output), f"table {output}")
    server, index = read_media_server(Path(export)), open_index(home.index)
    ours = _tracks_of(index)
    matches, unmatched = match_tracks(server, ours)
    if not matches:
        raise UsageError(
            f"none of the {len(server)} tracks of {export}, such as {server['path'][0] or server['id'][0]}, "
            f"is one of the library, such as {ours['path'][0]}. Is it an export of the same music?"
        )
    track_ids, server_ids = ours["track_id"].tolist(), server["id"].tolist()
    paths, titles, artists, albums = (server[name].tolist() for name in ("path", "title", "artist", "album"))
    unlinked = [
        Unlinked(
            *(server_ids[row], paths[row], titles[row], artists[row], albums[row]),
            REASONS[reason],
            tuple(track_ids[candidate] for candidate in candidates),
        )
        for row, reason, candidates in unmatched
    ]
    if not dry_run:
        rows = [(server_ids[match.theirs], track_ids[match.ours], match.matched_by) for match in matches]
        write_server_ids(rows, home.server_ids)
    if output is not None:
        _write_unlinked(unlinked, Path(output))
    return LinkResult(
        home.folder,
        dict(Counter(match.matched_by for match in matches)),
        dict(Counter(REASONS[each.reason] for each in unmatched)),
        unlinked,
        len({match.ours for match in matches}),
        len(index),
        dry_run,
    )


def _tracks_of(index: "Index") -> "pd.DataFrame":
    """What is compared of a library's tracks."""
    compared = ("track_id", "path", "title", "artist", "album", "duration", "recording_mbid")
    known = [name for name in compared if name in index.tracks.columns]
    frame: pd.DataFrame = index.tracks.batch.select(known).to_pandas()
    return frame


def _write_unlinked(unlinked: Sequence[Unlinked], output: Path) -> None:
    import pandas as pd

    from soundkin.catalog.table_io import write_rows

    columns = list(Unlinked.__dataclass_fields__)
    rows = [{**vars(each), "candidates": ";".join(each.candidates)} for each in unlinked]
    write_rows(pd.DataFrame(rows, columns=columns).replace("", pd.NA), output)
