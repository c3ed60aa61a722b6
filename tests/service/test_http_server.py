"""Requests by raw bytes: what has no end is refused, what is long and ends is answered."""

import json

import pytest

from soundkin.service.http_server import LONGEST_HEAD

START = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
CHUNKED = (
    b"POST /query/audio HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    "request_",
    [
        START + b"X: " + b"a" * 2 * LONGEST_HEAD,
        START + b"X: a\r\n" * LONGEST_HEAD,
        b"GET /" + b"a" * 2 * LONGEST_HEAD,
        CHUNKED + b"1\r\na\r\n0\r\nX: " + b"a" * 16 * LONGEST_HEAD,
        b"GET /\xff\x00 HTTP/1.1\r\n\r\n",
        b"no HTTP at all\r\n\r\n",
    ],
    ids=["a header", "many headers", "a URL", "a trailer", "no ASCII", "no HTTP"],
)
def test_what_has_no_end_or_is_no_request_is_refused(asked, request_):
    try:
        answer = asked.raw(request_)
    except ConnectionError:  # it closed before all was sent
        return
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 414 ")) or not answer
    if answer:  # like every other problem
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"content-security-policy: default-src 'none'" in head.lower()
        assert b"content-type: application/problem+json" in head.lower() and json.loads(body)["detail"]


def test_what_is_long_and_ends_is_answered(asked):
    headers = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(40))
    assert asked.raw(START + headers + b"\r\n").startswith(b"HTTP/1.1 200 ")
    assert asked.raw(START.replace(b"close", b"keep-alive") + b"\r\n" + START + b"\r\n").count(b"200 OK") == 2
    chunks = b"1\r\na\r\n" * LONGEST_HEAD + b"0\r\n\r\n"
    assert asked.raw(CHUNKED + chunks).startswith(b"HTTP/1.1 422 "), "this is no audio, and was heard out"
