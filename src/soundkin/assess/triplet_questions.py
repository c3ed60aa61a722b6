"""Which questions to ask: an anchor and two other tracks, "which of the two sounds more like the first?".

A question that everybody, the model included, would answer alike is worth little. So most are *unsure* ones,
where the entropy of the model's choice is near one bit (uncertainty sampling: D. Lewis and W. Gale, "A
sequential algorithm for training text classifiers", 1994; for triplets, O. Tamuz et al., "Adaptively learning
the crowd kernel", 2011). Every track has its turn as anchor, tracks that were candidates often are chosen
less, and *control* questions set a near track against a far one, in case the model is sure and wrong.

Without vectors, questions are random, in equal shares of three strata: two, one or none of the candidates
share a genre with the anchor. The three tracks of a question are by three artists, always.

The answer to *gold* questions is known: they are for the tutorial, the qualifier, and hidden among others as
a test. They are from a file, or about halves of recordings: nothing is safer, however good the labels.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from pathlib import Path

import numpy as np

from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets_table import read_triplets
from soundkin.errors import UsageError
from soundkin.evaluation.label_questions import Values, column_values
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.scaling import unit_length

MIDDLE, FIRST_HALF, SECOND_HALF = "middle", "first half", "second half"  # of a track
UNSURE, CONTROL, GOLD = "unsure", "control", "gold"
STRATA = ("one of its genre", "both of its genre", "none of its genre")
QUESTIONS = 300
CONTROL_SHARE = 0.1
SHARED_SHARE = 0.3  # asked of several people, so that they can be compared
DRAWN = 24  # candidates looked at for each anchor; 276 pairs
SURE = 4.0  # a difference of similarity of 1 / SURE standard deviations is odds of e to 1
NEAR_SHARE = 0.1  # of the tracks by others: where the near track of a control question comes from
LOOKED_AT = 1000  # tracks by others to choose from at random, or to estimate the spread of similarity from
SMALLEST_SCALE = 1e-6
ROUNDS = 20  # times round all anchors, before a small catalog counts as used up
GOLD_QUESTIONS = 60
FAR_SHARE = 0.25  # of the tracks that may be the farther one: the least similar, where there are vectors
HALVES = "It comes from the same recording as the first, from another place in it."
FROM_FILE = "So say those who prepared this example."

Key = tuple[str, frozenset[str]]  # what makes two questions the same
Row = tuple[str, str, str, str]  # of a triplets file: anchor_id, closer_id, farther_id, annotator_id
Triple = tuple[int, int, int]  # rows of anchor, candidate, candidate
Pairs = Iterable[tuple[int, int]]
AskedRows = set[tuple[int, frozenset[int]]]  # rows of anchor and candidates


@dataclass(frozen=True)
class Clip:
    """What is played: a track, and which part of it."""

    track_id: str
    part: str = MIDDLE


@dataclass(frozen=True)
class TripletQuestion:
    """Which of two candidates sounds more like the anchor?

    `shared` questions are for several people. Of a gold question the first candidate is the closer one, and
    `reason` says why.
    """

    anchor: Clip
    candidates: tuple[Clip, Clip]
    kind: str
    shared: bool = False
    reason: str = ""

    @cached_property
    def key(self) -> Key:
        """What makes two questions the same: the tracks, whatever the order of the candidates."""
        return question_key(*(clip.track_id for clip in self.clips))

    @property
    def clips(self) -> tuple[Clip, Clip, Clip]:
        """All that it plays."""
        return self.anchor, *self.candidates


def question_key(anchor_id: str, first_id: str, second_id: str) -> Key:
    """The key of a question about these tracks."""
    return anchor_id, frozenset((first_id, second_id))


def plan_questions(
    catalog: Catalog,
    vectors: Float[np.ndarray, "tracks embedding"] | None,
    count: int = QUESTIONS,
    shared_share: float = SHARED_SHARE,
    random_seed: int = 0,
) -> list[TripletQuestion]:
    """`count` questions about a catalog, fewer where it is small; the same for the same seed.

    Row i of `vectors` is row i of the catalog; without them questions are stratified by genre.
    """
    artists = catalog.artists.groups
    if (several := len(np.unique(artists))) < 3:
        raise UsageError(
            f"{catalog.source}: a question needs tracks by three artists, and there are {several}. Add "
            "tracks, or fill in artist."
        )
    if vectors is None:
        triples = stratified_triples(column_values(catalog, "genre"), artists, count, random_seed)
    else:
        triples = unsure_triples(vectors, artists, count, CONTROL_SHARE, random_seed)
    questions = []
    for place, (rows, kind) in enumerate(triples):
        anchor, first, second = (Clip(catalog.track_ids[row]) for row in rows)
        questions.append(TripletQuestion(anchor, (first, second), kind, _falls_on(place, shared_share)))
    return questions


@typechecked
def information(
    first: Float[np.ndarray, " pairs"], second: Float[np.ndarray, " pairs"], scale: float
) -> Float[np.ndarray, " pairs"]:
    """Bits [0, 1] in the answer to each pair, for a model that chooses by a logistic of the difference.

    `first` and `second` are similarities to the anchor; a difference of `scale` means odds of e to 1.
    """
    probability = 1 / (1 + np.exp(-np.abs(first - second) / scale))
    rest = np.clip(1 - probability, np.finfo(float).tiny, None)
    return np.asarray(-(probability * np.log2(probability) + rest * np.log2(rest)))


def unsure_triples(
    vectors: Float[np.ndarray, "tracks embedding"],
    artists: Int[np.ndarray, " tracks"],
    count: int,
    control_share: float = 0.0,
    random_seed: int = 0,
) -> list[tuple[Triple, str]]:
    """`count` questions as rows, each UNSURE or CONTROL."""
    random = np.random.default_rng(random_seed)
    unit = unit_length(vectors.astype(np.float64))
    scale = _scale(unit, artists, random)
    uses = np.zeros(len(artists), dtype=int)
    asked: AskedRows = set()
    triples: list[tuple[Triple, str]] = []
    for anchor in (int(row) for _ in range(ROUNDS) for row in random.permutation(len(unit))):
        similarity = unit @ unit[anchor]
        control = _falls_on(len(triples), control_share)
        ranked = np.argsort(-similarity, kind="stable")
        ranked = ranked[artists[ranked] != artists[anchor]]
        drawn = _near_and_far(ranked, random) if control else _by_rank(ranked, random)
        pairs = np.array(list(_askable(anchor, drawn, artists, asked)), dtype=int).reshape(-1, 2)
        if not len(pairs):
            continue
        bits = information(similarity[pairs[:, 0]], similarity[pairs[:, 1]], scale)
        worth = (1 - bits if control else bits) / (1 + uses[pairs].sum(axis=1))
        first, second = pairs[worth.argmax()].tolist()
        uses[[first, second]] += 1
        asked.add((anchor, frozenset((first, second))))
        triples.append(((anchor, first, second), CONTROL if control else UNSURE))
        if len(triples) == count:
            break
    return triples


def stratified_triples(
    genres: Values, artists: Int[np.ndarray, " tracks"], count: int, random_seed: int = 0
) -> list[tuple[Triple, str]]:
    """`count` random questions as rows, each with its stratum; anchors of every genre in turn."""
    random = np.random.default_rng(random_seed)
    held = [frozenset(values) for values in genres]
    asked: AskedRows = set()
    triples: list[tuple[Triple, str]] = []
    for anchor in (row for _ in range(ROUNDS) for row in _genres_in_turn(genres, random)):
        others = random.permutation(np.flatnonzero(artists != artists[anchor]))[:LOOKED_AT].tolist()
        same = [row for row in others if held[row] & held[anchor]]
        unlike = [row for row in others if not held[row] & held[anchor]]
        pools = (product(same, unlike), combinations(same, 2), combinations(unlike, 2))
        strata = deque(zip(STRATA, pools, strict=True))
        strata.rotate(-len(triples))
        for stratum, pairs in strata:
            if pair := next(_askable(anchor, pairs, artists, asked), None):
                asked.add((anchor, frozenset(pair)))
                triples.append(((anchor, *pair), stratum))
                break
        if len(triples) == count:
            break
    return triples


def _askable(
    anchor: int, pairs: Pairs, artists: Int[np.ndarray, " tracks"], asked: AskedRows
) -> Iterator[tuple[int, int]]:
    """The pairs by two artists that are not asked yet about this anchor."""
    for first, second in pairs:
        if artists[first] != artists[second] and (anchor, frozenset((first, second))) not in asked:
            yield first, second


def _falls_on(place: int, share: float) -> bool:
    """Whether place `place`, from 0, is one of those that make up `share` of all, evenly spread."""
    return math.floor((place + 1) * share + 1e-9) > math.floor(place * share + 1e-9)


def _scale(
    unit: Float[np.ndarray, "tracks embedding"],
    artists: Int[np.ndarray, " tracks"],
    random: np.random.Generator,
) -> float:
    """The difference of similarity that means odds of e to 1, from their spread for tracks by two artists."""
    sample = random.choice(len(unit), size=min(len(unit), LOOKED_AT), replace=False)
    apart = artists[sample][:, None] != artists[sample][None, :]
    return max(float((unit[sample] @ unit[sample].T)[apart].std()) / SURE, SMALLEST_SCALE)


def _by_rank(ranked: Int[np.ndarray, " others"], random: np.random.Generator) -> Pairs:
    """Pairs of some tracks, the nearer the likelier: as many from ranks 1 to 10 as from 10 to 100."""
    places = np.unique(np.floor((len(ranked) + 1) ** random.random(DRAWN)).astype(int) - 1)
    return combinations(ranked[places].tolist(), 2)


def _near_and_far(ranked: Int[np.ndarray, " others"], random: np.random.Generator) -> Pairs:
    near = ranked[: max(1, round(NEAR_SHARE * len(ranked)))]
    far = ranked[len(ranked) // 2 :]
    drawn = [random.permutation(part)[: round(math.sqrt(DRAWN))].tolist() for part in (near, far)]
    return (pair for pair in product(*drawn) if pair[0] != pair[1])


def _genres_in_turn(genres: Values, random: np.random.Generator) -> Iterator[int]:
    """Every track once; genres take turns, so that rare ones come early too."""
    waiting: dict[str, list[int]] = {}
    for row in random.permutation(len(genres)):
        waiting.setdefault(genres[row][0] if genres[row] else "", []).append(int(row))
    while waiting:
        for genre in sorted(waiting):
            yield waiting[genre].pop()
        waiting = {genre: rows for genre, rows in waiting.items() if rows}


def read_gold(path: Path, catalog: Catalog, least: int) -> list[TripletQuestion]:
    """Gold questions from a triplets file, each once."""
    rows = read_triplets(Path(path), catalog)[["anchor_id", "closer_id", "farther_id"]].drop_duplicates()
    gold = [
        _gold(Clip(anchor), Clip(closer), Clip(farther), FROM_FILE)
        for anchor, closer, farther in rows.to_numpy()
    ]
    if twice := len(gold) - len({question.key for question in gold}):
        raise UsageError(f"gold {path}: {twice} questions have two answers. Keep the right one of each.")
    if len(gold) < least:
        raise UsageError(
            f"gold {path}: {len(gold)} questions, and tutorial and qualifier alone take {least}. Add some."
        )
    return gold


def gold_from_halves(
    catalog: Catalog,
    vectors: Float[np.ndarray, "tracks embedding"] | None = None,
    count: int = GOLD_QUESTIONS,
    random_seed: int = 0,
) -> list[TripletQuestion]:
    """Up to `count` questions, one a track, about the halves of recordings.

    The farther track is by another artist and, if possible, of other genres; where there are vectors (in
    catalog order), it is among the least similar of these.
    """
    random = np.random.default_rng([random_seed, len(catalog)])
    artists = catalog.artists.groups
    genres = [frozenset(values) for values in column_values(catalog, "genre")]
    unit = None if vectors is None else unit_length(vectors.astype(np.float64))
    gold = []
    for anchor in random.permutation(len(catalog))[:count]:
        far = np.flatnonzero(artists != artists[anchor])
        if not len(far):
            raise UsageError(
                f"{catalog.source}: all tracks are by one artist; gold questions need another. Add tracks."
            )
        if genres[anchor]:
            unlike = [row for row in far if genres[row] and not genres[row] & genres[anchor]]
            far = np.array(unlike, dtype=int) if unlike else far
        if unit is not None:
            ranked = far[np.argsort(unit[far] @ unit[anchor], kind="stable")]
            far = ranked[: max(1, round(FAR_SHARE * len(ranked)))]
        own, farther = catalog.track_ids[anchor], catalog.track_ids[random.choice(far)]
        gold.append(_gold(Clip(own, FIRST_HALF), Clip(own, SECOND_HALF), Clip(farther), HALVES))
    return gold


def _gold(anchor: Clip, closer: Clip, farther: Clip, reason: str) -> TripletQuestion:
    return TripletQuestion(anchor, (closer, farther), GOLD, reason=reason)
