"""What no model of this recipe trains on: the collections of held_out.txt, and what is not free."""

from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError

FREE = "free"
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


def never_trains(music: Catalog) -> np.ndarray:
    """Bool[tracks]: those of a held-out collection, and those that forbid commercial use.

    Raises:
        CatalogError: there is no column `licence_class` or `collection`, or no collection is held out.
    """
    music.require("licence_class", "only tracks of the class free may train a model that is given away.")
    return is_held_out(music.frame, music.source) | (music.frame["licence_class"] != FREE).to_numpy(bool)
