"""Label vocabularies: which labels a column has, and multi-hot arrays of them for tasks to train on."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Labels = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Vocabulary:
    """The labels of a column, in a fixed order: class `i` is `names[i]`."""

    names: tuple[str, ...]

    @classmethod
    def from_values(cls, values: Labels, minimum_tracks: int = 1) -> Self:
        """The labels that at least `minimum_tracks` tracks have, in alphabetical order.

        `values` holds the labels of each track, as `Catalog.values` gives them; a label counts once a track.
        """
        tracks_with = Counter(label for labels in values for label in set(labels))
        return cls(tuple(sorted(label for label, tracks in tracks_with.items() if tracks >= minimum_tracks)))

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int | None:
        """The class of a label, None if it is not in the vocabulary."""
        return self._classes.get(name)

    def sparse(self, values: Labels) -> "csr_matrix":
        """Multi-hot labels, [tracks, classes] of float32.

        An empty row is a track without labels, or with labels that the vocabulary left out alone: unknown
        rather than negative.
        """
        from scipy.sparse import csr_matrix
        from sklearn.preprocessing import MultiLabelBinarizer

        known = [[label for label in labels if label in self._classes] for labels in values]
        encoder = MultiLabelBinarizer(classes=self.names, sparse_output=True)
        return csr_matrix(encoder.fit_transform(known), dtype=np.float32)

    def to_json(self) -> list[str]:
        """Plain values for a JSON file."""
        return list(self.names)

    @classmethod
    def from_json(cls, names: Iterable[str]) -> Self:
        """The vocabulary that `to_json` described."""
        return cls(tuple(names))

    @cached_property
    def _classes(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}
