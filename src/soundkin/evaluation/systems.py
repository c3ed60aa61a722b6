"""The systems that are compared: model bundles, embeddings folders, tables of vectors; and their vectors."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from soundkin.catalog.splits import SplitConfig, SplitRule, make_split_rule
from soundkin.catalog.table import Catalog
from soundkin.config import validate
from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.embedding.default_model import NAME, is_default, model_folder, not_the_model
from soundkin.embedding.store import PatchEmbeddings, read_embeddings, read_manifest, read_patches
from soundkin.errors import ArtefactError, AudioError, SoundkinError, UsageError
from soundkin.evaluation.baselines import BASELINES, MODEL
from soundkin.features.frontends.vector_table import VectorTable, read_table, sha256_of_table
from soundkin.files import sha256_of
from soundkin.shapes import Float32
from soundkin.statistics.measure import CHANCE

RESERVED = (*BASELINES, CHANCE)
TABLES = (".npz", ".parquet")
KINDS = (
    "Give a model bundle, a folder that soundkin embed wrote, or a table of vectors (.npz, .parquet, or a "
    "folder of Parquet files)."
)

Vector = Float32[np.ndarray, " size"]
Track = dict[str, Vector]  # by system


@dataclass(frozen=True)
class FolderVectors:
    """The vectors of an embeddings folder, and the SHA-256 of each track's audio, by track id."""

    folder: Path
    by_track: Mapping[str, Vector]
    audio_hashes: Mapping[str, str]
    has_patches: bool

    def vector(self, track_id: str) -> Vector | None:
        """The track's vector, None where it was not embedded."""
        return self.by_track.get(track_id)

    def patches(self, track_ids: Collection[str]) -> Mapping[str, PatchEmbeddings]:
        """The patch vectors of these tracks, if they were kept."""
        known = [track_id for track_id in track_ids if track_id in self.by_track]
        return dict(self.stream_patches(known)) if self.has_patches else {}

    def stream_patches(self, track_ids: Sequence[str]) -> Iterator[tuple[str, PatchEmbeddings]]:
        """The patch vectors of embedded tracks, in this order; earlier ones of the folder wait in memory."""
        early: dict[str, PatchEmbeddings] = {}
        wanted = iter(track_ids)
        next_id = next(wanted, None)
        for track in read_patches(self.folder, set(track_ids)):
            early[track.track_id] = track
            while next_id in early:
                yield next_id, early.pop(next_id)
                next_id = next(wanted, None)


@dataclass(frozen=True)
class TableVectors:
    """A table of vectors from elsewhere: one a track, or one a patch, of which the mean is taken."""

    table: VectorTable
    track_ids: frozenset[str]
    audio_hashes: Mapping[str, str] = field(default_factory=dict)  # not known
    has_patches: bool = True

    def vector(self, track_id: str) -> Vector | None:
        """The mean of the track's rows, None where it has none; raises AudioError where one is not finite."""
        if track_id not in self.track_ids:
            return None
        return np.asarray(self.table.track(track_id).vectors.mean(axis=0), dtype=np.float32)

    def patches(self, track_ids: Collection[str]) -> Mapping[str, PatchEmbeddings]:
        """The rows of those tracks that have several."""
        rows = self.stream_patches(sorted(self.track_ids.intersection(track_ids)))
        return {track_id: patches for track_id, patches in rows if len(patches.vectors) > 1}

    def stream_patches(self, track_ids: Sequence[str]) -> Iterator[tuple[str, PatchEmbeddings]]:
        """The rows of these tracks."""
        for track_id in track_ids:
            rows = self.table.track(track_id)
            yield track_id, PatchEmbeddings(track_id, rows.start_seconds.tolist(), rows.vectors)


