"""Reproduce: a paper's own comparison, by its own protocol, on the data at hand.

A. van den Oord, S. Dieleman, B. Schrauwen, "Deep content-based music recommendation" (2013), section 5: plays
of the training tracks are factorised, several regressions learn to foretell a track's factors from its sound,
and all users rank tracks that none of this has met. The run's folder holds

    train.csv  test.csv  the training tracks, the test tracks
    cnn-mse/  cnn-wpe/   what training leaves, and embeddings/ of the test tracks
    regressions.npz      their factors, as the regressions on codewords foretell them
    reproduction.json    the result

Networks get the training tracks alone, so that they run all their epochs and keep the last weights. Other
trainings keep the weights that find kin best among held-out tracks; here those of the first epoch may,
foretelling nothing.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from soundkin.catalog.interactions import Interactions, make_interactions
from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.splits import SplitConfig, SplitRule, make_split_rule
from soundkin.catalog.table import SPLITS, Catalog, read_catalog, write_catalog
from soundkin.config import nearest
from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.known_users import known_users
from soundkin.embedding.store import read_embeddings
from soundkin.errors import ConfigError, Skipped, UsageError
from soundkin.evaluation.cold_start import FACTORISED_NOTE, factor_tables, select_factors
from soundkin.evaluation.user_rankings import BOUND, LONG, UserRankings, user_rankings
from soundkin.experiments.codeword_regressions import REGRESSIONS, Lesson, foretell, make_lesson
from soundkin.experiments.codewords import CODEWORDS
from soundkin.files import sha256_of, write_json
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.train import TrainConfig, compose, train
from soundkin.tasks.latent_factors import LatentFactorsConfig, LatentFactorsTask
from soundkin.training.data import prepare
from soundkin.training.plan import Plan, check
from soundkin.training.run_folder import RunFolder, holds_a_run

FORMAT, FORMAT_VERSION = "soundkin reproduction", 1
PAPERS = ("vandenoord2013",)
TRAINING, TESTED = "train.csv", "test.csv"
MSE, WPE = "CNN, MSE", "CNN, WPE"
NETWORKS = {MSE: "mse", WPE: "wpe"}  # system: its loss
METRICS = (f"mAP@{LONG}", "AUC")  # those of the paper
OURS_TO_SET = ("catalog", "ratings", "run_dir", "experiment", "task.latent_factors.loss")
DIFFERENCES_NOTE = (
    "Unlike the paper: the number of filters, which it does not print, is our choice (configs/model); the networks "
    "learn by AdamW for as many epochs as trainer.epochs says, and foretell factors by a linear layer on the track "
    "vector at unit length; metric learning to rank (MLR) is left out. Test tracks are by artists of their own, unless "
    "the catalog has another split. And the data are other data: compare the order of the rows, not the figures."
)


class Reproduction(BaseModel, frozen=True):
    """What was found. `tracks` counts those that taught, judged the regressions' settings, and tested."""

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
        """One line: whether the network that hears beats the regressions on codewords, as it did in the
        paper.
        """
        row = next(row for row in self.comparison.rows if row.metric == METRICS[0])
        unbeaten = [
            gain.system for gain in row.gains if gain.system in REGRESSIONS and not (gain.low or 0) > 0
        ]
        found = (
            f"not shown to beat {' or '.join(unbeaten)}"
            if unbeaten
            else "beats both regressions, as in the paper"
        )
        found = row.too_few or found
        scores = {score.system: score for score in row.scores}
        ours = scores.pop(MSE)
        against = ", ".join(f"{name} {score.mean:.4f}" for name, score in scores.items())
        return f"{MSE} {found}: {row.metric} {ours:.4f} against {against}"

    def table(self) -> list[dict[str, str]]:
        """Rows to print, in the paper's order: its two metrics first, each with its interval."""
        first = (*REGRESSIONS, *NETWORKS, BOUND)
        order = [*first, *(name for name in self.comparison.systems if name not in first)]
        rows = {row["system"]: row for row in self.comparison.table()}
        precise = next(row for row in self.comparison.rows if row.metric == METRICS[0])
        for score in precise.scores:
            rows[score.system][METRICS[0]] = f"{score:.4f}"
        columns = list(dict.fromkeys(["system", *METRICS, *rows[BOUND], *rows[MSE]]))
        return [{column: rows[name][column] for column in columns if column in rows[name]} for name in order]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        named = {"format": FORMAT, "format_version": FORMAT_VERSION, "verdict": self.verdict}
        return (
            named
            | self.model_dump(mode="json")
            | {"comparison": {"verdict": self.comparison.verdict} | self.comparison.model_dump(mode="json")}
        )


