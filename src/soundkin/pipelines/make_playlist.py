"""Playlist: track after track near seeds, an anchor or what was listened to, as long as wanted."""

import logging
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import UsageError
from soundkin.pipelines.options import PLAYLIST_FILE, WHERE, Option, argument

if TYPE_CHECKING:
    import numpy as np

    from soundkin.pipelines.answers import Filter
    from soundkin.pipelines.listed_tracks import Playlist
    from soundkin.pipelines.seeds import ResolvedSeed
    from soundkin.search.blend import Blend
    from soundkin.search.query_description import Seed
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Bool, Float32

    Vector = Float32[np.ndarray, " embedding"]
    Mask = Bool[np.ndarray, " tracks"]

TRACKS, MOST_TRACKS = 25, 10_000
GOES_ON_FROM = 5  # the last tracks of a playlist, where nothing else is asked for

log = logging.getLogger(__name__)


def playlist(
    index: Annotated["Index | Path | str", argument("INDEX_OR_LIBRARY")],
    like: Annotated[
        Sequence[str | Path] | str | Path, Option("A seed; several are mixed.", metavar="SEED")
    ] = (),
    unlike: Annotated[
        Sequence[str | Path] | str | Path, Option("A seed that tracks should not be near.", metavar="SEED")
    ] = (),
    anchor: Annotated[str | None, Option("Seeds saved under this name.", metavar="NAME")] = None,
    history: Annotated[
        Path | None, Option("What was listened to, the latest counting most.", metavar="FILE")
    ] = None,
    half_life: Annotated[
        float, Option("A play of the history counts half as much as one so many days later.", metavar="DAYS")
    ] = 30.0,
    continued: Annotated[
        Path | None, Option("A playlist to go on from; its tracks come first.", ("--continue",))
    ] = None,
    length: Annotated[int | None, Option("How many tracks; default 25.", ("-n",), minimum=1)] = None,
    minutes: Annotated[float | None, Option("How long, instead of how many tracks.")] = None,
    new: Annotated[
        float | None, Option("Share of tracks that the history lacks, 0 to 1; default: any.")
    ] = None,
    width: Annotated[float, Option("0: the nearest; 1: as different as may be.")] = 0.2,
    drift: Annotated[float, Option("0: stays with the seeds; 1: follows what came last.")] = 0.0,
    where: Annotated[Sequence[str], WHERE] = (),
    artist_cap: Annotated[int, Option("At most so many tracks of an artist; 0: any.", minimum=0)] = 3,
    variety: Annotated[float, Option("How much is left to chance, 0 to 1.")] = 0.0,
    random_seed: Annotated[int, Option("Another one, another playlist, with --variety.")] = 0,
    save_anchor: Annotated[str | None, Option("Keep these seeds under a name.", metavar="NAME")] = None,
    output: Annotated[Path | None, PLAYLIST_FILE] = None,
    model: Annotated[Path | str | None, Option("Model bundle for files; default: that of embed.")] = None,
    columns: Sequence[str] | None = (),
    further: "Sequence[Seed]" = (),
    further_unlike: "Sequence[Seed]" = (),
) -> "Playlist":
    """A playlist near seeds, an anchor, or what was listened to lately.

    Seeds are what `soundkin query` takes: track ids, audio files, words, album:NAME, artist:NAME and
    playlists. They are not in the playlist themselves, unless it continues one. No track comes twice, and no
    artist twice in a row as long as there are others.

    Examples:
      soundkin playlist library --like "nina simone sinnerman" -o tonight.m3u8
      soundkin playlist library --like 17_night-train --like album:"Kind of Blue" --save-anchor late
      soundkin playlist library --anchor late --minutes 90 --drift 0.5 -o late.m3u8
      soundkin playlist library --history listens.csv --new 0.7 --random-seed 20260801 -o today.m3u8
      soundkin playlist library --continue party.m3u8 -n 10 -o party-longer.m3u8

    The file is replaced in one step, and the same call writes the same playlist: for another one each day,
    give --variety and the date as --random-seed. Paths in it are relative to it. The score of a track is its
    cosine with what was asked for in its place.

    A history is what `soundkin recommend` takes: an export of ListenBrainz or Last.fm, or a table. From
    Python, `further` and `further_unlike` are seeds that say what kind they are, and `columns` are those
    whose cells the tracks hold (None: all).

    Raises:
        UsageError: nothing is asked for, an option is off, or a seed or an anchor is unknown.
        CatalogError: a playlist or the history cannot be read.
    """
    from soundkin.catalog.playlist_files import check_playlist_file
    from soundkin.pipelines.anchors import anchor_seeds, keep_anchor
    from soundkin.pipelines.answers import Filter, opened_index
    from soundkin.pipelines.heard import rows_heard
    from soundkin.pipelines.listed_tracks import Playlist, listed_tracks, write_tracks_as_playlist
    from soundkin.pipelines.query import refuse_contradictions, seed_texts
    from soundkin.pipelines.seeds import resolve_seeds
    from soundkin.search.track_walk import Taste, Walk

    shares = {"width": width, "drift": drift, "variety": variety, **({} if new is None else {"new": new})}
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise UsageError(f"{name}={value}: give a number from 0 to 1.")
    if length is not None and length < 1:
        raise UsageError(f"length={length}: ask for at least 1 track.")
    if artist_cap < 0:
        raise UsageError(f"artist_cap={artist_cap}: allow each artist at least 1 track, or 0 for any number.")
    if length is not None and minutes is not None:
        raise UsageError("length and minutes are given: a playlist has one or the other.")
    if minutes is not None and not 0 < minutes < float("inf"):
        raise UsageError(f"minutes={minutes}: give a number above 0.")
    if new is not None and history is None:
        raise UsageError("new is the share of tracks that are not in a history: give one, --history FILE.")
    if not 0 < half_life < float("inf"):
        raise UsageError(f"half_life={half_life}: give days above 0.")
    if output is not None:
        output = check_playlist_file(output)
    opened = opened_index(index)
    asked = resolve_seeds(opened, [*seed_texts(like), *further], model)
    unliked = resolve_seeds(opened, [*seed_texts(unlike), *further_unlike], model)
    seeds = [*asked, *(anchor_seeds(opened, anchor) if anchor is not None else [])]
    refuse_contradictions(seeds, unliked)
    if save_anchor is not None:
        if not seeds:
            raise UsageError("there are no seeds to save: give some, --like SEED.")
        keep_anchor(opened, save_anchor, seeds)
    may_be_empty = bool(seeds or history)
    before = _rows_to_continue(opened, continued, output, may_be_empty) if continued else []
    heard = {}
    if history is not None:
        played, weights = rows_heard(opened, history, half_life)
        heard = dict(zip(played.tolist(), weights.tolist(), strict=True))
    targets = _targets(opened, seeds, unliked, heard, before, random_seed)
    seed_rows = {row for seed in (*seeds, *unliked) for row in seed.rows}
    fitting = Filter(opened, where)
    candidates = _candidates(opened, fitting, seed_rows, minutes is not None)
    walk = Walk(opened, Taste(width, drift, variety, artist_cap, random_seed), before, seed_rows)
    tracks = walk.tracks(targets, _turns(candidates, heard, new))
    chosen, shortage = _as_long_as_wanted(opened, tracks, length, minutes)
    rows = [row for row, _ in chosen]
    if shortage:
        log.warning("%s: %s", shortage, _why_no_more(fitting, candidates, [*before, *rows], artist_cap))
    _tell_what_was_not_met(opened, [*before[-1:], *rows], rows, heard, new)
    whole = [*((row, 1.0) for row in before), *chosen]
    listed = Playlist(
        listed_tracks(opened, [row for row, _ in whole], [score for _, score in whole], columns)
    )
    listed.likes, listed.unlikes = asked, unliked
    if output is not None and listed:
        write_tracks_as_playlist(listed, output, output.stem)
    elif output is not None:
        log.warning("%s is not written: there is no track to put into it", output)
    return listed


