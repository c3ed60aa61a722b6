"""Whether embeddings have all that is wanted of them, found out without loading the model."""

import csv
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from soundkin.embedding.store import read_manifest, read_tracks
from soundkin.errors import SoundkinError
from soundkin.files import read_json

OURS = version("soundkin")


def vectors_needed(
    folder: Path, model: Path, track_ids: Sequence[str], audio_hashes: Mapping[str, str]
) -> bool:
    """Whether a track of `track_ids` still has to be embedded into `folder` by the bundle in `model`.

    `audio_hashes` are those of tracks whose audio is known; nothing is known of models that read lyrics.
    """
    try:
        manifest, config = read_manifest(folder), read_json(model / "config.json")
        parts = [read_tracks(folder, part.name, ["track_id", "audio_hash"]) for part in manifest.parts]
    except (SoundkinError, OSError):
        return True
    if (
        config.get("hash") != manifest.model_hash
        or config.get("network", {}).get("lyrics")
        or not all(part.patches_sha256 for part in manifest.parts)
    ):
        return True
    stored = {id_: hash_ for part in parts for id_, hash_ in zip(*part.to_pydict().values(), strict=True)}
    unusable = known_unusable(folder)
    known = ((stored.get(track_id), audio_hashes.get(track_id)) for track_id in track_ids)
    return not all(wanted and (wanted == there or wanted in unusable) for there, wanted in known)


def known_unusable(folder: Path) -> dict[str, str]:
    """By audio hash, why this version of soundkin could not use a file in an earlier run."""
    try:
        with (folder / "skipped.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError):
        return {}
    ours = (row for row in rows if row.get("audio_hash") and row.get("soundkin") == OURS)
    return {row["audio_hash"]: row["reason"] for row in ours}
