"""Embedding speed and memory: each figure beside what it is compared with, in one run.

    python benchmarks/embedding.py [--quick]

All by the default model. One core: a 30 s stereo 44.1 kHz mp3 -> vector, against soundfile's decode alone and
against librosa (load + melspectrogram) with the same network, in seconds of the processor; ratios are medians
over the rounds. The command `soundkin embed`: a small job, and what each further track takes by two sizes of
catalog, against a process that decodes the same files alone, in turns, the best of several each. Memory: a
3-hour file and 5,000 files.
"""

import argparse
import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"  # before anything that computes is imported

import csv
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from operator import truediv
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
import soundfile
import torch

from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.embedding.embedder import Embedder
from soundkin.features.frontends.log_mel import LogMelFrontEnd

RATE_HZ = 44_100
SONG_SECONDS = 30


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer files, a 20-minute file instead of 3 hours"
    )
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        songs = write_songs(folder / "songs", count=8)
        one_core(load_bundle("default"), songs, rounds=10 if quick else 40)
        command(folder, songs, sizes=(20, 60) if quick else (100, 300), rounds=1 if quick else 5)
        memory(folder, hours=0.33 if quick else 3.0, files=200 if quick else 5_000)


def one_core(bundle: Bundle, songs: list[Path], rounds: int) -> None:
    """Decode alone, our embedding, and librosa with the same network, in turns so that noise hits all."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    torch.set_num_threads(1)
    embedder = Embedder(bundle)
    contenders: dict[str, Callable[[Path], object]] = {
        "soundfile decode alone": lambda path: soundfile.read(path, dtype="float32"),
        "file -> vector": embedder.embed,
        "librosa load + melspectrogram + same network": lambda path: librosa_embed(bundle, path),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, embed in contenders.items():
            began = time.process_time()
            embed(songs[turn % len(songs)])
            if turn:  # the first warms up
                seconds[name].append(time.process_time() - began)
    os.sched_setaffinity(0, cores)
    alone = seconds["soundfile decode alone"]
    print(f"\n{'30 s stereo 44.1 kHz mp3, one core':<48}{'CPU ms':>8}{'x decode':>10}")
    for name, measured in seconds.items():
        ratio = statistics.median(map(truediv, measured, alone))
        print(f"{name:<48}{1000 * statistics.median(measured):>8.1f}{ratio:>10.2f}")


def librosa_embed(bundle: Bundle, path: Path) -> np.ndarray:
    """The same work by the usual means."""
    front_end, patch = bundle.front_end, bundle.patch
    assert isinstance(front_end, LogMelFrontEnd)
    samples, _ = librosa.load(path, sr=front_end.sample_rate_hz, mono=True)
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=front_end.sample_rate_hz,
        n_fft=front_end.window_samples,
        hop_length=front_end.hop_samples,
        n_mels=front_end.mel_bands,
        fmin=front_end.low_hz,
        fmax=front_end.high_hz,
        center=False,
    )
    log_mel = torch.from_numpy(np.log1p(1e8 * mel)).float()
    patches = log_mel.unfold(1, patch.frames, patch.hop_frames).transpose(0, 1)
    with torch.inference_mode():
        vector: np.ndarray = bundle.network.patches(patches).mean(0).numpy()
    return vector


def command(folder: Path, songs: list[Path], sizes: tuple[int, int], rounds: int) -> None:
    """The whole command, start and all, beside decoding alone: a small job, and each further track."""
    small, large = (folder / f"{count} files" for count in sizes)
    for music, count in zip((small, large), sizes, strict=True):
        write_copies(music, songs, count)
    contenders: dict[str, Callable[[Path], Taken]] = {
        "soundfile decode alone, one core": decode,
        "soundkin embed default, one core": lambda music: embed(folder, music, 1)[0],
        "soundkin embed default --workers 2": lambda music: embed(folder, music, 2)[0],
    }
    taken = {(name, music): Taken(math.inf, math.inf) for name in contenders for music in (small, large)}
    for _ in range(rounds):
        for name, music in taken:
            taken[name, music] = Taken(*map(min, taken[name, music], contenders[name](music)))
    further = {
        name: Taken(
            *(
                1000 * (more - less) / (sizes[1] - sizes[0])
                for more, less in zip(taken[name, large], taken[name, small], strict=True)
            )
        )
        for name in contenders
    }
    alone, one, _ = contenders
    print(
        f"\n{'30 s stereo 44.1 kHz mp3s':<38}{f's, {sizes[0]} files':>13}{'speed-up':>9}"
        f"{'ms a further':>13}{'x decode':>9}{'speed-up':>9}{'CPU ms':>8}{'x decode':>9}"
    )
    for name, single in zip(contenders, (None, None, one), strict=True):
        wall, cpu = further[name]
        row = f"{name:<38}{taken[name, small].wall:>13.1f}"
        row += f"{taken[single, small].wall / taken[name, small].wall:>9.2f}" if single else " " * 9
        row += f"{wall:>13.1f}{wall / further[alone].wall:>9.2f}"
        row += f"{further[single].wall / wall:>9.2f}" if single else " " * 9
        print(row + ("" if single else f"{cpu:>8.1f}{cpu / further[alone].cpu:>9.2f}"))


class Taken(NamedTuple):
    """Seconds that passed, and seconds that a processor was busy, but for workers."""

    wall: float
    cpu: float


def decode(music: Path) -> Taken:
    """What a process takes to decode all mp3s of a folder."""
    code = "import soundfile, sys\nfor path in sys.argv[1:]:\n    soundfile.read(path, dtype='float32')"
    return taken_by([sys.executable, "-c", code, *map(str, sorted(music.glob("*.mp3")))], cores=1)


def taken_by(arguments: list[str], cores: int) -> Taken:
    """What a process takes that may use so many cores."""
    allowed, before = sorted(os.sched_getaffinity(0)), resource.getrusage(resource.RUSAGE_CHILDREN)
    os.sched_setaffinity(0, allowed[-cores:])
    try:
        began = time.perf_counter()
        subprocess.run(arguments, check=True, capture_output=True)
        wall = time.perf_counter() - began
    finally:
        os.sched_setaffinity(0, allowed)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def write_copies(folder: Path, songs: list[Path], count: int) -> None:
    """Files of the same audio; an ID3v1 tag makes each one of its own, which no export can skip as known."""
    folder.mkdir()
    for number in range(count):
        tag = b"TAG" + f"{number:030}".encode().ljust(125, b"\0")
        (folder / f"{number:05}.mp3").write_bytes(songs[number % len(songs)].read_bytes() + tag)
    write_catalog(folder / "catalog.csv", sorted(path.name for path in folder.glob("*.mp3")))


def memory(folder: Path, hours: float, files: int) -> None:
    """The largest process of an export: one long file, and many short ones."""
    print(f"\n{'largest process of an export':<48}{'MiB':>8}")
    long, many = folder / "long", folder / "short"
    long.mkdir()
    many.mkdir()
    song = synthetic_song(0)
    with soundfile.SoundFile(long / "long.flac", "w", RATE_HZ, 2) as file:
        for _ in range(round(hours * 3600 / SONG_SECONDS)):
            file.write(song)
    write_catalog(long / "catalog.csv", ["long.flac"])
    for number in range(files):
        soundfile.write(many / f"{number}.flac", synthetic_song(number, seconds=2.0), RATE_HZ)
    write_catalog(many / "catalog.csv", [f"{number}.flac" for number in range(files)])
    for label, music in ((f"one file of {hours:g} hours", long), (f"{files} files of 2 s", many)):
        print(f"{label:<48}{embed(folder, music, workers=1)[1]:>8.0f}")


def embed(folder: Path, music: Path, workers: int) -> tuple[Taken, float]:
    """What `soundkin embed` takes on as many cores as workers, hashes of files not yet known; MiB at most."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        output, peak = Path(name) / "embeddings", Path(name) / "peak"
        code = (
            "import resource, subprocess, sys\n"
            "subprocess.run(sys.argv[2:], check=True)\n"
            "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
            "open(sys.argv[1], 'w').write(str(peak))"
        )
        verb = [sys.executable, "-m", "soundkin", "embed", "default", str(music / "catalog.csv")]
        verb += ["-o", str(output), "--workers", str(workers)]
        os.environ["SOUNDKIN_CACHE"] = name
        taken = taken_by([sys.executable, "-c", code, str(peak), *verb], cores=workers)
        return taken, int(peak.read_text()) / 1024


def write_songs(folder: Path, count: int) -> list[Path]:
    """Different 30 s stereo mp3 files."""
    folder.mkdir()
    paths = [folder / f"{number}.mp3" for number in range(count)]
    for number, path in enumerate(paths):
        soundfile.write(path, synthetic_song(number), RATE_HZ)
    return paths


def synthetic_song(number: int, seconds: float = SONG_SECONDS) -> np.ndarray:
    """Chords with overtones and noise bursts, float32 [samples, 2]: as busy a spectrum as music has."""
    generator = np.random.default_rng(number)
    time_axis = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitches = 110 * 2 ** (generator.integers(0, 36, 6) / 12)
    tones = sum(np.sin(2 * np.pi * pitch * k * time_axis) / k for pitch in pitches for k in range(1, 6))
    bursts = generator.standard_normal((len(time_axis), 2)) * np.exp(-8 * (time_axis * 2 % 1))[:, None]
    return (0.03 * np.asarray(tones)[:, None] + 0.1 * bursts).astype(np.float32)


def write_catalog(path: Path, names: list[str]) -> None:
    """A catalog of file names alone."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("track_id", "path"), *((name, name) for name in names)])


if __name__ == "__main__":
    main()
