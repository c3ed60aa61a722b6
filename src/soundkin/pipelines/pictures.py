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


def picture_place(output: Path | str | None, kinds: Sequence[str] = KINDS) -> Path | None:
    """`output` as a path, if a picture can be written there.

    Raises UsageError where it ends in none of `kinds`, OutputError where it cannot be written.
    """
    if output is None:
        return None
    output = Path(output)
    if output.suffix.lower() not in kinds:
        raise UsageError(f"{output}: name a file that ends in {', '.join(kinds[:-1])} or {kinds[-1]}.")
    return check_place(output)
