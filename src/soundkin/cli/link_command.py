"""`soundkin link`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from soundkin.cli.answer_table import AS_JSON
from soundkin.cli.output import note, print_json, print_rows, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.link import Unlinked, link

NAMED = 3  # of the tracks that were not linked, for each reason
HOW = {"path": "by path", "musicbrainz": "by MusicBrainz id", "names": "by artist, title and length"}


@command_of(link)
def command(as_json: Annotated[bool, AS_JSON] = False, **options: Any) -> None:
    result = link(**options)
    if as_json:
        print_json({**asdict(result), "library": str(result.library)})
        return
    ways = ", ".join(f"{result.by[by]} {how}" for by, how in HOW.items() if by in result.by)
    done = "would be linked" if result.dry_run else "linked"
    say(f"{result.library}: {sum(result.by.values())} ids of {options['export']} {done}, {ways}")
    say(f"{result.linked} of the library's {result.tracks} tracks have an id of the server")
    if not result.unlinked:
        return
    print_rows("not linked", [_row(why, result.unlinked) for why in sorted(result.reasons)])
    if options["output"] is None:
        note("-o unmatched.csv writes all of them, with the reason of each")


def _row(why: str, unlinked: Sequence[Unlinked]) -> dict[str, str]:
    """How many were not linked because of this, and the first of them."""
    names = [each.path or f"{each.artist}: {each.title}" for each in unlinked if each.reason == why]
    more = ", ..." if len(names) > NAMED else ""
    return {"tracks": str(len(names)), "why": why, "such as": ", ".join(names[:NAMED]) + more}
