"""Answers of simulated people, for several tests."""

import numpy as np
import pandas as pd

from soundkin.catalog.annotators import TRACKS


def judgements(random_seed: int = 0, questions: int = 200) -> pd.DataFrame:
    """Two careful annotators, one who clicks at random and one who reads the question the other way round."""
    rng, chances = np.random.default_rng(random_seed), {"anna": 0.95, "ben": 0.9, "cleo": 0.5, "dan": 0.1}
    rows = []
    for question in range(questions):
        for name, chance in chances.items():
            truth = ("x", "y") if question % 2 else ("y", "x")
            rows.append((f"a{question}", *(truth if rng.random() < chance else truth[::-1]), name))
    for name in ("eve", "anna", "ben"):
        rows.append(("a-last", "x", "y", name))
    return pd.DataFrame(rows, columns=[*TRACKS, "annotator_id"])
