"""Bring a store of neighbours up to an index: all lists the first time, later those that edits touch.

A list is touched where one of its tracks is gone or has changed, and where a track that is new or has changed
is as near as the last one in it; or where it is short. Those are computed anew, the others stay. Tracks are
compared by what they were like when their list was made (`fingerprints`), so nobody has to say what changed.
"""

import json
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice
from pathlib import Path

import numpy as np

from soundkin.errors import ArtefactError, OtherModelError
from soundkin.parallel import in_processes
from soundkin.progress import progress_bar
from soundkin.search.neighbour_lists import BatchQuery, Lists, lists_in_worker
from soundkin.search.neighbour_store import (
    ABOUT,
    FINGERPRINTS,
    IDS,
    Draft,
    ListSettings,
    NeighbourStore,
    StoreManifest,
    StorePlace,
    key_of,
    pack,
    place_at,
    version_of,
    write_about,
)
from soundkin.search.vector_index import Index
from soundkin.shapes import Bool, Int

TARGET, DONE = b"target", b"done"  # of a draft: what it becomes, and the batches that are in it
TRACKS_AT_ONCE = 512  # computed together, and lost by a kill
READ_AT_ONCE = 4096
FEW_BATCHES = 4  # which workers would take longer to start than to compute


@dataclass(frozen=True)
class StoreUpdate:
    """How many tracks a store holds, how many of these are new or changed, how many are gone, and how many
    lists were computed.
    """

    store: str
    tracks: int
    new: int
    gone: int
    computed: int


def update_store(
    location: str | Path, index: Index, settings: ListSettings, workers: int = 1, replace: bool = False
) -> StoreUpdate:
    """Let the store at `location` hold the lists of `index`, whatever it holds now or a killed run left.

    Raises:
        OtherModelError: it holds the lists of another model or of other tracks, and `replace` is false.
        ArtefactError: it is corrupt, and `replace` is false.
        OutputError: it cannot be written, or another run is writing it.
        StoreError: Redis cannot be reached, or refuses us.
    """
    place = place_at(location)
    with place.drafting() as draft:
        before = _before(place, index, replace)
        about = StoreManifest(
            index_version=version_of(index),
            model_hash=index.manifest.model_hash,
            count=len(index),
            settings=settings,
        )
        if before is not None and before.about == about:
            return StoreUpdate(str(place), len(index), 0, 0, 0)
        if before is not None and before.about.settings != settings:
            before = None
        query = BatchQuery(index, settings)
        change = _change(before, query)
        _compute(draft, change, before, about, query, workers)
        ids = json.dumps(change.ids, ensure_ascii=False).encode("utf-8", "surrogatepass")
        draft.put({ABOUT: write_about(about), IDS: ids, FINGERPRINTS: change.fingerprints})
        draft.publish()
    new, gone, computed = int(change.is_new.sum()), len(change.gone), len(change.touched)
    return StoreUpdate(str(place), len(index), new, gone, computed)


def _before(place: StorePlace, index: Index, replace: bool) -> NeighbourStore | None:
    """What the store holds now; None where it is to be made anew."""
    try:
        values = place.current()
        if values is None:
            return None
        store = NeighbourStore(place, values)
        _refuse_others(store, index)
    except (ArtefactError, OtherModelError):
        if not replace:
            raise
        return None
    return store


def _refuse_others(store: NeighbourStore, index: Index) -> None:
    """Raise OtherModelError where the store is of another model, or most of its tracks are not indexed."""
    if store.about.model_hash != index.manifest.model_hash:
        what = f"model {store.about.model_hash}, and index {index.folder} is of {index.manifest.model_hash}"
    else:
        ids = [track_id for track_id in store.ids if track_id is not None]
        shared = len({index.tracks.label(row).track_id for row in range(len(index))}.intersection(ids))
        if 2 * shared >= len(ids):
            return
        what = f"{len(ids)} tracks, of which index {index.folder} has {shared}"
    raise OtherModelError(
        f"{store.place} holds the neighbours of {what}. Name another store, or give --replace."
    )


@dataclass(frozen=True)
class _Change:
    """What becomes of a store: which number each track has from now on, and which lists are computed."""

    ids: list[str | None]  # by number
    numbers: Int[np.ndarray, " tracks"]  # by row of the index
    fingerprints: bytes
    is_new: Bool[np.ndarray, " tracks"]  # or has changed since its list was made
    gone: list[str]
    touched: Int[np.ndarray, " touched"]  # rows


