import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from audio_files import tune
from torch.utils.data import DataLoader, Dataset

from soundkin.errors import ArtefactError, OutputError
from soundkin.features.cache import TRACKS_PER_SHARD, MelCache, build_cache
from soundkin.features.decode import audio_hash
from soundkin.features.frontends.log_mel import LogMelFrontEnd

FRONT_END = LogMelFrontEnd()


def write_tracks(folder: Path, count: int, seconds: float = 1.0) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.wav" for number in range(count)]
    for number, path in enumerate(paths):
        soundfile.write(path, tune(22_050, seconds, 1) * (0.1 + number / count), 22_050)
    return paths


def test_keeps_where_in_the_track_frames_begin_though_silence_is_left_out(tmp_path: Path) -> None:
    sound, silence = tune(22_050, 2.0, 1), np.zeros((66_150, 1))
    soundfile.write(tmp_path / "gap.wav", np.concatenate([sound, silence, sound]), 22_050)
    build = build_cache([tmp_path / "gap.wav"], FRONT_END, tmp_path / "cache")
    [key] = build.keys
    assert key is not None
    stream = FRONT_END.stream(tmp_path / "gap.wav")
    frames = sum(len(block) for block in stream)
    expected = [stream.start_seconds(frame) for frame in range(frames)]
    np.testing.assert_allclose(build.cache.start_seconds(key), expected, atol=1e-9)
    assert build.cache.frame_seconds(key) == pytest.approx(1 / 30)
    assert np.diff(expected).max() > 2.5, "the silence is between two frames"


def test_holds_what_the_front_end_computes(tmp_path: Path, audio: Callable[[str], Path]) -> None:
    paths = [audio(kind) for kind in ("mp3", "flac", "opus", "m4a")]
    build = build_cache(paths, FRONT_END, tmp_path / "cache")
    assert build.keys == [audio_hash(path) for path in paths]
    assert build.skipped == []
    for key, path in zip(build.keys, paths, strict=True):
        assert key is not None
        found = build.cache.log_mel(key)
        expected = FRONT_END.frames(path)
        assert found.dtype == np.float16
        assert len(found) == build.cache.frames(key)
        np.testing.assert_array_equal(found, expected.half().numpy())
        np.testing.assert_allclose(found, expected, atol=0.008)  # float16 between 8 and 16 has steps of 1/128


def test_bad_files_are_skipped_with_reasons(tmp_path: Path) -> None:
    good, also_good = write_tracks(tmp_path, 2)
    (tmp_path / "text.mp3").write_text("not music")
    (tmp_path / "copy.mp3").write_text("not music")
    soundfile.write(tmp_path / "one.wav", np.ones(1), 22_050)
    bad = [tmp_path / "text.mp3", tmp_path / "missing.mp3", tmp_path / "copy.mp3", tmp_path / "one.wav"]
    build = build_cache([good, *bad, also_good], FRONT_END, tmp_path / "cache")
    assert build.keys == [audio_hash(good), None, None, None, None, audio_hash(also_good)]
    assert [skipped.path for skipped in build.skipped] == list(map(str, bad))
    reasons = [skipped.reason for skipped in build.skipped]
    assert reasons[1].startswith("cannot be read: No such file")
    assert all("cannot be decoded" in reasons[number] for number in (0, 2))
    assert reasons[3].startswith("holds 1 samples")
    assert len(build.cache) == 2


def test_nothing_is_computed_twice(tmp_path: Path) -> None:
    paths = write_tracks(tmp_path / "tracks", 3)
    first = build_cache(paths[:2], FRONT_END, tmp_path / "cache").cache
    shards = {path: path.stat().st_mtime_ns for path in first.folder.glob("shard-*")}
    renamed = paths[0].rename(tmp_path / "renamed.wav")
    other_catalog = build_cache([renamed, renamed, paths[2]], FRONT_END, tmp_path / "cache")
    assert len(other_catalog.cache) == 3
    assert other_catalog.keys[0] == other_catalog.keys[1] == audio_hash(renamed)
    assert shards.items() <= {path: path.stat().st_mtime_ns for path in first.folder.glob("shard-*")}.items()
    assert json.loads((first.folder / "front_end.json").read_text()) == FRONT_END.model_dump()


