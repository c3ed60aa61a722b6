"""Serve: what a server of a library is asked to be."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from soundkin.errors import UsageError
from soundkin.pipelines.options import Option, argument

SHORTEST_TOKEN = 16  # characters


@dataclass(frozen=True)
class ServeSettings:
    """How a library is served. `loopback_name` is the name by which this machine alone calls."""

    library: Path
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    processes: int = 1
    neighbours: str | None = None
    decode_seconds: float = 30.0
    access_log: bool = True
    loopback_name: str | None = None


def serve_settings(
    library: Annotated[Path, argument("LIBRARY")],
    host: Annotated[str, Option("0.0.0.0 lets others in, with the token.")] = "127.0.0.1",
    port: Annotated[int, Option("0 takes any free one.", minimum=0)] = 8000,
    token: Annotated[
        str | None,
        Option("What callers have to send; rather SOUNDKIN_TOKEN or SOUNDKIN_TOKEN_FILE, which ps hides."),
    ] = None,
    processes: Annotated[int, Option("Server processes; 0: one a core.", minimum=0)] = 1,
    neighbours: Annotated[
        str | None, Option("Store of neighbours; default: the library's.", metavar="STORE")
    ] = None,
    decode_seconds: Annotated[float, Option("Time an uploaded file may take.", metavar="SECONDS")] = 30.0,
    access_log: Annotated[bool, Option("A line a request, without queries.")] = True,
) -> ServeSettings:
    """Answer over HTTP what sounds like what, from a library or an index; docs/serving.md says how to ask.

    New versions of the library are served as they come; a request ends on the version that it began with. By
    default only this machine can call. GET /openapi.json describes all there is.

    Examples:
      soundkin serve ~/music
      curl 'http://127.0.0.1:8000/tracks?q=night+train'
      SOUNDKIN_TOKEN=... soundkin serve library --host 0.0.0.0 --processes 0

    Raises:
        UsageError: there is no index, the address is taken, others can call and there is no token, or the
            token's file cannot be read.
        ArtefactError: the index is corrupt.
    """
    token = _token_of_environment() if token is None else token
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        make = 'python -c "import secrets; print(secrets.token_urlsafe())"'
        raise UsageError(f"take a token of {SHORTEST_TOKEN} ASCII characters or more. Make one: {make}")
    if decode_seconds <= 0:
        raise UsageError(f"decode_seconds={decode_seconds:g}: give uploads more than 0 s.")
    cores = len(os.sched_getaffinity(0))
    return ServeSettings(
        Path(library), host, port, token, processes or cores, neighbours, decode_seconds, access_log
    )


def _token_of_environment() -> str | None:
    """SOUNDKIN_TOKEN, or what the file SOUNDKIN_TOKEN_FILE holds, as secrets of containers and of systemd."""
    token, file = os.environ.get("SOUNDKIN_TOKEN"), os.environ.get("SOUNDKIN_TOKEN_FILE")
    if token is not None or not file:
        return token
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"SOUNDKIN_TOKEN_FILE={file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"SOUNDKIN_TOKEN_FILE={file} is no text. Put the token into it, a line.") from error
