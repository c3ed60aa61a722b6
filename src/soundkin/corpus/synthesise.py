"""Write a whole corpus: a folder of music to scan, tables of plays and triplets, and the truth, kept apart.

    corpus.json      the config it was made from, and whether it is complete
    music/           ARTIST/YEAR ALBUM/NN TITLE.{ogg,flac,mp3}, some with an .lrc of the same name
    ratings.csv      user_id, track_id, rating (plays), timestamp
    triplets.csv     anchor_id, closer_id, farther_id, annotator_id
    truth/           tracks.json: planted attributes by track id; factors.npz: planted factors

Track ids are those that `soundkin scan` gives to the files in music/.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundkin.catalog.audio_files import track_id
from soundkin.catalog.table_io import write_rows
from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.invented_artists import plan_tracks
from soundkin.corpus.invented_users import draw_plays, draw_triplets, popularity, track_factors, user_factors
from soundkin.corpus.recording import record
from soundkin.errors import UsageError
from soundkin.files import explaining_output, read_json, replacing, write_json
from soundkin.parallel import in_processes
from soundkin.progress import progress

RECIPE = 4  # raise it whenever the same config would give another corpus


class Corpus:
    """Where the parts of a corpus lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.music = self.folder / "music"  # to scan
        self.ratings = self.folder / "ratings.csv"
        self.triplets = self.folder / "triplets.csv"
        self.truth = self.folder / "truth"


@dataclass(frozen=True)
class Truth:
    """What was planted. Factors have unit norm; their dot product says how much a user likes a track."""

    track_ids: list[str]
    track_factors: NDArray[np.float64]
    user_ids: list[str]
    user_factors: NDArray[np.float64]
    popularity: NDArray[np.float64]  # [tracks], logarithmic
    tracks: dict[str, dict[str, Any]]  # planted attributes by track id


def is_synthesised(folder: Path, config: CorpusConfig) -> bool:
    """Whether the whole corpus of `config` is in `folder`; UsageError if that holds something else."""
    folder = Path(folder)
    if (folder / "corpus.json").exists():
        state = read_json(folder / "corpus.json")
        if {**state, "complete": True} != _finished_state(config):
            raise UsageError(
                f"{folder} holds a corpus made with other settings. Choose another folder, or delete it."
            )
        return bool(state["complete"])
    if taken := [name for name in ("music", "truth") if (folder / name).exists()]:
        raise UsageError(f"{folder / taken[0]} is in the way, and no corpus of ours. Choose another folder.")
    return False


def synthesise(folder: Path, config: CorpusConfig, workers: int = 1) -> Corpus:
    """Make the corpus of `config` in `folder`; goes on where an earlier run stopped."""
    corpus, finished = Corpus(folder), _finished_state(config)
    if is_synthesised(folder, config):
        return corpus
    write_json(corpus.folder / "corpus.json", {**finished, "complete": False})
    plans = plan_tracks(config)
    made = in_processes(partial(record, folder=corpus.music), plans, workers)
    with explaining_output(corpus.music), closing(made):
        track_of = dict(progress(made, "synthesising music", total=len(plans)))
    _write_tables(corpus, config, [track_of[number] for number in range(len(plans))])
    write_json(corpus.folder / "corpus.json", finished)
    return corpus


def read_truth(folder: Path) -> Truth:
    """Read back what was planted in the corpus at `folder`; ArtefactError where there is no whole corpus."""
    corpus = Corpus(folder)
    tracks = read_json(corpus.truth / "tracks.json")
    with np.load(corpus.truth / "factors.npz") as stored:
        arrays = dict(stored)
    ids = {name: arrays.pop(name).tolist() for name in ("track_ids", "user_ids")}
    return Truth(**ids, **arrays, tracks=tracks)


def _finished_state(config: CorpusConfig) -> dict[str, Any]:
    """What corpus.json says of a whole corpus."""
    return {"recipe": RECIPE, "config": config.model_dump(mode="json"), "complete": True}


def _write_tables(corpus: Corpus, config: CorpusConfig, tracks: Sequence[dict[str, Any]]) -> None:
    rng = np.random.default_rng([config.random_seed, 1 << 20])
    track_ids = [track_id(track["path"]) for track in tracks]
    planted = track_factors(tracks, rng)
    users = user_factors(planted, config.users, rng)
    fame = popularity(tracks, rng)
    plays = draw_plays(track_ids, planted, users, fame, config.tracks_per_user, rng)
    write_rows(plays, corpus.ratings)
    write_rows(draw_triplets(track_ids, planted, config.triplets, rng), corpus.triplets)
    write_json(corpus.truth / "tracks.json", dict(zip(track_ids, tracks, strict=True)))
    with replacing(corpus.truth / "factors.npz") as file:
        np.savez(
            file,
            track_ids=track_ids,
            track_factors=planted,
            user_ids=[f"user-{number:04d}" for number in range(config.users)],
            user_factors=users,
            popularity=fame,
        )
