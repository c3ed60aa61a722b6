"""Progress on stderr, for any long loop."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], description: str, total: int | None = None, unit: str = "track") -> Iterator[Item]:
    """Yield `items` while a bar on stderr tells how far we are; a log file gets a line every ten seconds."""
    at_terminal = sys.stderr.isatty()
    yield from tqdm(
        items,
        desc=description,
        total=total,
        unit=unit,
        file=sys.stderr,
        mininterval=0.2 if at_terminal else 10.0,
        dynamic_ncols=at_terminal,
        disable=total == 0,
    )
