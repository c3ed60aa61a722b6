"""Anchors: seeds under a name of one's own, such as a mood, kept beside the index as track ids and weights.

    anchors.json   {"rainy sunday": [{"track_id": "17_night-train", "weight": 1.0}, ...], ...}

Ids rather than vectors: another model can be asked by the same anchors.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from soundkin.config import Config, nearest, validate
from soundkin.errors import ArtefactError, ConfigError, UsageError
from soundkin.files import locked, read_json, write_json

if TYPE_CHECKING:
    from soundkin.pipelines.seeds import ResolvedSeed
    from soundkin.search.vector_index import Index

log = logging.getLogger(__name__)


class AnchorTrack(Config):
    """One of the tracks that an anchor is made of."""

    track_id: str
    weight: float = 1.0


def anchors_file(index: "Index") -> Path:
    """Where the anchors of an index, or of the library around it, are kept."""
    return index.folder.resolve().parent / "anchors.json"


def read_anchors(file: Path) -> dict[str, list[AnchorTrack]]:
    """All anchors by name; none where there is no file."""
    if not file.exists():
        return {}
    stored = read_json(file)
    try:
        return {
            name: [validate(AnchorTrack, track, where=name) for track in tracks]
            for name, tracks in stored.items()
        }
    except (AttributeError, TypeError, ConfigError) as error:
        raise ArtefactError(f"{file} is corrupt: {error} Put it right, or delete it.") from error


def keep_anchor(index: "Index", name: str, seeds: "Sequence[ResolvedSeed]") -> None:
    """Keep the tracks of these seeds under a name, in place of an anchor of that name.

    Several tracks of one seed share its weight. Raises UsageError for a file that the index does not hold.
    """
    tracks = []
    for seed in seeds:
        if not seed.rows:
            raise UsageError(f"anchor {name}: {seed.name} is no track of the index. Add it first.")
        share = seed.weight / len(seed.rows)
        tracks += [AnchorTrack(track_id=index.tracks.label(row).track_id, weight=share) for row in seed.rows]
    file = anchors_file(index)
    with locked(file.parent):
        anchors = {**read_anchors(file), name: tracks}
        write_json(file, {key: [track.model_dump() for track in own] for key, own in anchors.items()})


def anchor_seeds(index: "Index", name: str) -> "list[ResolvedSeed]":
    """The seeds that an anchor stands for; tracks that are gone are left out, and counted in the log."""
    from soundkin.pipelines.seeds import ResolvedSeed

    anchors = read_anchors(anchors_file(index))
    if name not in anchors:
        known = nearest(name, anchors) if anchors else " There are none yet: --save-anchor NAME keeps one."
        raise UsageError(f"there is no anchor {name} in {anchors_file(index)}.{known}")
    rows = {track.track_id: index.tracks.row(track.track_id) for track in anchors[name]}
    lost = [track_id for track_id, row in rows.items() if row is None]
    if len(lost) == len(rows):
        raise UsageError(f"anchor {name}: none of its tracks is in index {index.folder}. Save it again.")
    if lost:
        log.warning(
            "anchor %s: %d of its %d tracks are gone, such as %s", name, len(lost), len(rows), lost[0]
        )
    return [
        ResolvedSeed(track.track_id, (row,), index.vector(row), track.weight)
        for track in anchors[name]
        if (row := rows[track.track_id]) is not None
    ]
