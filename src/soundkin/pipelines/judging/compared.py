"""The systems that somebody wants compared: models, embeddings of ours, and anybody's vectors out of a table."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from soundkin.catalog.splits import SplitConfig, SplitRule, make_split_rule
from soundkin.catalog.table import Catalog
from soundkin.config import validate
from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.embedding.store import read_embeddings, read_manifest, read_patches
from soundkin.errors import AudioError, SoundkinError, UsageError
from soundkin.evaluation.measure import CHANCE
from soundkin.evaluation.systems import BASELINES, MODEL
from soundkin.features.external import ExternalFrontEnd
from soundkin.features.vector_table import VectorTable, read_table, sha256_of_table
from soundkin.files import sha256_of
from soundkin.shapes import Float32

RESERVED = (*BASELINES, CHANCE)
TABLES = (".npz", ".parquet")
KINDS = (
    "Give a model bundle, a folder that soundkin embed wrote, or a table of vectors (.npz, .parquet, or a folder of "
    "Parquet files)."
)


@dataclass(frozen=True)
class PatchVectors:
    """The vectors of one track's patches, and the seconds at which these start."""

    start_seconds: Sequence[float]
    vectors: Float32[np.ndarray, "patches size"]


class StoredVectors(Protocol):
    """Vectors that need no hearing; `audio_hashes` by track, empty where what they were made of is not known."""

    @property
    def audio_hashes(self) -> Mapping[str, str]:
        """The SHA-256 of each track's audio."""

    def vector(self, track_id: str) -> Float32[np.ndarray, " size"] | None:
        """The track's vector, None where there is none; raises AudioError where it is not made of numbers."""

    def patches(self, track_ids: Collection[str]) -> Mapping[str, PatchVectors]:
        """The patch vectors of these tracks, as far as there are any."""


@dataclass(frozen=True, eq=False)
class System:
    """One of the systems to compare.

    `bundle` is its model: None where nothing is known of what made its vectors. `stored` are vectors made before; None
    for a model that has yet to hear.
    """

    name: str
    path: Path
    bundle: Bundle | None
    stored: StoredVectors | None
    content_hash: str

    @property
    def trained_labels(self) -> set[str]:
        """The labels that its model was taught, a decade counting as taught by its years."""
        return trained_labels(self.bundle) if self.bundle else set()

    def may_know(self, catalog_sha256: str) -> bool:
        """Whether its model was trained on the catalog with this checksum; true where a model does not say on which."""
        stated = self.bundle.provenance.get("training_data", {}).get("catalog_sha256") if self.bundle else None
        return self.bundle is not None and stated in (None, catalog_sha256)

    def rule(self, catalog: Catalog) -> SplitRule | None:
        """The rule that its model was trained under; one made from this catalog if a model saved none."""
        return split_rule(self.bundle.provenance.get("split", {}), catalog) if self.bundle else None

    @property
    def no_artist(self) -> tuple[str, ...]:
        """Names that its training took for no artist's, beside the usual ones."""
        trained = self.bundle.provenance.get("train_config", {}) if self.bundle else {}
        return tuple(trained.get("data", {}).get("no_artist", ()))


def read_systems(ours: Path | str, against: Sequence[Path | str] = (), vectors: Path | None = None) -> list[System]:
    """The systems that `NAME=PATH`, or PATH alone, stand for, ours first; `vectors` is for ours as in `load_bundle`.

    Without a name, a system goes by the end of its path; a single model is simply the model.

    Raises:
        UsageError: a path is none of what can be compared, or two systems would have one name.
        ArtefactError: what stands there is corrupt, or of another version.
    """
    named = [_name_and_path(str(words)) for words in (ours, *against)]
    if not against and not named[0][0] and _is_model(named[0][1]):
        named[0] = MODEL, named[0][1]
    names = _names(named)
    return [
        _read_system(name, path, vectors if place == 0 else None)
        for place, (name, (_, path)) in enumerate(zip(names, named, strict=True))
    ]


def trained_labels(bundle: Bundle) -> set[str]:
    """The labels that the model was taught, a decade counting as taught by its years."""
    columns = {column for task in bundle.tasks.values() for column in task["columns"]}
    return columns | ({"decade"} if "year" in columns else set())


def split_rule(saved: Mapping[str, object], catalog: Catalog) -> SplitRule:
    """The rule that a model was trained under; one made from this catalog if it was not saved."""
    if "exceptions" in saved:
        return validate(SplitRule, saved, "split")
    return make_split_rule(catalog, validate(SplitConfig, saved, "split"))


@dataclass(frozen=True)
class OwnVectors:
    """An embeddings folder of ours."""

    folder: Path
    vectors: Mapping[str, Float32[np.ndarray, " size"]]
    audio_hashes: Mapping[str, str]
    has_patches: bool

    def vector(self, track_id: str) -> Float32[np.ndarray, " size"] | None:
        """The track's vector, None where it was not embedded."""
        return self.vectors.get(track_id)

    def patches(self, track_ids: Collection[str]) -> Mapping[str, PatchVectors]:
        """The patch vectors of these tracks, if they were kept."""
        if not self.has_patches:
            return {}
        found = read_patches(self.folder, set(track_ids))
        return {track.track_id: PatchVectors(track.start_seconds, track.vectors) for track in found}


