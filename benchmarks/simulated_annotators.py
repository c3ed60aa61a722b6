"""Annotators that do not exist and music whose similarity is known: what sessions make of careful and of bad
ones.

Tracks are points; the truth is their cosine, and the model knows the points with noise. An annotator answers
by the true similarities, with a *slack* (how far apart two candidates must be before the difference is
noticed) and *lapses* (the share of answers that are a coin's). Bad ones are careful until they are let in:
the worst case.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.assess.annotator_state import Asked, SessionConfig, gold_row
from soundkin.assess.answer_files import AnswerKind, TripletAnswer
from soundkin.assess.sessions import LEFT, RIGHT, Sessions
from soundkin.assess.triplet_questions import Row, gold_from_halves, plan_questions
from soundkin.catalog.table import Catalog
from soundkin.shapes import Float
from soundkin.statistics.scaling import unit_length

TRACKS, TRACKS_PER_ARTIST, GENRES, SIZE = 240, 3, 6, 8
MODEL_NOISE = 0.5


@dataclass(frozen=True)
class Kind:
    """How somebody answers: `lapses` and `contrary` are shares of answers, `seconds` the median time."""

    slack: float
    lapses: float
    contrary: bool = False
    seconds: float = 12.0


CAREFUL = Kind(slack=0.1, lapses=0.04, seconds=16.0)
KINDS = {
    "careful": CAREFUL,
    "sloppy": Kind(slack=0.3, lapses=0.3),
    "random": Kind(slack=0.1, lapses=1.0, seconds=10.0),
    "adversarial": Kind(slack=0.1, lapses=0.04, contrary=True),
    "hasty": Kind(slack=0.1, lapses=1.0, seconds=3.0),
}


@dataclass(frozen=True, eq=False)
class World:
    """A catalog, what is true of it, and what the model believes."""

    catalog: Catalog
    truth: Float[np.ndarray, "tracks embedding"]
    model: Float[np.ndarray, "tracks embedding"]

    def nearness(self, anchor_id: str, one_id: str, other_id: str) -> float:
        """How much nearer to the anchor the one is than the other."""
        anchor, one, other = (
            self.truth[self.catalog.row(track_id)] for track_id in (anchor_id, one_id, other_id)
        )
        return float(anchor @ one - anchor @ other)


@dataclass
class Outcome:
    """What a simulation came to: the answers of all, and for each annotator where they stood in the end."""

    answers: list[TripletAnswer]
    kinds: dict[str, str]
    stood: dict[str, str]
    steps: dict[str, int]
    gold: list[Row] = field(default_factory=list)

    def rows(self, kinds: Sequence[str] = (AnswerKind.MAIN, AnswerKind.GOLD, AnswerKind.REPEAT)) -> list[Row]:
        """Answers of these kinds as rows of a triplets file."""
        return [
            (a.anchor_id, a.closer_id, a.farther_id, a.annotator_id) for a in self.answers if a.kind in kinds
        ]


def make_world(random_seed: int = 0) -> World:
    """Tracks around six genres and eighty artists."""
    random = np.random.default_rng(random_seed)
    artists = np.arange(TRACKS) // TRACKS_PER_ARTIST
    genres = artists % GENRES
    centres = (
        random.normal(size=(GENRES, SIZE))[genres]
        + 0.6 * random.normal(size=(artists.max() + 1, SIZE))[artists]
    )
    points = centres + 0.6 * random.normal(size=(TRACKS, SIZE))
    names = [f"t{row}" for row in range(TRACKS)]
    frame = pd.DataFrame(
        {
            "track_id": names,
            "path": names,
            "artist": [f"artist {n}" for n in artists],
            "genre": [f"genre {n}" for n in genres],
        }
    )
    model = points + MODEL_NOISE * random.normal(size=points.shape)
    return World(Catalog(frame, Path()), unit_length(points), unit_length(model))


def simulate(
    world: World,
    kinds: Sequence[str],
    steps: int,
    config: SessionConfig | None = None,
    random_seed: int = 0,
    questions: int = 300,
    shared_share: float = 0.3,
) -> Outcome:
    """Let annotators answer in turn, until each has given `steps` answers in the main part or is stopped."""
    random = np.random.default_rng(random_seed)
    plan = plan_questions(world.catalog, world.model, questions, shared_share, random_seed)
    gold = gold_from_halves(world.catalog, world.model, random_seed=random_seed)
    sessions = Sessions(plan, gold, config, random_seed)
    outcome = Outcome([], {}, {}, {}, [gold_row(question) for question in gold])
    counter: Counter[str] = Counter()
    for kind in kinds:
        counter[kind] += 1
        outcome.kinds[f"{kind} {counter[kind]}"] = kind
    clocks = dict.fromkeys(outcome.kinds, 1_000_000.0)
    active = list(outcome.kinds)
    while active:
        for name in list(active):
            asked = sessions.asked(name, clocks[name])
            if not asked or sessions.annotators[name].steps >= steps:
                active.remove(name)
                continue
            honest = asked[0].kind in (AnswerKind.TUTORIAL, AnswerKind.QUALIFIER)
            manner = CAREFUL if honest else KINDS[outcome.kinds[name]]
            seconds = manner.seconds * float(np.exp(0.3 * random.normal()))
            clocks[name] += seconds
            choice = _choose(world, asked[0], manner, random)
            answer = sessions.answer(
                name, asked[0].question_id, choice, f"session {name}", seconds, clocks[name]
            )
            sessions.take(answer)
            outcome.answers.append(answer)
    for name in outcome.kinds:
        outcome.stood[name] = sessions.phase(name)
        outcome.steps[name] = sessions.annotators[name].steps
    return outcome


def agreement_with_truth(world: World, rows: Sequence[Row], weights: dict[str, float]) -> float:
    """The share of disputed questions on which a weighted vote finds the truth; a tie is half."""
    votes: dict[tuple[str, frozenset[str]], list[tuple[float, float]]] = {}
    for anchor, closer, farther, name in rows:
        right = np.sign(world.nearness(anchor, closer, farther))
        votes.setdefault((anchor, frozenset((closer, farther))), []).append((right, weights[name]))
    disputed = [cast for cast in votes.values() if len({right for right, _ in cast}) > 1]
    sums = [sum(right * weight for right, weight in cast) for cast in disputed]
    return (
        float(np.mean([0.5 if abs(total) < 1e-9 else total > 0 for total in sums])) if sums else float("nan")
    )


def _choose(world: World, asked: Asked, kind: Kind, random: np.random.Generator) -> str:
    if random.random() < kind.lapses:
        return LEFT if random.random() < 0.5 else RIGHT
    if asked.gold is not None:
        left = asked.left == asked.closer
    else:
        nearer = world.nearness(asked.anchor.track_id, asked.left.track_id, asked.right.track_id)
        left = bool(random.random() < 1 / (1 + np.exp(-nearer / kind.slack)))
    return LEFT if left != kind.contrary else RIGHT
