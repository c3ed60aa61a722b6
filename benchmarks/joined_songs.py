"""Songs put together from stretches of other songs, so that their form is known, and options for them."""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from soundkin.shapes import Float32

RATE_HZ = 22_050
LEVEL, FADE_SAMPLES = 0.1, 441
Samples = Float32[np.ndarray, " samples"]


def options(description: str | None, unit: str, count: int, random_seed: int) -> argparse.Namespace:
    """`catalog`, a count by the name of what is counted of each kind, and `random_seed`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("catalog", type=Path)
    parser.add_argument(f"--{unit}", type=int, default=count, help="of each kind")
    parser.add_argument("--random-seed", type=int, default=random_seed)
    return parser.parse_args()


def joined(pieces: Iterable[Samples]) -> Samples:
    """One after the other, each at one level and without clicks at its ends."""
    return np.concatenate([_faded(piece) for piece in pieces])


def _faded(piece: Samples) -> Samples:
    ramp = np.linspace(0, 1, FADE_SAMPLES, dtype=np.float32)
    piece = piece * (LEVEL / max(1e-3, float(np.sqrt(np.mean(piece**2)))))
    piece[:FADE_SAMPLES] *= ramp
    piece[-FADE_SAMPLES:] *= ramp[::-1]
    return piece
