"""How well `explore compare` hears key, tempo, onsets and brightness.

    python benchmarks/sound_qualities.py ../shared/music/tracks.csv CORPUS [--artists 5] [--random-seed 0]

*Titles* such as "Sonata in G minor" name the key of the whole piece: what sounds in the middle may have left
it. *Made up*: tracks of 30 s that are synthesised into CORPUS, by so many artists of each of eight genres;
their keys and tempi are known, how many notes they have, and how production tilted their spectrum. Scores of
keys are mir_eval's: 1 for the key, .5 a fifth away, .3 for the relative key, .2 for the parallel one; beside
it what is scored by always saying C major. The profiles of keys were chosen among four published ones on the
titles, and on what random seed 0 makes up. A tempo is right within 4 %.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import mir_eval
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.synthesise import read_truth, synthesise
from soundkin.explore.song_spectra import RATE_HZ
from soundkin.explore.sound_qualities import HeardSound, sound_qualities
from soundkin.features.decode import read_waveform
from soundkin.progress import progress

NAMED = r"\bin (?P<tonic>[A-G])(?:-(?P<sign>flat|sharp))? (?P<mode>[Mm]ajor|[Mm]inor)\b"
SIGNS = {"flat": "b", "sharp": "#"}
TOLERANCE = 0.04
LEVELS = (1, 1 / 2, 2, 1 / 3, 3, 2 / 3, 3 / 2, 3 / 4, 4 / 3)  # of metre


def main() -> None:
    """Print keys of both, then tempo, onsets and brightness of what was made up."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("catalog", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--artists", type=int, default=5, help="of each genre, with a track each")
    parser.add_argument("--random-seed", type=int, default=0)
    given = parser.parse_args()
    show_keys("titles", [(truth, heard(path)) for truth, path in titles(given.catalog)])
    config = CorpusConfig(
        artists_per_genre=given.artists,
        tracks_per_artist=1,
        seconds=30,
        users=0,
        triplets=0,
        random_seed=given.random_seed,
    )
    music = synthesise(given.corpus, config).music
    planted = list(read_truth(given.corpus).tracks.values())
    sounds = [heard(music / each["path"]) for each in progress(planted, "listening", len(planted))]
    modes = [("major", "minor")[each["minor"]] for each in planted]
    keys = [f"{each['key']} {mode}" for each, mode in zip(planted, modes, strict=True)]
    show_keys("made up", list(zip(keys, sounds, strict=True)))
    show_tempi(np.array([
        sound.qualities.tempo / each["tempo_bpm"] for each, sound in zip(planted, sounds, strict=True)
    ]))  # fmt: skip
    for quality, name in (("onsets", "strokes_per_second"), ("brightness", "brightness")):
        values = [getattr(sound.qualities, quality) for sound in sounds]
        rank = spearmanr(values, [each[name] for each in planted])[0]
        print(f"made up: {quality} and {name}, rank correlation {rank:.2f}")


def titles(catalog: Path) -> Iterator[tuple[str, Path]]:
    """The key that a title names, and the track's path."""
    tracks = pd.read_csv(catalog)
    named = tracks["title"].str.extract(NAMED).dropna(subset=["tonic"])
    for row, tonic, sign, mode in named.itertuples(name=None):
        yield f"{tonic}{SIGNS.get(sign, '')} {mode.lower()}", catalog.parent / tracks["path"][row]


def heard(path: Path) -> HeardSound:
    """What a minute of it sounds like."""
    return sound_qualities(read_waveform(path, RATE_HZ, 60.0).samples)


def show_keys(what: str, pieces: list[tuple[str, HeardSound]]) -> None:
    """The mean score, how many keys are right, and C major's."""
    found = [mir_eval.key.weighted_score(key, sound.key.replace("♯", "#") or "X") for key, sound in pieces]
    always = [mir_eval.key.weighted_score(key, "C major") for key, _ in pieces]
    print(f"{what}: keys of {len(pieces)}: {found.count(1.0)} right, score {np.mean(found):.2f}", end="")
    print(f"; always C major {always.count(1.0)} right, score {np.mean(always):.2f}")


def show_tempi(ratios: np.ndarray) -> None:
    """Shares that are right, right at some level of the metre, and without a beat."""
    right = np.abs(ratios - 1) < TOLERANCE
    level = (np.abs(ratios[:, None] / np.array(LEVELS) - 1) < TOLERANCE).any(axis=1)
    shares = ", ".join(
        f"{share.mean():.0%} {name}"
        for share, name in ((right, "right"), (level, "right at some level"), (np.isnan(ratios), "no beat"))
    )
    print(f"made up: tempi of {len(ratios)}: {shares}")


if __name__ == "__main__":
    main()
