"""A. van den Oord, S. Dieleman, B. Schrauwen, "Deep content-based music recommendation" (2013), section 5.

Plays of the training tracks are factorised, several regressions learn to predict a track's factors from its
sound, and all users rank tracks that none of this has seen. The run's folder holds

    train.csv  test.csv  the training tracks, the test tracks
    cnn-mse/  cnn-wpe/   what training leaves, and embeddings/ of the test tracks
    regressions.npz      their factors, as the regressions on codewords predict them
    reproduction.json    the result

Networks get the training tracks alone, so that they run all their epochs and keep the last weights. Other
trainings keep the weights that score best on held-out tracks; here those of the first epoch may, before they
predict anything.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from soundkin.catalog.interactions import make_interactions
from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.splits import SplitConfig, SplitRule, make_split_rule
from soundkin.catalog.table import SPLITS, Catalog, read_catalog, write_catalog
from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.known_users import known_users
from soundkin.embedding.store import read_embeddings
from soundkin.errors import ConfigError, Skipped, UsageError
from soundkin.evaluation.cold_start import FACTORISED_NOTE, factor_tables, select_factors
from soundkin.evaluation.user_rankings import BOUND, LONG, UserRankings, user_rankings
from soundkin.experiments.codeword_regressions import REGRESSIONS, predict_factors, regression_data
from soundkin.files import sha256_of, write_json
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.train import compose, train
from soundkin.statistics.bootstrap import listed_means, not_shown_to_beat
from soundkin.tasks.latent_factors import LatentFactorsConfig, LatentFactorsTask
from soundkin.training.data import prepare
from soundkin.training.plan import Plan, check
from soundkin.training.run_config import TrainConfig
from soundkin.training.run_folder import RunFolder, holds_a_run

PAPER = "vandenoord2013"
FORMAT, FORMAT_VERSION = "soundkin reproduction", 1
TRAINING, TESTED = "train.csv", "test.csv"
MSE, WPE = "CNN, MSE", "CNN, WPE"
NETWORKS = {MSE: "mse", WPE: "wpe"}  # system: its loss
METRICS = (f"mAP@{LONG}", "AUC")  # those of the paper
OURS_TO_SET = ("catalog", "ratings", "run_dir", "experiment", "task.latent_factors.loss")
DIFFERENCES_NOTE = (
    "Unlike the paper: the number of filters, which it does not print, is our choice (configs/model); "
    "networks are trained with AdamW for trainer.epochs epochs, and predict factors by a linear layer on "
    "the track vector at unit length; metric learning to rank (MLR) is left out. Test tracks are by "
    "artists of their own, unless the catalog has another split. And the data are other data: compare the "
    "order of the rows, not the figures."
)


class Reproduction(BaseModel, frozen=True):
    """The result. `tracks` counts those that trained, that chose the regressions' settings, and tested."""

    paper: str
    comparison: UserRankings
    tracks: dict[str, int]
    factors: int
    codewords: int
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    provenance: dict[str, Any]

    @property
    def verdict(self) -> str:
        """One line: whether the network beats the regressions on codewords, as it did in the paper."""
        row = self._row(METRICS[0])
        level = [system for system in row.unbeaten if system in REGRESSIONS]
        outcome = not_shown_to_beat(level) or "beats both regressions, as in the paper"
        ours, *others = sorted(row.scores, key=lambda score: score.system != MSE)
        against = listed_means(others, ".4f")
        return f"{MSE} {row.too_few or outcome}: {row.metric} {ours.mean:.4f} against {against}"

    def table(self) -> list[dict[str, str]]:
        """Rows to print, in the paper's order: its two metrics first, each with its interval."""
        rows = {row["system"]: row for row in self.comparison.table()}
        for score in self._row(METRICS[0]).scores:
            rows[score.system][METRICS[0]] = f"{score:.4f}"
        order = dict.fromkeys([*REGRESSIONS, *NETWORKS, BOUND, *self.comparison.systems])
        columns = dict.fromkeys(["system", *METRICS, *rows[BOUND], *rows[MSE]])
        return [{column: rows[name][column] for column in columns if column in rows[name]} for name in order]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        named = {"format": FORMAT, "format_version": FORMAT_VERSION, "verdict": self.verdict}
        return (
            named
            | self.model_dump(mode="json")
            | {"comparison": {"verdict": self.comparison.verdict} | self.comparison.model_dump(mode="json")}
        )

    def _row(self, metric: str) -> Any:
        return next(row for row in self.comparison.rows if row.metric == metric)


