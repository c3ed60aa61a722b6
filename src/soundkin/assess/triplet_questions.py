"""Which questions to ask people: an anchor and two other tracks, "which of the two sounds more like the
first?".

A question that everybody, the model included, would answer alike teaches little. So most are *unsure* ones:
both candidates are about equally similar to the anchor by the model's vectors, and the entropy of its choice
between them is near one bit (uncertainty sampling: D. Lewis and W. Gale, "A sequential algorithm for training
text classifiers", 1994; for triplets, O. Tamuz et al., "Adaptively learning the crowd kernel", 2011). Three
things stand against asking nothing else: every track has its turn as anchor, tracks that were candidates
often are chosen less, and a share of *control* questions sets a near track against a far one, so that a model
that is sure of itself and wrong is found out.

Without vectors, questions are random, in equal shares of three strata: two, one or none of the candidates
share a genre with the anchor. The three tracks of a question are by three artists, always.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice

import numpy as np
from pydantic import Field

from soundkin.catalog.table import Catalog
from soundkin.config import Config
from soundkin.errors import UsageError
from soundkin.evaluation.label_questions import Values, column_values
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.scaling import unit_length

MIDDLE = "middle"
UNSURE, CONTROL = "unsure", "control"
STRATA = ("one of its genre", "both of its genre", "none of its genre")
DRAWN = 24  # candidates looked at for each anchor; 276 pairs
SURE = 4.0  # a difference of similarity of 1 / SURE standard deviations is odds of e to 1
NEAR_SHARE = 0.1  # of the tracks by others: where the near track of a control question comes from
LOOKED_AT = 1000  # tracks by others that a random question chooses from, or that the spread of similarity is told from
SMALLEST_SCALE = 1e-6
ROUNDS = 20  # times round all anchors, before a small catalog counts as used up

Key = tuple[str, frozenset[str]]  # what makes two questions the same
Rows = tuple[int, int, int]  # anchor, candidate, candidate


class QuestionConfig(Config):
    """How many questions, and of what kinds."""

    questions: int = Field(300, ge=1)
    control_share: float = Field(0.1, ge=0, le=1)
    shared_share: float = Field(0.3, ge=0, le=1)  # asked of several people, so that they can be compared


@dataclass(frozen=True)
class Clip:
    """What is played: a track, and which part of it."""

    track_id: str
    part: str = MIDDLE


@dataclass(frozen=True)
class TripletQuestion:
    """Which of two candidates sounds more like the anchor? `shared` questions are for several people."""

    anchor: Clip
    candidates: tuple[Clip, Clip]
    kind: str
    shared: bool = False

    @cached_property
    def key(self) -> Key:
        """What makes two questions the same: the tracks, in whichever order the candidates stand."""
        return question_key(self.anchor.track_id, *(clip.track_id for clip in self.candidates))


def question_key(anchor_id: str, one_id: str, other_id: str) -> Key:
    """The key of a question about these tracks."""
    return anchor_id, frozenset((one_id, other_id))


def plan_questions(
    catalog: Catalog,
    vectors: Float[np.ndarray, "tracks embedding"] | None,
    config: QuestionConfig,
    random_seed: int = 0,
) -> list[TripletQuestion]:
    """The questions to ask about a catalog, fewer than asked for where it is small; the same for the same
    seed.

    Row i of `vectors` is the track in row i of the catalog; without them questions are stratified by genre.

    Raises:
        UsageError: there are not three tracks by three artists.
    """
    artists = catalog.artists.groups
    if len(np.unique(artists)) < 3:
        raise UsageError(
            f"{catalog.source}: a question needs tracks by three artists, and there are {len(np.unique(artists))}. "
            "Add tracks, or fill in artist."
        )
    if vectors is None:
        found = stratified_triples(column_values(catalog, "genre"), artists, config.questions, random_seed)
    else:
        found = unsure_triples(vectors, artists, config.questions, config.control_share, random_seed)
    clips = [Clip(track_id) for track_id in catalog.track_ids]
    return [
        TripletQuestion(
            clips[anchor], (clips[one], clips[other]), kind, _falls_on(place, config.shared_share)
        )
        for place, ((anchor, one, other), kind) in enumerate(found)
    ]


@typechecked
def information(
    first: Float[np.ndarray, " pairs"], second: Float[np.ndarray, " pairs"], scale: float
) -> Float[np.ndarray, " pairs"]:
    """Bits that the answer to each pair holds, in [0, 1], for a model that chooses by a logistic of the
    difference.

    `first` and `second` are similarities to the anchor; a difference of `scale` means odds of e to 1.
    """
    probability = 1 / (1 + np.exp(-np.abs(first - second) / scale))
    rest = np.clip(1 - probability, np.finfo(float).tiny, None)
    bits: Float[np.ndarray, " pairs"] = -(probability * np.log2(probability) + rest * np.log2(rest))
    return bits


def unsure_triples(
    vectors: Float[np.ndarray, "tracks embedding"],
    artists: Int[np.ndarray, " tracks"],
    count: int,
    control_share: float = 0.0,
    random_seed: int = 0,
) -> list[tuple[Rows, str]]:
    """`count` questions as rows, each UNSURE or CONTROL."""
    random = np.random.default_rng(random_seed)
    unit = unit_length(vectors.astype(np.float64))
    scale = _scale(unit, artists, random)
    uses = np.zeros(len(artists), dtype=int)
    seen: set[tuple[int, frozenset[int]]] = set()
    found: list[tuple[Rows, str]] = []
    for anchor in (int(row) for _ in range(ROUNDS) for row in random.permutation(len(unit))):
        similarity = unit @ unit[anchor]
        control = _falls_on(len(found), control_share)
        ranked = np.argsort(-similarity, kind="stable")
        ranked = ranked[artists[ranked] != artists[anchor]]
        candidates = _near_and_far(ranked, random) if control else _by_rank(ranked, random)
        pairs = np.array(
            [
                pair
                for pair in candidates
                if artists[pair[0]] != artists[pair[1]] and (anchor, frozenset(pair)) not in seen
            ]
        ).reshape(-1, 2)
        if not len(pairs):
            continue
        bits = information(similarity[pairs[:, 0]], similarity[pairs[:, 1]], scale)
        worth = (1 - bits if control else bits) / (1 + uses[pairs].sum(axis=1))
        one, other = (int(row) for row in pairs[worth.argmax()])
        uses[[one, other]] += 1
        seen.add((anchor, frozenset((one, other))))
        found.append(((anchor, one, other), CONTROL if control else UNSURE))
        if len(found) == count:
            break
    return found


def stratified_triples(
    genres: Values, artists: Int[np.ndarray, " tracks"], count: int, random_seed: int = 0
) -> list[tuple[Rows, str]]:
    """`count` random questions as rows, each with its stratum; anchors of every genre in turn."""
    random = np.random.default_rng(random_seed)
    held = [frozenset(values) for values in genres]
    seen: set[tuple[int, frozenset[int]]] = set()
    found: list[tuple[Rows, str]] = []
    turns = (anchor for _ in range(ROUNDS) for anchor in _genres_in_turn(genres, random))
    for anchor in turns:
        first = len(found) % len(STRATA)
        others = random.permutation(np.flatnonzero(artists != artists[anchor]))[:LOOKED_AT]
        same = [int(row) for row in others if held[row] & held[anchor]]
        unlike = [int(row) for row in others if not held[row] & held[anchor]]
        pools = {STRATA[0]: (same, unlike), STRATA[1]: (same, same), STRATA[2]: (unlike, unlike)}
        for stratum in (*STRATA[first:], *STRATA[:first]):
            pair = _first_pair(*pools[stratum], artists, anchor, seen)
            if pair:
                seen.add((anchor, frozenset(pair)))
                found.append(((anchor, *pair), stratum))
                break
        if len(found) == count:
            break
    return found


def _falls_on(place: int, share: float) -> bool:
    """Whether place `place`, from 0, is one of those that make up `share` of all, evenly spread."""
    return math.floor((place + 1) * share + 1e-9) > math.floor(place * share + 1e-9)


def _scale(
    unit: Float[np.ndarray, "tracks embedding"],
    artists: Int[np.ndarray, " tracks"],
    random: np.random.Generator,
) -> float:
    """The difference of similarity that means odds of e to 1, from how similarities of tracks by two artists
    spread.
    """
    sample = random.choice(len(unit), size=min(len(unit), LOOKED_AT), replace=False)
    apart = artists[sample][:, None] != artists[sample][None, :]
    return max(float((unit[sample] @ unit[sample].T)[apart].std()) / SURE, SMALLEST_SCALE)


def _by_rank(ranked: Int[np.ndarray, " others"], random: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Pairs of some tracks, the nearer the likelier: as many from ranks 1 to 10 as from 10 to 100."""
    places = np.unique(np.floor((len(ranked) + 1) ** random.random(DRAWN)).astype(int) - 1)
    return combinations(ranked[places].tolist(), 2)


