"""How a parameter of a verb looks to people, as in `k: Annotated[int, Option("...")] = 10`.

`cli.verbs` makes a command of it. A parameter without an `Option` is for Python alone. What a command needs
to know of a verb is this module's, the signature's and the docstring's: it must not import torch.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """An option of the command line: `--name` after the parameter, unless `flags` say otherwise.

    The parameter's type says what is accepted: Path, int, str, a Literal, a bool (a switch), a Sequence
    (given several times, or once with `separator` between its values); `| None` or a default make it
    optional. `positional` makes it an argument. `minimum` bounds an int.
    """

    help: str = ""
    flags: tuple[str, ...] = ()  # such as "-o"; a spelling that starts with "--" replaces the name
    metavar: str | None = None
    minimum: int | None = None
    separator: str | None = None
    positional: bool = False
    required: bool = False  # on the command line, whatever the default in Python


def argument(metavar: str | None = None) -> Option:
    """A positional argument of the command line."""
    return Option(metavar=metavar, positional=True)


WORKERS = Option("Processes.", minimum=1)
FOLLOW_LINKS = Option("Also follow links that lead out of FOLDER, and let catalogs lead there.")
WHERE = Option("genre=rock, genre!=rock, 'year>=1990'; all must hold.", metavar="FILTER")
ARTIST_CAP = Option("At most this many answers of one artist.", minimum=1)
PLAYLIST_FILE = Option("A playlist to write: .m3u8, .m3u or .jspf, or .txt for track ids.", ("-o",))
