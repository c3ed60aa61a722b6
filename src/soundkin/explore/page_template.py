"""How our pages are made: one look, whatever comes from a catalog escaped, and no script but the page's own.

A page names the digest of its script, so that a browser runs that one and nothing that slipped in.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2

HERE = Path(__file__).parent


def render_page(template: str, script: str = "", **values: Any) -> str:
    """The HTML text of `template`, with `page.css`, `page.js` and the script of that file name inside it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    source = "".join((HERE / name).read_text(encoding="utf-8") for name in ("page.js", script) if name)
    return environment.get_template(template).render(script=source, script_digest=_digest(source), **values)


def _digest(script: str) -> str:
    """What a content security policy calls a script: `sha256-` and the digest in base64."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
