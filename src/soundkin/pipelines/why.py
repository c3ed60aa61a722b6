"""Why: what makes two tracks alike, by their moments, the catalog and the model's heads."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import AudioError, SoundkinError, UsageError
from soundkin.files import check_place
from soundkin.pipelines.options import Option, argument

if TYPE_CHECKING:
    import numpy as np

    from soundkin.embedding.embedder import Embedder
    from soundkin.embedding.label_heads import Belief
    from soundkin.embedding.store import PatchEmbeddings
    from soundkin.pipelines.answers import Answer
    from soundkin.pipelines.seeds import ResolvedSeed
    from soundkin.search.moments import Moment
    from soundkin.search.query_description import Seed
    from soundkin.search.shared_facts import SharedFact
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Float32

    Vector = Float32[np.ndarray, " embedding"]

FINE_HOP_SECONDS = 0.5  # from one patch to the next, where a moment is to be found within a second

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ExplainedTrack:
    """A track that is explained: of the index, or a file of its own. `path` is where its audio should be."""

    name: str
    artist: str
    path: Path
    vector: "Vector"
    row: int | None = None
    track_id: str | None = None

    @property
    def label(self) -> str:
        """How it is called in a sentence."""
        return f"{self.name} by {self.artist}" if self.artist else self.name


@dataclass(frozen=True)
class Why:
    """Why two tracks are alike.

    `score` is the cosine of their vectors; `moment` where they sound most alike, None where that cannot be
    told; `carried` how much lower the score is when that moment is left out of both tracks, None where the
    moment is all of a track.
    """

    here: str
    there: str
    score: float
    moment: "Moment | None" = None
    carried: float | None = None
    facts: "Sequence[SharedFact]" = field(default_factory=list)
    beliefs: "Sequence[Belief]" = field(default_factory=list)

    def lines(self) -> list[str]:
        """In words, the weightiest first."""
        return [f"{self.here} and {self.there}: score {self.score:.3f}", *self.reasons()]

    def reasons(self) -> list[str]:
        """In words, without the names."""
        moment = [f"{self.moment}; {self._explained()}"] if self.moment else []
        facts = ["same " + ", same ".join(map(str, self.facts))] if self.facts else []
        believed = [f"{belief.label} ({belief.confidence:.0%})" for belief in self.beliefs]
        return [*moment, *facts, *(["both sound like " + ", ".join(believed)] if believed else [])]

    def _explained(self) -> str:
        if self.carried is None:
            return "that is all of one of them"
        return f"without it the score would be {self.score - self.carried:.3f}"


def why(
    index: Annotated["Index | Path | str", argument("INDEX_OR_LIBRARY")],
    track: Annotated[str | Path, argument()],
    other: Annotated[str | Path, argument()],
    embeddings: Annotated[
        Path | None, Option("Embeddings with patches; default: the library's, or from the files.")
    ] = None,
    model: Annotated[Path | str | None, Option("Model bundle; default: that of embed.")] = None,
    output: Annotated[Path | None, Option("An HTML page that plays both moments.", ("-o",))] = None,
) -> Why:
    """Why are two tracks alike? Where they sound most alike, and what else they share.

    A track is an audio file if there is one of that name, else a track_id of the index or library, else words
    of its title, artist and album. The moment is the pair of passages, side by side patch by patch, that are
    most alike beyond what the two tracks have in common throughout. Where both audio files are at hand they
    are listened to every half second; else the stored patch vectors say it as finely as they were made.
    Beside it stands the score that the tracks would have without the moment.

    Examples:
      soundkin why library 17_night-train 21_blue-rain
      soundkin why library 17_night-train new-song.mp3 -o why.html

    What the model's heads think both tracks are is said with a probability that was calibrated on held-out
    tracks when the model was trained; heads without calibration, and the default model, say nothing.

    Raises:
        UsageError: a track is unknown; names the nearest.
        ArtefactError: index, embeddings or model are corrupt or do not belong together.
        AudioError: a file that is no track of the index cannot be decoded.
    """
    from soundkin.pipelines.answers import opened_index

    if output is not None:
        output = check_place(output)
    opened = opened_index(index)
    explainer = Explainer(opened, embeddings, model)
    here, there = (explainer.track(str(name)) for name in (track, other))
    found = explainer.explain(here, there)
    if output is not None:
        from soundkin.pipelines.why_pages import write_why_page

        write_why_page(found, here, there, opened, output)
    return found


def why_answers(
    index: "Index | Path | str",
    like: "Sequence[Seed | ResolvedSeed | str]",
    answers: "Sequence[Answer]",
    model: Path | str | None = None,
) -> list[Why]:
    """Why each answer of a query is one: beside the seed that it is most like, from stored patches first."""
    import numpy as np

    from soundkin.pipelines.answers import opened_index
    from soundkin.pipelines.seeds import resolve_seeds

    opened = opened_index(index)
    explainer = Explainer(opened, None, model)
    seeds = []
    for seed in resolve_seeds(opened, like, model):
        seeds += [explainer.indexed(row) for row in seed.rows] or [_of_file(seed)]
    vectors, reasons = np.array([seed.vector for seed in seeds]), []
    for answer in answers:
        there = explainer.indexed(opened.row(answer.track_id))
        here = seeds[int((vectors @ there.vector).argmax())]
        reasons.append(explainer.explain(here, there, fine=False))
    return reasons


def _of_file(seed: "ResolvedSeed") -> ExplainedTrack:
    return ExplainedTrack(Path(seed.name).name, "", Path(seed.name), seed.vector)


class Explainer:
    """Explains pairs of tracks of one index; what it has read of a track it keeps."""

    def __init__(
        self, index: "Index", embeddings: Path | None = None, model: Path | str | None = None
    ) -> None:
        from soundkin.embedding.library import embeddings_beside

        self.index = index
        self._embeddings = embeddings or embeddings_beside(index.folder)
        self._model = model
        self._fine: dict[Path, PatchEmbeddings] = {}
        self._stored: dict[str, PatchEmbeddings] = {}
        if embeddings is not None:
            self._check(embeddings)

    def track(self, name: str) -> ExplainedTrack:
        """The track that a person names: an audio file, a track_id, or words that fit one track."""
        from soundkin.pipelines.seeds import resolve_seeds

        [seed] = resolve_seeds(self.index, [name], self._model)
        if len(seed.rows) > 1:
            raise UsageError(f"{name} is {len(seed.rows)} tracks, and one is explained at a time. Name one.")
        if seed.rows:
            return self.indexed(seed.rows[0])
        return _of_file(seed)

    def indexed(self, row: int) -> ExplainedTrack:
        """The track in a row of the index."""
        track_id, title, artist, path = self.index.tracks.label(row)
        audio = Path(self.index.audio_path(path))
        return ExplainedTrack(title or track_id, artist, audio, self.index.vector(row), row, track_id)

    def explain(self, here: ExplainedTrack, there: ExplainedTrack, fine: bool = True) -> Why:
        """Why the two are alike, `fine`: from the audio where it is there, or else from stored patches first.

        Where neither is there the log says so, and the moment is left out.
        """
        import numpy as np

        from soundkin.search.shared_facts import shared_facts
        from soundkin.statistics.scaling import unit_length

        score = float(np.clip(unit_length(here.vector) @ unit_length(there.vector), -1.0, 1.0))
        facts, beliefs = [], []
        if here.row is not None and there.row is not None:
            facts = shared_facts(self.index.tracks, here.row, there.row)
        moment = carried = None
        try:
            beliefs = self._beliefs(here, there)
            patches = self._patches(here, there, fine)
        except SoundkinError as error:
            log.warning("no moment is told: %s", error)
        else:
            moment, carried = self._moment(*patches)
        return Why(here.label, there.label, score, moment, carried, facts, beliefs)

    def _moment(self, here: "PatchEmbeddings", there: "PatchEmbeddings") -> "tuple[Moment, float | None]":
        """Where two tracks are most alike, and how much less alike they are without that, in cosine."""
        import numpy as np

        from soundkin.search.moments import best_moment
        from soundkin.statistics.scaling import unit_length

        moment = best_moment(here, there, self._embedder.patch_seconds)
        whole, rests = [here.vectors, there.vectors], []
        for patches, start in ((here, moment.here_seconds), (there, moment.there_seconds)):
            starts = np.array(patches.start_seconds)
            overlaps = (starts > start - moment.patch_seconds) & (starts < start + moment.seconds)
            rests.append(patches.vectors[~overlaps])
        if not all(map(len, rests)):
            return moment, None
        (a, b), (c, d) = (
            [unit_length(self._embedder.pool(part)) for part in pair] for pair in (whole, rests)
        )
        return moment, float(a @ b - c @ d)

    def _patches(
        self, here: ExplainedTrack, there: ExplainedTrack, fine: bool
    ) -> "tuple[PatchEmbeddings, PatchEmbeddings]":
        """Patch vectors of both, made in the same way."""
        ways = [self._heard, self._kept] if fine else [self._kept, self._heard]
        problems = []
        for way in ways:
            try:
                return way(here), way(there)
            except (AudioError, UsageError) as error:
                problems.append(str(error).rstrip("."))
        raise UsageError("; and ".join(problems) + ".")

    def _heard(self, track: ExplainedTrack) -> "PatchEmbeddings":
        """From the audio, every half second."""
        from soundkin.embedding.store import PatchEmbeddings

        if track.path not in self._fine:
            vectors, starts = self._embedder.embed_patches(track.path, FINE_HOP_SECONDS)
            self._fine[track.path] = PatchEmbeddings(track.track_id or track.name, starts, vectors)
        return self._fine[track.path]

    def _kept(self, track: ExplainedTrack) -> "PatchEmbeddings":
        """As they were stored when the catalog was embedded."""
        from soundkin.embedding.store import read_patches

        if self._embeddings is None:
            raise UsageError("there are no embeddings beside the index. Name some with --embeddings FOLDER.")
        if track.track_id not in self._stored:
            wanted = {track.track_id} if track.track_id else set()
            self._stored |= {patches.track_id: patches for patches in read_patches(self._embeddings, wanted)}
        if track.track_id not in self._stored:
            raise UsageError(f"{track.name} has no patch vectors in {self._embeddings}.")
        return self._stored[track.track_id]

    def _check(self, embeddings: Path) -> None:
        """Raise ArtefactError unless these embeddings are by the index's model."""
        from soundkin.embedding.store import read_manifest
        from soundkin.errors import ArtefactError

        made = read_manifest(embeddings).model_hash
        if made != self.index.manifest.model_hash:
            raise ArtefactError(
                f"embeddings {embeddings} are by model {made}, and index {self.index.folder} is by "
                f"{self.index.manifest.model_hash}. Name the embeddings that were indexed."
            )

    def _beliefs(self, here: ExplainedTrack, there: ExplainedTrack) -> "list[Belief]":
        from soundkin.embedding.label_heads import label_heads, shared_beliefs

        heads = label_heads(self._embedder.bundle, self.index.model_path)
        return shared_beliefs(heads, here.vector, there.vector) if heads else []

    @cached_property
    def _embedder(self) -> "Embedder":
        from soundkin.pipelines.seeds import embedder_of

        return embedder_of(self.index, self._model, "moments")
