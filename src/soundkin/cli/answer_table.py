"""How answers of a query or a recommendation look: which columns, as a table or as JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from soundkin.cli.output import print_json, print_table, say
from soundkin.pipelines.options import Option

if TYPE_CHECKING:
    from soundkin.pipelines.answers import Answer
    from soundkin.pipelines.query_trajectories import Explanation

DEFAULT = ("rank", "score", "closer_than", "artist", "title")
# Of an answer, whatever the catalog holds.
OWN = ("rank", "score", "closer_than", "track_id", "title", "artist", "path", "folded")

COLUMNS = Option(
    f"Columns to show: {', '.join(OWN)}, and all that the catalog has. Default: {','.join(DEFAULT)}.",
    metavar="COLUMN,...",
    separator=",",
)
AS_JSON = Option("JSON instead of a table, with all columns.", ("--json",))


def cells_to_read(columns: Sequence[str] | None, as_json: bool) -> list[str] | None:
    """Which columns of the catalog are wanted: all of them in JSON."""
    return None if as_json else [name for name in columns or () if name not in OWN]


def label(answer: "Answer") -> str:
    """`17_night-train (Oscar Peterson - Night Train)`."""
    names = " - ".join(filter(None, (answer.artist, answer.title)))
    return f"{answer.track_id} ({names})" if names else answer.track_id


def print_answers(
    title: str,
    answers: Sequence["Answer"],
    columns: Sequence[str] | None = None,
    as_json: bool = False,
    reasons: "Sequence[Explanation]" = (),
) -> None:
    """Print answers; by default each on one line, a track without a title by its file. `reasons` follow."""
    if as_json:
        whys = [{"why": asdict(reason)} for reason in reasons] or [{}] * len(answers)
        print_json([asdict(answer) | why for answer, why in zip(answers, whys, strict=True)])
    elif answers:
        ranked_by_likeness = any(getattr(answer, "closer_than", None) is not None for answer in answers)
        names = columns or [name for name in DEFAULT if name != "closer_than" or ranked_by_likeness]
        rows = [[_cell(answer, name, titled=not columns) for name in names] for answer in answers]
        print_table(title, names, rows, shorten=not columns)
    for answer, reason in () if as_json else zip(answers, reasons, strict=False):
        say(f"{answer.rank}. {'; '.join(reason.reasons()) or 'nothing to name'}")


def _cell(answer: "Answer", name: str, titled: bool) -> str:
    if name == "score":
        return f"{answer.score:.3f}"
    if name == "title" and titled:
        return answer.title or Path(answer.path).name
    if name == "closer_than":
        share = getattr(answer, "closer_than", None)
        return "" if share is None else f"{math.floor(1000 * share) / 10:.1f}%"  # 99.96% is not all
    if name == "folded":
        return ";".join(getattr(answer, "folded", ()))
    value = getattr(answer, name) if name in OWN else answer.catalog[name]
    return "" if value is None else str(value)
