"""Lists and reasons: why two tracks are alike, the way from one to another, what a user would like."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from soundkin.config import Config
from soundkin.errors import NoSuchUserError
from soundkin.pipelines.listed_tracks import ListedTrack, listed_tracks
from soundkin.pipelines.make_playlist import playlist
from soundkin.pipelines.path import path_between
from soundkin.pipelines.recommend import recommend
from soundkin.pipelines.why import Explainer
from soundkin.service.asked_seeds import Seeds, named_seeds
from soundkin.service.messages import (
    LONGEST_TEXT,
    MOST_ANSWERS,
    MOST_COLUMNS,
    MOST_CONDITIONS,
    AnsweredTrack,
    Answers,
    Columns,
    Conditions,
    Current,
    K,
    Text,
    TrackId,
    check_columns,
    ranked,
)
from soundkin.service.workload import in_thread

LONGEST_PATH = 100  # tracks

router = APIRouter()


class Passage(BaseModel):
    """Where two tracks sound most alike: a passage of each, in seconds."""

    model_config = ConfigDict(from_attributes=True)

    here_seconds: float
    there_seconds: float
    seconds: float
    likeness: float


class CommonFact(BaseModel):
    """What the catalog says of both, and the share of the library it says it of."""

    model_config = ConfigDict(from_attributes=True)

    column: str
    value: str
    share: float


class CommonBelief(BaseModel):
    """What the model thinks both are."""

    model_config = ConfigDict(from_attributes=True)

    column: str
    label: str
    confidence: float


class Reasons(BaseModel):
    """Why two tracks are alike; `lines` says it in words.

    `carried` is how much lower the score would be without the moment.
    """

    version: str
    score: float
    moment: Passage | None
    carried: float | None
    facts: list[CommonFact]
    beliefs: list[CommonBelief]
    lines: list[str]


class ListedTracks(BaseModel):
    """Tracks in their order. A score is the cosine with what was asked for in that place; in a path, with the
    track before.
    """

    version: str
    tracks: list[AnsweredTrack]


class AskedPlaylist(Config):
    """What `soundkin playlist` takes; see its help."""

    like: Seeds = ()
    unlike: Seeds = ()
    anchor: Text | None = None
    length: int = Field(25, ge=1, le=MOST_ANSWERS)
    minutes: float | None = Field(None, gt=0, le=10_000, allow_inf_nan=False)
    width: float = Field(0.2, ge=0, le=1)
    drift: float = Field(0.0, ge=0, le=1)
    where: Annotated[tuple[Text, ...], Field(max_length=MOST_CONDITIONS)] = ()
    artist_cap: int = Field(3, ge=1, le=MOST_ANSWERS)
    variety: float = Field(0.0, ge=0, le=1)
    random_seed: int = Field(0, ge=0, lt=2**32)
    columns: Annotated[tuple[Text, ...], Field(max_length=MOST_COLUMNS)] = ()


def listed(version: str, tracks: Sequence[ListedTrack]) -> ListedTracks:
    """Tracks as they are sent."""
    return ListedTracks(version=version, tracks=[AnsweredTrack.model_validate(track) for track in tracks])


@router.get("/tracks/{track_id:path}/why/{other_id:path}", tags=["tracks"])
async def why(
    request: Request,
    library: Current,
    track_id: TrackId,
    other_id: TrackId,
    fine: Annotated[bool, Query(description="Listen to both files anew, to tell the moment finely.")] = False,
) -> Reasons:
    """Why are two tracks alike? By stored patches, or else by listening, which takes seconds."""
    here, there = library.row(track_id), library.row(other_id)

    def explain() -> Reasons:
        explainer = Explainer(library.index)
        found = explainer.explain(explainer.indexed(here), explainer.indexed(there), fine)
        return Reasons(
            version=library.version,
            score=found.score,
            moment=Passage.model_validate(found.moment) if found.moment else None,
            carried=found.carried,
            facts=[CommonFact.model_validate(fact) for fact in found.facts],
            beliefs=[CommonBelief.model_validate(belief) for belief in found.beliefs],
            lines=found.lines(),
        )

    return await in_thread(request, explain)


@router.get("/paths", tags=["lists"])
async def path(
    request: Request,
    library: Current,
    start: Annotated[str, Query(max_length=LONGEST_TEXT, description="A track_id.")],
    end: Annotated[str, Query(max_length=LONGEST_TEXT, description="A track_id.")],
    length: Annotated[int, Query(ge=2, le=LONGEST_PATH, description="Tracks, both ends included.")] = 10,
    where: Conditions = [],  # noqa: B006
    artist_cap: Annotated[int | None, Query(ge=1, le=MOST_ANSWERS)] = None,
    variety: Annotated[float, Query(ge=0, le=10, allow_inf_nan=False)] = 0.0,
    random_seed: Annotated[int, Query(ge=0, lt=2**32)] = 0,
    columns: Columns = [],  # noqa: B006
) -> ListedTracks:
    """From one track to another, each step as small as can be."""
    first, last = library.row(start), library.row(end)

    def find() -> ListedTracks:
        check_columns(library.index, columns, where)
        rows, scores = path_between(
            library.index, first, last, length, where, artist_cap, variety, random_seed
        )
        return listed(library.version, listed_tracks(library.index, rows, scores, columns))

    return await in_thread(request, find)


@router.post("/playlists", tags=["lists"])
async def make_playlist(
    request: Request,
    library: Current,
    asked: Annotated[AskedPlaylist, Body(examples=[{"like": ["artist:nina simone"], "minutes": 60}])],
) -> ListedTracks:
    """A playlist near seeds or an anchor, of so many tracks or of so many minutes."""

    def make() -> ListedTracks:
        check_columns(library.index, asked.columns, asked.where)
        how = asked.model_dump(exclude={"like", "unlike", "length"})
        length = asked.length if asked.minutes is None else None
        like, unlike = (named_seeds(library.index, seeds) for seeds in (asked.like, asked.unlike))
        tracks = playlist(library.index, length=length, further=like, further_unlike=unlike, **how)
        return listed(library.version, tracks)

    return await in_thread(request, make)


@router.get("/users/{user_id:path}/recommendations", tags=["lists"])
async def recommendations(
    request: Request,
    library: Current,
    user_id: Annotated[str, Path(max_length=LONGEST_TEXT, examples=["user-0042"])],
    k: K = 20,
    where: Conditions = [],  # noqa: B006
    artist_cap: Annotated[int | None, Query(ge=1, le=MOST_ANSWERS)] = None,
    columns: Columns = [],  # noqa: B006
) -> Answers:
    """What would a user like to hear? For models trained on ratings; a score orders tracks, no more."""

    def find() -> Answers:
        check_columns(library.index, columns, where)
        try:
            found = recommend(library.index, user_id, k, where, artist_cap, columns=columns)
        except NoSuchUserError as error:  # which names others
            raise HTTPException(
                404, "the model does not know this user. Train it on their ratings."
            ) from error
        return ranked(library.version, found)

    return await in_thread(request, find)
