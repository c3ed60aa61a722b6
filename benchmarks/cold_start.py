"""Recommending tracks and artists that nobody has played, by sound alone, on a corpus whose tastes are
planted.

    python benchmarks/cold_start.py runs/cold-start [KEY=VALUE ...]

Synthesises music and listeners, trains on the plays of the training artists' tracks, and prints how many
plays of the test artists' tracks are foretold: by the network, by its vectors shuffled, by popularity, by the
planted tastes. Resumable. Any key of the training config may follow; tasks of one's own, as
task=[genre,artist,ratings], take the place of the recipe's.
"""

import argparse
import hashlib
from pathlib import Path

from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.synthesise import synthesise
from soundkin.pipelines.evaluate import evaluate
from soundkin.pipelines.scan import scan
from soundkin.pipelines.train import compose, train

CORPUS = CorpusConfig(
    artists_per_genre=80, tracks_per_artist=4, users=1000, tracks_per_user=120.0, triplets=0
)

TASKS = [
    "task=[genre,artist,latent_factors]",
    "task.latent_factors.weight=6.0",
    "task.latent_factors.factors=32",
    "task.latent_factors.regularisation=30",
    "task.latent_factors.listening.alpha=5",
    "task.latent_factors.listening.propensity_power=0.5",  # popularity cannot be heard
    "trainer.selection_score=latent_factors_ndcg",
]
RECIPE = [
    "experiment=demo",
    "features=harmony",  # these listeners have a taste for minor keys
    "data.split={train:0.8,valid:0.1,test:0.1}",
    # And for brightness and tempo, so hardly any change of those.
    "data.augment={gain_db:10,tilt_db:3,stretch:0.02,shift_bands:10}",
    "data.augment.time_masks=1",
    "data.augment.time_mask_frames=20",
    "data.augment.mel_masks=1",
    "data.augment.mel_mask_bands=12",
    "trainer.network_rate=0.5",
    "trainer.epochs=40",
    "trainer.steps_per_epoch=60",
    "trainer.patience=40",
]


def main() -> None:
    """Print the table and its verdict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    corpus = synthesise(arguments.run_dir / "corpus", CORPUS, workers=2)
    catalog = arguments.run_dir / "corpus" / "catalog.csv"
    if not catalog.exists():
        scan(corpus.music, catalog, workers=2)
    name = (
        hashlib.sha256(" ".join(arguments.overrides).encode()).hexdigest()[:8]
        if arguments.overrides
        else "default"
    )
    places = [f"catalog={catalog}", f"ratings={corpus.ratings}", f"run_dir={arguments.run_dir / name}"]
    own_tasks = any(override.startswith("task=") for override in arguments.overrides)
    config = compose([*RECIPE, *([] if own_tasks else TASKS), *places, *arguments.overrides])
    model = train(config).model
    evaluation = evaluate(model, catalog, workers=2, labels=[], ratings=corpus.ratings, truth=corpus.folder)
    assert evaluation.cold_start is not None
    found = evaluation.cold_start.parts[0]
    for row in found.table():
        print("| " + " | ".join(row.values()) + " |")
    print(found.verdict)


if __name__ == "__main__":
    main()
