"""Where a page is served, and by which names it may be called.

A server that only this machine is meant to reach refuses foreign names, or else a page from elsewhere could
call it by a name of its own that resolves to 127.0.0.1 (DNS rebinding). Where others in the network are
meant, any name goes.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from soundkin.errors import UsageError


class RefuseForeignNames:
    """Answers 400 to requests whose Host names neither this machine itself nor `host`."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app, self.host = app, host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is meant for us."""
        if scope["type"] != "http" or names_us(Headers(scope=scope).get("host", ""), self.host):
            return await self.app(scope, receive, send)
        await PlainTextResponse("Invalid host header", 400)(scope, receive, send)


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
    ip = _ip(address)
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return mapped is not None and mapped.is_loopback


def bare(host: str) -> str:
    """`[::1]`, as a URL has it, is the host `::1`."""
    return host.removeprefix("[").removesuffix("]")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at `host`: an address, a name, or 0.0.0.0 or :: for all addresses we have."""
    try:
        addresses = socket.getaddrinfo(bare(host), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        first = min(addresses, key=lambda entry: entry[0] != socket.AF_INET)  # IPv4 where a name has both
        family, address = first[0], first[4]
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()  # :: takes IPv4 callers too
        listening = socket.create_server(address, family=family, dualstack_ipv6=both)
        # asyncio does so for sockets of protocol 6 alone, and this one's is 0: answers would wait for 40 ms
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except (OSError, UnicodeError, OverflowError) as error:  # too high a port overflows
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{host}:{port} cannot be taken: {reason}. Give another --port or --host."
        ) from error


def url_of(host: str, port: int) -> str:
    """The address to open on this machine; a server at all addresses is at localhost too."""
    name, ip = bare(host), _ip(bare(host))
    if ip is not None and ip.is_unspecified:
        name = "localhost"
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
