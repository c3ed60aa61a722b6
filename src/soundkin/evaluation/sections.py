"""What every section of an evaluation or an audit has, for a terminal, a page and JSON."""

from typing import Any, Protocol


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