def _rows_to_continue(index: "Index", file: Path, output: Path | None, may_be_empty: bool) -> list[int]:
    """The tracks of a playlist; refuses to write over it without entries that the index does not hold."""
    from soundkin.catalog.playlist_files import read_entries
    from soundkin.pipelines.seeds import resolve_seeds

    entries = {entry.location or entry.place for entry in read_entries(file)}
    if not entries and may_be_empty:
        log.warning("playlist %s is empty, so there is nothing of it to go on from", file)
        return []
    [seed] = resolve_seeds(index, [f"playlist:{file}"])
    lost = len(entries) - len(seed.rows)
    if lost > 0 and output is not None and output.resolve() == file.resolve():
        raise UsageError(
            f"{file}: {lost} of its {len(entries)} entries are not in the index, and would be lost. "
            "Write the longer playlist to another file."
        )
    return list(seed.rows)


def _targets(
    index: "Index",
    seeds: "Sequence[ResolvedSeed]",
    unliked: "Sequence[ResolvedSeed]",
    heard: "dict[int, float]",
    before: Sequence[int],
    random_seed: int,
) -> "Iterator[Blend]":
    """What is asked for in each place: the seeds together, else a track of the history by chance, the later
    ones more often, else where the playlist ended.
    """
    import numpy as np

    from soundkin.pipelines.query import blend_of_seeds
    from soundkin.pipelines.seeds import mean_direction

    def near(vector: "Vector") -> "Blend":
        return blend_of_seeds((), unliked, [vector])

    if seeds:
        return repeat(blend_of_seeds(seeds, unliked))
    if heard:
        rng, rows = np.random.default_rng(random_seed), sorted(heard)
        shares = np.array([heard[row] for row in rows]) / sum(heard.values())
        return (near(index.vector(int(rng.choice(rows, p=shares)))) for _ in repeat(None))
    if before:
        return repeat(near(mean_direction(index, before[-GOES_ON_FROM:], "the playlist's end")))
    raise UsageError(
        "nothing to be like: give --like SEED, --anchor NAME, --history FILE or --continue FILE."
    )


