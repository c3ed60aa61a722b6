"""How well beats are found where they are known: click tracks and drum patterns, made here.

    python benchmarks/beats.py [--tracks 20] [--random-seed 1]

Each track lasts 30 s at a tempo drawn from 70 to 170 beats a minute. *Clicks*: one a beat. *Drums*: kick,
snare and hi-hat of a rock pattern, in noise 20 dB below. *Loose*: the same with each stroke up to 20 ms off.
*Drifting*: the tempo rises steadily by a tenth. Scores are mir_eval's, from second 5 on as is its custom: F
within 70 ms; and the longest stretch that is right, at the tempo (CMLc) and at it, its half or double, on or
off the beat (AMLc).
"""

import argparse

import mir_eval
import numpy as np

from soundkin.explore.song_course import song_course
from soundkin.explore.song_spectra import RATE_HZ
from soundkin.progress import progress
from soundkin.shapes import Float, Float32

SECONDS = 30.0
SLOWEST, FASTEST = 70.0, 170.0  # beats a minute
KINDS = ("clicks", "drums", "loose", "drifting")
Track = tuple[Float32[np.ndarray, " samples"], Float[np.ndarray, " beats"]]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=20, help="of each kind")
    parser.add_argument("--random-seed", type=int, default=1)
    given = parser.parse_args()
    print(f"{'':12}{'F':>8}{'CMLc':>8}{'AMLc':>8}")
    for kind in KINDS:
        random = np.random.default_rng(given.random_seed)
        tracks = [make(kind, random) for _ in range(given.tracks)]
        scores = [judged(*each) for each in progress(tracks, kind, total=len(tracks))]
        print(f"{kind:12}" + "".join(f"{mean:8.2f}" for mean in np.mean(scores, axis=0)), flush=True)


def make(kind: str, random: np.random.Generator) -> Track:
    """A track and the seconds of its beats."""
    period = 60 / random.uniform(SLOWEST, FASTEST)
    periods = np.full(int(SECONDS / period) + 2, period)
    if kind == "drifting":
        periods /= np.linspace(1.0, 1.1, len(periods))
    beats = 0.3 + np.cumsum(periods)
    beats = beats[beats < SECONDS - 0.5]
    samples = np.zeros(int(SECONDS * RATE_HZ))
    strokes = [("click", beat) for beat in beats] if kind == "clicks" else pattern(beats)
    for stroke, second in strokes:
        off = random.uniform(-0.02, 0.02) if kind == "loose" else 0.0
        sound = struck(stroke, random)
        first = max(0, round((second + off) * RATE_HZ))
        samples[first : first + len(sound)] += sound[: len(samples) - first]
    if kind != "clicks":
        samples += random.normal(0, 0.1 * np.sqrt(np.mean(samples**2)), len(samples))
    return (samples / np.abs(samples).max()).astype(np.float32), beats


def pattern(beats: Float[np.ndarray, " beats"]) -> list[tuple[str, float]]:
    """Kick on one and three, snare on two and four, hi-hats on eighths."""
    strokes = [("snare" if place % 2 else "kick", float(beat)) for place, beat in enumerate(beats)]
    halves = (beats[:-1] + beats[1:]) / 2
    return strokes + [("hat", float(second)) for second in (*beats, *halves)]


def struck(stroke: str, random: np.random.Generator) -> Float[np.ndarray, " samples"]:
    """A stroke of a quarter second at most."""
    seconds = np.arange(RATE_HZ // 4) / RATE_HZ
    noise = random.standard_normal(len(seconds))
    sounds = {
        "click": np.sin(2 * np.pi * 1_000 * seconds) * np.exp(-seconds * 60),
        "kick": np.sin(2 * np.pi * (50 + 60 * np.exp(-seconds * 30)) * seconds) * np.exp(-seconds * 15),
        "snare": 0.5 * noise * np.exp(-seconds * 25),
        "hat": 0.2 * np.diff(noise, prepend=0) * np.exp(-seconds * 80),
    }
    return sounds[stroke]


def judged(samples: Float32[np.ndarray, " samples"], truth: Float[np.ndarray, " beats"]) -> list[float]:
    """F, CMLc and AMLc of the beats that `soundkin explore track` finds; without a pulse none are."""
    nothing = np.zeros((2, 1), np.float32)  # beats do not hang on the model's vectors
    course = song_course(samples, nothing, np.array([0.0, SECONDS]))
    found = course.starts[1:-1] if course.tempo else np.empty(0)
    found, truth = mir_eval.beat.trim_beats(found), mir_eval.beat.trim_beats(truth)
    cml, _, aml, _ = mir_eval.beat.continuity(truth, found)
    return [mir_eval.beat.f_measure(truth, found), cml, aml]


if __name__ == "__main__":
    main()
