"""Where a page is served, and by which names it may be called.

A server that only this machine is meant to reach refuses foreign names, or else a page from elsewhere could
call it by a name of its own that resolves to 127.0.0.1 (DNS rebinding). Where others in the network are
meant, any name goes.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from soundkin.errors import UsageError


class RefuseForeignNames:
    """Answers 400 to requests whose Host names neither this machine itself nor `host`."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        self.host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is meant for us."""
        if scope["type"] == "http" and not names_us(HTTPConnection(scope).headers.get("host", ""), self.host):
            await PlainTextResponse("Invalid host header", 400)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def names_us(header: str, host: str) -> bool:
    """Whether a Host header, such as `[::1]:8000`, names this machine itself or `host`."""
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    name = name.removesuffix(".")
    own = bare(host).lower()
    return name == "localhost" or name == own or is_loopback(name)


def is_loopback(address: str) -> bool:
    """Whether `address` is one by which a machine reaches itself: 127.0.0.1, ::1 and the like."""
    found = _ip(address)
    mapped = getattr(found, "ipv4_mapped", None) or found
    return mapped is not None and mapped.is_loopback


def bare(host: str) -> str:
    """`[::1]`, as a URL has it, is the host `::1`."""
    return host.removeprefix("[").removesuffix("]")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at `host`: an address, a name, or 0.0.0.0 or :: for all addresses of this
    machine.
    """
    listening = None
    try:
        found = socket.getaddrinfo(bare(host), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, _, _, address = min(
            found, key=lambda one: one[0] != socket.AF_INET
        )  # IPv4 where a name has both
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # :: takes IPv4 callers too
        listening.bind(address)
        listening.listen()
        return listening
    except (OSError, UnicodeError, OverflowError) as error:  # too high a port overflows
        if listening is not None:
            listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{host}:{port} cannot be taken: {reason}. Give another --port or --host."
        ) from error


def url_of(host: str, port: int) -> str:
    """The address to open on this machine; a server at all addresses is at localhost too."""
    name, found = bare(host), _ip(bare(host))
    if found is not None and found.is_unspecified:
        name = "localhost"
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
