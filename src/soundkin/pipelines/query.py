"""Query: which tracks sound like these? By track this imports no torch; by file it loads the model."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from soundkin.errors import UsageError
from soundkin.pipelines.options import WHERE, Option, argument

if TYPE_CHECKING:
    import numpy as np

    from soundkin.pipelines.answers import AnswerList
    from soundkin.pipelines.seeds import ResolvedSeed
    from soundkin.search.blend import Blend
    from soundkin.search.query_description import QueryDescription
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Bool, Float, Float32

    Vectors = Float[np.ndarray, "*seeds embedding"]
    Vector = Float32[np.ndarray, " embedding"]

Names = Sequence[str | Path] | str | Path

log = logging.getLogger(__name__)


def query(
    index: Annotated["Index | Path | str", argument("INDEX_OR_LIBRARY")],
    like: Annotated[
        Names,
        Option(
            "A seed: a track_id, an audio or playlist file, album:NAME, artist:NAME, or words of title, "
            "artist and album; ^2 behind it doubles its weight. Give several to ask for what is near all.",
            metavar="SEED",
        ),
    ] = (),
    k: Annotated[int, Option("How many answers.", ("-k",), minimum=1)] = 10,
    where: Annotated[Sequence[str], WHERE] = (),
    artist_cap: Annotated[
        int | None,
        Option(
            "At most this many answers of one artist; 0: any number. Default: 2 if there are enough.",
            minimum=0,
        ),
    ] = None,
    *,
    unlike: Annotated[Names, Option("A seed that answers should not be near.", metavar="SEED")] = (),
    own_artist: Annotated[bool, Option("Let artists of the seeds be among the answers.")] = True,
    diversity: Annotated[
        float, Option("From 0 to 1: how much each answer should differ from those before.", metavar="SHARE")
    ] = 0.0,
    fold_versions: Annotated[bool, Option("One answer for copies and versions of a track.")] = True,
    hub_correction: Annotated[bool, Option("Put tracks that are near to everything further down.")] = True,
    by: Annotated[
        Literal["sound", "trajectory"],
        Option("Be alike in sound, or in the course over time, whatever the sound."),
    ] = "sound",
    description: Annotated[
        Path | None, Option("Take all of the above from this JSON file (docs/queries.md).", metavar="FILE")
    ] = None,
    model: Annotated[
        Path | str | None, Option("Model bundle for files; default: that of embed.", metavar="MODEL")
    ] = None,
    vector: "Vectors | None" = None,
    columns: Sequence[str] | None = (),
) -> "AnswerList":
    """What sounds like this? Ask by track, file, words, album, artist, playlist, or by several at once.

    A seed is a file if there is one of that name, else a track_id, else what it spells out; where words fit
    several tracks, these are listed to choose from. No seed is among the answers, nor another version of one.
    Best first; a note is logged if they are fewer than asked for.

    Examples:
      soundkin query ~/library --like "nina simone sinnerman" -k 10
      soundkin query index --like new-song.mp3 --artist-cap 1 --no-own-artist
      soundkin query index --like artist:bjork --like "album:pastel blues^2" --unlike 17_night-train
      soundkin query index --like mix.m3u8 --where genre=rock --where 'duration<300' --json
      soundkin query ~/library --like song.mp3 --by trajectory

    From Python, `vector` is a further seed or several, by the index's model; `columns` are those whose cells
    the answers hold (None: all); and to ask often, `index` is one that `open_index` opened: it reads nothing
    again, and the model of the first file is kept for the next. `ask` takes all this as one description.

    Raises:
        UsageError: an option is off, or a track, file or column is unknown; names the nearest.
        CatalogError: a playlist cannot be read.
        ArtefactError: the index is corrupt, or `model` is not the one it was made with.
        AudioError: a file cannot be decoded.
    """
    from soundkin.config import validate
    from soundkin.search.query_description import QueryDescription, read_description

    asked = {
        "like": seed_texts(like),
        "unlike": seed_texts(unlike),
        "k": k,
        "where": where,
        "artist_cap": artist_cap,
        "own_artist": own_artist,
        "diversity": diversity,
        "fold_versions": fold_versions,
        "hub_correction": hub_correction,
        "by": by,
    }
    wanted = validate(QueryDescription, asked, noun="query")
    if description is not None:
        if wanted != QueryDescription():
            raise UsageError(f"{description} says all of the query: put what else is asked into it.")
        wanted = read_description(Path(description))
    return ask(index, wanted, model, vector, columns)


def ask(
    index: "Index | Path | str",
    asked: "QueryDescription",
    model: Path | str | None = None,
    vector: "Vectors | None" = None,
    columns: Sequence[str] | None = (),
    only: "Bool[np.ndarray, ' tracks'] | None" = None,
) -> "AnswerList":
    """The answers to a query that is described as a whole, of the tracks in the mask `only`; see `query`."""
    from soundkin.pipelines.answers import Query, opened_index
    from soundkin.pipelines.query_trajectories import (
        check_by_trajectory,
        kept_trajectories,
        rank_by_trajectory,
    )
    from soundkin.pipelines.seeds import resolve_seeds
    from soundkin.search.library_sample import sample_of
    from soundkin.search.ranking import order_of, rank, rank_by_default

    if not asked.like and vector is None:
        raise UsageError("nothing to be like: give a track_id, an audio file or words, --like SEED.")
    if asked.by == "trajectory":
        check_by_trajectory(asked, vector)
    opened = opened_index(index)
    question = Query(opened, asked.k, asked.where, asked.artist_cap or None, columns, only)
    likes = resolve_seeds(opened, asked.like, model)
    unlikes = resolve_seeds(opened, asked.unlike, model)
    refuse_contradictions(likes, unlikes)
    given = [] if vector is None else _given(vector, opened.manifest.embedding_size)
    seeds = {row for seed in (*likes, *unlikes) for row in seed.rows}
    left_out, reason, allowed = seeds, "they are asked about", question.allowed
    if not asked.own_artist:
        own = _by_artists_of(opened, [row for seed in likes for row in seed.rows])
        for seed in likes:
            if not any(map(opened.tracks.artists, seed.rows)):
                log.warning(
                    "own_artist: whose %s is is not known, so no artist is left out for it", seed.name
                )
        left_out, reason = seeds | set(own.nonzero()[0].tolist()), f"{reason} or by an artist who is"
        allowed = ~own if allowed is None else allowed & ~own
    order, capped_by_default = order_of(asked, opened), asked.artist_cap is None
    if asked.by == "trajectory":
        kept = kept_trajectories(opened)
        ranking = rank_by_trajectory(opened, kept, likes, order, allowed, seeds, model)
        if capped_by_default and len(ranking) < asked.k:
            uncapped = replace(order, artist_cap=None)
            ranking = rank_by_trajectory(opened, kept, likes, uncapped, allowed, seeds, model)
        left_out, reason = left_out | kept.unknown, f"{reason} or too short to have a trajectory"
        sample = kept.sample
    else:
        ranked_by = rank_by_default if capped_by_default else rank
        ranking = ranked_by(opened, blend_of_seeds(likes, unlikes, given), order, allowed, seeds)
        sample = sample_of(opened)
    shares = sample.shares_less_alike([track.similarity for track in ranking])
    ranked = [(track.row, track.similarity) for track in ranking]
    answers = question.answers(ranked, left_out, reason, shares, [track.folded for track in ranking])
    answers.likes, answers.unlikes, answers.by = likes, unlikes, asked.by
    return answers


def blend_of_seeds(
    likes: "Sequence[ResolvedSeed]", unlikes: "Sequence[ResolvedSeed]" = (), given: "Sequence[Vector]" = ()
) -> "Blend":
    """Seeds as `search.blend` takes them."""
    import numpy as np

    from soundkin.search.blend import Blend

    liked = [*(seed.vector for seed in likes), *given]
    size = len(liked[0])
    return Blend(
        np.array(liked),
        np.array([*(seed.weight for seed in likes), *[1.0] * len(given)]),
        np.array([seed.vector for seed in unlikes], np.float32).reshape(-1, size),
        np.array([seed.weight for seed in unlikes], float),
    )


def _by_artists_of(index: "Index", rows: list[int]) -> "Bool[np.ndarray, ' tracks']":
    """The tracks that an artist of one of `rows` has a part in."""
    import numpy as np

    from soundkin.search.conditions import mask_any

    keys = {key for row in rows for key in index.tracks.artists(row)}
    return mask_any(index.tracks.artist_keys, keys) if keys else np.zeros(len(index), dtype=bool)


def refuse_contradictions(likes: "list[ResolvedSeed]", unlikes: "list[ResolvedSeed]") -> None:
    """Raise UsageError where something is liked and unliked."""
    unliked = {seed.rows or (seed.name,): seed for seed in unlikes}
    for seed in likes:
        if (seed.rows or (seed.name,)) in unliked:
            raise UsageError(f"{seed.name} is both liked and unliked. Take one of the two out.")


def seed_texts(names: Names) -> list[str]:
    """One seed or several, as text."""
    return [str(name) for name in ([names] if isinstance(names, str | Path) else names)]


def _given(vector: "Vectors", size: int) -> "list[Vector]":
    """The vectors that were given, one a seed, at unit length."""
    import numpy as np

    from soundkin.statistics.scaling import unit_length

    vectors = np.atleast_2d(np.asarray(vector))
    if vectors.ndim != 2 or vectors.shape[1] != size or vectors.dtype.kind not in "fiu":
        shape = np.shape(vector)
        raise UsageError(f"vector of shape {shape}: the index holds vectors of {size} numbers. Give such.")
    if not np.isfinite(vectors).all():
        raise UsageError("vector holds numbers that are not finite. Give others.")
    return list(unit_length(vectors.astype(np.float32)))
