"""Label vocabularies: which labels a column has, and arrays of them for the tasks to learn from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.shapes import Bool, Float32, typechecked

Labels = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Vocabulary:
    """The labels that are told apart, in a fixed order: class `i` is `names[i]`."""

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

    @typechecked
    def multi_hot(
        self, values: Labels
    ) -> tuple[Float32[np.ndarray, "tracks classes"], Bool[np.ndarray, " tracks"]]:
        """1 where a track has a label and 0 elsewhere, and a mask of the tracks that have any known label.

        A track without labels, or with only labels that the vocabulary left out, is unknown rather than
        negative.
        """
        table = self.sparse(values)
        return table.toarray(), np.diff(table.indptr) > 0

    def sparse(self, values: Labels) -> csr_matrix:
        """The same as sparse ones, [tracks, classes]: the rows of unknown tracks are empty."""
        classes = [
            sorted({self._classes[label] for label in labels if label in self._classes}) for labels in values
        ]
        starts = np.cumsum([0, *map(len, classes)])
        columns = np.fromiter(
            (number for of_track in classes for number in of_track), dtype=int, count=starts[-1]
        )
        return csr_matrix(
            (np.ones(len(columns), np.float32), columns, starts), shape=(len(values), len(self.names))
        )

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
