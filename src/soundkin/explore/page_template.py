"""How our pages are made: one look, whatever comes from a catalog escaped, and no script but the page's own.

A page opens offline and loads nothing. It names the digest of its script, so that a browser runs that one and
nothing that slipped in.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

HERE = Path(__file__).parent


@dataclass(frozen=True)
class TrackCard:
    """A track as pages show it. `audio` is a data URI; without one, `silence` says why."""

    title: str
    artist: str
    genre: str
    audio: str | None = None
    silence: str = ""
    similarity: float | None = None
    shared: Sequence[str] = ()  # what it has in common with the query: "genre", "artist"
    moment: str = ""  # where the two sound most alike: "1:02 is most like the query's 0:17"
    trained_on: bool = False


@dataclass(frozen=True)
class Step:
    """Something to try next, and the command that does it."""

    advice: str
    command: str = ""


@dataclass(frozen=True)
class PageSection:
    """A part of a page that has a table: rows of cells by column; a row may lack some."""

    title: str
    verdict: str
    rows: Sequence[Mapping[str, str]]
    notes: Sequence[str] = ()

    @property
    def anchor(self) -> str:
        """What links to it are called."""
        return "section-" + "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())

    @property
    def columns(self) -> list[str]:
        """In the order in which rows bring them up."""
        return list(dict.fromkeys(column for row in self.rows for column in row))

    @property
    def numeric(self) -> list[str]:
        """The columns of which every cell that is filled begins with a number."""
        cells = {name: [row[name] for row in self.rows if row.get(name)] for name in self.columns}
        return [name for name, own in cells.items() if all(c.lstrip("+-")[:1].isdecimal() for c in own)]


def render_page(template: str, *scripts: str, **values: Any) -> str:
    """The HTML text of `template`, with `page.css`, `page.js` and the scripts of these names inside it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    source = "".join((HERE / name).read_text(encoding="utf-8") for name in ("page.js", *scripts))
    digest = "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    return environment.get_template(template).render(script=source, script_digest=digest, **values)
