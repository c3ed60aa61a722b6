"""Train a model from a config: the same job as `soundkin train`, in a few readable lines.

python scripts/train.py experiment=demo catalog=catalog.csv run_dir=runs/first
python scripts/train.py trainer.epochs=5 task=[artist] catalog=catalog.csv run_dir=runs/second
"""

import sys

from soundkin.errors import SoundkinError
from soundkin.pipelines.train import compose, train

if __name__ == "__main__":
    if not sys.argv[1:] or {"-h", "--help"} & set(sys.argv):
        sys.exit(__doc__)
    try:
        result = train(compose(sys.argv[1:]))
    except SoundkinError as error:
        print(f"train.py: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"model: {result.model}")
    print(f"held-out retrieval (mAP@10): {result.metrics.get('valid/retrieval', float('nan')):.3f}")