@dataclass(frozen=True)
class TableVectors:
    """A table of vectors from elsewhere: one a track, or one a patch, of which the mean is taken."""

    table: VectorTable
    track_ids: frozenset[str]
    audio_hashes: Mapping[str, str] = field(default_factory=dict)

    def vector(self, track_id: str) -> Float32[np.ndarray, " size"] | None:
        """The mean of the track's rows, None where it has none; raises AudioError where one is not made of numbers."""
        if track_id not in self.track_ids:
            return None
        return np.asarray(self.table.track(track_id).vectors.mean(axis=0), dtype=np.float32)

    def patches(self, track_ids: Collection[str]) -> Mapping[str, PatchVectors]:
        """The rows of those tracks that have several."""
        found = {track_id: self.table.track(track_id) for track_id in self.track_ids.intersection(track_ids)}
        return {
            track_id: PatchVectors(rows.start_seconds.tolist(), rows.vectors)
            for track_id, rows in found.items()
            if len(rows.vectors) > 1
        }


def _read_system(name: str, path: Path, vectors: Path | None) -> System:
    if _is_model(path):
        bundle = load_bundle(path, vectors)
        if isinstance(bundle.front_end, ExternalFrontEnd):
            bundle.front_end.warn_of_another_table()
        return System(name, path, bundle, None, bundle.hash)
    if vectors is not None:
        raise UsageError(
            f"vectors={vectors} is for a model that looks tracks up, and {path} is no model. Leave it out."
        )
    if (path / "manifest.json").is_file():
        return _read_embeddings(name, path)
    if path.suffix in TABLES or (path.is_dir() and any(path.glob("[!.]*.parquet"))):
        table = read_table(path)
        return System(name, path, None, TableVectors(table, frozenset(table.track_ids)), sha256_of_table(path))
    if _is_model(path / "model"):
        raise UsageError(f"{path} is the folder of a run. Its model is in {path / 'model'}.")
    raise UsageError(f"{path} {'is nothing to compare' if path.exists() else 'does not exist'}. {KINDS}")


def _is_model(path: Path) -> bool:
    return (path / "config.json").is_file()


def _read_embeddings(name: str, folder: Path) -> System:
    manifest, found = read_manifest(folder), read_embeddings(folder)
    stored = OwnVectors(
        folder,
        dict(zip(found.track_ids, found.vectors, strict=True)),
        dict(zip(found.track_ids, found.audio_hashes, strict=True)),
        has_patches=all(part.patches_sha256 is not None for part in manifest.parts),
    )
    return System(
        name, folder, _model_of(found.model_path, found.model_hash), stored, sha256_of(folder / "manifest.json")
    )


def _model_of(path: Path, model_hash: str) -> Bundle | None:
    """The model of an embeddings folder, where it still stands in its place."""
    try:
        bundle = load_bundle(path)
    except SoundkinError:
        return None
    return bundle if bundle.hash == model_hash else None


def _name_and_path(words: str) -> tuple[str, Path]:
    """The name, empty where none was given, and the path."""
    name, equals, path = words.partition("=")
    if equals and name and path and not Path(words).exists():
        return name, Path(path)
    return "", Path(words)


def _names(named: Sequence[tuple[str, Path]]) -> list[str]:
    """A name for each: as given, or else the end of its path, as much of it as tells it from the others."""
    names = [name or _end(path, 1) for name, path in named]
    for parts in (2, 3, 4):
        often = Counter(names)
        names = [
            _end(path, parts) if not given and often[name] > 1 else name
            for name, (given, path) in zip(names, named, strict=True)
        ]
    repeated = [name for name, count in Counter(names).items() if count > 1 or name in RESERVED]
    if repeated:
        raise UsageError(
            f"a system called {repeated[0]} is there already. Give each a name of its own: NAME={named[-1][1]}"
        )
    return names


def _end(path: Path, parts: int) -> str:
    """`b/model` of `/a/b/model`; without the suffix of a table."""
    whole = path.absolute()
    whole = whole.with_suffix("") if whole.suffix in TABLES else whole
    return "/".join(whole.parts[-parts:])


def vectors_of(system: System, track_ids: Iterable[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The stored vectors of those tracks that have one, and why a vector that is there cannot be used."""
    found: dict[str, np.ndarray] = {}
    refused: dict[str, str] = {}
    assert system.stored is not None
    for track_id in track_ids:
        try:
            vector = system.stored.vector(track_id)
        except AudioError as error:
            refused[track_id] = str(error)
            continue
        if vector is not None:
            found[track_id] = vector
    return found, refused
