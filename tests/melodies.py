"""Music that a fingerprint tells apart: tunes of pure tones."""

import numpy as np

RATE_HZ = 22_050


def melody(seconds: float, random_seed: int) -> np.ndarray:
    """A new tone every 0.3 s: float32 [samples]."""
    random = np.random.default_rng(random_seed)
    time = np.arange(round(0.3 * RATE_HZ)) / RATE_HZ
    tones = [np.sin(2 * np.pi * hz * time) for hz in random.uniform(150, 3_000, round(seconds / 0.3))]
    return (0.2 * np.concatenate(tones)).astype(np.float32)
