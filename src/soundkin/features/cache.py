"""Frames on disk, so that training reads them at the speed of memory instead of decoding audio every epoch.

A cache folder holds one folder per front end and length; in it, shards: the float16 frames of many tracks in
one run (`*.f16`), with an index (`*.json`: audio hash -> first frame, frame count, CRC-32, and where in the
track frames begin: seconds a frame, and the frames after a gap with their seconds). The index is written
last and makes a shard count, so a build may be killed at any point, and the next one goes on from
there. A track's frames are checked when a process first reads them. Tracks are known by the hash of their
bytes: catalogs may share a cache folder, and renamed files keep their frames.
"""

import fcntl
import logging
import uuid
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from soundkin.errors import ArtefactError, AudioError, Skipped
from soundkin.features.frontends.interface import FrameStream, FrontEnd, TrackInput
from soundkin.files import explaining_output, read_json, replacing, write_json
from soundkin.parallel import in_processes, refuse_script_without_guard
from soundkin.progress import progress, progress_bar
from soundkin.shapes import Float

logger = logging.getLogger(__name__)

SECONDS_PER_TRACK = 300.0
TRACKS_PER_SHARD = 32
TRACKS_WORTH_A_WORKER = 50  # starting a process takes as long as computing about so many
OPEN_SHARDS = 256


class MelCache:
    """The tracks cached under one front end, of which at most the first `seconds_per_track` are kept.

    Cheap to pickle: a data loader's workers map the shards anew. Raises ArtefactError for a damaged index.
    """

    def __init__(self, folder: Path, front_end: FrontEnd, seconds_per_track: float = SECONDS_PER_TRACK):
        self.folder = _folder_of(folder, front_end, seconds_per_track)
        self.mel_bands, self.bands = front_end.mel_bands, front_end.bands
        self._places: dict[str, tuple[str, int, int, int, float, list[tuple[int, float]]]] = {}
        self._checked: set[str] = set()
        for index in sorted(self.folder.glob("shard-*.json")):
            for key, place in read_json(index).items():
                if len(place) == 5:  # earlier versions wrote less: such tracks are computed again
                    self._places[key] = (index.stem, *place)
        self._open = lru_cache(OPEN_SHARDS)(self._map_shard)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def frames(self, key: str) -> int:
        """How many frames a track has."""
        return self._places[key][2]

    def frame_seconds(self, key: str) -> float:
        """From one frame of a track to the next, where nothing was left out between."""
        return self._places[key][4]

    def start_seconds(self, key: str) -> Float[np.ndarray, " frames"]:
        """Where in the track each of its frames begins, in seconds; silence may have been left out."""
        *_, count, _, frame_seconds, gaps = self._places[key]
        first, seconds = (np.array(column) for column in zip(*gaps, strict=True))
        frames = np.arange(count)
        before = np.searchsorted(first, frames, side="right") - 1
        return np.asarray(seconds[before] + (frames - first[before]) * frame_seconds)

    def log_mel(self, key: str) -> Float[np.ndarray, "frames mels"]:
        """A track's float16 frames, mapped from disk: a slice reads only what it covers.

        Raises ArtefactError if the shard is missing or too short, or the frames are not those written.
        """
        shard, start, count, checksum, *_ = self._places[key]
        frames = self._open(shard)[start : start + count]
        if len(frames) < count:
            raise self._damaged(shard, "too short")
        if key not in self._checked:
            if zlib.crc32(np.ascontiguousarray(frames).data) != checksum:
                raise self._damaged(shard, "its checksum is another")
            self._checked.add(key)
        return frames

    def _map_shard(self, shard: str) -> Float[np.ndarray, "frames mels"]:
        try:
            mapped = np.memmap(self.folder / f"{shard}.f16", np.float16, mode="r")
            return np.asarray(mapped).reshape(-1, self.bands)  # an array: slices of a memmap are slow to make
        except (OSError, ValueError) as error:
            raise self._damaged(shard, str(error)) from error

    def _damaged(self, shard: str, reason: str) -> ArtefactError:
        path = self.folder / f"{shard}.f16"
        return ArtefactError(f"{path} is damaged ({reason}). Delete {self.folder} and build the cache again.")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_open"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open = lru_cache(OPEN_SHARDS)(self._map_shard)


@dataclass(frozen=True)
class CacheBuild:
    """A built cache, each track's key in it (None where skipped), and what was skipped."""

    cache: MelCache
    keys: list[str | None]
    skipped: list[Skipped]


