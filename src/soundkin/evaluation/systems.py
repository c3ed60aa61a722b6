"""The systems that are compared: model bundles, embeddings folders, tables of vectors; and their vectors."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from soundkin.catalog.splits import SplitConfig, SplitRule, make_split_rule
from soundkin.catalog.table import Catalog
from soundkin.config import validate
from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.embedding.export import embed_tracks
from soundkin.embedding.store import read_embeddings, read_manifest, read_patches
from soundkin.errors import ArtefactError, AudioError, Skipped, SoundkinError, UsageError
from soundkin.evaluation.baselines import BASELINES, MODEL, TrackEmbedder, default_bundle
from soundkin.features.frontends.vector_table import VectorTable, read_table, sha256_of_table
from soundkin.files import sha256_of
from soundkin.shapes import Float, Float32
from soundkin.statistics.measure import CHANCE
from soundkin.statistics.scaling import standardise

RESERVED = (*BASELINES, CHANCE)
TABLES = (".npz", ".parquet")
KINDS = (
    "Give a model bundle, a folder that soundkin embed wrote, or a table of vectors (.npz, .parquet, or a "
    "folder of Parquet files)."
)
DEFAULT_NETWORK_NOTE = (
    "No model is at hand, so the untrained network is the default one, its input not normalised, with the "
    "default front end."
)
NO_AUDIO_NOTE = (
    "None of the tracks could be decoded ({reason}), so the vectors are compared with neither an untrained "
    "network nor MFCC statistics: nobody knows what they hold beyond these."
)
NONE_LEFT = "no track is left that all systems have and that could be decoded. Compare systems one by one."

Vector = Float32[np.ndarray, " size"]
Track = dict[str, Vector]  # by system


@dataclass(frozen=True)
class PatchVectors:
    """The vectors of one track's patches, and the seconds at which these start."""

    start_seconds: Sequence[float]
    vectors: Float32[np.ndarray, "patches size"]


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

    def patches(self, track_ids: Collection[str]) -> Mapping[str, PatchVectors]:
        """The patch vectors of these tracks, if they were kept."""
        known = [track_id for track_id in track_ids if track_id in self.by_track]
        return dict(self.stream_patches(known)) if self.has_patches else {}

    def stream_patches(self, track_ids: Sequence[str]) -> Iterator[tuple[str, PatchVectors]]:
        """The patch vectors of embedded tracks, in this order; earlier ones of the folder wait in memory."""
        early: dict[str, PatchVectors] = {}
        wanted = iter(track_ids)
        next_id = next(wanted, None)
        for track in read_patches(self.folder, set(track_ids)):
            early[track.track_id] = PatchVectors(track.start_seconds, track.vectors)
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

    def patches(self, track_ids: Collection[str]) -> Mapping[str, PatchVectors]:
        """The rows of those tracks that have several."""
        rows = self.stream_patches(sorted(self.track_ids.intersection(track_ids)))
        return {track_id: patches for track_id, patches in rows if len(patches.vectors) > 1}

    def stream_patches(self, track_ids: Sequence[str]) -> Iterator[tuple[str, PatchVectors]]:
        """The rows of these tracks."""
        for track_id in track_ids:
            rows = self.table.track(track_id)
            yield track_id, PatchVectors(rows.start_seconds.tolist(), rows.vectors)


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
    """The labels that the model was trained on, a decade counting as trained by its years."""
    columns = {column for task in bundle.tasks.values() for column in task["columns"]}
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
    model: Path | None = None,
) -> list[System]:
    """The systems that `NAME=PATH`, or PATH alone, stand for, ours first.

    Without a name, a system goes by the end of its path; a single model is called `model`. `vectors` is for
    our model, as in `load_bundle`; `model` is the one that made our embeddings, if it has moved.
    """
    named = [_name_and_path(str(words)) for words in (ours, *against)]
    if not against and not named[0][0] and _is_model(named[0][1]):
        named[0] = MODEL, named[0][1]
    paths = [path for _, path in named]
    return [
        _read_system(name, path, *((vectors, model) if place == 0 else (None, None)))
        for place, (name, path) in enumerate(zip(_names(named), paths, strict=True))
    ]