def _candidates(index: "Index", fitting: "Filter", seeds: set[int], timed: bool) -> "Mask":
    """Which tracks may come: those that fit, but for seeds; with a known length, if they are `timed`."""
    import numpy as np

    from soundkin.pipelines.listed_tracks import all_seconds

    candidates = np.ones(len(index), dtype=bool) if fitting.allowed is None else fitting.allowed.copy()
    candidates[sorted(seeds)] = False
    if timed:
        known = np.array(all_seconds(index)) > 0
        if not known.any():
            raise UsageError(
                "no track has a length: minutes needs the column duration. Give -n TRACKS instead."
            )
        candidates &= known
    return candidates


def _turns(candidates: "Mask", heard: "dict[int, float]", new: float | None) -> "Iterator[tuple[Mask, ...]]":
    """Which tracks may come in each place, those that should first; so that a share of `new` is not in the
    history.
    """
    import numpy as np

    if new is None:
        return repeat((candidates,))
    known = np.zeros(len(candidates), dtype=bool)
    known[sorted(heard)] = True
    kinds = (candidates & known, candidates & ~known)
    turns = (_new_among(place + 1, new) - _new_among(place, new) for place in range(MOST_TRACKS))
    return ((kinds[turn], candidates) for turn in turns)


def _new_among(tracks: int, new: float) -> int:
    """How many of the first so many tracks are not to be in the history."""
    return int(tracks * new + 1e-9)


def _why_no_more(fitting: "Filter", candidates: "Mask", there: Sequence[int], artist_cap: int) -> str:
    """Why no track can come beside those in the rows `there`."""
    lost, left = fitting.matching - int(candidates.sum()), int(candidates.sum() - candidates[there].sum())
    why = f"{fitting}, {lost} of them left out as seeds or for want of a length" if lost else str(fitting)
    cap = f" or by artists who have {artist_cap} (artist_cap)" if artist_cap else ""
    others = f", and the other {left} are versions of what is there{cap}" if left else ""
    return f"{why}{others}.{fitting.hints()}"


def _tell_what_was_not_met(
    index: "Index", listed: Sequence[int], chosen: Sequence[int], heard: "dict[int, float]", new: float | None
) -> None:
    """Log that a share of new tracks, or other artists in a row, could not be had; `listed` may begin earlier
    than what was `chosen`.
    """
    artists = [set(index.tracks.artists(row)) for row in listed]
    if in_a_row := sum(bool(one & other) for one, other in pairwise(artists)):
        log.warning("%d times a track follows one by its artist: there were no others left", in_a_row)
    unheard = sum(row not in heard for row in chosen)
    if new is not None and unheard != (wanted := _new_among(len(chosen), new)):
        log.warning(
            "new=%g: %d of %d tracks are not in the history, and %d should be: there are too few others",
            new, unheard, len(chosen), wanted,
        )  # fmt: skip


def _as_long_as_wanted(
    index: "Index", tracks: "Iterator[tuple[int, float]]", length: int | None, minutes: float | None
) -> tuple[list[tuple[int, float]], str]:
    """The first tracks, so many or as near to so many minutes as can be; and of how much there are how few,
    where they ran out.
    """
    from soundkin.pipelines.listed_tracks import seconds_of

    if minutes is None:
        wanted = length or TRACKS
        chosen = list(islice(tracks, wanted))
        return chosen, "" if len(chosen) == wanted else f"{len(chosen)} of {wanted} tracks"
    left, chosen = 60 * minutes, []
    for row, likeness in islice(tracks, MOST_TRACKS):
        seconds = seconds_of(index, row)
        if seconds > 2 * left:  # without it the end is nearer
            if not chosen:
                log.warning(
                    "no playlist: the first track alone takes %.1f of %g minutes", seconds / 60, minutes
                )
            return chosen, ""
        chosen.append((row, likeness))
        left -= seconds
        if left <= 0:
            return chosen, ""
    return chosen, f"{minutes - left / 60:.0f} of {minutes:.0f} minutes"
