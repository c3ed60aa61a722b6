"""What sounds like these tracks?

    python scripts/query.py runs/demo/index TRACK_ID_OR_FILE [ANOTHER ...] -k 5 --where genre=rock --where
    'year>=1990'

Several seeds are asked for at once: the answers are near all of them.
"""

import argparse
from pathlib import Path

from soundkin.pipelines.query import query
from soundkin.terminal import printable, run_script


def main() -> None:
    """Read the command line and print one line an answer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("index", type=Path, help="index folder")
    parser.add_argument("like", nargs="+", help="track ids, files, or words of titles")
    parser.add_argument("-k", type=int, default=10, help="how many answers (default: 10)")
    parser.add_argument("--where", action="append", default=[], help="a condition that every answer meets")
    parser.add_argument("--artist-cap", type=int, help="at most this many answers by one artist; 0: any")
    given = parser.parse_args()
    answers = query(given.index, given.like, given.k, given.where, given.artist_cap)
    for answer in answers:
        text = f"{answer.rank:3}  {answer.score:.3f}  {answer.title} - {answer.artist}  {answer.path}"
        print(printable(text))  # names come from tags: nothing in them steers the terminal


if __name__ == "__main__":
    run_script(main)
