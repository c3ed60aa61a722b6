"""Cold start: do users get the held-out tracks that they go on to play, of tracks that nobody had played?

`read_cold_start` splits the ratings before anything is embedded; `cold_start` scores every system's rankings
of all held-out tracks, of those by artists with and without a known track, and, where ratings have times, for
users as they were known before a cutoff by what they played after it. Users of systems without users of their
own are folded in from what they like of the known tracks; a model that has learnt users is in the table
twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.sparse import csr_matrix

from soundkin.catalog.interactions import Interactions, InteractionsConfig, make_interactions
from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.table import Catalog
from soundkin.catalog.time_split import split_by_time
from soundkin.embedding.known_users import KnownUsers
from soundkin.errors import CatalogError, UsageError
from soundkin.evaluation import user_rankings as rankings
from soundkin.evaluation.groupings import user_groups
from soundkin.evaluation.label_questions import Values
from soundkin.evaluation.system_vectors import check_systems
from soundkin.evaluation.user_rankings import BOUND, Factors, UserRankings
from soundkin.shapes import Bool, Float, Int
from soundkin.statistics.bootstrap import not_shown_to_beat
from soundkin.statistics.measure import Measure
from soundkin.tasks.factorisation import factorise
from soundkin.tasks.latent_factors import LatentFactorsConfig

ALL, UNSEEN, SEEN = "held-out tracks", "tracks of unseen artists", "tracks of seen artists"
NO_TIME_SPLIT = "No split by time"
LATER = "held-out tracks, plays since {cutoff}"
OWN_USERS = "{system}, its own users"
FACTORISED_NOTE = (
    f"{BOUND}: a weighted matrix factorisation of all ratings, those of the held-out tracks too, as in van "
    "den Oord et al. (2013). It was given the very plays that it is scored by, and where users are few it "
    "learns them by heart: no content-based system can reach it."
)
PLANTED_NOTE = (
    f"{BOUND}: the planted factors of users and tracks, which made the corpus. What they leave open in the "
    "plays is popularity and chance, which no audio tells."
)

TrackMask = Bool[np.ndarray, " tracks"]
FactorTables = tuple[pd.DataFrame, pd.DataFrame]  # of users and of tracks, by id


class ColdStart(BaseModel, frozen=True):
    """Rankings by the same systems, ours first; the first of `parts` is about all held-out tracks."""

    title: ClassVar[str] = "cold start"
    parts: tuple[UserRankings, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One line: the scores of the first table, and whether ours is shown to be above the others in it."""
        first = self.parts[0]
        result = "" if first.headline.too_few else not_shown_to_beat(first.unbeaten)
        return f"{first.offered}: {result and f'{result}: '}{first.verdict}"

    def table(self) -> list[dict[str, str]]:
        """Rows to print: those of each part, with the tracks that were ranked."""
        tables = [(f"{part.offered} ({part.tracks})", part.table()) for part in self.parts]
        return [{"offered": offered, **row} for offered, rows in tables for row in rows]


@dataclass(frozen=True, eq=False)
class ColdStartSplit:
    """Users, what they are known to like, and what they came to play.

    Columns are the tracks of the catalog: `liked`, `plays` and `before` [users, tracks] store ones, `bound`
    holds factors of users and tracks, and `parts` masks the held-out tracks that are ranked together, the
    first all of them. `before` is what a user had rated by the cutoff, which is no candidate, and
    `popularity` how many users liked a track by then; None where there is no cutoff, or nobody liked any.
    """

    users: list[str]
    liked: csr_matrix
    plays: csr_matrix
    bound: Factors
    parts: dict[str, TrackMask]
    before: csr_matrix | None = None
    popularity: Float[np.ndarray, " tracks"] | None = None


@dataclass(frozen=True, eq=False)
class ColdStartSplits:
    """The split without regard to time, then that by time, if it can be made.

    `known` masks the tracks of the `catalog` that users are known by; `rating_counts` is by track id.
    """

    catalog: Catalog
    known: TrackMask
    splits: tuple[ColdStartSplit, ...]
    rating_counts: "pd.Series[int]"
    own_users: KnownUsers | None
    notes: tuple[str, ...]

    def needed_ids(self) -> set[str]:
        """The tracks that systems need vectors of."""
        needed = self.known | self.splits[0].parts[ALL]
        return {self.catalog.track_ids[row] for row in np.flatnonzero(needed)}