def _near_and_far(
    ranked: Int[np.ndarray, " others"], random: np.random.Generator
) -> Iterator[tuple[int, int]]:
    near = ranked[: max(1, round(NEAR_SHARE * len(ranked)))]
    far = ranked[len(ranked) // 2 :]
    drawn = [random.permutation(part)[: round(math.sqrt(DRAWN))].tolist() for part in (near, far)]
    return ((one, other) for one in drawn[0] for other in drawn[1] if one != other)


def _genres_in_turn(genres: Values, random: np.random.Generator) -> Iterator[int]:
    """Every track once; genres take turns, so that rare ones come early too."""
    waiting: dict[str, list[int]] = {}
    for row in random.permutation(len(genres)):
        waiting.setdefault(genres[row][0] if genres[row] else "", []).append(int(row))
    while waiting:
        for genre in sorted(waiting):
            yield waiting[genre].pop()
        waiting = {genre: rows for genre, rows in waiting.items() if rows}


def _first_pair(
    ones: Sequence[int],
    others: Sequence[int],
    artists: Int[np.ndarray, " tracks"],
    anchor: int,
    seen: set[tuple[int, frozenset[int]]],
) -> tuple[int, int] | None:
    pairs = combinations(ones, 2) if ones is others else ((one, other) for one in ones for other in others)
    fit = (
        pair
        for pair in pairs
        if artists[pair[0]] != artists[pair[1]] and (anchor, frozenset(pair)) not in seen
    )
    return next(islice(fit, 1), None)