@dataclass(frozen=True, eq=False)
class System:
    """One of the systems to compare.

    `bundle` is its model: None where nothing is known of what made its vectors. `stored` are precomputed
    vectors; None for a model that has yet to embed. `lost` says why the model of an embeddings folder cannot
    be read, if so.
    """

    name: str
    path: Path
    bundle: Bundle | None
    stored: FolderVectors | TableVectors | None
    content_hash: str
    lost: str = ""

    @property
    def _saved(self) -> dict[str, Any]:
        return self.bundle.provenance if self.bundle else {}

    def refuse_lost(self, hint: str) -> None:
        """Raise ArtefactError where the model that made its vectors cannot say what it was trained on."""
        if self.lost:
            unknown = "so nobody knows what its vectors were trained on."
            raise ArtefactError(f"{self.path}: {self.lost}, {unknown} {hint}")

    def may_know(self, catalog_sha256: str) -> bool:
        """Whether its model was trained on this catalog; true where it does not say on which."""
        stated = self._saved.get("training_data", {}).get("catalog_sha256")
        return self.bundle is not None and stated in (None, catalog_sha256)

    def starts_that_know(self, catalog_sha256: str) -> list[str]:
        """The names of models that its training began with, and that were trained on this catalog."""
        trained = {
            start["name"]: start.get("training_data", {}).get("catalog_sha256")
            for start in (self.bundle.starts if self.bundle else [])
        }
        return [name for name, stated in trained.items() if stated == catalog_sha256]

    def knows_split(self, catalog_sha256: str) -> bool:
        """Whether its model says which tracks of this catalog were kept from training."""
        saved = self._saved.get("split", {})
        return "exceptions" in saved or (bool(saved) and self.may_know(catalog_sha256))

    def rule(self, catalog: Catalog) -> SplitRule | None:
        """The rule that its model was trained under; one made from this catalog if a model saved none."""
        return split_rule(self._saved.get("split", {}), catalog) if self.bundle else None

    @property
    def trained_labels(self) -> set[str]:
        """The labels that its model was trained on."""
        return trained_labels(self.bundle) if self.bundle else set()

    @property
    def no_artist(self) -> tuple[str, ...]:
        """Names that its training took for no artist's, beside the usual ones."""
        return tuple(self._saved.get("train_config", {}).get("data", {}).get("no_artist", ()))


def trained_labels(bundle: Bundle) -> set[str]:
    """The labels that the model and its start were trained on, a decade counting as trained by its years."""
    columns = {column for task in bundle.tasks.values() for column in task["columns"]}
    columns |= {column for start in bundle.starts for column in start.get("columns", ())}
    return columns | ({"decade"} if "year" in columns else set())


def split_rule(saved: Mapping[str, object], catalog: Catalog) -> SplitRule:
    """The rule that a model was trained under; one made from this catalog if it was not saved."""
    if "exceptions" in saved:
        return validate(SplitRule, saved, "split")
    return make_split_rule(catalog, validate(SplitConfig, saved, "split"))


def read_systems(
    ours: Path | str,
    against: Sequence[Path | str] = (),
    vectors: Path | None = None,
    model: Path | str | None = None,
) -> list[System]:
    """The systems that `NAME=PATH`, or PATH alone, stand for, ours first.

    Without a name, a system goes by the end of its path; a single model is called `model`. `vectors` is for
    our model, as in `load_bundle`; `model` is the one that made our embeddings, if it has moved.
    """
    named = [_name_and_path(words) for words in (ours, *against)]
    if not against and not named[0][0] and _is_model(named[0][1]):
        named[0] = MODEL, named[0][1]
    paths = [path for _, path in named]
    return [
        _read_system(name, path, *((vectors, model) if place == 0 else (None, None)))
        for place, (name, path) in enumerate(zip(_names(named), paths, strict=True))
    ]


