"""Tracks as pages show them, with ten seconds of audio each, and the labels that two of them share."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from soundkin.catalog.corrections import cell_text
from soundkin.catalog.table import Catalog
from soundkin.evaluation.label_questions import DEFAULT_LABELS, Values, column_values
from soundkin.explore.page_template import TrackCard
from soundkin.explore.snippets import snippet


@dataclass(eq=False)
class TrackCards:
    """The tracks of a catalog as pages show them; `trained` says which ones our model was trained on.

    A track that is shown again is not read again.
    """

    catalog: Catalog
    trained: Sequence[bool]
    _columns: dict[str, Values] = field(default_factory=dict)
    _snippets: dict[int, tuple[str | None, str]] = field(default_factory=dict)

    def card(
        self, row: int, query: int | None = None, similarity: float | None = None, moment: str = ""
    ) -> TrackCard:
        """A track; as a neighbour of `query`, with what the two have in common."""
        title, genre = ("; ".join(self.values(name)[row]) for name in ("title", "genre"))
        artist = cell_text(self.catalog, self.catalog.track_ids[row], "artist")
        if row not in self._snippets:
            self._snippets[row] = snippet(self.catalog.audio_paths()[row])
        audio, silence = self._snippets[row]
        return TrackCard(
            title=title or self.catalog.track_ids[row],
            artist=artist or "unknown artist",
            genre=genre,
            audio=audio,
            silence=silence,
            similarity=similarity,
            shared=self.shared(query, row) if query is not None else (),
            moment=moment,
            trained_on=self.trained[row],
        )

    def shared(self, first: int, second: int) -> list[str]:
        """The labels that two tracks have a value of in common."""
        labels = ((label, self.values(label)) for label in DEFAULT_LABELS)
        return [label for label, values in labels if set(values[first]) & set(values[second])]

    def values(self, column: str) -> Values:
        """What a column holds for each track."""
        if column not in self._columns:
            self._columns[column] = column_values(self.catalog, column)
        return self._columns[column]