@dataclass(frozen=True, eq=False)
class ColdStartAnswers:
    """The section, the users' scores behind its first table, and groups of these users to split them by."""

    section: ColdStart
    measures: list[Measure]
    groups: dict[str, Values]


def read_cold_start(
    catalog: Catalog,
    known: TrackMask,
    held_out: TrackMask,
    ratings: Path,
    own_users: KnownUsers | None = None,
    planted: FactorTables | None = None,
    cutoff: pd.Timestamp | None = None,
) -> ColdStartSplits:
    """Read the ratings, and choose the users whose rankings of the `held_out` tracks can be scored.

    `known` are the tracks whose ratings may be used: those that a model was trained on. `own_users` are the
    users that the first system has learnt; then nobody else is asked. The upper bound is `planted`, the
    factors that a synthesised corpus was made with; else a factorisation of all ratings. `cutoff` defaults to
    the time before which 80% of the ratings fall.

    Raises:
        UsageError: nobody likes both a known and a held-out track, or the planted factors are of another
            corpus.
        CatalogError: the ratings cannot be used.
    """
    if own_users is not None and not own_users.ids:
        raise UsageError(
            "the model came without users.parquet, which says whose its user vectors are. Put that file "
            "back, or evaluate without ratings."
        )
    frame = read_ratings(Path(ratings), catalog)
    config = _factorisation(own_users)
    interactions = make_interactions(frame, config.listening, f"ratings {ratings}")
    users = interactions.users if own_users is None else sorted({*interactions.users} & {*own_users.ids})
    plays = interactions.plays(users, catalog.track_ids)
    has_liked, has_played = (_row_sizes(plays[:, tracks]) > 0 for tracks in (known, held_out))
    kept = np.flatnonzero(has_liked & has_played)
    if not len(kept):
        raise UsageError(
            f"ratings {ratings}: none of {len(users)} users likes both one of the {known.sum()} tracks to "
            f"know them by and one of the {held_out.sum()} held-out tracks. Choose another split, or "
            "evaluate without ratings."
        )
    users, plays = [users[row] for row in kept], plays[kept]
    if planted is not None:
        _check_planted(planted, users, np.array(catalog.track_ids, object)[held_out].tolist())
    parts, parts_note = _parts(catalog, known, held_out)
    bound = select_factors(planted or factor_tables(interactions, config), users, catalog.track_ids)
    whole = ColdStartSplit(users, plays, plays, bound, parts)
    later, later_note = _later(whole, frame, catalog.track_ids, known, config, cutoff)
    notes = [parts_note, later_note]
    if strangers := int(has_played.sum()) - len(kept):
        notes.append(f"Users who like none of the known tracks are not asked: {strangers}.")
    notes.append(PLANTED_NOTE if planted else FACTORISED_NOTE)
    return ColdStartSplits(
        catalog=catalog,
        known=known,
        splits=(whole, later) if later else (whole,),
        rating_counts=frame["track_id"].value_counts(),
        own_users=own_users,
        notes=tuple(notes),
    )


