"""Logins of the Subsonic protocol, which stand among the parameters. The password is the server's token.

`u` with `p`, which may be `enc:` and hexadecimal; `u` with `t`, the MD5 of password and salt, and `s`, the
salt; or `apiKey` alone, which is the token too. The server has no users: any name goes.
"""

import hashlib
import hmac

from soundkin.service.subsonic_envelope import (
    CLIENT_TOO_OLD,
    CONFLICTING_LOGIN,
    MISSING,
    SERVER_TOO_OLD,
    WRONG_KEY,
    WRONG_LOGIN,
    Parameters,
    SubsonicError,
)

ENCODED = "enc:"
LOGIN = ("u", "p", "t", "s")  # what may not come with an apiKey


def check_login(parameters: Parameters, token: str | None) -> None:
    """Pass who may ask; without a token any complete login goes. Raises SubsonicError."""
    api_key = parameters.get("apiKey")
    if api_key and any(map(parameters.get, LOGIN)):
        raise SubsonicError(CONFLICTING_LOGIN, "send an apiKey, or u with p or t and s, and not both.")
    for name in ("v", "c") if api_key else ("u", "v", "c"):
        parameters.required(name)
    _check_version(parameters.get("v"))
    if api_key:
        if token is not None and not _same(api_key, token):
            raise SubsonicError(WRONG_KEY, "wrong apiKey. It is the token that the server was started with.")
    elif password := parameters.get("p"):
        _check(token is None or _same(_decoded(password), token))
    elif given := parameters.get("t"):
        salt = parameters.required("s")
        _check(token is None or _same(given.lower(), _salted(token, salt)))
    else:
        raise SubsonicError(MISSING, "the parameter p is missing, or t and s, or an apiKey in place of u.")


def _check(right: bool) -> None:
    if not right:
        message = "wrong username or password. It is the token that the server was started with."
        raise SubsonicError(WRONG_LOGIN, message)


def _check_version(version: str) -> None:
    """Clients of the protocol's first version, 1.x, are understood, and those that say no number."""
    major = version.partition(".")[0]
    if major.isascii() and major.isdigit() and major.lstrip("0") != "1":
        code, who = (SERVER_TOO_OLD, "server") if major.strip("0") else (CLIENT_TOO_OLD, "client")
        raise SubsonicError(code, f"v={version[:20]}: this server speaks 1.16.1. The {who} must be newer.")


def _decoded(password: str) -> str:
    if password.startswith(ENCODED):
        try:
            return bytes.fromhex(password.removeprefix(ENCODED)).decode("utf-8", "replace")
        except ValueError:
            return password  # one that begins so
    return password


def _salted(token: str, salt: str) -> str:
    return hashlib.md5((token + salt).encode(), usedforsecurity=False).hexdigest()


def _same(given: str, expected: str) -> bool:
    """Whether they are, in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode(), expected.encode())
