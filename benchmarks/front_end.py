"""What it costs to get from an mp3 to log-mel frames, against decoding it alone: one core, side by side, in
one run.

    python benchmarks/front_end.py [FILE.mp3] [--rounds 15]

Without a file, 30 s of stereo at 44.1 kHz are made up. All ways take turns in every round, so that a busy
machine slows them alike. Times are the processor's own; the ratio is the median over the rounds of way /
decode alone in that round.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr
import torch
import torchaudio

from soundkin.features.frontends.log_mel import LogMelFrontEnd

SAMPLE_RATE_HZ = 44_100

CANDIDATES = {
    "46/33 ms, 96 bands (default)": LogMelFrontEnd(),
    "the same and 24 chroma bands": LogMelFrontEnd(chroma_bands=24),
    "46/33 ms, 64 bands": LogMelFrontEnd(mel_bands=64),
    "46/33 ms, 128 bands": LogMelFrontEnd(mel_bands=128),
    "46/23 ms, 96 bands": LogMelFrontEnd(window_samples=1024, hop_samples=512),
    "93/46 ms, 96 bands": LogMelFrontEnd(window_samples=2048, hop_samples=1024),
    "93/23 ms, 96 bands": LogMelFrontEnd(window_samples=2048, hop_samples=512),
    "46/35 ms, 96 bands": LogMelFrontEnd(window_samples=1024, hop_samples=768),
    "40/20 ms, 96 bands": LogMelFrontEnd(window_samples=882, hop_samples=441),
    "16 kHz, 32/16 ms, 80 bands, resampled": LogMelFrontEnd(
        sample_rate_hz=16_000, window_samples=512, hop_samples=256, high_hz=8_000, mel_bands=80
    ),
}


def main() -> None:
    """Measure and print the table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("file", nargs="?", type=Path)
    arguments.add_argument("--rounds", type=int, default=15)
    given = arguments.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = given.file or make_up_music(Path(folder) / "music.mp3")
        times = measure(ways(path), given.rounds)
    print_table(times)


def make_up_music(path: Path, seconds: float = 30.0) -> Path:
    """Chords, a beat of noise and a wide stereo field, as dense as a record, at a usual bit rate."""
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    beat = np.exp(-8 * (time_s * 2 % 1))
    random = np.random.default_rng(0)
    sides = []
    for detune in (1.0, 1.003):
        tones = sum(
            np.sin(2 * np.pi * hz * detune * time_s) / (i + 1)
            for i, hz in enumerate((110, 220, 277, 330, 440, 1760))
        )
        sides.append(0.1 * tones + 0.1 * beat * random.normal(size=len(time_s)))
    soundfile.write(
        path, np.stack(sides, axis=1), SAMPLE_RATE_HZ, bitrate_mode="CONSTANT", compression_level=0.4
    )
    return path


def ways(path: Path) -> dict[str, Callable[[], object]]:
    """Everything to be timed; the first is what the others are compared with."""

    def decode() -> tuple[np.ndarray, int]:
        samples, sample_rate_hz = soundfile.read(path, dtype="float32")
        return samples, sample_rate_hz

    def ours(front_end: LogMelFrontEnd) -> Callable[[], object]:
        return lambda: front_end.frames(path)

    mel = torchaudio.transforms.MelSpectrogram(22_050, 1024, hop_length=512, n_mels=96, center=False)
    torchaudio_resample = torchaudio.transforms.Resample(SAMPLE_RATE_HZ, 22_050)

    def with_soxr() -> object:
        mono = decode()[0].mean(axis=1)
        return mel(torch.from_numpy(soxr.resample(mono, SAMPLE_RATE_HZ, 22_050)))

    def with_torchaudio() -> object:
        return mel(torchaudio_resample(torch.from_numpy(decode()[0]).mean(1)))

    def with_librosa() -> object:
        samples, _ = librosa.load(path, sr=22_050)
        return librosa.feature.melspectrogram(
            y=samples, sr=22_050, n_fft=1024, hop_length=512, n_mels=96, center=False
        )

    return {
        "soundfile.read alone": decode,
        **{name: ours(front_end) for name, front_end in CANDIDATES.items()},
        "soundfile + soxr + torchaudio MelSpectrogram": with_soxr,
        "soundfile + torchaudio Resample + MelSpectrogram": with_torchaudio,
        "librosa load + melspectrogram": with_librosa,
    }


def measure(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every way in every round, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(rounds + 1):
        for name, way in ways.items():
            started = time.process_time()
            way()
            if round_number:
                times[name].append((time.process_time() - started) * 1_000)
    return times


def print_table(times: dict[str, list[float]]) -> None:
    """One line per way: median milliseconds, and the ratio to the first way."""
    base = next(iter(times.values()))
    print(f"{'mp3 -> log-mel, one core':<52} {'ms':>7} {'x decode':>9}")
    for name, measured in times.items():
        ratio = statistics.median(way / decode for way, decode in zip(measured, base, strict=True))
        print(f"{name:<52} {statistics.median(measured):>7.1f} {ratio:>9.2f}")


if __name__ == "__main__":
    main()