def cold_start(
    splits: ColdStartSplits,
    track_ids: list[str],
    systems: Mapping[str, Float[np.ndarray, "tracks _"]],
    random_seed: int = 0,
    resamples: int = rankings.RESAMPLES,
) -> ColdStartAnswers:
    """Score rankings by each of `systems`, ours first, whose row i is the vector of `track_ids[i]`.

    Tracks that are not among these ids are neither known nor candidates.

    Raises:
        UsageError: vectors hold a NaN or infinity, or no held-out or known tracks are left.
    """
    check_systems(systems, track_ids)
    rows = pd.Index(track_ids).get_indexer(pd.Index(splits.catalog.track_ids))
    whole = splits.splits[0]
    known, held_out = splits.known & (rows >= 0), whole.parts[ALL] & (rows >= 0)
    if not known.any() or not held_out.any():
        raise UsageError(
            f"{known.sum()} tracks that users are known by have a vector by every system, and "
            f"{held_out.sum()} held-out ones. Give vectors of both, or evaluate without ratings."
        )
    tables: list[UserRankings] = []
    answers: list[list[Measure]] = []
    strengths: dict[str, float] = {}
    artists = splits.catalog.artists.groups[known]
    for split in splits.splits:
        factors: dict[str, Factors] = {}
        if split is whole and splits.own_users is not None:
            own, (name, vectors) = splits.own_users, next(iter(systems.items()))
            users = own.vectors[pd.Index(own.ids).get_indexer(pd.Index(split.users))]
            tracks = own.track_vectors(np.asarray(vectors[rows[held_out]], np.float32))
            factors[OWN_USERS.format(system=name)] = users, tracks
        for name, vectors in systems.items():
            factors[name], strength = rankings.fit_profiles(
                vectors[rows[known]], vectors[rows[held_out]], split.liked[:, known], artists, random_seed
            )
            strengths.setdefault(name, strength)
        for words, part in split.parts.items():
            chosen = part & held_out
            before = None if split.before is None else split.before[:, chosen]
            plays = rankings.without_known(split.plays[:, chosen], before)
            if plays.nnz:
                popularity = None if split.popularity is None else split.popularity[chosen]
                table, measures = rankings.user_rankings(
                    {name: (users, tracks[chosen[held_out]]) for name, (users, tracks) in factors.items()},
                    (split.bound[0], split.bound[1][chosen]),
                    plays,
                    random_seed,
                    resamples,
                    before,
                    popularity,
                )
                tables.append(table.model_copy(update={"offered": words}))
                answers.append(measures)
        if not tables:
            raise UsageError(
                f"nobody likes any of the {held_out.sum()} held-out tracks that every system has a vector "
                "of. Give vectors of more tracks, or evaluate without ratings."
            )
    notes = (_profiles_note(strengths), *splits.notes, *tables[-1].notes)
    groups = user_groups(_row_sizes(whole.liked[:, known]))
    return ColdStartAnswers(ColdStart(parts=tuple(tables), notes=notes), answers[0], groups)


def factor_tables(interactions: Interactions, config: LatentFactorsConfig) -> FactorTables:
    """Factors of users and tracks by a weighted matrix factorisation of all interactions."""
    factors = factorise(
        interactions.confidence, config.factors, config.iterations, config.regularisation, config.random_seed
    )
    return pd.DataFrame(factors.users, interactions.users), pd.DataFrame(factors.tracks, interactions.tracks)


def select_factors(tables: FactorTables, users: list[str], track_ids: list[str]) -> Factors:
    """The factors of these users and tracks; zeros for those that have none."""
    selected = [
        table.reindex(ids, fill_value=0) for table, ids in zip(tables, (users, track_ids), strict=True)
    ]
    return selected[0].to_numpy(), selected[1].to_numpy()


def _factorisation(own_users: KnownUsers | None) -> LatentFactorsConfig:
    """The model's own settings; if it learnt users otherwise, as many factors as it has."""
    if own_users is None:
        return LatentFactorsConfig()
    config = own_users.task.config
    if isinstance(config, LatentFactorsConfig):
        return config
    return LatentFactorsConfig(factors=config.factors, listening=config.listening)


def _check_planted(planted: FactorTables, users: list[str], track_ids: list[str]) -> None:
    for kind, wanted, table in zip(("user", "track"), (users, track_ids), planted, strict=True):
        if strangers := sorted(set(wanted) - set(table.index)):
            raise UsageError(
                f"truth: the corpus has no {kind} {strangers[0]} ({len(strangers)} such {kind}s). Name the "
                "folder of the corpus that this catalog and these ratings are of."
            )


