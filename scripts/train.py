"""Train a model from a config: the same job as `soundkin train`, in a few readable lines.

python scripts/train.py experiment=demo catalog=catalog.csv run_dir=runs/first
python scripts/train.py trainer.epochs=5 task=[artist] catalog=catalog.csv run_dir=runs/second
"""

import sys

from soundkin.pipelines.train import compose, train
from soundkin.terminal import run_script


def main() -> None:
    """Train as the command line says."""
    if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv):
        sys.exit(__doc__)
    result = train(compose(sys.argv[1:]))
    print(f"model: {result.model}")
    print(f"held-out retrieval (mAP@10): {result.metrics.get('valid/retrieval', float('nan')):.3f}")


if __name__ == "__main__":
    run_script(main)
