"""What an audit leaves to people: the table of labels to decide on, and the first cases of everything it
found.
"""

from collections.abc import Sequence

import pandas as pd

from soundkin.audit.duplicates import Duplicates
from soundkin.audit.label_errors import DoubtedLabel, LabelErrors
from soundkin.audit.leaks import Leaks
from soundkin.catalog.corrections import cell_text
from soundkin.catalog.table import Catalog
from soundkin.evaluation.sections import Section
from soundkin.explore.audit_page import Decision, Task
from soundkin.pipelines.track_cards import snippet
from soundkin.progress import progress

LISTENED = 40  # rows that the page has players for
EXAMPLES = 5


def review_table(catalog: Catalog, doubted: Sequence[LabelErrors], leaks: Leaks) -> pd.DataFrame:
    """A row for each label to look at; `decision` and `value` are for people to fill."""
    rows = [_review_row(catalog, one.label, found) for one in doubted for found in one.doubted]
    for track_id, name, common in leaks.renamed():
        given = cell_text(catalog, track_id, "artist")
        suggested = given.replace(name, common, 1)
        rows.append({"track_id": track_id, "column": "artist", "given": given, "suggested": suggested})
        rows[-1]["reason"] = "the same artist, mostly written otherwise"
    columns = ["track_id", "column", "given", "suggested", "decision", "value", "doubt", "belief", "reason"]
    frame = pd.DataFrame(rows, columns=columns, dtype=object).drop_duplicates(["track_id", "column"])
    for place, name in enumerate(("title", "artist", "album", "path")):
        cells = [cell_text(catalog, track_id, name) for track_id in frame["track_id"]]
        frame.insert(len(columns) + place, name, cells)
    return frame


def _review_row(catalog: Catalog, label: str, found: DoubtedLabel) -> dict[str, str]:
    return {
        "track_id": found.track_id,
        "column": label,
        "given": cell_text(catalog, found.track_id, label),
        "suggested": found.suggested,
        "doubt": f"{found.doubt:.2f}",
        "belief": "" if found.belief is None else f"{found.belief:.2f}",
        "reason": f"sounds like {found.suggested}"
        if found.suggested
        else f"sounds unlike others called {found.given}",
    }


def things_to_do(sections: Sequence[Section], catalog: Catalog) -> list[Task]:
    """What to do about the catalog, with the first few cases of each."""
    tasks = []
    for section in sections:
        if isinstance(section, Duplicates) and section.groups:
            count = f"{len(section.groups)} recordings stand there more than once"
            groups = [" = ".join(_named(catalog, id_) for id_ in group) for group in section.groups]
            tasks.append(Task(count, "Keep one file of each, or keep all in one split.", groups[:EXAMPLES]))
        if isinstance(section, Leaks) and any(kin.leaks for kin in section.kin):
            leaking = [kin for kin in section.kin if kin.leaks]
            count = f"{len(leaking)} groups of tracks stand in training and in what it is judged by"
            advice = "Give their artists one name, or the tracks one split; else scores are too good."
            cases = [
                f"{kin.kind}: {_named(catalog, kin.track_ids[0])} ({len(kin.track_ids)} tracks)"
                for kin in leaking
            ]
            tasks.append(Task(count, advice, cases[:EXAMPLES]))
        if isinstance(section, LabelErrors) and section.doubted:
            count = f"{len(section.doubted)} of {section.judged} {section.label} labels are doubted"
            checked = f" How often that is right: {section.check.in_words}." if section.check else ""
            tasks.append(Task(count, f"Listen, and decide below.{checked}"))
    return tasks


def _named(catalog: Catalog, track_id: str) -> str:
    title, artist = (cell_text(catalog, track_id, column) for column in ("title", "artist"))
    return f"{title or track_id} by {artist or 'unknown artist'}"


def to_decide(review: pd.DataFrame, catalog: Catalog, audio: bool) -> list[Decision]:
    """A row of the page for each row of the review table, the first of them with a player."""
    rows = review.fillna("").astype(str).to_dict("records")
    decisions = []
    for place, row in enumerate(progress(rows, "players", total=len(rows))):
        sound, silence = None, "audio was not opened"
        if audio and place < LISTENED:
            sound, silence = snippet(catalog.audio_path(row["track_id"]))
        elif audio:
            silence = f"players stand by the first {LISTENED}"
        decisions.append(Decision({str(name): cell for name, cell in row.items()}, sound, silence))
    return decisions
