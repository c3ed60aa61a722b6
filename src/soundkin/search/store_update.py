"""Bring a store of neighbours up to an index: all lists the first time, later those that edits touch.

A list is touched where a track that is new, has changed or is gone is, or was, as near as the furthest one
that was considered for it. Those are computed anew, the others stay. Tracks are compared by what they were
like when their list was made (`fingerprints`), so nobody has to say what changed. Where hub correction rests
on another sample than before, as after a compaction, all are computed.
"""

import hashlib
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
from soundkin.search.library_sample import sample_of
from soundkin.search.neighbour_lists import BatchQuery, lists_in_worker
from soundkin.search.neighbour_store import (
    ABOUT,
    FINGERPRINTS,
    IDS,
    LIST,
    VECTOR,
    Draft,
    ListSettings,
    NeighbourStore,
    StoreManifest,
    StorePlace,
    key_of,
    place_at,
    version_of,
    write_about,
)
from soundkin.search.packed_list import ALL, ListedAnswers
from soundkin.search.vector_index import Index
from soundkin.shapes import Bool, Float32, Int

TARGET, DONE = b"target", b"done"  # of a draft: what it becomes, and the batches that are in it
TRACKS_AT_ONCE = 512  # computed together, and lost by a kill
READ_AT_ONCE = 4096
HALF_ROUNDING = 1e-3  # of a cosine, by a vector of float16
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
            sample=hashlib.sha256(sample_of(index).vectors.tobytes()).hexdigest(),
        )
        if before is not None and before.about == about:
            return StoreUpdate(str(place), len(index), 0, 0, 0)
        stays = before  # whose lists may stay
        if before is not None and (before.about.settings, before.about.sample) != (settings, about.sample):
            stays = None
        query = BatchQuery(index, settings)
        change = _change(before, stays, query)
        _compute(draft, change, stays, about, query, workers)
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


def _change(before: NeighbourStore | None, stays: NeighbourStore | None, query: BatchQuery) -> _Change:
    track_ids, prints = query.track_ids, query.fingerprints()
    old_ids = [] if before is None else before.ids
    old_prints = np.frombuffer(b"" if before is None else before.values.get(FINGERPRINTS) or b"", np.int64)
    gone = {track_id: number for number, track_id in enumerate(old_ids) if track_id is not None}
    numbers = np.array([gone.pop(track_id, -1) for track_id in track_ids], np.int64)
    is_new = numbers < 0
    is_new[~is_new] = old_prints[numbers[~is_new]] != prints[~is_new]
    outdated = [*gone, *(track_ids[row] for row in np.flatnonzero(is_new & (numbers >= 0)).tolist())]

    free = [number for number, track_id in enumerate(old_ids) if track_id is None or track_id in gone]
    numberless = np.flatnonzero(numbers < 0)
    numbers[numberless] = list(islice(chain(free, count(len(old_ids))), len(numberless)))
    ids: list[str | None] = [None] * (int(numbers.max(initial=-1)) + 1)
    stored_prints = np.zeros(len(ids), np.int64)
    stored_prints[numbers] = prints
    for number, track_id in zip(numbers.tolist(), track_ids, strict=True):
        ids[number] = track_id
    touched = np.ones(len(is_new), dtype=bool)
    if stays is not None:
        touched = is_new | _is_touched(stays, query, is_new, outdated)
    return _Change(ids, numbers, stored_prints.tobytes(), is_new, list(gone), np.flatnonzero(touched))


def _is_touched(
    store: NeighbourStore, query: BatchQuery, is_new: Bool[np.ndarray, " tracks"], outdated: list[str]
) -> Bool[np.ndarray, " tracks"]:
    """Whose lists in the store may differ now: within their reach is what is new, or was what is outdated."""
    is_touched = np.zeros(len(is_new), dtype=bool)
    old, new = np.flatnonzero(~is_new), query.vectors[is_new]
    former = _former_vectors(store, outdated, query.vectors.shape[1])
    if former is None:
        return np.ones(len(is_new), dtype=bool)
    if not len(former) and not len(new):
        return is_touched
    for start in range(0, len(old), READ_AT_ONCE):
        rows = old[start : start + READ_AT_ONCE]
        reach = np.full(len(rows), ALL, np.float32)
        keys = [key_of(query.track_ids[row]) for row in rows.tolist()]
        for place, (key, value) in enumerate(zip(keys, store.values.get_many(keys), strict=True)):
            try:
                reach[place] = store.read(key, value or b"").reach
            except ArtefactError:  # Redis evicts, disks forget: it is computed anew
                is_touched[rows[place]] = True
        is_touched[rows] |= query.are_within(reach, rows, new)
        is_touched[rows] |= query.are_within(reach, rows, former, HALF_ROUNDING)
    return is_touched


def _former_vectors(
    store: NeighbourStore, track_ids: list[str], embedding_size: int
) -> Float32[np.ndarray, "tracks embedding"] | None:
    """The vectors that tracks had when their lists were made; None where one is lost."""
    values = store.values.get_many([key_of(track_id, VECTOR) for track_id in track_ids]) if track_ids else []
    if None in values:
        return None
    joined = np.frombuffer(b"".join(filter(None, values)), np.float16)
    return joined.astype(np.float32).reshape(len(values), embedding_size)


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
        gone = [key_of(track_id, what) for track_id in change.gone for what in (LIST, VECTOR)]
        draft.put({TARGET: target, DONE: b"[]"}, gone)
    done: list[int] = json.loads(draft.get(DONE) or b"[]")
    missing = [number for number in range(len(portions)) if number not in set(done)]
    jobs = [portions[number] for number in missing]
    bar = progress_bar(description="neighbours", total=len(change.touched))
    bar.update(len(change.touched) - sum(map(len, jobs)))
    with bar, closing(_computed(query, about, jobs, workers)) as computed:
        for job, lists in computed:
            done.append(missing[job])
            values = _values(jobs[job], lists, change, query)
            draft.put({**values, DONE: json.dumps(done).encode()})
            bar.update(len(lists))


def _computed(
    query: BatchQuery, about: StoreManifest, jobs: list[Int[np.ndarray, " batch"]], workers: int
) -> Generator[tuple[int, list[ListedAnswers]], None, None]:
    """The lists of each batch, in the order in which they are ready."""
    if workers <= 1 or len(jobs) <= FEW_BATCHES:
        yield from enumerate(map(query.lists, jobs))
        return
    function = partial(lists_in_worker, query.index.folder, about.index_version, about.settings)
    yield from in_processes(function, jobs, workers)


def _values(
    rows: Int[np.ndarray, " batch"], lists: list[ListedAnswers], change: _Change, query: BatchQuery
) -> dict[bytes, bytes]:
    values = {}
    for row, listed in zip(rows.tolist(), lists, strict=True):
        track_id = query.track_ids[row]
        key, numbers = key_of(track_id), change.numbers
        listed.folded = [numbers[folded].tolist() for folded in listed.folded]
        listed.names = [query.track_ids[answer] for answer in listed.tracks]
        listed.tracks = numbers[listed.tracks].tolist()
        values[key] = listed.packed(key)
        values[key_of(track_id, VECTOR)] = query.vectors[row].astype(np.float16).tobytes()
    return values
