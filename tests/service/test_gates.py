"""Who may ask, and how much may be sent."""

import base64

import pytest

import edited_index
from soundkin.service.gates import RequestLimits

TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def index_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded") / "index"
    edited_index.build(folder, range(30))
    return folder


@pytest.fixture
def guarded(serve_library, index_folder):
    return serve_library(index_folder, token=TOKEN)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "given", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic("anna", TOKEN), basic("", TOKEN)]
)
def test_who_has_the_token_may_ask(guarded, given):
    assert guarded.get("tracks", headers={"Authorization": given}).status == 200


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Token {TOKEN}",
        TOKEN,
        basic(TOKEN, ""),
        basic("", ""),
        "Basic !!!",
        "Basic " + "A" * 5000,
        "Bearer \xff\xfe",
    ],
)
def test_others_may_not(guarded, given):
    headers = {} if given is None else {"Authorization": given.encode("latin-1")}
    for path in ("tracks", "metrics", "openapi.json", "nothing"):
        answer = guarded.get(path, headers=headers)
        assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Basic")
        assert "Bearer" in answer.json()["detail"] and TOKEN not in answer.content.decode()


def test_health_is_no_secret(guarded):
    assert guarded.get("healthz").status == guarded.get("readyz").status == 200


def test_every_answer_keeps_browsers_strict_and_lets_no_other_page_read(guarded):
    for path in ("healthz", "tracks", "nothing"):
        headers = guarded.get(path, headers={"Origin": "https://evil.example"}).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert not [name for name in headers if name.lower().startswith("access-control")]


def test_a_page_from_elsewhere_cannot_have_things_done(guarded):
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "Sec-Fetch-Site": "cross-site",
    }
    assert guarded.ask("POST", "/query", b"{}", headers).status == 403
    assert guarded.ask("OPTIONS", "/query", None, headers).status == 403


def test_foreign_names_of_this_machine_are_refused(guarded):
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "evil.example"}
    assert guarded.get("tracks", headers=headers).status == 400


def test_long_urls_and_long_bodies_are_refused(serve_library, index_folder):
    served = serve_library(index_folder)
    for target in ("/tracks?q=" + "a" * 9_000, "/tracks?" + "where=a&" * 2_000, "/" + "a/" * 5_000):
        answer = served.ask("GET", target)
        assert answer.status == 414 and "longer than" in answer.json()["detail"]
    assert served.post("/query", b" " * 70_000).status == 413
    chunked = (
        b"POST /query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    )
    chunked += (
        b"Transfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 20 + b"0\r\n\r\n"
    )
    assert served.raw(chunked).startswith(b"HTTP/1.1 413")


def test_an_upload_that_claims_ten_gigabytes_is_refused_before_it_is_sent(serve_library, index_folder):
    head = (
        b"POST /query/audio HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: audio/mpeg\r\nConnection: close\r\n"
    )
    answer = serve_library(index_folder).raw(head + b"Content-Length: 10737418240\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413") and b"Send less" in answer


def test_a_body_that_trickles_in_is_ended(serve_library, index_folder, monkeypatch):
    monkeypatch.setattr(RequestLimits.__init__, "__defaults__", (None, 0.5))
    served = serve_library(index_folder)
    for path, kind in (("/query", "application/json"), ("/query/audio", "audio/mpeg")):
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: 900\r\n\r\n"
        )
        answer = served.raw(head.encode() + b"only")
        assert answer.startswith(b"HTTP/1.1 408") and b"Send it faster" in answer


@pytest.mark.parametrize(
    "target",
    [
        "/tracks/../../etc/passwd",
        "/tracks/..%2f..%2f..%2fetc%2fpasswd",
        "/tracks/%2e%2e/%2e%2e/etc/passwd/audio",
        "/tracks/..%5c..%5cwindows/audio",
        "/tracks/%00/audio",
        "/tracks/%ff%fe/similar",
        "/tracks/a%0d%0aSet-Cookie:%20x=1/audio",
        "/tracks//etc/passwd/audio",
        "//etc/passwd",
        "/tracks/file:%2f%2f%2fetc%2fpasswd/similar",
    ],
)
def test_ids_are_looked_up_and_never_opened(serve_library, index_folder, target):
    answer = serve_library(index_folder).ask("GET", target)
    assert answer.status == 404 and "set-cookie" not in answer.headers
    assert answer.type == "application/problem+json" and b"root:" not in answer.content


@pytest.mark.parametrize("k", ["0", "-1", "1000000000", "1e3", "ten", "", "9" * 400])
def test_odd_numbers_of_answers_are_refused(serve_library, index_folder, k):
    answer = serve_library(index_folder).get("tracks", "track-00001", "similar", k=k)
    assert answer.status == 422 and "query.k" in answer.json()["detail"]
