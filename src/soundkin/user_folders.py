"""Where soundkin's files of one user are: libraries, settings and what can be computed again."""

import os
from pathlib import Path
from typing import Literal

FOLDERS = {"data": ".local/share", "config": ".config", "cache": ".cache"}  # in the home


def user_folder(kind: Literal["data", "config", "cache"]) -> Path:
    """`soundkin` in $XDG_DATA_HOME, $XDG_CONFIG_HOME or $XDG_CACHE_HOME, or where these are by default.

    A user without a home, as in a container, has nothing there: it is in /nonexistent then.
    """
    home = os.path.expanduser("~")  # noqa: PTH111, as Path.home raises where there is none
    if home == "~":
        home = "/nonexistent"
    return Path(os.environ.get(f"XDG_{kind.upper()}_HOME") or Path(home, FOLDERS[kind]), "soundkin")