def _read_system(name: str, path: Path, vectors: Path | None, model: Path | None) -> System:
    is_folder = (path / "manifest.json").is_file()
    if model is not None and not is_folder:
        raise UsageError(
            f"model={model} is for embeddings whose model has moved, and {path} is none. Leave it out."
        )
    if _is_model(path):
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


def _read_folder(name: str, folder: Path, model: Path | None) -> System:
    manifest, embeddings = read_manifest(folder), read_embeddings(folder)
    stored = FolderVectors(
        folder,
        dict(zip(embeddings.track_ids, embeddings.vectors, strict=True)),
        dict(zip(embeddings.track_ids, embeddings.audio_hashes, strict=True)),
        has_patches=all(part.patches_sha256 is not None for part in manifest.parts),
    )
    bundle, lost = _model_of(model or embeddings.model_path, embeddings.model_hash)
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
    expected = f"the one that made them ({model_hash[:12]})"
    return None, f"{path} is another model ({bundle.hash[:12]}) than {expected}"


def _name_and_path(words: str) -> tuple[str, Path]:
    """The name, empty where none was given, and the path."""
    name, equals, path = words.partition("=")
    return (name, Path(path)) if equals and name and path and not Path(words).exists() else ("", Path(words))


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


@dataclass(frozen=True, eq=False)
class SystemVectors:
    """The tracks that all systems have, row by row, and their vectors: ours first, baselines last.

    `raw` are the vectors as they were made, `vectors` as they are compared.
    """

    catalog: Catalog
    raw: dict[str, Float[np.ndarray, "tracks _"]]
    skipped: list[Skipped]
    notes: list[str]

    @cached_property
    def vectors(self) -> dict[str, Float[np.ndarray, "tracks _"]]:
        """With baselines standardised over these very tracks."""
        return standardise_baselines(self.raw)

    def among(self, track_ids: Sequence[str]) -> "SystemVectors":
        """The same, of the tracks with these ids only; raises UsageError if there are none."""
        wanted = set(track_ids)
        kept = np.array([track_id in wanted for track_id in self.catalog.track_ids], dtype=bool)
        if not kept.any():
            raise UsageError(NONE_LEFT)
        raw = {name: array[kept] for name, array in self.raw.items()}
        return replace(self, catalog=self.catalog.select(kept), raw=raw)


def standardise_baselines(
    raw: Mapping[str, Float[np.ndarray, "tracks _"]],
) -> dict[str, Float[np.ndarray, "tracks _"]]:
    """Baselines standardised over the very tracks they are judged on, other systems as they are.

    That uses no label and can only flatter them: without it the loudness of MFCCs, or the common direction of
    a random network, drowns the rest.
    """
    return {name: standardise(array) if name in BASELINES else array for name, array in raw.items()}


def stack(tracks: Sequence[Track]) -> dict[str, Float[np.ndarray, "tracks _"]]:
    """Vectors of tracks as one array a system, baselines last."""
    names = [name for name in tracks[0] if name not in BASELINES]
    names += [name for name in BASELINES if name in tracks[0]]
    return {name: np.stack([track[name] for track in tracks]) for name in names}


def collect_vectors(
    systems: Sequence[System],
    catalog: Catalog,
    workers: int = 1,
    random_seed: int = 0,
    cache: Path | None = None,
) -> SystemVectors:
    """Read or compute the vectors of the tracks by every system, and by the baselines.

    With `cache`, a folder, what was embedded in an earlier call is read there instead.
    """
    notes: list[str] = []
    skipped: list[Skipped] = []
    tracks: dict[str, Track] = {track_id: {} for track_id in catalog.track_ids}
    for system in systems:
        if system.stored is not None:
            stored = _read_stored(system, catalog, notes, skipped)
            tracks = {id_: track for id_, track in tracks.items() if id_ in stored}
            for id_, track in tracks.items():
                track[system.name] = stored[id_]
    names = [system.name for system in systems]
    if not tracks:
        raise UsageError(
            f"{catalog.source}: no track is in all of {', '.join(names)}. Compare systems that have some "
            "tracks in common."
        )
    for embedder in _embedders(systems, random_seed):
        wanted = catalog.select(list(tracks))
        embedded, failed = embed_all(embedder, wanted, workers, cache)
        if not embedded and not set(embedder.embedders) & set(names):
            notes.append(NO_AUDIO_NOTE.format(reason=failed[0].reason.rstrip(".")))
            continue
        refuse_none(embedded, failed, wanted)
        tracks = {track_id: tracks[track_id] | vectors for track_id, vectors in embedded.items()}
        notes += [f"{len(failed)} tracks are left out because they could not be decoded."] if failed else []
        if embedder.baselines:
            notes.insert(0, embedder.note)
        skipped += failed
    if all(system.bundle is None for system in systems):
        notes.append(DEFAULT_NETWORK_NOTE)
    in_order = [{name: track[name] for name in dict.fromkeys([*names, *track])} for track in tracks.values()]
    raw = stack(in_order)
    return SystemVectors(catalog.select(list(tracks)), raw, skipped, notes)


