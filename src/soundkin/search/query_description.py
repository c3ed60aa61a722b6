"""One description of a query for the command line, Python and JSON: `QueryDescription.model_validate(...)`.

{"like": ["nina simone sinnerman", {"name": "Pastel Blues", "kind": "album", "weight": 2}],
 "unlike": ["track:17_night-train"], "k": 20, "where": ["year>=1990"]}
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PlainValidator, PositiveFloat, PositiveInt, model_validator

from soundkin.config import Config, validate
from soundkin.errors import UsageError

ARTIST_CAP = 2  # unless a query says otherwise

By = Literal["sound", "trajectory"]
Kind = Literal["any", "track", "file", "playlist", "album", "artist", "words"]

PREFIXED = re.compile(r"(track|file|playlist|album|artist|words):\s*(.*)", re.DOTALL | re.IGNORECASE)
WEIGHTED = re.compile(
    r"(.*\S)\s*\^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:inf|nan))", re.DOTALL | re.IGNORECASE
)

BLANK = "a seed is blank. Name a track, an album or an artist."


def _text(value: Any) -> str:
    """Text, also of the name of a file that is not UTF-8, which pydantic's own check refuses."""
    if not isinstance(value, str) or not value:
        raise ValueError("a seed is named by a text that is not empty")
    return value


class Seed(Config):
    """What answers should, or should not, sound like, and how much that counts beside other seeds.

    `any` is what a person types: an audio file or playlist by that name, a track_id, `KIND:NAME`, or words
    of title, artist and album; `^2` behind it doubles its weight.
    """

    name: Annotated[str, PlainValidator(_text)]
    kind: Kind = "any"
    weight: PositiveFloat = Field(1.0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str | dict | Seed):
            raise ValueError('a seed is a text such as "artist:nina simone", or {"name": "...", "weight": 2}')
        if not isinstance(value, str):
            return value
        if not value.strip():
            raise UsageError(BLANK)
        return {"name": value}

    def spelled_out(self) -> "Seed":
        """`artist:nina simone^2` as a seed of that kind and weight; words where no kind is named.

        Raises UsageError for a weight that is none, or a kind without a name.
        """
        if self.kind != "any":
            return self
        weighted = WEIGHTED.fullmatch(self.name)
        name, weight = (weighted[1], float(weighted[2])) if weighted else (self.name, 1.0)
        if not 0 < weight < float("inf"):
            raise UsageError(
                f"seed {self.name}: a weight is a number above 0, as in {name}^2. To keep away from {name}, "
                "make it a seed of what is unliked."
            )
        prefixed = PREFIXED.fullmatch(name)
        kind, name = prefixed.groups() if prefixed else ("words", name)
        if prefixed and not name.strip():
            raise UsageError(f"seed {self.name}: no name follows {kind}: Write {kind}:NAME")
        if not name.strip():
            raise UsageError(BLANK)
        return validate(
            Seed,
            {"name": name, "kind": kind.lower(), "weight": self.weight * weight},
            noun=f"seed {self.name}:",
        )


def as_seed(seed: Seed | str) -> Seed:
    """A seed as a person types it."""
    return seed if isinstance(seed, Seed) else Seed.model_validate(str(seed))


def read_description(path: Path) -> "QueryDescription":
    """The query in a JSON file; raises UsageError where it makes no sense."""
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"query {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"query {path} cannot be read as JSON: {error}.") from error
    if not isinstance(values, dict):
        raise UsageError(f'query {path} is no JSON object. Write one such as {{"like": ["TRACK_ID"]}}.')
    return validate(QueryDescription, values, noun=f"query {path}:")


class QueryDescription(Config):
    """All that a query asks, but for the library it is asked of.

    `where` are conditions that must all hold (`search/conditions.py`). Of any one artist there are at most
    `artist_cap` answers; None: ARTIST_CAP, unless there would be too few then; 0: any number. Without
    `own_artist` the artists of what is liked are left out. `fold_versions` gives one answer for copies and
    versions of a track; `hub_correction` puts tracks that are near to everything further down. `diversity`,
    from 0 to 1, is how much an answer should differ from those before it, against how alike it is. `by`
    trajectory, answers go over their time as the seeds do, whatever they sound like (`search/trajectory.py`);
    there is no `unlike` and no `diversity` then, and hubs are not corrected.
    """

    like: tuple[Seed, ...] = ()
    unlike: tuple[Seed, ...] = ()
    k: PositiveInt = 10
    where: tuple[str, ...] = ()
    artist_cap: NonNegativeInt | None = None
    own_artist: bool = True
    fold_versions: bool = True
    hub_correction: bool = True
    diversity: float = Field(0.0, ge=0, le=1)
    by: By = "sound"
