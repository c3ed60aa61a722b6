"""`soundkin playlist`."""

from collections.abc import Sequence
from typing import Annotated, Any

from soundkin.cli.answer_table import AS_JSON, COLUMNS, cells_to_read, print_answers
from soundkin.cli.output import note
from soundkin.cli.verbs import command_of
from soundkin.pipelines.make_playlist import playlist


@command_of(playlist)
def command(
    columns: Annotated[Sequence[str] | None, COLUMNS] = None,
    as_json: Annotated[bool, AS_JSON] = False,
    **options: Any,
) -> None:
    from soundkin.pipelines.answers import opened_index
    from soundkin.pipelines.seeds import title_with_seeds

    options["index"] = opened_index(options["index"])
    tracks = playlist(**options, columns=cells_to_read(columns, as_json))
    print_answers(title_with_seeds("playlist", options["index"], tracks), tracks, columns, as_json)
    if options["output"] and tracks:
        known = [track.seconds for track in tracks if track.seconds > 0]
        length = f", {sum(known) / 60:.0f} minutes" if len(known) == len(tracks) else ""
        note(f"{options['output']}: {len(tracks)} tracks{length}")
