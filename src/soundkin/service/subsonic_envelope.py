"""What the Subsonic protocol takes and gives: parameters of a URL or a form; answers as JSON, JSONP or XML.

An answer is one plain object, `subsonic-response`. As XML, as Navidrome writes it, plain values are
attributes, objects and each object of a list are elements, and plain values of a list are elements with text.
Errors come with HTTP 200, as clients expect.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from starlette.requests import Request
from starlette.responses import Response

from soundkin import __version__
from soundkin.errors import SoundkinError
from soundkin.service.problems import RETRY_SECONDS

NAMESPACE = "http://subsonic.org/restapi"
FORM = "application/x-www-form-urlencoded"
MOST_PARAMETERS = 1_000
CALLBACK = re.compile(r"[A-Za-z_$][\w$]{0,99}(?:\.[A-Za-z_$][\w$]{0,99}){0,5}", re.ASCII)
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
ELEMENTS = {"similarity"}  # plain values that are elements in XML
CONTENT = "value"  # the plain value that is an element's text
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold

GENERIC, MISSING, CLIENT_TOO_OLD, SERVER_TOO_OLD = 0, 10, 20, 30
WRONG_LOGIN, CONFLICTING_LOGIN, WRONG_KEY, NOT_FOUND = 40, 43, 44, 70


class SubsonicError(SoundkinError):
    """What a client is told by a code of the protocol."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Parameters:
    """What a request asks for: of each name the first value that is not empty, of a form before the URL's."""

    def __init__(self, *texts: str) -> None:
        self._values: dict[str, str] = {}
        for text in texts:
            try:
                pairs = parse_qsl(text, errors="replace", max_num_fields=MOST_PARAMETERS)
            except ValueError as error:
                message = f"more than {MOST_PARAMETERS} parameters. Send less."
                raise SubsonicError(GENERIC, message) from error
            for name, value in pairs:
                self._values.setdefault(name, value)

    def get(self, name: str, default: str = "") -> str:
        """The value, or else `default`."""
        return self._values.get(name, default)

    def required(self, name: str) -> str:
        """The value. Raises SubsonicError where it is not given."""
        value = self.get(name)
        if not value:
            raise SubsonicError(MISSING, f"the parameter {name} is missing.")
        return value

    def number(self, name: str, default: int, least: int = 0, most: int = 10**18) -> int:
        """The value as a whole number, of at most `most`. Raises SubsonicError for less than `least`."""
        text = self.get(name)
        if not text:
            return default
        if not WHOLE_NUMBER.fullmatch(text) or int(text) < least:
            raise SubsonicError(GENERIC, f"{name}={text[:100]}: give a whole number from {least}.")
        return min(int(text), most)


async def parameters_of(request: Request) -> Parameters:
    """The parameters of the URL and, where it is a form, of the body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    texts = [request.scope["query_string"]]
    if request.method == "POST" and kind == FORM:
        texts.insert(0, await request.body())
    return Parameters(*(text.decode("utf-8", "replace") for text in texts))


def answer(parameters: Parameters, content: Mapping[str, Any]) -> Response:
    """`content` in an envelope, in the format that was asked for. Raises SubsonicError for a bad callback."""
    return _rendered(parameters, {"status": "ok", **_about(), **content})


def failure(parameters: Parameters, code: int, message: str, status: int = 200) -> Response:
    """An error in an envelope; `status` is 200, or 503 to be asked again."""
    content = {"status": "failed", **_about(), "error": {"code": code, "message": message}}
    try:
        response = _rendered(parameters, content)
    except SubsonicError:  # there is no callback to call with it
        response = _json(content)
    response.status_code = status
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _about() -> dict[str, Any]:
    return {"version": "1.16.1", "type": "soundkin", "serverVersion": __version__, "openSubsonic": True}


def _rendered(parameters: Parameters, content: Mapping[str, Any]) -> Response:
    match parameters.get("f"):
        case "json":
            return _json(content)
        case "jsonp":
            callback = parameters.required("callback")
            if not CALLBACK.fullmatch(callback):
                raise SubsonicError(GENERIC, "the parameter callback is no name of a function.")
            return Response(f"{callback}({_as_json(content)});", media_type="application/javascript")
        case _:
            root = _element("subsonic-response", {"xmlns": NAMESPACE, **content})
            text = ElementTree.tostring(root, "utf-8", xml_declaration=True)
            return Response(text, media_type="application/xml")


def _json(content: Mapping[str, Any]) -> Response:
    return Response(_as_json(content), media_type="application/json")


def _as_json(content: Mapping[str, Any]) -> str:
    """In ASCII, as JavaScript takes line ends that JSON allows for its own."""
    return json.dumps({"subsonic-response": content}, allow_nan=False)


def _element(name: str, content: Any) -> ElementTree.Element:
    element = ElementTree.Element(name)
    if not isinstance(content, Mapping):
        element.text = _text(content)
        return element
    for key, value in content.items():
        if isinstance(value, list):
            element.extend(_element(key, each) for each in value)
        elif isinstance(value, Mapping) or key in ELEMENTS:
            element.append(_element(key, value))
        elif key == CONTENT:
            element.text = _text(value)
        else:
            element.set(key, _text(value))
    return element


def _text(value: str | int | float | bool) -> str:
    """As XML has it; what it cannot hold becomes U+FFFD."""
    return str(value).lower() if isinstance(value, bool) else NOT_XML.sub("\ufffd", str(value))
