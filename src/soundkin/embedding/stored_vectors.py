"""What earlier runs left in an embeddings folder: which vectors, of what, and where (`export` goes on)."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from soundkin.embedding.part_files import content_name
from soundkin.embedding.store import EMBED_AGAIN, Part, part_path, read_manifest, read_tracks
from soundkin.errors import ArtefactError, SoundkinError
from soundkin.files import sha256_of

log = logging.getLogger(__name__)


class Content(NamedTuple):
    """What a vector is made of: audio, and lyrics where the model reads them."""

    audio_hash: str
    lyrics_hash: str = ""


class StoredRow(NamedTuple):
    """Where a track's vectors lie: in row `row` of a part."""

    folder: Path
    part: str
    row: int


class KeptPart(NamedTuple):
    """A part that the manifest names: its tracks and what their vectors are made of, row by row."""

    part: Part
    rows: list[tuple[str, Content]]


@dataclass
class StoredVectors:
    """The vectors by `model_hash` in `folder` and in its `unfinished/`; with `patches`, only those that have
    theirs.

    What is damaged is left out, with a warning. With `trusting`, patches are not read to find that out until
    they are copied.
    """

    folder: Path
    model_hash: str
    patches: bool
    trusting: bool = False

    def __post_init__(self) -> None:
        self.unfinished = self.folder / "unfinished"
        self.of_tracks: dict[str, Content] = {}  # by track id; not of unfinished ones
        self.kept: dict[int, KeptPart] = {}  # by number
        self._unread: dict[str, str] = {}  # SHA-256 of patches that were trusted, by part
        self._named = self._parts_of_manifest()
        self.places = dict(self._find_known())

    def check_patches(self, name: str) -> None:
        """Raise ArtefactError if patches that were trusted are damaged."""
        sha256 = self._unread.pop(name, None)
        path = part_path(self.folder, "patches", name)
        if sha256 and sha256_of(path) != sha256:
            raise ArtefactError(f"{path} is damaged. {EMBED_AGAIN}")

    def _parts_of_manifest(self) -> dict[str, Part]:
        try:
            return {part.name: part for part in read_manifest(self.folder).parts}
        except SoundkinError:
            return {}

    def _find_known(self) -> Iterator[tuple[Content, StoredRow]]:
        for folder in (self.unfinished, self.folder):
            for path in sorted((folder / "tracks").glob("[!.]*.parquet")):
                for row, content in enumerate(self._contents_of(folder, path.stem)):
                    yield content, StoredRow(folder, path.stem, row)

    def _contents_of(self, folder: Path, name: str) -> list[Content]:
        """What a part's rows are made of; none where it is damaged, of another model, or lacks patches."""
        tracks, patches = part_path(folder, "tracks", name), part_path(folder, "patches", name)
        part = self._named.get(name) if folder == self.folder else None
        patches_sha256 = None
        if patches.exists():
            trusted = part.patches_sha256 if part and self.trusting else None
            patches_sha256 = trusted or sha256_of(patches)
        number = name.split("-")[0]
        if not number.isdecimal() or name != content_name(int(number), sha256_of(tracks), patches_sha256):
            log.warning("%s is damaged; its tracks are embedded again", tracks)
            return []
        table = read_tracks(folder, name, ["track_id", "model_hash", "audio_hash", "lyrics_hash"])
        if set(table["model_hash"].to_pylist()) != {self.model_hash} or (self.patches and not patches_sha256):
            return []
        contents = list(map(Content, table["audio_hash"].to_pylist(), table["lyrics_hash"].to_pylist()))
        if folder == self.folder:
            rows = list(zip(table["track_id"].to_pylist(), contents, strict=True))
            self.of_tracks |= rows
            if part and bool(patches_sha256) == self.patches:
                self.kept[int(number)] = KeptPart(part, rows)
                if self.trusting and patches_sha256:
                    self._unread[name] = patches_sha256
        return contents
