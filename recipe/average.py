"""The network halfway between that of a training run and the one that it began with.

    python recipe/average.py runs/model/training --start runs/model/start -o runs/model/halfway

A step of training that gains robustness and loses a little elsewhere often keeps the gain and loses nothing
halfway (M. Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022). The folder is written as a
run's, with what the run says of its tracks, so that ship.py judges it like any other.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from soundkin.embedding.bundle import Bundle, load_bundle, save_bundle
from soundkin.errors import UsageError
from soundkin.terminal import run_script


def average(trained: Bundle, start: Bundle) -> Bundle:
    """The trained bundle with the mean of both networks' weights; its heads stay the trained ones.

    Raises:
        UsageError: the networks or the front ends differ.
    """
    if trained.computing_config() != start.computing_config():
        raise UsageError("Networks or front ends differ. Give the bundle that the run began with.")
    begun = start.network.state_dict()
    trained.network.load_state_dict(
        {
            name: torch.lerp(weights, begun[name], 0.5) if weights.is_floating_point() else weights
            for name, weights in trained.network.state_dict().items()
        }
    )
    told = f"the weights are halfway between those of the run and those of {start.hash}, which it began with"
    data = trained.provenance.get("training_data", {}) | {"averaged": told}
    # What the run measured was of its own weights.
    return replace(trained, metrics={}, provenance=trained.provenance | {"training_data": data}, hash="")


def main() -> None:
    """Read the command line, and write the run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="the folder of a training run")
    parser.add_argument("--start", type=Path, required=True, help="the bundle that it began with")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder to write")
    given = parser.parse_args()
    save_bundle(average(load_bundle(given.run / "model"), load_bundle(given.start)), given.output / "model")
    shutil.copyfile(given.run / "tracks.csv", given.output / "tracks.csv")
    print(f"{given.output}")


if __name__ == "__main__":
    run_script(main)