def _read_stored(
    system: System, catalog: Catalog, notes: list[str], skipped: list[Skipped]
) -> dict[str, Vector]:
    """Its vectors of the catalog's tracks; what is left out is noted."""
    vectors, refused = vectors_of(system, catalog.track_ids)
    if not vectors:
        raise UsageError(
            f"{system.path} has no vector of any of the {len(catalog)} tracks to be judged, such as "
            f"track_id={catalog.track_ids[0]}. Use the catalog's track_id in it, or choose another --split."
        )
    lacking = len(catalog) - len(vectors)
    if lacking:
        why = f"because {system.name} has no vector of them."
        notes.append(f"{lacking} of {len(catalog)} tracks are left out {why}")
    skipped += [Skipped(f"{system.name}: track_id={id_}", reason) for id_, reason in refused.items()]
    return vectors


def _embedders(systems: Sequence[System], random_seed: int) -> list[TrackEmbedder]:
    """Models without stored vectors, and baselines by the front end of the first model."""
    reference = next((system for system in systems if system.bundle is not None), None)
    embedders = [
        TrackEmbedder(system.bundle, random_seed, baselines=system is reference, name=system.name)
        for system in systems
        if system.stored is None and system.bundle is not None
    ]
    if reference is None or reference.stored is not None:
        bundle = reference.bundle if reference and reference.bundle else default_bundle(random_seed)
        embedders.append(TrackEmbedder(bundle, random_seed, own=False))
    return embedders


def embed_all(
    embedder: TrackEmbedder, catalog: Catalog, workers: int, cache: Path | None = None
) -> tuple[dict[str, Track], list[Skipped]]:
    """Embed tracks, each decoded once: vectors by track id and system, and what was left out.

    With `cache`, a folder of embeddings folders, what was embedded before is read there instead.
    """
    with ExitStack() as stack:
        folder = (cache or Path(stack.enter_context(TemporaryDirectory()))) / embedder.hash[:16]
        result = embed_tracks(embedder, catalog, folder, folder, catalog.folder, workers, keep_others=True)
        stored = read_embeddings(folder)
    vectors = dict(zip(stored.track_ids, stored.vectors, strict=True))
    embedded = {id_: embedder.split(vectors[id_]) for id_ in catalog.track_ids if id_ in vectors}
    return embedded, result.skipped


def refuse_none(embedded: Mapping[str, Track], skipped: Sequence[Skipped], catalog: Catalog) -> None:
    """Raise UsageError where no track could be embedded."""
    if not embedded:
        raise UsageError(
            f"{catalog.source}: none of the {len(catalog)} files could be decoded. First: {skipped[0].reason}"
        )


def check_systems(systems: Mapping[str, Float[np.ndarray, "tracks _"]], track_ids: Sequence[str]) -> None:
    """Raise UsageError unless there is a system, and every one has a finite vector for each of the tracks."""
    if not systems:
        raise UsageError("no system to judge: give the vectors of one at least.")
    for name, vectors in systems.items():
        if len(vectors) != len(track_ids):
            raise UsageError(
                f"{name} has {len(vectors)} vectors for {len(track_ids)} tracks. Give one a track, in their "
                "order."
            )
        if not np.isfinite(vectors).all():
            row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise UsageError(
                f"the vector of track {track_ids[row]} by {name} holds a NaN or infinity. Leave the track "
                "out."
            )
