"""Offers: held-out tracks for users whose positives of other tracks are known.

What is held out is offered

- as a whole; and where there are both, once more as the tracks by artists that no known track is by, and the
  tracks of artists that some are by;
- where ratings have times, to users as they were known before a cutoff, to be judged by what they played
  after it.

All that can be wrong with ratings is found here, before hours are spent on hearing; `cold_starts` makes the
offers.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from soundkin.catalog.interactions import Interactions, make_interactions
from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.table import Catalog
from soundkin.catalog.time_split import TimeSplit, split_by_time
from soundkin.embedding.known_users import KnownUsers
from soundkin.errors import CatalogError, UsageError
from soundkin.evaluation.recommendation import Factors
from soundkin.evaluation.user_rankings import binary, without_known
from soundkin.pipelines.judging.listeners import (
    FACTORISED_NOTE,
    PLANTED_NOTE,
    Listeners,
    factorisation_beside,
    planted,
    refuse_nameless,
)
from soundkin.shapes import Bool, Float
from soundkin.tasks.latent_factors import LatentFactorsConfig

ALL, UNSEEN, SEEN = "held-out tracks", "tracks of unseen artists", "tracks of seen artists"
LATER = "held-out tracks, plays since {cutoff}"


@dataclass(frozen=True, eq=False)
class ColdStartSplit:
    """Users, what they like of the known tracks, and what they came to like of the held-out ones.

    `parts` says which held-out tracks are offered together, by what they are. `before` stores what a user had
    rated by the cutoff, which is not offered to them, and `popularity` how many users liked a held-out track
    by then; None where there is no cutoff, or nobody liked any.
    """

    users: list[str]
    known_ids: list[str]
    held_out_ids: list[str]
    liked: csr_matrix
    plays: csr_matrix
    bound: Factors
    parts: dict[str, Bool[np.ndarray, " tracks"]]
    before: csr_matrix | None = None
    popularity: Float[np.ndarray, " tracks"] | None = None

    def among(self, track_ids: list[str]) -> "ColdStartSplit":
        """The same, of the tracks with these ids only."""
        known = np.flatnonzero(np.isin(np.array(self.known_ids, object), np.array(track_ids, object)))
        kept = replace(self, known_ids=[self.known_ids[place] for place in known], liked=self.liked[:, known])
        return kept.of_held_out(np.isin(np.array(self.held_out_ids, object), np.array(track_ids, object)))

    def of_held_out(self, chosen: Bool[np.ndarray, " tracks"]) -> "ColdStartSplit":
        """The same, with only some of the held-out tracks offered."""
        places = np.flatnonzero(chosen)
        return replace(
            self,
            held_out_ids=[self.held_out_ids[place] for place in places],
            plays=self.plays[:, places],
            bound=(self.bound[0], self.bound[1][places]),
            parts={words: of_part[places] for words, of_part in self.parts.items()},
            before=None if self.before is None else self.before[:, places],
            popularity=None if self.popularity is None else self.popularity[places],
        )

    @property
    def new_plays(self) -> csr_matrix:
        """What there is to foretell: the plays of tracks that a user had not rated by the cutoff."""
        return without_known(self.plays, self.before)


@dataclass(frozen=True, eq=False)
class ColdStartSplits:
    """What is offered to whom: first without regard to time, then with, where that can be; `artists` of every
    track.
    """

    offerings: tuple[ColdStartSplit, ...]
    artists: dict[str, int]
    own_users: KnownUsers | None
    notes: tuple[str, ...]


def make_cold_start_splits(
    catalog: Catalog,
    known: Bool[np.ndarray, " tracks"],
    held_out: Bool[np.ndarray, " tracks"],
    ratings: Path,
    own_users: KnownUsers | None = None,
    corpus: Path | None = None,
    cutoff: pd.Timestamp | None = None,
) -> ColdStartSplits:
    """Who can be offered the `held_out` tracks of a catalog, going by their ratings of the `known` ones.

    Known are the tracks whose ratings may be used: those that a model was trained on. `own_users` are the
    users that the first system has learnt, where it has: then nobody else is asked. With `corpus`, the folder
    of a synthesised corpus, its planted tastes are the upper bound; else a factorisation of all ratings.
    `cutoff` defaults to the time before which 80% of the ratings fall.

    Raises:
        UsageError: nobody likes both a known and a held-out track, or the corpus is another.
        CatalogError: the ratings cannot be used.
        ArtefactError: there is no whole corpus.
    """
    if own_users is not None:
        refuse_nameless(own_users)
    frame = read_ratings(Path(ratings), catalog)
    config = factorisation_beside(own_users) if own_users else LatentFactorsConfig()
    listeners = Listeners(make_interactions(frame, config.listening, f"ratings {ratings}"), config)
    ids = np.array(catalog.track_ids, object)
    known_ids, held_out_ids = ids[known].tolist(), ids[held_out].tolist()
    listening = listeners.listening
    users = listening.users
    if own_users is not None:
        users = sorted(set(users) & set(own_users.ids))
    liked, plays = listening.plays(users, known_ids), listening.plays(users, held_out_ids)
    kept = np.flatnonzero((np.diff(liked.indptr) > 0) & (np.diff(plays.indptr) > 0))
    if not len(kept):
        raise UsageError(
            f"ratings {ratings}: none of {len(users)} users likes both one of the {len(known_ids)} tracks to know them "
            f"by and one of the {len(held_out_ids)} held-out tracks. Choose another split, or evaluate without ratings."
        )
    strangers = int((np.diff(plays.indptr) > 0).sum()) - len(kept)
    users = [users[row] for row in kept]
    bound = planted(corpus, users, held_out_ids) if corpus else listeners.bound(users, held_out_ids)
    parts, parts_note = _parts(catalog, known, held_out)
    whole = ColdStartSplit(users, known_ids, held_out_ids, liked[kept], plays[kept], bound, parts)
    later, later_note = _later(whole, frame, config, cutoff)
    without_profile = (
        f"Users who like none of the known tracks are not asked: {strangers}." if strangers else ""
    )
    bound_note = PLANTED_NOTE if corpus else FACTORISED_NOTE
    return ColdStartSplits(
        offerings=(whole, later) if later else (whole,),
        artists=dict(zip(catalog.track_ids, catalog.artists.groups.tolist(), strict=True)),
        own_users=own_users,
        notes=tuple(filter(None, (parts_note, later_note, without_profile, bound_note))),
    )


def _parts(
    catalog: Catalog, known: Bool[np.ndarray, " tracks"], held_out: Bool[np.ndarray, " tracks"]
) -> tuple[dict[str, Bool[np.ndarray, " tracks"]], str]:
    """Which held-out tracks are offered together, by what they are, and a note on that."""
    everything = {ALL: np.ones(int(held_out.sum()), dtype=bool)}
    keys = catalog.artists.keys
    if not any(keys):
        return (
            everything,
            "The catalog names no artists, so nobody knows which of these tracks are by unseen ones.",
        )
    seen_keys = {key for row in np.flatnonzero(known) for key in keys[row]}
    seen = np.array([not seen_keys.isdisjoint(keys[row]) for row in np.flatnonzero(held_out)], dtype=bool)
    if seen.all() or not seen.any():
        which, others = ("seen", "unseen") if seen.all() else ("unseen", "seen")
        return everything, (
            f"All held-out tracks are by {which} artists: the split leaves none by {others} ones, and of those this "
            "says nothing. (Seen is an artist, or guest, of a track that users are known by.)"
        )
    return {**everything, UNSEEN: ~seen, SEEN: seen}, (
        f"{(~seen).sum()} held-out tracks are by unseen artists, {seen.sum()} by artists of tracks that users "
        "are known by, leads or guests. Each kind is also offered alone: compare it with its own chance. A track that "
        "names no artist is unseen."
    )


def _later(
    whole: ColdStartSplit, ratings: pd.DataFrame, config: LatentFactorsConfig, cutoff: pd.Timestamp | None
) -> tuple[ColdStartSplit | None, str]:
    """The offer to users as they were known before a cutoff, and a note on it, or on why there is none."""
    split = split_by_time(ratings, cutoff)
    if split is None:
        return None, "No split by time: ratings have no times, or all lie on one side of the cutoff."
    words = f"{split.cutoff:%Y-%m-%d %H:%M} UTC"
    before, after = (_listening(part, config) for part in (split.before, split.after))
    if before is None or after is None:
        return (
            None,
            f"No split by time: nobody likes anything {'before' if before is None else 'after'} {words}.",
        )
    liked, plays = before.plays(whole.users, whole.known_ids), after.plays(whole.users, whole.held_out_ids)
    rated = _pairs(pd.concat([split.before, split.untimed]), whole.users, whole.held_out_ids)
    new = np.diff(without_known(plays, rated).indptr) > 0
    kept = np.flatnonzero((np.diff(liked.indptr) > 0) & new)
    if not len(kept):
        return (
            None,
            f"No split by time: nobody who is known before {words} likes a new held-out track after it.",
        )
    popularity = np.asarray(before.plays(before.users, whole.held_out_ids).sum(axis=0), float).ravel()
    later = replace(
        whole,
        users=[whole.users[row] for row in kept],
        liked=liked[kept],
        plays=plays[kept],
        bound=(whole.bound[0][kept], whole.bound[1]),
        parts={LATER.format(cutoff=f"{split.cutoff:%Y-%m-%d}"): whole.parts[ALL]},
        before=rated[kept],
        popularity=popularity if popularity.any() else None,
    )
    return later, _note_on(split, words)


def _note_on(split: TimeSplit, cutoff: str) -> str:
    untimed = f" {len(split.untimed)} say no time and teach nothing." if len(split.untimed) else ""
    return (
        f"The cutoff is {cutoff}: {len(split.before)} ratings were made before it, {len(split.after)} after.{untimed} "
        "Users are folded in from what they liked before, and judged by what they liked of the held-out tracks after; "
        "held-out tracks that they had rated by then are not offered to them. A model that was trained on ratings may "
        "have learnt from later ones of other tracks; the users that it learnt would have, and are left out here."
    )


def _listening(ratings: pd.DataFrame, config: LatentFactorsConfig) -> Interactions | None:
    """Who likes what by some of the ratings; None if nobody likes anything."""
    try:
        return make_interactions(ratings, config.listening, "ratings")
    except CatalogError:
        return None


def _pairs(ratings: pd.DataFrame, users: list[str], track_ids: list[str]) -> csr_matrix:
    """Who rated what, [users, tracks]."""
    rows = pd.Index(users).get_indexer(pd.Index(ratings["user_id"]))
    columns = pd.Index(track_ids).get_indexer(pd.Index(ratings["track_id"]))
    kept = (rows >= 0) & (columns >= 0)
    ones = np.ones(kept.sum(), np.float32)
    return binary(csr_matrix((ones, (rows[kept], columns[kept])), shape=(len(users), len(track_ids))))
