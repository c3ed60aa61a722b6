"""Side by side: the same tracks by every system, those that one of them lacks left out, and what all have to
beat.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from soundkin.catalog.table import Catalog
from soundkin.errors import Skipped, UsageError
from soundkin.evaluation.systems import BASELINES, MODEL, TrackEmbedder, baseline_note, default_bundle
from soundkin.pipelines.judging.compared_systems import System, vectors_of
from soundkin.pipelines.judging.hearing import embed_all
from soundkin.statistics.scaling import standardise

DEFAULT_NETWORK_NOTE = (
    "No model is at hand, so the untrained network is the default one, its input not normalised, and the default front "
    "end hears for it."
)
NO_AUDIO_NOTE = (
    "None of the tracks could be heard ({reason}), so neither an untrained network nor MFCC statistics stand beside: "
    "nobody knows what these vectors hold beyond them."
)

NONE_LEFT = (
    "no track to judge is left that all systems have and that could be heard. Compare systems one by one."
)

Track = dict[str, np.ndarray]  # a vector by every system


@dataclass(frozen=True, eq=False)
class SideBySide:
    """The tracks that all systems have, and their vectors: ours first, baselines last. Row i is track i of
    `catalog`.

    `raw` are the vectors as they were made; in `vectors`, baselines are standardised over these very tracks.
    """

    catalog: Catalog
    raw: dict[str, np.ndarray]
    skipped: list[Skipped]
    notes: list[str]

    @cached_property
    def vectors(self) -> dict[str, np.ndarray]:
        """The vectors as they are compared."""
        return {name: standardise(array) if name in BASELINES else array for name, array in self.raw.items()}

    def among(self, track_ids: Sequence[str]) -> "SideBySide":
        """The same, of the tracks with these ids only.

        Raises:
            UsageError: there is none.
        """
        wanted = set(track_ids)
        kept = np.array([track_id in wanted for track_id in self.catalog.track_ids], dtype=bool)
        if not kept.any():
            raise UsageError(NONE_LEFT)
        return replace(
            self, catalog=self.catalog.select(kept), raw={name: of[kept] for name, of in self.raw.items()}
        )


def gather(
    systems: Sequence[System],
    catalog: Catalog,
    workers: int = 1,
    random_seed: int = 0,
    cache: Path | None = None,
) -> SideBySide:
    """Read or hear what each system makes of the tracks, and what the baselines make of them.

    With `cache`, a folder, what was heard in an earlier call is read there instead.

    Raises:
        UsageError: a system has no vector of any of the tracks, or a model could hear none.
    """
    tracks, notes, skipped = _stored(systems, catalog)
    for listener, name in _listeners(systems, random_seed):
        kept = catalog.select(list(tracks))
        outcomes = embed_all(listener, kept, workers, cache)
        unheard = [outcome for outcome in outcomes if isinstance(outcome, Skipped)]
        if len(unheard) == len(outcomes):
            if name is None:
                notes.append(NO_AUDIO_NOTE.format(reason=unheard[0].reason.rstrip(".")))
                continue
            raise UsageError(
                f"{catalog.source}: none of the {len(outcomes)} files could be heard. First: {unheard[0].reason}"
            )
        for track_id, outcome in zip(kept.track_ids, outcomes, strict=True):
            if isinstance(outcome, Skipped):
                del tracks[track_id]
            else:
                tracks[track_id] |= {
                    name if name and heard == MODEL else heard: of for heard, of in outcome.items()
                }
        if unheard:
            notes.append(f"{len(unheard)} tracks are left out because they could not be heard.")
        if listener.baselines:
            notes.insert(0, baseline_note(listener.bundle))
        skipped += unheard
    if all(system.bundle is None for system in systems):
        notes.append(DEFAULT_NETWORK_NOTE)
    kept = catalog.select(list(tracks))
    raw = _arrays(systems, [tracks[track_id] for track_id in kept.track_ids])
    return SideBySide(kept, raw, skipped, notes)


def _stored(systems: Sequence[System], catalog: Catalog) -> tuple[dict[str, Track], list[str], list[Skipped]]:
    """The tracks that every table has, with their vectors; what is left out is said."""
    tracks: dict[str, Track] = {track_id: {} for track_id in catalog.track_ids}
    notes, skipped = [], []
    for system in (system for system in systems if system.stored is not None):
        found, refused = vectors_of(system, catalog.track_ids)
        if not found:
            raise UsageError(
                f"{system.path} has no vector of any of the {len(catalog)} tracks to be judged, such as "
                f"track_id={catalog.track_ids[0]}. Use the catalog's track_id in it, or choose another --split."
            )
        lacking = len(catalog) - len(found)
        if lacking:
            notes.append(
                f"{lacking} of {len(catalog)} tracks are left out because {system.name} has no vector of them."
            )
        skipped += [
            Skipped(f"{system.name}: track_id={track_id}", reason) for track_id, reason in refused.items()
        ]
        tracks = {
            track_id: vectors | {system.name: found[track_id]}
            for track_id, vectors in tracks.items()
            if track_id in found
        }
    if not tracks:
        raise UsageError(
            f"{catalog.source}: no track is in all of {', '.join(system.name for system in systems)}. Compare systems "
            "that have some tracks in common."
        )
    return tracks, notes, skipped


def _listeners(systems: Sequence[System], random_seed: int) -> list[tuple[TrackEmbedder, str | None]]:
    """Who has to hear, and the name of the system that each is, None for baselines alone.

    Baselines hear through the front end of the first model there is.
    """
    reference = next((system for system in systems if system.bundle is not None), None)
    listeners: list[tuple[TrackEmbedder, str | None]] = [
        (TrackEmbedder(system.bundle, random_seed, baselines=system is reference), system.name)
        for system in systems
        if system.stored is None and system.bundle is not None
    ]
    if reference is None or reference.stored is not None:
        bundle = reference.bundle if reference and reference.bundle else default_bundle(random_seed)
        listeners.append((TrackEmbedder(bundle, random_seed, own=False), None))
    return listeners


def _arrays(systems: Sequence[System], tracks: Sequence[Track]) -> dict[str, np.ndarray]:
    """Vectors as one array a system, in the order in which systems stand in tables."""
    if not tracks:
        raise UsageError(NONE_LEFT)
    names = [*(system.name for system in systems), *(name for name in BASELINES if name in tracks[0])]
    return {name: np.stack([track[name] for track in tracks]) for name in names}