def _change(before: NeighbourStore | None, query: BatchQuery) -> _Change:
    track_ids, prints = query.track_ids, query.fingerprints()
    old_ids = [] if before is None else before.ids
    old_prints = np.frombuffer(b"" if before is None else before.values.get(FINGERPRINTS) or b"", np.int64)
    gone = {track_id: number for number, track_id in enumerate(old_ids) if track_id is not None}
    numbers = np.array([gone.pop(track_id, -1) for track_id in track_ids], np.int64)
    is_new = numbers < 0
    is_new[~is_new] = old_prints[numbers[~is_new]] != prints[~is_new]
    outdated = {*gone.values(), *numbers[is_new & (numbers >= 0)].tolist()}

    free = [number for number, track_id in enumerate(old_ids) if track_id is None or track_id in gone]
    numberless = np.flatnonzero(numbers < 0)
    numbers[numberless] = list(islice(chain(free, count(len(old_ids))), len(numberless)))
    ids: list[str | None] = [None] * (int(numbers.max(initial=-1)) + 1)
    stored_prints = np.zeros(len(ids), np.int64)
    stored_prints[numbers] = prints
    for number, track_id in zip(numbers.tolist(), track_ids, strict=True):
        ids[number] = track_id
    touched = is_new if before is None else is_new | _is_touched(before, query, is_new, outdated)
    return _Change(ids, numbers, stored_prints.tobytes(), is_new, list(gone), np.flatnonzero(touched))


def _is_touched(
    store: NeighbourStore, query: BatchQuery, is_new: Bool[np.ndarray, " tracks"], outdated: set[int]
) -> Bool[np.ndarray, " tracks"]:
    """Whose lists in the store may differ now: they hold an outdated number, or a new track may come in."""
    is_touched = np.zeros(len(is_new), dtype=bool)
    new, old = np.flatnonzero(is_new), np.flatnonzero(~is_new)
    if not outdated and not len(new):
        return is_touched
    for start in range(0, len(old), READ_AT_ONCE):
        rows = old[start : start + READ_AT_ONCE]
        least = np.full(len(rows), -2, np.float32)  # nearer than that is anything
        keys = [key_of(query.track_ids[row]) for row in rows.tolist()]
        for place, (key, value) in enumerate(zip(keys, store.values.get_many(keys), strict=True)):
            try:
                numbers, scores = store.unpacked(key, value or b"")
            except ArtefactError:  # Redis evicts, disks forget: it is computed anew
                is_touched[rows[place]] = True
                continue
            is_touched[rows[place]] = not outdated.isdisjoint(numbers)
            if len(numbers) == store.about.settings.k:
                least[place] = scores[-1]
        is_touched[rows] |= query.are_nearer(new, rows, least)
    return is_touched


def _compute(
    draft: Draft,
    change: _Change,
    before: NeighbourStore | None,
    about: StoreManifest,
    query: BatchQuery,
    workers: int,
) -> None:
    """Write the lists that are touched, but for those that a killed run has written."""
    starts = range(0, len(change.touched), TRACKS_AT_ONCE)
    portions = [change.touched[start : start + TRACKS_AT_ONCE] for start in starts]
    target = repr((about, before and before.about, len(portions))).encode()
    if draft.get(TARGET) != target:
        draft.restart(from_current=before is not None)
        draft.put({TARGET: target, DONE: b"[]"}, [key_of(track_id) for track_id in change.gone])
    done: list[int] = json.loads(draft.get(DONE) or b"[]")
    missing = [number for number in range(len(portions)) if number not in set(done)]
    jobs = [portions[number] for number in missing]
    bar = progress_bar(description="neighbours", total=len(change.touched))
    bar.update(len(change.touched) - sum(map(len, jobs)))
    with bar, closing(_computed(query, about, jobs, workers)) as computed:
        for job, lists in computed:
            done.append(missing[job])
            draft.put({**_values(lists, change), DONE: json.dumps(done).encode()})
            bar.update(len(lists.rows))


def _computed(
    query: BatchQuery, about: StoreManifest, jobs: list[Int[np.ndarray, " batch"]], workers: int
) -> Generator[tuple[int, Lists], None, None]:
    """The lists of each batch, in the order in which they are ready."""
    if workers <= 1 or len(jobs) <= FEW_BATCHES:
        yield from enumerate(map(query.lists, jobs))
        return
    function = partial(lists_in_worker, query.index.folder, about.index_version, about.settings)
    yield from in_processes(function, jobs, workers)


def _values(lists: Lists, change: _Change) -> dict[bytes, bytes]:
    values = {}
    for row, found, scores in zip(lists.rows.tolist(), lists.found, lists.scores, strict=True):
        count = int((found >= 0).sum())
        key = key_of(change.ids[change.numbers[row]] or "")
        values[key] = pack(key, change.numbers[found[:count]].tolist(), scores[:count].tolist())
    return values
