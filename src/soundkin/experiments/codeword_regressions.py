"""Regressions from MFCC codewords to latent factors: what van den Oord et al. (2013) compare networks with.

Their section 4.1: 13 MFCCs a frame with first and second order differences, a dictionary of 4,000 codewords
by K-means, and how often each codeword is the nearest in a track; then principal components that keep 95% of
the variance, and linear regression or a perceptron with one hidden layer of 1,000.

Our choices: differences are regression slopes, as in `baselines`; each of the 39 figures is standardised
first, since loudness alone would else decide which codeword is nearest; counts become shares, since tracks
here are of any length; and settings are chosen on validation tracks, which should be by other artists.
"""

import json
import math
import zipfile
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from soundkin.extras import require

require("train", "a reproduction")

import numpy as np
import pandas as pd
from scipy.signal import savgol_filter
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from soundkin.catalog.interactions import Interactions
from soundkin.catalog.table import Catalog
from soundkin.errors import ArtefactError, UsageError
from soundkin.evaluation.baselines import DELTA_FRAMES, mfccs
from soundkin.features.cache import MelCache, build_cache
from soundkin.files import replacing, sha256_of_text
from soundkin.progress import progress
from soundkin.shapes import Float, Float32, typechecked
from soundkin.tasks.factorisation import fold_in
from soundkin.tasks.latent_factors import LatentFactorsTask
from soundkin.training.data import PreparedData
from soundkin.training.run_config import TrainConfig

LINEAR, PERCEPTRON = REGRESSIONS = ("linear regression", "MLP")
COEFFICIENTS = 13
LEAST_FRAMES, MOST_FRAMES = 20, 100  # of the training tracks, for each codeword
PASSES = 10  # over the frames that codewords are learnt from
FRAMES_AT_ONCE = 8_192
KEPT_VARIANCE = 0.95
STRENGTHS = tuple(10.0**power for power in range(-4, 7))  # of regularisation, for inputs of spread 1
HIDDEN = 1_000
MOST_EPOCHS = 200
PATIENCE = 10  # epochs without a better one

Frames = Float[np.ndarray, "frames coefficients"]
Vectors = Float[np.ndarray, "tracks described"]
Regression = Callable[[Vectors], Float32[np.ndarray, "tracks factors"]]
FactorsByKey = dict[str, np.ndarray]  # by the track's key in the cache


@dataclass(frozen=True)
class Examples:
    """Tracks as they are described, and the latent factors to be predicted."""

    described: Vectors
    factors: Float[np.ndarray, "tracks factors"]


@dataclass(frozen=True, eq=False)
class RegressionData:
    """Factors of training and validation tracks, and the tested tracks, all by their keys in `cache`.

    `cached_as` describes what kind of frames the cache holds; `tested` has the keys by track id.
    """

    cache: MelCache
    cached_as: str
    train: FactorsByKey
    valid: FactorsByKey
    tested: dict[str, str]
    codewords: int


