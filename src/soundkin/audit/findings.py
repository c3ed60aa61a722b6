"""What an audit found, and what it leaves to people: a table of labels to decide on, and a page."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from soundkin.audit.duplicates import Duplicates
from soundkin.audit.label_errors import LabelErrors
from soundkin.audit.leaks import Leaks
from soundkin.audit.reliability import AnnotatorAudit, write_annotators
from soundkin.catalog.corrections import cell_text
from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import read_rows, write_rows
from soundkin.errors import CatalogError, OutputError, Skipped
from soundkin.evaluation.sections import Section
from soundkin.explore.audit_page import Decision, Task, render_audit
from soundkin.explore.page_template import PageSection, Step
from soundkin.files import replacing, write_json
from soundkin.progress import progress

REVIEW, PAGE, RESULT, ANNOTATORS = "review.csv", "audit.html", "audit.json", "annotators.csv"
PLAYERS = 40  # rows of the page with a player
EXAMPLES = 5
ABOUT_TRACKS = ("title", "artist", "album", "path")

Snippet = Callable[[Path], tuple[str | None, str]]  # file -> ten seconds as an address, or None and why


@dataclass(frozen=True)
class Audit:
    """Every section, the labels to review, the files that could not be read, and what all this is about."""

    sections: tuple[Section, ...]
    review: pd.DataFrame
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    provenance: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "provenance": self.provenance,
            "notes": list(self.notes),
            "skipped": [{"path": item.path, "reason": item.reason} for item in self.skipped],
            "sections": [
                section.model_dump(mode="json")
                | {"title": section.title, "verdict": section.verdict, "notes": list(section.notes)}
                for section in self.sections
            ],
        }


def review_table(catalog: Catalog, doubted: Sequence[LabelErrors], leaks: Leaks) -> pd.DataFrame:
    """A row for each label to look at; `decision` and `value` are for people to fill."""
    rows = [
        {
            "track_id": label.track_id,
            "column": section.label,
            "suggested": label.suggested,
            "doubt": f"{label.doubt:.2f}",
            "belief": "" if label.belief is None else f"{label.belief:.2f}",
            "reason": f"sounds like {label.suggested}"
            if label.suggested
            else f"sounds unlike others called {label.given}",
        }
        for section in doubted
        for label in section.doubted
    ]
    for track_id, name, usual in leaks.renamed():
        suggested = cell_text(catalog, track_id, "artist").replace(name, usual, 1)
        reason = "the same artist, mostly written otherwise"
        rows.append({"track_id": track_id, "column": "artist", "suggested": suggested, "reason": reason})
    columns = ["track_id", "column", "given", "suggested", "decision", "value", "doubt", "belief", "reason"]
    frame = pd.DataFrame(rows, columns=columns, dtype=object).drop_duplicates(["track_id", "column"])
    frame["given"] = [cell_text(catalog, *cell) for cell in frame[["track_id", "column"]].to_numpy()]
    about = {name: [cell_text(catalog, track, name) for track in frame["track_id"]] for name in ABOUT_TRACKS}
    return frame.assign(**about)


def check_undecided(folder: Path) -> None:
    """Refuse to overwrite decisions that people wrote into the review table of an earlier audit."""
    path = folder / REVIEW
    if not path.exists():
        return
    try:
        earlier = read_rows(path, f"review {path}", ("decision", "value"))
    except CatalogError as error:
        if "has no rows" in str(error):
            return
        raise
    if decided := int(earlier[["decision", "value"]].notna().any(axis="columns").sum()):
        raise OutputError(
            f"{path} holds {decided} decisions, which would be lost. Turn them into corrections first "
            f"(soundkin correct CATALOG {path} -o corrections.csv) and move the file away, or name another "
            "folder with -o."
        )


def write_audit(audit: Audit, catalog: Catalog, folder: Path, snippet: Snippet | None) -> None:
    """Write the review table, the JSON, the annotators if there are some, and the page.

    Without `snippet` the page has no players.
    """
    write_rows(audit.review, folder / REVIEW)
    write_json(folder / RESULT, audit.to_json())
    for section in audit.sections:
        if isinstance(section, AnnotatorAudit) and section.annotators:
            write_annotators(section, folder / ANNOTATORS)
    about = audit.provenance
    facts = (("Tracks", "tracks"), ("Vectors", "embeddings"), ("Target", "target"), ("soundkin", "soundkin"))
    page = render_audit(
        title=f"soundkin audit: {Path(about['catalog']).name}",
        collection=str(about["catalog_sha256"])[:16],
        facts=[(name, str(about[key])) for name, key in facts if key in about],
        tasks=_tasks(audit.sections, catalog),
        decisions=_decisions(audit.review, catalog, snippet),
        sections=[PageSection(part.title, part.verdict, part.table(), part.notes) for part in audit.sections],
        steps=_steps(audit),
    )
    with replacing(folder / PAGE, "w") as file:
        file.write(page)


def _tasks(sections: Sequence[Section], catalog: Catalog) -> list[Task]:
    """What to do about the catalog, with the first few cases of each."""
    tasks = []
    for section in sections:
        if isinstance(section, Duplicates) and section.groups:
            count = f"{len(section.groups)} recordings are in the catalog more than once"
            groups = [" = ".join(_named(catalog, track) for track in group) for group in section.groups]
            tasks.append(Task(count, "Keep one file of each, or keep all in one split.", groups[:EXAMPLES]))
        if isinstance(section, Leaks) and (leaking := [group for group in section.groups if group.leaks]):
            count = f"{len(leaking)} groups of tracks are both in training and in what it is judged by"
            advice = "Give their artists one name, or the tracks one split; else scores are too good."
            cases = [
                f"{group.kind}: {_named(catalog, group.track_ids[0])} ({len(group.track_ids)} tracks)"
                for group in leaking[:EXAMPLES]
            ]
            tasks.append(Task(count, advice, cases))
        if isinstance(section, LabelErrors) and section.doubted:
            count = f"{len(section.doubted)} of {section.judged} {section.label} labels are doubted"
            checked = f" How often that is right: {section.check.in_words}." if section.check else ""
            tasks.append(Task(count, f"Listen, and decide below.{checked}"))
    return tasks


def _named(catalog: Catalog, track_id: str) -> str:
    title, artist = (cell_text(catalog, track_id, column) for column in ("title", "artist"))
    return f"{title or track_id} by {artist or 'unknown artist'}"


def _decisions(review: pd.DataFrame, catalog: Catalog, snippet: Snippet | None) -> list[Decision]:
    """A row of the page for each row of the review table, the first of them with a player."""
    decisions = []
    rows = review.fillna("").astype(str).to_dict("records")
    for place, row in enumerate(progress(rows, "players", total=len(rows))):
        audio, silence = None, f"players are with the first {PLAYERS}" if snippet else "audio was not opened"
        if snippet and place < PLAYERS:
            audio, silence = snippet(catalog.audio_path(row["track_id"]))
        decisions.append(Decision({str(name): cell for name, cell in row.items()}, audio, silence))
    return decisions


def _steps(audit: Audit) -> list[Step]:
    catalog = shlex.quote(audit.provenance["catalog"])
    steps = [Step(note) for note in audit.notes]
    if len(audit.review):
        correct = f"soundkin correct {catalog}"
        steps += [
            Step("Turn the decisions you saved into corrections.", f"{correct} {REVIEW} -o corrections.csv"),
            Step("Apply them to a copy.", f"{correct} --apply corrections.csv -o corrected.csv"),
        ]
    return steps