def compare_systems(
    catalog_path: Path,
    ratings: Path,
    run_dir: Path,
    overrides: Sequence[str],
    codewords: int,
    workers: int,
    random_seed: int,
) -> Reproduction:
    """Train what the paper compares, and compare it: the same factors, the same test tracks, the same users.

    `overrides` go to the training config, `experiment=vandenoord2013`. `random_seed` is for codewords, the
    perceptron and intervals; training has its own.
    """
    configs = _configs(ratings, run_dir, overrides)
    config, factorisation = configs[MSE], _factorisation(configs[MSE])
    catalog = read_catalog(catalog_path, config.data.no_artist)
    train_tracks, valid, tested = _parts(catalog, config.data.split)
    rule, splits = SplitRule(config=config.data.split), np.full(len(train_tracks), "train")
    for network_config in configs.values():
        check(Plan(network_config, train_tracks, rule, splits))
    listening = factorisation.listening
    interactions = make_interactions(read_ratings(ratings, catalog), listening, f"ratings {ratings}")
    _write_parts(train_tracks, tested, catalog.folder, run_dir)
    models = {name: train(network_config).model for name, network_config in configs.items()}
    data = prepare(RunFolder(config, read_catalog(config.catalog, config.data.no_artist)).plan())
    task = LatentFactorsTask.from_sources(factorisation, data.sources, config.model.embedding_size)
    fitted_to = regression_data(config, data, task, interactions, valid, tested, codewords)
    by_regressions = predict_factors(fitted_to, run_dir / "regressions.npz", random_seed)
    by_networks, skipped = _factors_by_networks(models, task, run_dir / TESTED, workers)
    factors = by_networks | by_regressions
    ids = [id_ for id_ in tested.track_ids if all(id_ in frame.index for frame in factors.values())]
    users = task.user_vectors().numpy()
    systems = {name: (users, frame.loc[ids].to_numpy(np.float32)) for name, frame in factors.items()}
    bound = select_factors(factor_tables(interactions, factorisation), task.users, ids)
    plays = interactions.plays(task.users, ids)
    comparison, _ = user_rankings(systems, bound, plays, random_seed)
    asked_for = "" if fitted_to.codewords == codewords else f" ({codewords:,} were asked for; too few frames)"
    regressions_note = (
        f"{', '.join(REGRESSIONS)}: on shares of {fitted_to.codewords:,} codewords{asked_for} among the "
        f"frames of the first {config.data.cache_seconds:g} s of a track, settings chosen on "
        f"{len(fitted_to.valid)} validation tracks."
    )
    result = Reproduction(
        paper=PAPER,
        comparison=comparison,
        tracks={"teaching": len(fitted_to.train), "judging": len(fitted_to.valid), "test": comparison.tracks},
        factors=factorisation.factors,
        codewords=fitted_to.codewords,
        notes=(regressions_note, DIFFERENCES_NOTE, FACTORISED_NOTE, *comparison.notes),
        skipped=(*data.skipped, *skipped),
        provenance={
            "soundkin": version("soundkin"),
            "catalog": str(catalog_path),
            "catalog_sha256": sha256_of(catalog_path),
            "ratings": str(ratings),
            "ratings_sha256": sha256_of(ratings),
            "overrides": list(overrides),
            "models": {name: load_bundle(model).hash for name, model in models.items()},
            "random_seed": random_seed,
        },
    )
    write_json(run_dir / "reproduction.json", result.to_json())
    return result


def _configs(ratings: Path, run_dir: Path, overrides: Sequence[str]) -> dict[str, TrainConfig]:
    """The training configs of the networks, which differ in their loss and their folder alone."""
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if key in OURS_TO_SET:
            raise ConfigError(f"config {override}: {key} is what the comparison itself sets. Leave it out.")
    config = compose([f"experiment={PAPER}", *overrides, "catalog=catalog.csv", "run_dir=."])
    chosen = [name for name, settings in config.task if settings is not None]
    if chosen != [LatentFactorsTask.name] or not config.features.makes_log_mels:
        raise ConfigError(
            "config: the comparison is about latent factors predicted from log-mels. Leave task and features "
            f"as experiment={PAPER} has them."
        )
    data = config.data.model_copy(update={"cache_folder": config.data.cache_folder or run_dir / "cache"})
    shared = {"catalog": run_dir / TRAINING, "ratings": ratings, "data": data}
    configs = {}
    for name, loss in NETWORKS.items():
        factorisation = _factorisation(config).model_copy(update={"loss": loss})
        task = config.task.model_copy(update={"latent_factors": factorisation})
        own = {"run_dir": run_dir / f"cnn-{loss}", "task": task}
        configs[name] = config.model_copy(update=shared | own)
    return configs


def _factorisation(config: TrainConfig) -> LatentFactorsConfig:
    factorisation: LatentFactorsConfig = config.task.latent_factors  # type: ignore[attr-defined]
    return factorisation


def _parts(catalog: Catalog, split: SplitConfig) -> list[Catalog]:
    """The tracks to train on, those that choose settings, and those to test on."""
    splits = np.array(make_split_rule(catalog, split).assign(catalog))
    for name in SPLITS:
        if name not in splits:
            raise UsageError(
                f"{catalog.source}: no track is in the {name} split. Add artists, or a column split."
            )
    return [catalog.select(splits == name) for name in SPLITS]


def _write_parts(train_tracks: Catalog, tested: Catalog, folder: Path, run_dir: Path) -> None:
    """Write the tracks to train on, and to test on, as catalogs of their own; their audio is in `folder`."""
    path, begun = run_dir / TRAINING, any(map(holds_a_run, run_dir.glob("cnn-*")))
    if begun and path.exists() and read_catalog(path).track_ids != train_tracks.track_ids:
        raise ConfigError(
            f"run_dir={run_dir} holds a comparison with other training tracks. Choose another run_dir, or "
            "remove that folder."
        )
    for part, name in ((train_tracks, TRAINING), (tested, TESTED)):
        write_catalog(part.frame.assign(split=Path(name).stem, audio_folder=str(folder)), run_dir / name)


def _factors_by_networks(
    models: Mapping[str, Path], task: LatentFactorsTask, tested: Path, workers: int
) -> tuple[dict[str, pd.DataFrame], list[Skipped]]:
    """The tested tracks' factors by each network; its users have to be those of `task`."""
    factors, skipped, ours = {}, [], task.user_vectors().numpy()
    for name, model in models.items():
        users = known_users(load_bundle(model), model, task.name)
        if users.ids != task.users or not np.allclose(users.vectors, ours, atol=1e-4):
            raise ConfigError(
                f"{model} was trained on other tracks or ratings than these. Choose another run_dir, or "
                "remove that folder."
            )
        folder = model.parent / "embeddings"
        skipped = embed_catalog(model, tested, folder, workers, replace=True).skipped
        embeddings = read_embeddings(folder)
        factors[name] = pd.DataFrame(users.track_vectors(embeddings.vectors), index=embeddings.track_ids)
    return factors, skipped