def regression_data(
    config: TrainConfig,
    data: PreparedData,
    task: LatentFactorsTask,
    interactions: Interactions,
    valid: Catalog,
    tested: Catalog,
    codewords: int,
) -> RegressionData:
    """What a network is trained on under `config`, for regressions to be fitted to the same.

    Factors of `valid` tracks are folded in among the users, by their plays in `interactions`. There are fewer
    codewords than asked for where the training tracks have fewer than 20 frames for each.
    """
    front_end, folder, seconds = config.features, config.data.cache_folder, config.data.cache_seconds
    assert folder is not None
    paths = [*valid.audio_paths(), *tested.audio_paths()]
    build = build_cache(paths, front_end, folder, config.data.cache_workers, seconds)
    cached = zip([*valid.track_ids, *tested.track_ids], build.keys, strict=True)
    keys = {track_id: key for track_id, key in cached if key is not None}
    rows, factors = task.targets(data.train.catalog).tolist(), task.track_factors.numpy()
    train = {key: factors[row] for key, row in zip(data.train.keys, rows, strict=True) if row >= 0}
    frames = sum(build.cache.frames(key) for key in train)
    if frames < LEAST_FRAMES:
        raise UsageError(
            f"the training tracks have {frames} frames, too few to learn codewords from. Add tracks."
        )
    valid_keys = {track_id: keys[track_id] for track_id in valid.track_ids if track_id in keys}
    return RegressionData(
        cache=build.cache,
        cached_as=f"{front_end.content_hash()} {seconds:g} s",
        train=train,
        valid=_folded_in(valid_keys, task, interactions),
        tested={track_id: keys[track_id] for track_id in tested.track_ids if track_id in keys},
        codewords=min(codewords, frames // LEAST_FRAMES),
    )


def _folded_in(keys: Mapping[str, str], task: LatentFactorsTask, interactions: Interactions) -> FactorsByKey:
    """Factors of the tracks, whose keys are given by track id, that enough of the task's users like."""
    users, config = task.user_vectors().numpy(), task.config
    row_of_user = pd.Index(task.users).get_indexer(pd.Index(interactions.users))
    by_track = interactions.confidence.tocsc()
    column_of = {track_id: column for column, track_id in enumerate(interactions.tracks)}
    factors = {}
    for track_id, key in keys.items():
        if track_id not in column_of:
            continue
        column = by_track[:, [column_of[track_id]]]
        rows, confidence = row_of_user[column.indices], column.data
        known = rows >= 0
        if (confidence[known] > 0).sum() >= config.minimum_listeners:
            factors[key] = fold_in(users, rows[known], confidence[known], config.regularisation)
    return factors


def predict_factors(data: RegressionData, path: Path, random_seed: int = 0) -> dict[str, pd.DataFrame]:
    """The tested tracks' factors by each of `REGRESSIONS`, indexed by track id.

    They are kept in `path`, and read there where it has those of the same data.
    """
    known = [{key: row.tolist() for key, row in part.items()} for part in (data.train, data.valid)]
    tested = list(data.tested.values())
    made_of = {"cached_as": data.cached_as, "codewords": data.codewords, "random_seed": random_seed}
    digest = sha256_of_text(json.dumps({**made_of, "tested": tested, "known": known}, sort_keys=True))
    predicted = _read_predictions(path, digest)
    if predicted is None:
        codebook = _codebook(data, random_seed)
        train, valid = (
            Examples(_described(data.cache, codebook, part), np.array(list(part.values())))
            for part in (data.train, data.valid)
        )
        described = _described(data.cache, codebook, tested)
        predicted = {
            LINEAR: fit_linear(train, valid)(described),
            PERCEPTRON: fit_perceptron(train, valid, random_seed)(described),
        }
        with replacing(path) as file:
            np.savez(file, made_of=digest, **predicted)  # type: ignore[arg-type]
    return {name: pd.DataFrame(predicted[name], index=list(data.tested)) for name in REGRESSIONS}


def _read_predictions(path: Path, digest: str) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as saved:
            if str(saved["made_of"]) != digest:
                return None
            return {name: saved[name] for name in REGRESSIONS}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ArtefactError(f"{path} is corrupt. Delete it and run the same command again.") from error


def _codebook(data: RegressionData, random_seed: int) -> Pipeline:
    """Codewords of a sample of frames of the training tracks."""
    random = np.random.default_rng(random_seed)
    share = min(1.0, data.codewords * MOST_FRAMES / sum(map(data.cache.frames, data.train)))
    sample = []
    for key in progress(data.train, "learning codewords", total=len(data.train)):
        frames = _frames(data.cache, key)
        sample.append(frames[random.choice(len(frames), math.ceil(share * len(frames)), replace=False)])
    return fit_codewords(np.concatenate(sample), data.codewords, random_seed)


def _described(cache: MelCache, codebook: Pipeline, keys: Collection[str]) -> Vectors:
    tracks = progress(keys, "counting codewords", total=len(keys))
    shares = [codeword_shares(codebook, _frames(cache, key)) for key in tracks]
    return np.array(shares, np.float32).reshape(len(keys), codebook[-1].n_clusters)


def _frames(cache: MelCache, key: str) -> Float32[np.ndarray, "frames described"]:
    return with_differences(mfccs(cache.log_mel(key), cache.mel_bands))


@typechecked
def with_differences(coefficients: Frames) -> Float32[np.ndarray, "frames described"]:
    """The first 13 MFCCs of each frame, their slopes and the slopes' slopes: 39 figures a frame."""
    courses = np.asarray(coefficients[:, :COEFFICIENTS], dtype=np.float32)
    slopes = [
        savgol_filter(courses, DELTA_FRAMES, polyorder=order, deriv=order, axis=0, mode="nearest")
        for order in (1, 2)
    ]
    return np.concatenate([courses, *slopes], axis=1).astype(np.float32)


def fit_codewords(frames: Frames, codewords: int, random_seed: int = 0) -> Pipeline:
    """K-means of standardised frames; the same sample and seed give the same codewords."""
    means = MiniBatchKMeans(
        codewords,
        max_iter=PASSES,
        batch_size=FRAMES_AT_ONCE,
        init_size=3 * codewords,
        n_init=1,
        random_state=random_seed,
    )
    with threadpool_limits(1):  # several threads add up in any order
        return make_pipeline(StandardScaler(), means).fit(np.asarray(frames, dtype=np.float32))


@typechecked
def codeword_shares(codebook: Pipeline, frames: Frames) -> Float32[np.ndarray, " codewords"]:
    """The share of a track's frames that each codeword is the nearest to; zeros where there are no frames."""
    nearest = codebook.predict(np.asarray(frames, dtype=np.float32)) if len(frames) else np.zeros(0, int)
    counts = np.bincount(nearest, minlength=codebook[-1].n_clusters)
    return (counts / max(len(frames), 1)).astype(np.float32)


def fit_linear(train: Examples, valid: Examples) -> Regression:
    """Ridge regression of the strength that predicts the validation tracks best."""
    project = _projection(train, valid)
    fits = [Ridge(alpha=strength).fit(project(train.described), train.factors) for strength in STRENGTHS]
    best = min(fits, key=lambda fit: _error(fit, project(valid.described), valid.factors))
    return lambda described: _predicted(best, project(described))


def fit_perceptron(
    train: Examples, valid: Examples, random_seed: int = 0, hidden: int = HIDDEN
) -> Regression:
    """A perceptron (rectified linear, Adam) as it was after the epoch that was best on validation tracks."""
    project = _projection(train, valid)
    inputs, valid_inputs = project(train.described), project(valid.described)
    mean, spread = train.factors.mean(axis=0), max(float(train.factors.std()), np.finfo(np.float32).tiny)
    targets, valid_targets = ((part.factors - mean) / spread for part in (train, valid))
    random = np.random.RandomState(random_seed)  # a number would give every epoch the same order
    perceptron = MLPRegressor(
        hidden_layer_sizes=(hidden,), batch_size=min(200, len(inputs)), random_state=random
    )
    best, least, since = perceptron, np.inf, 0
    with threadpool_limits(1):
        for _ in range(MOST_EPOCHS):
            # scikit-learn wants a single factor as a vector
            perceptron.partial_fit(inputs, targets[:, 0] if targets.shape[1] == 1 else targets)
            error, since = _error(perceptron, valid_inputs, valid_targets), since + 1
            if error < least:
                best, least, since = deepcopy(perceptron), error, 0
            if since == PATIENCE:
                break
    return lambda described: (_predicted(best, project(described)) * spread + mean).astype(np.float32)


def _projection(train: Examples, valid: Examples) -> Callable[[Vectors], Vectors]:
    """Principal components of the training tracks, divided by one number, so that their mean square is 1."""
    if len(train.described) < 2 or not len(valid.described):
        raise UsageError(
            f"{len(train.described)} training and {len(valid.described)} validation tracks are too few for a "
            "regression. Give at least two to train on and one to validate on."
        )
    if not np.ptp(train.described, axis=0).any():
        raise UsageError("all training tracks of a regression are described alike. Add tracks that differ.")
    with threadpool_limits(1):  # so that rounding, and all that follows from it, is the same each time
        components = PCA(KEPT_VARIANCE).fit(train.described)
        spread = np.sqrt(np.mean(components.transform(train.described) ** 2))
    return lambda described: np.asarray(components.transform(described) / spread)


def _error(fit: Ridge | MLPRegressor, inputs: Vectors, factors: np.ndarray) -> float:
    return float(np.mean((_predicted(fit, inputs) - factors) ** 2))


def _predicted(fit: Ridge | MLPRegressor, inputs: Vectors) -> Float32[np.ndarray, "tracks factors"]:
    return np.asarray(fit.predict(inputs), dtype=np.float32).reshape(len(inputs), -1)
