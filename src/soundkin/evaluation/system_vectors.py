"""The tracks that all compared systems have, and their vectors: stored ones read, others embedded now."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from soundkin.catalog.table import Catalog
from soundkin.embedding.embed_tracks import embed_tracks
from soundkin.embedding.store import read_embeddings
from soundkin.errors import Skipped, UsageError
from soundkin.evaluation.baselines import BASELINES, TrackEmbedder, default_bundle
from soundkin.evaluation.systems import System, Track, Vector, vectors_of
from soundkin.shapes import Float
from soundkin.statistics.scaling import standardise

DEFAULT_NETWORK_NOTE = (
    "No model is at hand, so the untrained network is the default one, its input not normalised, with the "
    "default front end."
)
NO_AUDIO_NOTE = (
    "None of the tracks could be decoded ({reason}), so the vectors are compared with neither an untrained "
    "network nor MFCC statistics: nobody knows what they hold beyond these."
)
NONE_LEFT = "no track is left that all systems have and that could be decoded. Compare systems one by one."


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
    stacked = stack(list(tracks.values()))
    raw = {name: stacked[name] for name in dict.fromkeys([*names, *stacked])}
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
    with ExitStack() as cleanup:
        folder = (cache or Path(cleanup.enter_context(TemporaryDirectory()))) / embedder.hash[:16]
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