def _read_system(name: str, path: Path, vectors: Path | None, model: Path | str | None) -> System:
    is_folder = (path / "manifest.json").is_file()
    if model is not None and not is_folder:
        raise UsageError(
            f"model={model} is for embeddings whose model has moved, and {path} is none. Leave it out."
        )
    if _is_model(path) or is_default(path):
        bundle = load_bundle(path, vectors)
        bundle.front_end.warn_of_another_table()
        return System(name, path, bundle, None, bundle.hash)
    if vectors is not None:
        raise UsageError(
            f"vectors={vectors} is for a model that looks tracks up, and {path} is no model. Leave it out."
        )
    if is_folder:
        return _read_folder(name, path, model)
    if path.suffix in TABLES or (path.is_dir() and any(path.glob("[!.]*.parquet"))):
        table = read_table(path)
        stored = TableVectors(table, frozenset(table.track_ids))
        return System(name, path, None, stored, sha256_of_table(path))
    if _is_model(path / "model"):
        raise UsageError(f"{path} is the folder of a run. Its model is in {path / 'model'}.")
    raise UsageError(f"{path} {'is nothing to compare' if path.exists() else 'does not exist'}. {KINDS}")


def _is_model(path: Path) -> bool:
    return (path / "config.json").is_file()


def _read_folder(name: str, folder: Path, model: Path | str | None) -> System:
    manifest, embeddings = read_manifest(folder), read_embeddings(folder)
    stored = FolderVectors(
        folder,
        dict(zip(embeddings.track_ids, embeddings.vectors, strict=True)),
        dict(zip(embeddings.track_ids, embeddings.audio_hashes, strict=True)),
        has_patches=all(part.patches_sha256 is not None for part in manifest.parts),
    )
    bundle, lost = _model_of(model_folder(model or embeddings.model_path), embeddings.model_hash)
    if model is not None and lost:
        raise ArtefactError(f"{folder}: {lost}. Name the model that made these embeddings.")
    return System(name, folder, bundle, stored, sha256_of(folder / "manifest.json"), lost)


def _model_of(path: Path, model_hash: str) -> tuple[Bundle | None, str]:
    """The model of an embeddings folder, or why there is none."""
    try:
        bundle = load_bundle(path)
    except SoundkinError as error:
        return None, f"the model that made them cannot be read ({str(error).rstrip('.')})"
    if bundle.hash == model_hash:
        return bundle, ""
    return None, not_the_model("it", model_hash, path, bundle.hash)


def _name_and_path(words: Path | str) -> tuple[str, Path]:
    """The name, empty where none was given, and the path; `default` is called so."""
    name, equals, path = str(words).partition("=")
    if equals and name and path and not Path(words).exists():
        return name, model_folder(path)
    return NAME if words == NAME else "", model_folder(words)


def _names(named: Sequence[tuple[str, Path]]) -> list[str]:
    """A name for each: as given, or else the end of its path, as much of it as tells it from the others."""
    names = [given or _path_end(path, 1) for given, path in named]
    for parts in (2, 3, 4):
        names = [
            name if given or names.count(name) == 1 else _path_end(path, parts)
            for name, (given, path) in zip(names, named, strict=True)
        ]
    repeated = [name for name in names if names.count(name) > 1 or name in RESERVED]
    if repeated:
        raise UsageError(
            f"a system called {repeated[0]} is there already. Give each a name of its own: "
            f"NAME={named[-1][1]}"
        )
    return names


def _path_end(path: Path, parts: int) -> str:
    """`b/model` of `/a/b/model`; without the suffix of a table."""
    whole = path.absolute()
    return "/".join((whole.with_suffix("") if whole.suffix in TABLES else whole).parts[-parts:])


def vectors_of(system: System, track_ids: Iterable[str]) -> tuple[dict[str, Vector], dict[str, str]]:
    """The stored vectors of those tracks that have one, and why a vector that is there cannot be used."""
    assert system.stored is not None
    vectors: dict[str, Vector] = {}
    refused: dict[str, str] = {}
    for track_id in track_ids:
        try:
            vector = system.stored.vector(track_id)
        except AudioError as error:
            refused[track_id] = str(error)
        else:
            vectors |= {} if vector is None else {track_id: vector}
    return vectors, refused
