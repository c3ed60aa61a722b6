"""Make songs up, so that a teacher can be asked about more music than the open set holds.

    python recipe/make_songs.py runs/songs --songs 5000 --workers 2

OUT/audio/000123.flac are 22 s each, 22,050 Hz, mono; OUT/catalog.csv says what they are. A song depends on
the seed and its number alone. Stop it when you like: the same command goes on where it stopped, and a larger
--songs adds to what is there. A song takes about 1 s of a core.
"""

import argparse
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from songs import data
from songs.samples import RATE_HZ
from songs.song import draw_style, make_song
from songs.tools import check_tools
from soundkin.errors import SoundkinError, UsageError
from soundkin.files import read_json, replacing, write_json
from soundkin.parallel import in_processes
from soundkin.progress import progress
from soundkin.terminal import run_script

QUIETEST_RMS = 1e-3
TRIES = 10
LICENCE = "CC0-1.0"


@dataclass(frozen=True)
class SongMaker:
    """Makes song after song of one random seed, in any style or in `only_style`."""

    folder: Path
    random_seed: int
    only_style: str | None = None

    def path(self, number: int) -> Path:
        """Where a song is, or will be."""
        return self.folder / "audio" / f"{number:06d}.flac"

    def style(self, number: int) -> str:
        """The style of a song."""
        return self.only_style or draw_style(np.random.default_rng([self.random_seed, number]))

    def make(self, number: int) -> None:
        """Write a song; one that is silent or not finite is drawn anew."""
        for attempt in range(TRIES):
            rng = np.random.default_rng([self.random_seed, number, attempt])
            samples = make_song(rng, self.style(number))
            if np.isfinite(samples).all() and np.sqrt(np.mean(samples**2)) > QUIETEST_RMS:
                with replacing(self.path(number)) as file:
                    soundfile.write(file, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
                return
        raise SoundkinError(f"song {number} is silent {TRIES} times over. Are the sound fonts whole?")

    def row(self, number: int) -> dict[str, str]:
        """Of the catalog."""
        style = self.style(number)
        return {
            "track_id": f"made_up_{number:06d}",
            "path": str(self.path(number).relative_to(self.folder)),
            "artist": f"Made-up artist {number:06d}",
            "title": f"Made-up song {number:06d}",
            "genre": style,
            "collection": f"made up: {style}",
            "year": "",
            "licence": LICENCE,
            "licence_class": "free",
        }


def make_songs(
    folder: Path, songs: int, workers: int = 1, random_seed: int = 0, only_style: str | None = None
) -> Path:
    """Make the songs that are not there, and the catalog of the first `songs`; returns its path.

    Raises:
        SoundkinError: a tool is missing, with how to install it.
        UsageError: there is no such style, or the folder holds songs of another seed or style.
    """
    styles = list(data.read("styles"))
    if only_style is not None and only_style not in styles:
        raise UsageError(f"--only-style {only_style}: there is no such style. There are {', '.join(styles)}.")
    check_tools()
    settings = {"random_seed": random_seed, "only_style": only_style}
    made_with = folder / "made_with.json"
    if made_with.exists() and read_json(made_with) != settings:
        raise UsageError(f"{folder} holds songs made with {read_json(made_with)}. Choose another folder.")
    write_json(made_with, settings)
    maker = SongMaker(folder, random_seed, only_style)
    missing = [number for number in range(songs) if not maker.path(number).exists()]
    with closing(in_processes(maker.make, missing, workers)) as outcomes:
        for _ in progress(outcomes, "Making songs up", total=len(missing), unit="song"):
            pass
    catalog = folder / "catalog.csv"
    with replacing(catalog, "w") as file:
        pd.DataFrame([maker.row(number) for number in range(songs)]).to_csv(file, index=False)
    return catalog


def main() -> None:
    """Read the command line and make songs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of the songs")
    parser.add_argument("--songs", type=int, required=True, help="how many")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--random-seed", type=int, default=0, help="another makes other songs (default: 0)")
    parser.add_argument("--only-style", metavar="NAME", help="all in one style, such as 'hip hop'")
    given = parser.parse_args()
    catalog = make_songs(given.out, given.songs, given.workers, given.random_seed, given.only_style)
    print(f"{catalog}: {given.songs} songs")


if __name__ == "__main__":
    run_script(main)
