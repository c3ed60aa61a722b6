"""Regressions from MFCC codewords to latent factors: what van den Oord et al. (2013) set their networks
beside.
"""

import hashlib
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundkin.catalog.interactions import Interactions
from soundkin.catalog.table import Catalog
from soundkin.errors import ArtefactError, UsageError
from soundkin.evaluation.baselines import mfccs
from soundkin.experiments.codewords import Codebook, with_differences
from soundkin.experiments.regressors import Examples, teach_linear, teach_perceptron
from soundkin.features.cache import MelCache, build_cache
from soundkin.files import replacing
from soundkin.progress import progress
from soundkin.shapes import Float32
from soundkin.tasks.factorisation import fold_in
from soundkin.tasks.latent_factors import LatentFactorsTask
from soundkin.training.data import PreparedData
from soundkin.training.run_config import TrainConfig

LINEAR, PERCEPTRON = REGRESSIONS = ("linear regression", "MLP")
LEAST_FRAMES, MOST_FRAMES = 20, 100  # that teach a codeword

FactorsOf = dict[str, np.ndarray]  # by the track's key in the cache


@dataclass(frozen=True, eq=False)
class Lesson:
    """Tracks that teach, with their factors; those that judge settings, with theirs; and those to be
    foretold.

    All are keys in `cache`, a folder of whose kind is described by `cached_as`. `tested` has the keys by
    track id.
    """

    cache: MelCache
    cached_as: str
    teaching: FactorsOf
    judging: FactorsOf
    tested: dict[str, str]
    codewords: int


def make_lesson(
    config: TrainConfig,
    data: PreparedData,
    task: LatentFactorsTask,
    listening: Interactions,
    valid: Catalog,
    tested: Catalog,
    codewords: int,
) -> Lesson:
    """What a network is taught under `config`, for regressions to be taught the same.

    The `valid` tracks judge: their factors are folded in among the users, by the plays that `listening` has
    of them. There are fewer codewords than asked for where the training tracks have fewer than 20 frames for
    each.

    Raises:
        UsageError: the training tracks have too few frames for a single codeword.
    """
    front_end, folder, seconds = config.features, config.data.cache_folder, config.data.cache_seconds
    assert folder is not None
    paths = [*valid.audio_paths(), *tested.audio_paths()]
    build = build_cache(paths, front_end, folder, config.data.cache_workers, seconds)
    keys = {
        track_id: key
        for track_id, key in zip([*valid.track_ids, *tested.track_ids], build.keys, strict=True)
        if key is not None
    }
    rows = task.targets(data.train.catalog).tolist()
    factors = task.track_factors.numpy()
    teaching = {key: factors[row] for key, row in zip(data.train.keys, rows, strict=True) if row >= 0}
    frames = sum(build.cache.frames(key) for key in teaching)
    if frames < LEAST_FRAMES:
        raise UsageError(
            f"the training tracks have {frames} frames, too few to learn codewords from. Add tracks."
        )
    return Lesson(
        cache=build.cache,
        cached_as=f"{front_end.content_hash()} {seconds:g} s",
        teaching=teaching,
        judging=_folded_in({one: keys[one] for one in valid.track_ids if one in keys}, task, listening),
        tested={one: keys[one] for one in tested.track_ids if one in keys},
        codewords=min(codewords, frames // LEAST_FRAMES),
    )


def foretell(lesson: Lesson, path: Path, random_seed: int = 0) -> dict[str, pd.DataFrame]:
    """The tested tracks' factors, indexed by track id, by each of `REGRESSIONS`: those in `path`, if of this
    lesson.

    Raises:
        UsageError: there are fewer than two tracks to teach, or none to judge.
        ArtefactError: `path` is corrupt.
    """

    def regress() -> dict[str, np.ndarray]:
        describe = _describer(lesson, random_seed)
        teaching, judging = (
            Examples(describe(list(known)), np.array(list(known.values())))
            for known in (lesson.teaching, lesson.judging)
        )
        described = describe(list(lesson.tested.values()))
        return {
            LINEAR: teach_linear(teaching, judging)(described),
            PERCEPTRON: teach_perceptron(teaching, judging, random_seed)(described),
        }

    made_of = {
        "cached_as": lesson.cached_as,
        "codewords": lesson.codewords,
        "random_seed": random_seed,
        "tested": list(lesson.tested.values()),
        "known": [
            {key: factors.tolist() for key, factors in known.items()}
            for known in (lesson.teaching, lesson.judging)
        ],
    }
    found = _once(path, made_of, regress)
    return {name: pd.DataFrame(found[name], index=list(lesson.tested)) for name in REGRESSIONS}


def _folded_in(keys: Mapping[str, str], task: LatentFactorsTask, listening: Interactions) -> FactorsOf:
    """Factors of tracks, whose keys are given by track id, that enough of the task's users like."""
    users, config = task.user_vectors().numpy(), task.config
    row_of_user = pd.Index(task.users).get_indexer(pd.Index(listening.users))
    by_track = listening.confidence.tocsc()
    column_of = {track_id: column for column, track_id in enumerate(listening.tracks)}
    found = {}
    for track_id, key in keys.items():
        if track_id in column_of:
            column = column_of[track_id]
            places = slice(by_track.indptr[column], by_track.indptr[column + 1])
            rows, confidence = row_of_user[by_track.indices[places]], by_track.data[places]
            known = rows >= 0
            if (confidence[known] > 0).sum() >= config.minimum_listeners:
                found[key] = fold_in(users, rows[known], confidence[known], config.regularisation)
    return found


def _described_frames(cache: MelCache, key: str) -> Float32[np.ndarray, "frames described"]:
    return with_differences(mfccs(cache.log_mel(key), cache.mel_bands))


def _describer(
    lesson: Lesson, random_seed: int
) -> Callable[[Sequence[str]], Float32[np.ndarray, "tracks codewords"]]:
    """Learn codewords from frames of the teaching tracks; returns what counts them in others."""
    random = np.random.default_rng(random_seed)
    all_frames = sum(lesson.cache.frames(key) for key in lesson.teaching)
    share = min(1.0, lesson.codewords * MOST_FRAMES / all_frames)
    sample = []
    for key in progress(lesson.teaching, "learning codewords", total=len(lesson.teaching)):
        frames = _described_frames(lesson.cache, key)
        drawn = random.choice(len(frames), math.ceil(share * len(frames)), replace=False)
        sample.append(frames[drawn])
    codebook = Codebook.fit(np.concatenate(sample), lesson.codewords, random_seed)

    def describe(keys: Sequence[str]) -> Float32[np.ndarray, "tracks codewords"]:
        tracks = progress(keys, "counting codewords", total=len(keys))
        counted = [codebook.histogram(_described_frames(lesson.cache, key)) for key in tracks]
        return np.array(counted, np.float32).reshape(len(keys), lesson.codewords)

    return describe


def _once(
    path: Path, made_of: Mapping[str, Any], make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Arrays that were made of just this before, or else made now and kept.

    Raises:
        ArtefactError: the file is corrupt.
    """
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    if path.exists():
        try:
            with np.load(path, allow_pickle=False) as saved:
                if str(saved["made_of"]) == key:
                    return {name: saved[name] for name in saved if name != "made_of"}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ArtefactError(f"{path} is corrupt. Delete it and run the same command again.") from error
    made = make()
    with replacing(path) as file:
        np.savez(file, made_of=key, **made)  # type: ignore[arg-type]
    return made
