"""Agreement with teachers, by their stored answers about the tracks that are judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

from soundkin.catalog.table import Catalog
from soundkin.embedding.bundle import Bundle
from soundkin.embedding.embedder import TrackEmbedding
from soundkin.errors import UsageError
from soundkin.features.teachers import StoredTeacher
from soundkin.statistics.nearest_neighbours import nearest_others
from soundkin.statistics.scaling import standardise, unit_length
from soundkin.units import frames_to_seconds

K, FOLDS, RIDGE = 10, 5, 10.0


@dataclass(frozen=True)
class TeacherAnswers:
    """What a teacher says of the tracks with these ids, each number standardised over all its answers."""

    path: Path
    track_ids: Sequence[str]

    @cached_property
    def stored(self) -> StoredTeacher:
        """The table, checked."""
        stored = StoredTeacher(self.path)
        if lacking := set(self.track_ids) - stored.track_ids():
            raise UsageError(
                f"teacher {self.path}: it says nothing of {len(lacking)} of the {len(self.track_ids)} "
                f"held-out tracks, such as track_id={min(lacking)}. Ask it about them too."
            )
        return stored

    @cached_property
    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of each number, over all answers."""
        answers = np.concatenate(
            [self.stored.track(id_)[0][:, : self.stored.sizes[0]] for id_ in sorted(self.stored.track_ids())]
        )
        return answers.mean(axis=0), np.maximum(answers.std(axis=0), 1e-6)

    def standardised(self, answers: np.ndarray) -> np.ndarray:
        """The vectors [rows, size] of answers [rows, answer]."""
        mean, deviation = self.scale
        return (answers[..., : self.stored.sizes[0]] - mean) / deviation

    def track_vectors(self) -> np.ndarray:
        """The mean over each track, [tracks, size]."""
        means = [self.stored.track(id_)[0].mean(axis=0) for id_ in self.track_ids]
        return self.standardised(np.stack(means)).astype(np.float32)


def overlaps(vectors: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    """Of each track, the share of the ten nearest by the teacher's vectors that are so by `vectors` too."""
    nearest, wanted = (
        nearest_others(unit_length(np.ascontiguousarray(array, np.float32)), K)[1]
        for array in (vectors, teacher)
    )
    return (nearest[:, :, None] == wanted[:, None]).any(axis=2).mean(axis=1)


def r_squared(
    bundle: Bundle, embedded: Sequence[TrackEmbedding], teacher: TeacherAnswers, catalog: Catalog
) -> float:
    """The share of the teacher's variance that a ridge explains from patch vectors, on artists left out."""
    front_end = bundle.front_end
    seconds = frames_to_seconds(bundle.patch.frames, front_end.sample_rate_hz, front_end.hop_samples)
    patches, answers, artists = [], [], []
    for track_id, group, track in zip(catalog.track_ids, catalog.artists.groups, embedded, strict=True):
        for vector, start in zip(track.patch_vectors, track.start_seconds, strict=True):
            answer = teacher.stored.answers(track_id, float(start), seconds)
            if np.isfinite(answer).all():
                patches.append(vector)
                answers.append(answer)
                artists.append(group)
    inputs = standardise(np.stack(patches).astype(np.float64))
    targets = teacher.standardised(np.stack(answers)).astype(np.float64)
    predicted = np.empty_like(targets)
    for fitted, left_out in GroupKFold(FOLDS).split(inputs, groups=artists):
        ridge = Ridge(RIDGE).fit(inputs[fitted], targets[fitted])
        predicted[left_out] = ridge.predict(inputs[left_out])
    return float(1 - np.square(targets - predicted).sum() / np.square(targets - targets.mean(axis=0)).sum())
