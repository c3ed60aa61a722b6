"""What was listened to, as tracks of an index, the latest counting most."""

import logging
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from soundkin.catalog.artists import fold_name
from soundkin.catalog.listening_history import Listen, read_history
from soundkin.errors import UsageError

if TYPE_CHECKING:
    from soundkin.search.vector_index import Index

HALF_LIFE_SECONDS = 30 * 86_400.0  # of a listen whose time is known
HALF_LIFE_LISTENS = 100  # of listens without times: so many later ones halve its weight

log = logging.getLogger(__name__)


def heard_tracks(index: "Index", file: Path, now: datetime | None = None) -> dict[int, float]:
    """Weights above 0 by row: each listen counts, half as much for each month that it lies back.

    Listens are matched by track_id or path, else by artist and title, folded; the log says how many were not
    found. Ages count from `now`, by default this moment. Raises UsageError where no track is known.
    """
    listens = read_history(file)
    rows = _matched(index, listens)
    lost = [listen.place for listen, row in zip(listens, rows, strict=True) if row is None]
    if len(lost) == len(listens):
        first = f" The first is {lost[0]}." if lost else ""
        raise UsageError(
            f"history {file}: none of its {len(listens)} listens is a track of the index.{first}"
        )
    if lost:
        message = "history %s: %d of %d listens are no tracks of the index, the first in %s"
        log.warning(message, file, len(lost), len(listens), lost[0])
    moment = (now or datetime.now(UTC)).timestamp()
    weights: dict[int, float] = defaultdict(float)
    for later, (listen, row) in enumerate(reversed(list(zip(listens, rows, strict=True)))):
        half_lives = later / HALF_LIFE_LISTENS
        if listen.unix_seconds is not None:
            half_lives = max(0.0, moment - listen.unix_seconds) / HALF_LIFE_SECONDS
        if row is not None:
            weights[row] += max(2.0**-half_lives, 1e-9)
    return dict(weights)


def _matched(index: "Index", listens: list[Listen]) -> list[int | None]:
    rows = [_row_at(index, listen.location) if listen.location else None for listen in listens]
    if all(row is not None or not listen.title for listen, row in zip(listens, rows, strict=True)):
        return rows
    by_name: dict[tuple[str, str], int] = {}
    for row in range(len(index)):
        label = index.tracks.label(row)
        if label.title:
            for artist in (fold_name(label.artist), *index.tracks.artists(row)):
                by_name.setdefault((artist, fold_name(label.title)), row)
    return [
        by_name.get((fold_name(listen.artist), fold_name(listen.title))) if row is None else row
        for listen, row in zip(listens, rows, strict=True)
    ]


def _row_at(index: "Index", location: str) -> int | None:
    row = index.tracks.row(location)
    return index.tracks.row_of_path(location) if row is None else row
