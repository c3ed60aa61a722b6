"""Embedding speed and memory: each figure beside what it is compared with, in one run.

    python benchmarks/embedding.py [--quick]

One core: a 30 s stereo 44.1 kHz mp3 -> vector, against soundfile's decode alone and against librosa (load +
melspectrogram) with the same network. Two workers against one. Memory: a 3-hour file and 5,000 files.
"""

import argparse
import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"  # before anything that computes is imported

import csv
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch

from soundkin.embedding.bundle import Bundle, save_bundle
from soundkin.embedding.embedder import Embedder
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import NetworkConfig, build_network

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
        torch.manual_seed(0)
        bundle = Bundle(LogMelFrontEnd(), PatchConfig(), NetworkConfig(), build_network(NetworkConfig(), 96))
        save_bundle(bundle, folder / "model")
        songs = write_songs(folder / "songs", count=8)
        one_core(bundle, songs, rounds=10 if quick else 40)
        two_workers(folder, songs, count=100 if quick else 1_200)
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
            began = time.perf_counter()
            embed(songs[turn % len(songs)])
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - began)
    os.sched_setaffinity(0, cores)
    decode = statistics.median(seconds["soundfile decode alone"])
    print(f"\n{'30 s stereo 44.1 kHz mp3, one core':<48}{'ms':>8}{'x decode':>10}")
    for name, measured in seconds.items():
        median = statistics.median(measured)
        print(f"{name:<48}{1000 * median:>8.1f}{median / decode:>10.2f}")


def librosa_embed(bundle: Bundle, path: Path) -> np.ndarray:
    """The same work by the usual means."""
    front_end, patch = LogMelFrontEnd(), bundle.patch
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


def two_workers(folder: Path, songs: list[Path], count: int) -> None:
    """The whole export command with one worker and with two, and what each further track takes once all has
    started.
    """
    for number, files in enumerate((count // 4, count)):
        write_copies(folder / f"many{number}", songs, files)
    seconds = {
        (workers, number): embed(folder, folder / f"many{number}", workers)[0]
        for workers in (1, 2)
        for number in (0, 1)
    }
    further = {
        workers: (seconds[workers, 1] - seconds[workers, 0]) / (count - count // 4) for workers in (1, 2)
    }
    print(
        f"\n{f'export of {count} files of 30 s':<36}{'s':>8}{'ratio':>8}"
        f"{'ms a further track':>20}{'ratio':>8}"
    )
    for workers in (1, 2):
        taken = seconds[workers, 1]
        print(
            f"{f'{workers} worker(s)':<36}{taken:>8.1f}{seconds[1, 1] / taken:>8.2f}"
            f"{1000 * further[workers]:>20.1f}{further[1] / further[workers]:>8.2f}"
        )


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


def embed(folder: Path, music: Path, workers: int) -> tuple[float, float]:
    """Seconds that `soundkin embed` takes, and the MiB of its largest process, measured around it alone."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    output = folder / f"embeddings {music.name} {workers}"
    command = [sys.executable, "-m", "soundkin", "embed", str(folder / "model"), str(music / "catalog.csv")]
    command += ["-o", str(output), "--workers", str(workers)]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    return time.perf_counter() - began, int(done.stdout.split()[-1]) / 1024


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
