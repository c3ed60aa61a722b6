"""Pictures and pages that verbs write: the option, and the check before the work."""

from collections.abc import Sequence
from pathlib import Path

from soundkin.errors import UsageError
from soundkin.files import check_place
from soundkin.pipelines.options import Option

KINDS = (".png", ".svg")
PICTURE = Option("A picture: .png or .svg.", ("-o",))
PAGE_KINDS = (".html", *KINDS)
PAGE = Option("A page to look at and hear, or a picture: .html, .png or .svg.", ("-o",))


def check_picture(output: Path | None, kinds: Sequence[str] = KINDS) -> None:
    """Raise UsageError where `output` ends in none of `kinds`, OutputError where it cannot be written."""
    if output is None:
        return
    if output.suffix.lower() not in kinds:
        raise UsageError(f"{output}: name a file that ends in {', '.join(kinds[:-1])} or {kinds[-1]}.")
    check_place(output)