def build_cache(
    tracks: Sequence[TrackInput],
    front_end: FrontEnd,
    folder: Path,
    workers: int = 1,
    seconds_per_track: float = SECONDS_PER_TRACK,
) -> CacheBuild:
    """Cache the first `seconds_per_track` of tracks, computing only what the folder does not hold already.

    Memory does not grow with the number or length of tracks. Another build in the same folder is waited for.
    Raises OutputError if the folder cannot be written, or the disk is full.
    """
    target = _folder_of(folder, front_end, seconds_per_track)
    with _building(target):
        write_json(target / "front_end.json", front_end.settings())
        hashes = list(progress(_hash_all(tracks, front_end, workers), "Reading tracks", len(tracks)))
        known = MelCache(folder, front_end, seconds_per_track)
        hashed = {key: track for track, key in zip(tracks, hashes, strict=True) if isinstance(key, str)}
        missing = [(key, track) for key, track in hashed.items() if key not in known]
        # Each worker would read the whole of a table.
        workers = min(workers, 1 + len(missing) // TRACKS_WORTH_A_WORKER) if front_end.takes_audio else 1
        # Shards of equal size, small enough that all workers have something to do.
        size = max(1, min(TRACKS_PER_SHARD, len(missing) // (4 * max(1, workers))))
        batches = (missing[start : start + size] for start in range(0, len(missing), size))
        build = partial(_build_shard, target, front_end, seconds_per_track)
        failures: dict[str, str] = {}
        with progress_bar(None, "Computing frames", len(missing)) as bar:
            for _, (count, failed) in in_processes(build, batches, workers):
                failures |= failed
                bar.update(count)
    keys: list[str | None] = []
    skipped: list[Skipped] = []
    for track, key in zip(tracks, hashes, strict=True):
        reason = failures.get(key, "") if isinstance(key, str) else str(key)
        keys.append(None if reason else str(key))
        if reason:
            skipped.append(Skipped(str(track), reason.removeprefix(f"{track} ").removeprefix(f"{track}: ")))
    return CacheBuild(MelCache(folder, front_end, seconds_per_track), keys, skipped)


def _folder_of(folder: Path, front_end: FrontEnd, seconds_per_track: float) -> Path:
    return Path(folder) / f"{front_end.content_hash()}-{seconds_per_track:g}s"


@contextmanager
def _building(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back from a killed build, and clear its leftovers."""
    with explaining_output(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refuse_script_without_guard()  # the other build may be waiting for this worker
            logger.warning("waiting for another process that builds the cache %s", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        for path in folder.iterdir():
            without_index = path.suffix == ".f16" and not path.with_suffix(".json").exists()
            if path.suffix == ".tmp" or without_index:
                path.unlink()
        yield


def _hash_all(tracks: Sequence[TrackInput], front_end: FrontEnd, workers: int) -> Iterator[str | AudioError]:
    """Each track's hash, or what is wrong with it. Hashing runs outside Python's lock: threads are enough."""

    def hash_or_error(track: TrackInput) -> str | AudioError:
        try:
            return front_end.input_hash(track)
        except AudioError as error:
            return error

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for start in range(0, len(tracks), 1_000):
            yield from pool.map(hash_or_error, tracks[start : start + 1_000])


def _build_shard(
    folder: Path, front_end: FrontEnd, seconds: float, batch: Sequence[tuple[str, TrackInput]]
) -> tuple[int, dict[str, str]]:
    """Write a shard; returns the size of the batch, and by key why tracks are not in it."""
    places: dict[str, tuple[int, int, int, float, list[tuple[int, float]]]] = {}
    failures: dict[str, str] = {}
    data = folder / f"shard-{uuid.uuid4().hex}.f16"
    with replacing(data) as file:
        written = 0
        for key, track in batch:
            start, checksum = written, 0
            try:
                stream = front_end.stream(track, seconds)
                for frames in stream:
                    content = frames.half().numpy().tobytes()
                    file.write(content)
                    written += len(frames)
                    checksum = zlib.crc32(content, checksum)
            except AudioError as error:
                failures[key] = str(error)
            else:
                places[key] = (start, written - start, checksum, *_times(stream, written - start))
                if stream.warnings:
                    logger.warning("%s: %s", stream.name, "; ".join(stream.warnings))
    if places:
        write_json(data.with_suffix(".json"), places)
    else:
        data.unlink()
    return len(batch), failures


def _times(stream: FrameStream, frames: int) -> tuple[float, list[tuple[int, float]]]:
    """Seconds from a frame to the next, and frame and seconds of the first and of each after a gap."""
    starts = np.array([stream.start_seconds(frame) for frame in range(frames)])
    steps = np.diff(starts)
    step = float(np.median(steps)) if len(steps) else 0.0
    after_gaps = [0, *(1 + np.flatnonzero(np.abs(steps - step) > 1e-6)).tolist()]
    return step, [(frame, float(starts[frame])) for frame in after_gaps]