def test_front_ends_and_lengths_live_apart(tmp_path: Path) -> None:
    paths = write_tracks(tmp_path, 1, seconds=3.0)
    for front_end, seconds, shape in (
        (FRONT_END, 300.0, (89, 96)),
        (FRONT_END, 1.0, (29, 96)),
        (LogMelFrontEnd(mel_bands=64), 1.0, (29, 64)),
    ):
        build = build_cache(paths, front_end, tmp_path / "cache", seconds_per_track=seconds)
        assert build.keys[0]
        assert build.cache.log_mel(build.keys[0]).shape == shape
        assert len(MelCache(tmp_path / "cache", front_end, seconds)) == 1


def test_no_tracks(tmp_path: Path) -> None:
    build = build_cache([], FRONT_END, tmp_path / "cache")
    assert (len(build.cache), build.keys, build.skipped) == (0, [], [])


def test_many_tracks_make_many_shards(tmp_path: Path) -> None:
    paths = write_tracks(tmp_path, 5 * TRACKS_PER_SHARD, seconds=0.1)
    build = build_cache(paths, FRONT_END, tmp_path / "cache")
    assert len(build.cache) == len(paths)
    assert len(list(build.cache.folder.glob("shard-*.f16"))) == 5


def test_leftovers_of_a_killed_build_are_cleared(tmp_path: Path) -> None:
    paths = write_tracks(tmp_path, 2)
    cache = build_cache(paths[:1], FRONT_END, tmp_path / "cache").cache
    (cache.folder / ".shard-1.f16.77.tmp").write_bytes(b"half")
    (cache.folder / "shard-2.f16").write_bytes(b"without an index")
    build_cache(paths, FRONT_END, tmp_path / "cache")
    names = [path.name for path in cache.folder.iterdir()]
    assert not any(name.endswith(".tmp") or name == "shard-2.f16" for name in names)
    assert len(MelCache(tmp_path / "cache", FRONT_END)) == 2


def test_damaged_shards_are_told(tmp_path: Path) -> None:
    build = build_cache(write_tracks(tmp_path, 1), FRONT_END, tmp_path / "cache")
    (shard,) = build.cache.folder.glob("*.f16")
    key = str(build.keys[0])
    content = shard.read_bytes()
    flipped = content[:400] + bytes([content[400] ^ 1]) + content[401:]
    for damage in (content[:-192], content[:-1], b"", flipped):
        shard.write_bytes(damage)
        with pytest.raises(ArtefactError, match="Delete"):
            MelCache(tmp_path / "cache", FRONT_END).log_mel(key)
    shard.unlink()
    with pytest.raises(ArtefactError, match="Delete"):
        MelCache(tmp_path / "cache", FRONT_END).log_mel(key)


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        build_cache(write_tracks(tmp_path, 1), FRONT_END, tmp_path / "file")


class Crops(Dataset[torch.Tensor]):
    def __init__(self, cache: MelCache, keys: list[str]):
        self.cache, self.keys = cache, keys

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, number: int) -> torch.Tensor:
        return torch.from_numpy(self.cache.log_mel(self.keys[number])[:40].astype(np.float32))


def test_pickles_small_and_opens_anew(tmp_path: Path) -> None:
    build = build_cache(write_tracks(tmp_path, 1, seconds=10), FRONT_END, tmp_path / "cache")
    key = str(build.keys[0])
    expected = build.cache.log_mel(key)
    pickled = pickle.dumps(build.cache)
    assert len(pickled) < 2_000 < expected.nbytes
    np.testing.assert_array_equal(pickle.loads(pickled).log_mel(key), expected)


