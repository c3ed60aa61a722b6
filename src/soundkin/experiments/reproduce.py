"""Reproduce: a paper's own comparison, by its own protocol, on the data at hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.extras import require
from soundkin.pipelines.options import WORKERS, Option, argument

if TYPE_CHECKING:
    from soundkin.experiments.vandenoord2013 import Reproduction

PAPERS = ("vandenoord2013",)


def reproduce(
    paper: Annotated[str, argument()],
    catalog_path: Annotated[Path, Option("The tracks.", ("--catalog",), required=True)],
    ratings: Annotated[Path, Option("Plays of all tracks, test ones too.", required=True)],
    run_dir: Annotated[Path, Option("Folder for all results.", required=True)],
    overrides: Annotated[Sequence[str], argument("[KEY=VALUE]...")] = (),
    codewords: Annotated[int, Option("The paper's number.", minimum=1)] = 4_000,
    workers: Annotated[int, WORKERS] = 1,
    random_seed: int = 0,
) -> "Reproduction":
    """Compare what PAPER compares, by its protocol, on the tracks and ratings at hand.

    vandenoord2013: "Deep content-based music recommendation". Plays of the training tracks are factorised;
    linear regression and a perceptron on MFCC codewords, and a convolutional network under two losses, learn
    to predict a track's factors from its sound; then all users rank the test tracks. There are as many
    codewords as asked for, or as the frames of the training tracks allow. Any KEY=VALUE goes to the training
    config (soundkin train --help). Run the same command again after an interruption, and it goes on where it
    stopped. data/README.md says how to lay out the Million Song Dataset, which the paper used.

    Example:
      soundkin reproduce vandenoord2013 --catalog catalog.csv --ratings ratings.csv --run-dir runs/2013

    Raises:
        UsageError: no such paper, or nobody likes a test track.
        ConfigError: a wrong override, or `run_dir` holds a run of another config, or of other data.
        CatalogError: the catalog or the ratings cannot be used.
        ArtefactError: what `run_dir` holds is corrupt.
    """
    require("train", "a reproduction")
    from soundkin.config import nearest
    from soundkin.errors import UsageError
    from soundkin.experiments import vandenoord2013

    if paper not in PAPERS:
        raise UsageError(f"{paper} is not among the papers that can be reproduced.{nearest(paper, PAPERS)}")
    return vandenoord2013.compare_systems(
        Path(catalog_path), Path(ratings), Path(run_dir), overrides, codewords, workers, random_seed
    )
