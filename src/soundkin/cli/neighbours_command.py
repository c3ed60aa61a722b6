"""`soundkin neighbours`."""

import os
from typing import Annotated, Any

from soundkin.cli.answer_table import AS_JSON
from soundkin.cli.output import print_json, print_table, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.options import Option
from soundkin.pipelines.precompute import precompute_neighbours, stored_neighbours


@command_of(precompute_neighbours)
def command(
    of: Annotated[
        str | None,
        Option("Show what the store holds for this track, and compute nothing.", metavar="TRACK_ID"),
    ] = None,
    as_json: Annotated[bool, AS_JSON] = False,
    **options: Any,
) -> None:
    if of is None:
        options["workers"] = options["workers"] or len(os.sched_getaffinity(0))
        done = precompute_neighbours(**options)
        changes = f"{done.tracks} tracks, {done.new} new or changed, {done.gone} gone"
        say(f"{done.store}: {changes}; {done.computed} lists computed")
        return
    found = stored_neighbours(options["index"], of, options["k"], options["store"])
    if as_json:
        print_json([{"track_id": track_id, "score": score} for track_id, score in found])
    elif found:
        print_table(
            f"neighbours of {of}",
            ("rank", "score", "track_id"),
            [(str(rank), f"{score:.3f}", track_id) for rank, (track_id, score) in enumerate(found, start=1)],
        )
