"""OpenSubsonic: the protocol that music players speak, at /rest/METHOD and /rest/METHOD.view.

One route, by GET or as a form, which OpenAPI cannot describe: its answers are XML unless a parameter says
otherwise, and its errors come with HTTP 200. The protocol has a description of its own
(https://opensubsonic.netlify.app). Methods that are not here are HTTP 404 with an empty body, as Navidrome's
are.
"""

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from soundkin.errors import SoundkinError
from soundkin.service import subsonic_browsing, subsonic_similarity
from soundkin.service.messages import Current
from soundkin.service.problems import NoSuchTrackError, status_and_detail
from soundkin.service.subsonic_browsing import MUSIC_FOLDER
from soundkin.service.subsonic_envelope import (
    GENERIC,
    NOT_FOUND,
    Parameters,
    SubsonicError,
    answer,
    failure,
    parameters_of,
)
from soundkin.service.subsonic_login import check_login
from soundkin.service.subsonic_songs import Answered, SubsonicCall
from soundkin.service.track_routes import audio_file
from soundkin.service.workload import in_thread

PREFIX = "/rest/"
EXTENSIONS = ("apiKeyAuthentication", "formPost", "sonicSimilarity")
PUBLIC = "getOpenSubsonicExtensions"
NO_NAME = "soundkin"  # of the user who comes with an apiKey
ROLES = {"downloadRole", "streamRole"}
NO_ROLES = (
    "adminRole", "settingsRole", "uploadRole", "playlistRole", "coverArtRole", "commentRole", "podcastRole",
    "jukeboxRole", "shareRole", "videoConversionRole",
)  # fmt: skip

router = APIRouter(include_in_schema=False)


@router.api_route(PREFIX + "{method}", methods=["GET", "HEAD", "POST"])
async def rest(request: Request, library: Current, method: str) -> Response:
    """Answer one call."""
    name = method.removesuffix(".view")
    if name not in METHODS:
        return Response(status_code=404)
    parameters = Parameters()
    try:
        parameters = await parameters_of(request)
        if name != PUBLIC:
            check_login(parameters, request.app.state.token)
        call = SubsonicCall(request, parameters, library)
        return await in_thread(request, lambda: _answered(METHODS[name], call))
    except SubsonicError as error:
        return failure(parameters, error.code, str(error))
    except SoundkinError as error:
        status, detail = status_and_detail(request, error)
        code = NOT_FOUND if isinstance(error, NoSuchTrackError) else GENERIC
        return failure(parameters, code, detail, 503 if status == 503 else 200)


def _answered(method: Callable[[SubsonicCall], Answered], call: SubsonicCall) -> Response:
    found = method(call)
    return found if isinstance(found, Response) else answer(call.parameters, found)


def ping(call: SubsonicCall) -> Answered:
    """The login is right."""
    return {}


def get_license(call: SubsonicCall) -> Answered:
    """The protocol's first server was sold."""
    return {"license": {"valid": True}}


def get_open_subsonic_extensions(call: SubsonicCall) -> Answered:
    """What there is beyond Subsonic 1.16.1."""
    return {"openSubsonicExtensions": [{"name": name, "versions": [1]} for name in EXTENSIONS]}


def token_info(call: SubsonicCall) -> Answered:
    """Whose the apiKey is: nobody's in particular."""
    return {"tokenInfo": {"username": call.parameters.get("u", NO_NAME)}}


def get_user(call: SubsonicCall) -> Answered:
    """A user, who may listen, whatever their name."""
    roles = {**dict.fromkeys(ROLES, True), **dict.fromkeys(NO_ROLES, False)}
    name = call.parameters.required("username")
    user = {"username": name, "scrobblingEnabled": False, **roles, "folder": [MUSIC_FOLDER["id"]]}
    return {"user": user}


def stream(call: SubsonicCall) -> Answered:
    """The audio file as it is, or a range of it."""
    row = call.row()
    try:
        return audio_file(call.request, call.library, row)
    except HTTPException as error:
        if error.status_code == 404:
            raise SubsonicError(NOT_FOUND, str(error.detail)) from error
        raise


METHODS: dict[str, Callable[[SubsonicCall], Answered]] = {
    "ping": ping,
    "getLicense": get_license,
    PUBLIC: get_open_subsonic_extensions,
    "tokenInfo": token_info,
    "getUser": get_user,
    "stream": stream,
    "download": stream,
    **subsonic_browsing.METHODS,
    **subsonic_similarity.METHODS,
}
