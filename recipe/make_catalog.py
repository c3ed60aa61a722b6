"""Join openly licensed music and made-up songs into the catalog that the model is trained on.

    python recipe/make_catalog.py ../shared/music runs/songs -o runs/model/catalog.csv

MUSIC is a folder with a tracks.csv, SONGS what make_songs.py made. Collections that are held out
(held_out.txt), and tracks that forbid commercial use, are split=test: none of them is trained on. A few per
cent of the artists are split=valid, all else is split=train.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

from held_out import collection_names, never_trains
from soundkin.catalog.splits import SplitConfig, group_names
from soundkin.catalog.table import Catalog, read_catalog, write_catalog
from soundkin.errors import CatalogError
from soundkin.files import path_from
from soundkin.terminal import run_script

SHARES = SplitConfig(train=0.96, valid=0.04, test=0.0)  # of artists, by a hash of their names
COLUMNS = (
    "track_id", "path", "title", "artist", "album", "genre", "year", "licence", "licence_class", "kind",
    "collection", "split", "audio_folder",
)  # fmt: skip


def training_catalog(music: Catalog, songs: Catalog, folder: Path) -> pd.DataFrame:
    """The rows of both, with splits; paths are relative to what their folders share, named from `folder`.

    Raises:
        CatalogError: the music lacks licence_class or collection.
    """
    open_music = music.frame.assign(split=_splits(music), collection=collection_names(music.frame))
    made_up = songs.frame.assign(split="train", kind="made_up")
    common = Path(os.path.commonpath([music.folder.resolve(), songs.folder.resolve()]))
    parts = []
    for frame, audio in ((open_music, music.folder), (made_up, songs.folder)):
        inside = audio.resolve().relative_to(common)
        paths = [(inside / path).as_posix() for path in frame["path"]]
        parts.append(frame.assign(path=paths, audio_folder=path_from(folder, common)))
    return pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))


def _splits(music: Catalog) -> np.ndarray:
    by_artist = [SHARES.home(group) for group in group_names(music, SHARES)]
    return np.where(never_trains(music), "test", by_artist)


def _summary(frame: pd.DataFrame) -> str:
    counts = frame.groupby(["split", "kind"], dropna=False).size()
    return "; ".join(f"{split}, {kind}: {count}" for (split, kind), count in counts.items())


def make_catalog(music: Path, songs: Path, output: Path) -> pd.DataFrame:
    """Write the catalog, and return its rows."""
    catalogs = read_catalog(music / "tracks.csv"), read_catalog(songs / "catalog.csv")
    frame = training_catalog(*catalogs, output.resolve().parent)
    repeated = frame["track_id"][frame["track_id"].duplicated()]
    if len(repeated):
        raise CatalogError(f"track_id={repeated.iloc[0]} is in {music} and in {songs}. Rename one of them.")
    write_catalog(frame, output)
    return frame


def main() -> None:
    """Read the command line and write the catalog."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("music", type=Path, help="folder with tracks.csv")
    parser.add_argument("songs", type=Path, help="folder that make_songs.py filled")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the catalog, .csv or .parquet")
    given = parser.parse_args()
    frame = make_catalog(given.music, given.songs, given.output)
    print(f"{given.output}: {_summary(frame)}")


if __name__ == "__main__":
    run_script(main)
