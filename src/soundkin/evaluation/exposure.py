"""Who is shown: the share of the places in all tracks' neighbour lists that go to a group, against its share
of tracks.

Each track's `k` nearest by cosine are its list, so there are k places a track. The ratio of the two shares is
how often the group's tracks occur in lists, on average, over how often all tracks do: 1 where a group is
shown as its size says.

Intervals are drawn over the artists of the tracks that are *found*. To draw those of the queries, and hold
fast what they can find, takes a hub for a trait of its group: such intervals leave out the ratio 1 of groups
dealt at random far too often (`tests/evaluation/test_exposure.py` counts how often ours do).
"""

from collections.abc import Mapping
from itertools import chain

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix, hstack

from soundkin.evaluation.groupings import Groupings, members_of
from soundkin.evaluation.hubness import k_occurrences
from soundkin.evaluation.label_questions import Values
from soundkin.evaluation.retrieval import sampled_queries
from soundkin.shapes import Float, Int
from soundkin.statistics.bootstrap import Interval, interval_of
from soundkin.statistics.false_discovery import confirmed, p_value
from soundkin.statistics.group_means import means_within_and_without, sizes, too_small

K = 10


class Exposure(BaseModel, frozen=True):
    """How often one system shows one group. Shares are of all places, and of all tracks.

    `ratio` is the one over the other; it is None where the group is too small, and then `flag` says so.
    `confirmed`: it differs from 1 also when all groups are taken into account.
    """

    system: str
    grouping: str
    group: str
    tracks: int
    artists: int
    unit: str = "artists"
    share_of_places: float
    share_of_tracks: float
    ratio: Interval | None = None
    p_value: float | None = None
    confirmed: bool = False
    flag: str = ""

    @property
    def shown_less(self) -> bool:
        """Whether the whole interval lies below 1."""
        return self.ratio is not None and self.ratio.high is not None and self.ratio.high < 1


def exposures(
    systems: Mapping[str, Float[np.ndarray, "tracks _"]],
    groupings: Groupings,
    artists: Int[np.ndarray, " tracks"],
    k: int,
    resamples: int,
    random_seed: int,
    unit: str = "artists",
) -> tuple[Exposure, ...]:
    """How every system shows every group; `artists` numbers each track's artist from 0. Empty for less than
    two tracks.

    Of very many tracks the lists of a sample are looked at (`sampled_queries`). The groups of a system are
    one family of comparisons. `unit` is what `artists` numbers.
    """
    k = min(k, len(artists) - 1)
    if k < 1:
        return ()
    asking = sampled_queries(len(artists), random_seed)
    found = []
    for system, vectors in systems.items():
        listed = k_occurrences(np.asarray(vectors, dtype=np.float32), k, asking)
        occurrences = listed / k * (len(artists) / len(asking))
        of_groupings = (
            _of_grouping(system, occurrences, name, values, artists, resamples, random_seed, unit)
            for name, values in groupings.items()
        )
        found += _confirmed(list(chain.from_iterable(of_groupings)))
    return tuple(found)


def _of_grouping(
    system: str,
    occurrences: Float[np.ndarray, " tracks"],
    grouping: str,
    values: Values,
    artists: Int[np.ndarray, " tracks"],
    resamples: int,
    random_seed: int,
    unit: str,
) -> list[Exposure]:
    names, members = members_of(values)
    places = (members.T @ occurrences) / len(occurrences)
    everybody = csr_matrix(np.ones((len(occurrences), 1)))
    weights = np.ones(len(occurrences))
    both = hstack([members, everybody], format="csr")
    means, _ = means_within_and_without(occurrences[:, None], weights, both, artists, resamples, random_seed)
    ratios = means[:, :-1, 0] / means[:, -1:, 0]
    found = []
    for place, (name, size) in enumerate(zip(names, sizes(members, artists), strict=True)):
        flag = too_small(size.items, size.units, "tracks", unit)
        shown = Exposure(
            system=system,
            grouping=grouping,
            group=name,
            tracks=size.items,
            artists=size.units,
            share_of_places=float(places[place]),
            share_of_tracks=size.items / len(occurrences),
            flag=flag,
            unit=unit,
        )
        ratio = ratios[:, place]
        measured = {
            "ratio": interval_of(system, ratio),
            "p_value": p_value(float(ratio[0] - 1), ratio[1:], size.units),
        }
        found.append(shown if flag else shown.model_copy(update=measured))
    return found


def _confirmed(family: list[Exposure]) -> list[Exposure]:
    """The same, with what is left when the whole family is taken into account."""
    p_values = [shown.p_value for shown in family if shown.p_value is not None]
    left = iter(confirmed(np.array(p_values, dtype=float)).tolist())
    return [
        shown if shown.p_value is None else shown.model_copy(update={"confirmed": next(left)})
        for shown in family
    ]