def _parts(catalog: Catalog, known: TrackMask, held_out: TrackMask) -> tuple[dict[str, TrackMask], str]:
    """The held-out tracks that are ranked together, by what they are, and a note on that."""
    everything, keys = {ALL: held_out}, catalog.artists.keys
    if not any(keys):
        return (
            everything,
            "The catalog names no artists: which of these tracks are by unseen ones is not known.",
        )
    seen_keys = {key for row in np.flatnonzero(known) for key in keys[row]}
    seen = held_out & np.array([not seen_keys.isdisjoint(track_keys) for track_keys in keys], dtype=bool)
    unseen = held_out & ~seen
    if not unseen.any() or not seen.any():
        which, others = ("seen", "unseen") if seen.any() else ("unseen", "seen")
        return everything, (
            f"All held-out tracks are by {which} artists: the split leaves none by {others} ones, and of "
            "those this says nothing. (Seen is an artist, or guest, of a track that users are known by.)"
        )
    return {**everything, UNSEEN: unseen, SEEN: seen}, (
        f"{unseen.sum()} held-out tracks are by unseen artists, {seen.sum()} by artists of tracks that users "
        "are known by, leads or guests. Each kind is also offered alone: compare it with its own chance. A "
        "track that names no artist is unseen."
    )


def _later(
    whole: ColdStartSplit,
    ratings: pd.DataFrame,
    track_ids: list[str],
    known: TrackMask,
    config: LatentFactorsConfig,
    cutoff: pd.Timestamp | None,
) -> tuple[ColdStartSplit | None, str]:
    """The split by time, and a note on it, or on why there is none."""
    split = split_by_time(ratings, cutoff)
    if split is None:
        return None, f"{NO_TIME_SPLIT}: ratings have no times, or all lie on one side of the cutoff."
    time = f"{split.cutoff:%Y-%m-%d %H:%M} UTC"
    before, after = (_interactions(part, config) for part in (split.before, split.after))
    if before is None or after is None:
        return (
            None,
            f"{NO_TIME_SPLIT}: nobody likes anything {'before' if before is None else 'after'} {time}.",
        )
    liked, plays = before.plays(whole.users, track_ids), after.plays(whole.users, track_ids)
    ratings_by_then = pd.concat([split.before, split.untimed]).assign(rating=1.0)  # whatever they say
    rated = make_interactions(ratings_by_then, InteractionsConfig(), "ratings").plays(whole.users, track_ids)
    new_plays = rankings.without_known(plays, rated)[:, whole.parts[ALL]]
    kept = np.flatnonzero((_row_sizes(liked[:, known]) > 0) & (_row_sizes(new_plays) > 0))
    if not len(kept):
        return (
            None,
            f"{NO_TIME_SPLIT}: nobody who is known before {time} likes a new held-out track after it.",
        )
    popularity = np.asarray(before.plays(before.users, track_ids).sum(axis=0), float).ravel()
    later = replace(
        whole,
        users=[whole.users[row] for row in kept],
        liked=liked[kept],
        plays=plays[kept],
        bound=(whole.bound[0][kept], whole.bound[1]),
        parts={LATER.format(cutoff=f"{split.cutoff:%Y-%m-%d}"): whole.parts[ALL]},
        before=rated[kept],
        popularity=popularity if popularity[whole.parts[ALL]].any() else None,
    )
    untimed = f" {len(split.untimed)} have no time and are not used." if len(split.untimed) else ""
    return later, (
        f"The cutoff is {time}: {len(split.before)} ratings were made before it, {len(split.after)} "
        f"after.{untimed} Users are folded in from what they liked before, and scored by what they liked of "
        "the held-out tracks after; held-out tracks that they had rated by then are not offered to them. A "
        "model that was trained on ratings may have learnt from later ones of other tracks; the users that "
        "it learnt would have, and are left out here."
    )


def _interactions(ratings: pd.DataFrame, config: LatentFactorsConfig) -> Interactions | None:
    try:
        return make_interactions(ratings, config.listening, "ratings")
    except CatalogError:
        return None


def _row_sizes(matrix: csr_matrix) -> Int[np.ndarray, " rows"]:
    return np.diff(matrix.indptr).astype(int)


def _profiles_note(strengths: Mapping[str, float]) -> str:
    chosen = ", ".join(
        f"{name} {'the mean of what they like' if strength == rankings.MEAN else f'{strength:g}'}"
        for name, strength in strengths.items()
    )
    return (
        "Users are folded in over each system's vectors, standardised over the tracks that users are known "
        "by: ridge regressions of what they like of these. Strength of regularisation, chosen by "
        f"{rankings.CHOSEN_BY} on other artists among these tracks: {chosen}."
    )
