"""Turn every track of a catalog into a vector.

    python scripts/export_embeddings.py runs/demo/model catalog.csv embeddings/ --workers 2

The output is Parquet, one row a track: `pandas.read_parquet("embeddings/tracks")`. Stop it when you like: the
same command goes on where it stopped.
"""

import argparse
from pathlib import Path

from soundkin.pipelines.embed import embed_catalog
from soundkin.terminal import run_script


def main() -> int:
    """Read the command line and embed; the exit code is 3 if some files had to be left out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="folder of the model bundle")
    parser.add_argument("catalog", type=Path, help="catalog of the tracks, .csv or .parquet")
    parser.add_argument("output", type=Path, help="folder for the embeddings")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--patches", action="store_true", help="keep the vector of each patch too")
    given = parser.parse_args()
    result = embed_catalog(given.model, given.catalog, given.output, given.workers, given.patches)
    print(
        f"{result.output}: {result.embedded} embedded, {result.reused} reused, {len(result.skipped)} skipped"
    )
    return 3 if result.skipped else 0


if __name__ == "__main__":
    run_script(main)
