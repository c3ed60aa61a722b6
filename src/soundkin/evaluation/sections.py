"""What every section of an evaluation has, so that a terminal, a page and JSON can show any of them alike."""

from typing import Any, ClassVar, Protocol

from soundkin.evaluation.fairness import Fairness


class Section(Protocol):
    """A part of the evaluation with a table of its own."""

    @property
    def title(self) -> str:
        """What it is called."""

    @property
    def verdict(self) -> str:
        """One honest line, or what is missing."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know before believing it."""

    def table(self) -> list[dict[str, str]]:
        """Rows to print, cells by column."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Plain values, for JSON."""


class UserFairness(Fairness, frozen=True):
    """Fairness of a cold start: scores are those of users, and so are groups."""

    title: ClassVar[str] = "fairness among users"


SECTIONS = ("cold_start", "assessors", "by_hand", "geometry", "robustness", "fairness", "fairness_of_users")


def section_json(section: Section) -> dict[str, Any]:
    """A section's values, and what people read of it."""
    return section.model_dump(mode="json") | {
        "title": section.title,
        "verdict": section.verdict,
        "table": section.table(),
    }
