"""The collections that no model of this recipe trains on: those of held_out.txt."""

from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.errors import CatalogError

NAMES_FILE = Path(__file__).with_name("held_out.txt")


def held_out_names() -> list[str]:
    """The names in held_out.txt; lines that begin with # are comments."""
    lines = (line.strip() for line in NAMES_FILE.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def collection_names(frame: pd.DataFrame) -> "pd.Series[str]":
    """Each track's collection without the sound font that its name may hold after a slash."""
    return frame["collection"].fillna("").str.split(" /").str[0]


def is_held_out(frame: pd.DataFrame, source: str) -> np.ndarray:
    """Bool[tracks]: those of a held-out collection.

    Raises:
        CatalogError: there is no column `collection`, or none of its names is held out.
    """
    if "collection" not in frame:
        raise CatalogError(f"{source}: there is no column collection, by whose names tracks are held out.")
    held_out = collection_names(frame).isin(held_out_names()).to_numpy(bool)
    if not held_out.any():
        raise CatalogError(
            f"{source}: no collection is held out, and nothing could be judged. Name some in {NAMES_FILE}."
        )
    return held_out
