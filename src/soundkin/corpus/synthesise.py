"""Write a whole corpus: a folder of music to scan, tables of plays and judgements, and the truth, kept apart.

    corpus.json      the config it was made from, and whether it is complete
    music/           ARTIST/YEAR ALBUM/NN TITLE.{ogg,flac,mp3}, some with an .lrc beside
    ratings.csv      user_id, track_id, rating (plays), timestamp
    triplets.csv     anchor_id, closer_id, farther_id, annotator_id
    truth/           tracks.json: planted attributes by track id; factors.npz: planted tastes

Track ids are those that `soundkin scan` gives to the files in music/.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
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
from soundkin.corpus.recording import TrackTruth, record
from soundkin.errors import UsageError
from soundkin.files import explaining_output, read_json, replacing, write_json
from soundkin.parallel import in_processes
from soundkin.progress import progress

RECIPE = 4  # raise it whenever the same config would give another corpus


@dataclass(frozen=True)
class Corpus:
    """Where the parts of a corpus lie."""

    folder: Path

    @property
    def music(self) -> Path:
        """The folder to scan."""
        return self.folder / "music"

    @property
    def ratings(self) -> Path:
        """Plays."""
        return self.folder / "ratings.csv"

    @property
    def triplets(self) -> Path:
        """Judgements of similarity."""
        return self.folder / "triplets.csv"

    @property
    def truth(self) -> Path:
        """The folder of what was planted."""
        return self.folder / "truth"


@dataclass(frozen=True)
class Truth:
    """What was planted; vectors have unit norm, and a user likes a track as much as their dot product."""

    track_ids: list[str]
    track_factors: NDArray[np.float64]
    user_ids: list[str]
    user_factors: NDArray[np.float64]
    popularity: NDArray[np.float64]  # [tracks], logarithmic
    tracks: dict[str, dict[str, Any]]  # the fields of `TrackTruth` by track id


def is_synthesised(folder: Path, config: CorpusConfig) -> bool:
    """Whether the whole corpus of `config` is in `folder`; raises UsageError as `synthesise` does."""
    state = _state(config)
    return _earlier_state(Path(folder), state) == state


def synthesise(folder: Path, config: CorpusConfig, workers: int = 1) -> Corpus:
    """Make the corpus of `config` in `folder`, going on where an earlier run stopped, or doing nothing if it
    is whole.

    Raises:
        UsageError: the folder holds something else.
        OutputError: the folder cannot be written, or the disk is full.
    """
    corpus, state = Corpus(Path(folder)), _state(config)
    if is_synthesised(folder, config):
        return corpus
    write_json(corpus.folder / "corpus.json", {**state, "complete": False})
    plans = plan_tracks(config)
    made = in_processes(partial(record, folder=corpus.music), plans, workers)
    with explaining_output(corpus.music), closing(made):
        truth_of = dict(progress(made, "synthesising music", total=len(plans)))
    truths = [truth_of[number] for number in range(len(plans))]
    _write_listening(corpus, config, truths)
    write_json(corpus.folder / "corpus.json", state)
    return corpus


def read_truth(folder: Path) -> Truth:
    """Read back what was planted in the corpus at `folder`.

    Raises:
        ArtefactError: there is no whole corpus.
    """
    corpus = Corpus(Path(folder))
    tracks = read_json(corpus.truth / "tracks.json")
    with np.load(corpus.truth / "factors.npz") as stored:
        return Truth(
            track_ids=stored["track_ids"].tolist(),
            track_factors=stored["track_factors"],
            user_ids=stored["user_ids"].tolist(),
            user_factors=stored["user_factors"],
            popularity=stored["popularity"],
            tracks=tracks,
        )


def _state(config: CorpusConfig) -> dict[str, Any]:
    """What corpus.json says of a whole corpus."""
    return {"recipe": RECIPE, "config": config.model_dump(mode="json"), "complete": True}


def _earlier_state(folder: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """What corpus.json says; None where there is no corpus yet."""
    if (folder / "corpus.json").exists():
        state: dict[str, Any] = read_json(folder / "corpus.json")
        if {**state, "complete": True} != wanted:
            raise UsageError(
                f"{folder} holds a corpus made with other settings. Choose another folder, or delete it."
            )
        return state
    if taken := [name for name in ("music", "truth") if (folder / name).exists()]:
        raise UsageError(f"{folder / taken[0]} is in the way, and no corpus of ours. Choose another folder.")
    return None


def _write_listening(corpus: Corpus, config: CorpusConfig, truths: Sequence[TrackTruth]) -> None:
    rng = np.random.default_rng([config.random_seed, 1 << 20])
    track_ids = [track_id(truth.path) for truth in truths]
    tracks = track_factors(truths, rng)
    users = user_factors(tracks, config.users, rng)
    fame = popularity(truths, rng)
    plays = draw_plays(track_ids, tracks, users, fame, config.tracks_per_user, rng)
    write_rows(plays, corpus.ratings)
    write_rows(draw_triplets(track_ids, tracks, config.triplets, rng), corpus.triplets)
    write_json(
        corpus.truth / "tracks.json",
        {track: asdict(truth) for track, truth in zip(track_ids, truths, strict=True)},
    )
    with replacing(corpus.truth / "factors.npz") as file:
        np.savez(
            file,
            track_ids=track_ids,
            track_factors=tracks,
            user_ids=[f"user-{number:04d}" for number in range(config.users)],
            user_factors=users,
            popularity=fame,
        )