def reproduce(
    paper: str,
    catalog_path: Path,
    ratings: Path,
    run_dir: Path,
    overrides: Sequence[str] = (),
    codewords: int = CODEWORDS,
    workers: int = 1,
    random_seed: int = 0,
) -> Reproduction:
    """Train what the paper compares, and compare it: the same factors, the same test tracks, the same users.

    `overrides` go to the training config, `experiment=vandenoord2013`. There are as many codewords as asked
    for, or as the frames of the training tracks can teach. `random_seed` is for codewords, the perceptron and
    intervals; training has its own. Run it again after an interruption, and it goes on where it stopped.

    Raises:
        UsageError: no such paper, or nobody likes a test track.
        ConfigError: a wrong override, or `run_dir` holds a run of another config, or of other data.
        CatalogError: the catalog or the ratings cannot be used.
        ArtefactError: what `run_dir` holds is corrupt.
    """
    if paper not in PAPERS:
        raise UsageError(f"{paper} is not among the papers that can be reproduced.{nearest(paper, PAPERS)}")
    run_dir = Path(run_dir)
    configs = _configs(paper, Path(ratings), run_dir, overrides)
    config = configs[MSE]
    catalog = read_catalog(Path(catalog_path), config.data.no_artist)
    train_tracks, valid, tested = _parts(catalog, config.data.split)
    for one in configs.values():
        check(
            Plan(one, train_tracks, SplitRule(config=config.data.split), np.full(len(train_tracks), "train"))
        )
    listening = _factorisation(config).listening
    interactions = make_interactions(read_ratings(Path(ratings), catalog), listening, f"ratings {ratings}")
    _write_parts(train_tracks, tested, catalog.folder, run_dir)
    models = {name: train(config).model for name, config in configs.items()}
    data = prepare(RunFolder(config, read_catalog(config.catalog, config.data.no_artist)).plan())
    task = LatentFactorsTask.from_sources(_factorisation(config), data.sources, config.model.embedding_size)
    lesson = make_lesson(config, data, task, interactions, valid, tested, codewords)
    by_regressions = foretell(lesson, run_dir / "regressions.npz", random_seed)
    by_networks, skipped = _foretold(models, task, run_dir / TESTED, workers)
    comparison = _compare(by_networks | by_regressions, task, interactions, tested, random_seed)
    result = Reproduction(
        paper=paper,
        comparison=comparison,
        tracks={"teaching": len(lesson.teaching), "judging": len(lesson.judging), "test": comparison.tracks},
        factors=_factorisation(config).factors,
        codewords=lesson.codewords,
        notes=(*_notes(lesson, codewords, config), *comparison.notes),
        skipped=(*data.skipped, *skipped),
        provenance={
            "soundkin": version("soundkin"),
            "catalog": str(catalog_path),
            "catalog_sha256": sha256_of(Path(catalog_path)),
            "ratings": str(ratings),
            "ratings_sha256": sha256_of(Path(ratings)),
            "overrides": list(overrides),
            "models": {name: load_bundle(model).hash for name, model in models.items()},
            "random_seed": random_seed,
        },
    )
    write_json(run_dir / "reproduction.json", result.to_json())
    return result


def _configs(paper: str, ratings: Path, run_dir: Path, overrides: Sequence[str]) -> dict[str, TrainConfig]:
    """The training configs of the networks, which differ in their loss and their folder alone."""
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if key in OURS_TO_SET:
            raise ConfigError(f"config {override}: {key} is what the comparison itself sets. Leave it out.")
    config = compose([f"experiment={paper}", *overrides, "catalog=catalog.csv", "run_dir=."])
    task = config.task.latent_factors  # type: ignore[attr-defined]
    chosen = [name for name, settings in config.task if settings is not None]
    if chosen != [LatentFactorsTask.name] or not config.features.makes_log_mels:
        raise ConfigError(
            "config: the comparison is about latent factors foretold from log-mels. Leave task and features as "
            f"experiment={paper} has them."
        )
    data = config.data.model_copy(update={"cache_folder": config.data.cache_folder or run_dir / "cache"})
    shared = config.model_copy(update={"catalog": run_dir / TRAINING, "ratings": ratings, "data": data})
    return {
        name: shared.model_copy(
            update={
                "run_dir": run_dir / f"cnn-{loss}",
                "task": config.task.model_copy(
                    update={"latent_factors": task.model_copy(update={"loss": loss})}
                ),
            }
        )
        for name, loss in NETWORKS.items()
    }