@pytest.mark.slow
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_opens_in_data_loader_workers(tmp_path: Path, context: str) -> None:
    build = build_cache(write_tracks(tmp_path, 6), FRONT_END, tmp_path / "cache")
    crops = Crops(build.cache, [key for key in build.keys if key])
    loader = DataLoader(crops, batch_size=3, num_workers=2, multiprocessing_context=context)
    found = torch.cat(list(loader))
    assert torch.equal(found, torch.stack([crops[number] for number in range(6)]))


@pytest.mark.slow
def test_workers_change_nothing(tmp_path: Path) -> None:
    paths = write_tracks(tmp_path, 120, seconds=0.3)
    alone = build_cache(paths, FRONT_END, tmp_path / "one")
    shared = build_cache(paths, FRONT_END, tmp_path / "two", workers=2)
    assert alone.keys == shared.keys
    for key in map(str, alone.keys):
        np.testing.assert_array_equal(alone.cache.log_mel(key), shared.cache.log_mel(key))


BUILD = """
import sys
from pathlib import Path
from soundkin.features.cache import build_cache
from soundkin.features.frontends.log_mel import LogMelFrontEnd

if __name__ == "__main__":
    tracks = sorted(Path(sys.argv[1]).glob("*.wav"))
    build_cache(tracks, LogMelFrontEnd(), Path(sys.argv[2]), workers=int(sys.argv[3]))
"""


def start_build(script: Path, tracks: Path, cache: Path, workers: int) -> subprocess.Popen[bytes]:
    script.write_text(BUILD)
    return subprocess.Popen(
        [sys.executable, str(script), str(tracks), str(cache), str(workers)],
        stderr=subprocess.DEVNULL,
        process_group=0,
    )


def processes_of(group: int) -> list[int]:
    """Living processes of a group: the one started with `process_group=0` and all its children."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_build_goes_on_where_it_was(tmp_path: Path, workers: int) -> None:
    paths = write_tracks(tmp_path / "tracks", 200, seconds=3.0)
    process = start_build(tmp_path / "build.py", tmp_path / "tracks", tmp_path / "cache", workers)
    while len(list(tmp_path.glob("cache/*/shard-*.json"))) < 2:
        assert process.poll() is None, "it was to be killed before its end"
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 10
    while processes_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(process.pid) == [], "workers outlived their parent"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cache/*/shard-*.json")}
    build = build_cache(paths, FRONT_END, tmp_path / "cache", workers)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cache/*/shard-*.json")}
    assert before.items() <= after.items()
    assert build.skipped == []
    for key, path in list(zip(map(str, build.keys), paths, strict=True))[::7]:
        np.testing.assert_array_equal(build.cache.log_mel(key), FRONT_END.frames(path).half().numpy())
    assert {path.suffix for path in build.cache.folder.iterdir()} == {".f16", ".json", ""}
    assert sum(path.stat().st_size for path in build.cache.folder.glob("*.f16")) == 200 * 89 * 96 * 2


@pytest.mark.slow
def test_two_builds_at_once_share_the_folder(tmp_path: Path) -> None:
    write_tracks(tmp_path / "tracks", 60)
    builds = [
        start_build(tmp_path / "build.py", tmp_path / "tracks", tmp_path / "cache", 1) for _ in range(2)
    ]
    assert [build.wait() for build in builds] == [0, 0]
    cache = MelCache(tmp_path / "cache", FRONT_END)
    assert len(cache) == 60
    assert (
        sum(path.stat().st_size for path in cache.folder.glob("*.f16")) == 60 * 29 * 96 * 2
    )  # nothing twice


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_so_and_does_not_hang(tmp_path: Path) -> None:
    write_tracks(tmp_path / "tracks", 120, seconds=0.3)
    script = tmp_path / "script.py"
    script.write_text(BUILD.replace('if __name__ == "__main__":\n    ', "").replace("\n    ", "\n"))
    command = [sys.executable, str(script), str(tmp_path / "tracks"), str(tmp_path / "cache"), "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert 'Put what the script does behind if __name__ == "__main__":' in done.stderr
