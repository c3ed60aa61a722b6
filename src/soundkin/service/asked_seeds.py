"""Seeds that clients may name: tracks of the library, and never files of the server."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from soundkin.errors import UsageError
from soundkin.search.query_description import Seed
from soundkin.search.vector_index import Index
from soundkin.service.messages import LONGEST_TEXT, Text

MOST_SEEDS = 50


class AskedSeed(Seed):
    """A seed that names tracks of the library: files and playlists of the server are none of a client's."""

    name: str = Field(min_length=1, max_length=LONGEST_TEXT)
    kind: Literal["any", "track", "album", "artist", "words"] = "any"


SeedOrText = Annotated[Text, Field(min_length=1)] | AskedSeed
Seeds = Annotated[tuple[SeedOrText, ...], Field(max_length=MOST_SEEDS)]


def named_seeds(index: Index, seeds: Iterable[AskedSeed | str]) -> tuple[Seed, ...]:
    """What clients name: tracks by their ids, or else what is spelled out. Raises UsageError for files."""
    return tuple(_named(index, AskedSeed(name=seed) if isinstance(seed, str) else seed) for seed in seeds)


def _named(index: Index, seed: AskedSeed) -> Seed:
    if seed.kind != "any":
        return Seed(name=seed.name, kind=seed.kind, weight=seed.weight)
    if index.tracks.row(seed.name) is not None:
        return Seed(name=seed.name, kind="track", weight=seed.weight)
    spelled = Seed(name=seed.name, weight=seed.weight).spelled_out()
    if spelled.kind in ("file", "playlist"):
        raise UsageError(f"{spelled.kind}: the server reads no files for you. Send it: POST /query/audio")
    return spelled