def _factorisation(config: TrainConfig) -> LatentFactorsConfig:
    found: LatentFactorsConfig = config.task.latent_factors  # type: ignore[attr-defined]
    return found


def _parts(catalog: Catalog, split: SplitConfig) -> tuple[Catalog, Catalog, Catalog]:
    """The tracks to train on, those that judge settings, and those to test on."""
    splits = np.array(make_split_rule(catalog, split).assign(catalog))
    train, valid, tested = (catalog.select(splits == name) for name in SPLITS)
    for part, name in ((train, "train"), (valid, "valid"), (tested, "test")):
        if not len(part):
            raise UsageError(
                f"{catalog.source}: no track is in the {name} split. Add artists, or a column split."
            )
    return train, valid, tested


def _write_parts(train: Catalog, tested: Catalog, folder: Path, run_dir: Path) -> None:
    """Write the tracks to train on, and to test on, as catalogs of their own; their audio is in `folder`."""
    path, begun = run_dir / TRAINING, any(map(holds_a_run, run_dir.glob("cnn-*")))
    if begun and path.exists() and read_catalog(path).track_ids != train.track_ids:
        raise ConfigError(
            f"run_dir={run_dir} holds a comparison with other training tracks. Choose another run_dir, or remove that "
            "folder."
        )
    for part, name in ((train, TRAINING), (tested, TESTED)):
        write_catalog(part.frame.assign(split=Path(name).stem, audio_folder=str(folder)), run_dir / name)


def _foretold(
    models: Mapping[str, Path], task: LatentFactorsTask, tested: Path, workers: int
) -> tuple[dict[str, pd.DataFrame], list[Skipped]]:
    """The tested tracks' factors by each network, indexed by track id; its users have to be those of `task`."""
    found, skipped = {}, []
    ours = task.user_vectors().numpy()
    for name, model in models.items():
        users = known_users(load_bundle(model), model, task.name)
        if users.ids != task.users or not np.allclose(users.vectors, ours, atol=1e-4):
            raise ConfigError(
                f"{model} was trained on other tracks or ratings than these. Choose another run_dir, or remove that "
                "folder."
            )
        skipped = embed_catalog(model, tested, model.parent / "embeddings", workers, replace=True).skipped
        embeddings = read_embeddings(model.parent / "embeddings")
        found[name] = pd.DataFrame(users.track_vectors(embeddings.vectors), index=embeddings.track_ids)
    return found, skipped


def _compare(
    factors: Mapping[str, pd.DataFrame],
    task: LatentFactorsTask,
    interactions: Interactions,
    tested: Catalog,
    random_seed: int,
) -> UserRankings:
    """Offer the tracks that every system could hear to the users of `task`."""
    users = task.user_vectors().numpy()
    ids = [track_id for track_id in tested.track_ids if all(track_id in of.index for of in factors.values())]
    systems = {name: (users, of.loc[ids].to_numpy(np.float32)) for name, of in factors.items()}
    bound = select_factors(factor_tables(interactions, task.config), task.users, ids)
    return user_rankings(systems, bound, interactions.plays(task.users, ids), random_seed)[0]


def _notes(lesson: Lesson, codewords: int, config: TrainConfig) -> tuple[str, ...]:
    fewer = (
        "" if lesson.codewords == codewords else f" ({codewords:,} were asked for; there are too few frames)"
    )
    return (
        f"{', '.join(REGRESSIONS)}: on shares of {lesson.codewords:,} codewords{fewer} among the frames of the first "
        f"{config.data.cache_seconds:g} s of a track, settings chosen on {len(lesson.judging)} validation tracks.",
        DIFFERENCES_NOTE,
        FACTORISED_NOTE,
    )
