"""The page's files over HTTP."""

import re

import pytest

from soundkin.service.page_routes import FILES, PAGE


def test_the_page_and_all_that_it_names_are_served(asked):
    page = asked.ask("GET", "/")
    assert page.status == 200 and page.type == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="(/page/[^"]+)"', page.content.decode())
    assert len(named) >= 3
    for target in named:
        assert asked.ask("GET", target).status == 200, target


def test_scripts_import_what_there_is():
    for script in PAGE.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', script.read_text(encoding="utf-8")):
            assert name in FILES, f"{script.name} imports {name}"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("app.js", "text/javascript; charset=utf-8"),
        ("page_style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_parts_have_their_types_and_are_sent_once(asked, name, media_type):
    first = asked.get("page", name)
    assert first.status == 200 and first.type == media_type
    assert first.content == (PAGE / name).read_bytes()
    again = asked.get("page", name, headers={"If-None-Match": first.headers["etag"]})
    assert again.status == 304 and again.content == b""
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-cache"
    assert asked.get("page", name, headers={"If-None-Match": '"other"'}).status == 200
    head = asked.ask("HEAD", f"/page/{name}")
    assert head.content == b"" and int(head.headers["content-length"]) == len(first.content)


@pytest.mark.parametrize(
    "target",
    [
        "/page/",
        "/page/nothing.js",
        "/page/../page_routes.py",
        "/page/..%2fpage_routes.py",
        "/page/%2e%2e/%2e%2e/gates.py",
        "/page//etc/passwd",
        "/page/%00",
        "/page/%ff%fe",
        "/page/app.js%00.css",
        "/page/./app.js",
    ],
)
def test_nothing_else_is_served(asked, target):
    answer = asked.ask("GET", target)
    assert answer.status == 404 and answer.type == "application/problem+json"


def test_it_is_behind_the_token_and_under_the_strict_policy(serve_library, library):
    served = serve_library(library, token="correct-horse-battery")
    for target in ("/", "/page/app.js"):
        assert served.ask("GET", target).status == 401
    authorized = {"Authorization": "Bearer correct-horse-battery"}
    policy = served.ask("GET", "/", headers=authorized).headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy


def test_it_has_no_script_or_style_in_its_markup():
    markup = FILES["index.html"].read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", markup)


def test_all_pages_have_the_same_colours():
    service = PAGE.parent
    files = [PAGE / "page_style.css", service / "assess.css", service.parent / "explore" / "page.css"]
    colours = [re.findall(r"--(\w+): (#\w+)", file.read_text(encoding="utf-8")) for file in files]
    shared = {name for name, _ in colours[0]} & {name for name, _ in colours[2]}
    assert len(shared) >= 8
    for each in colours[1:]:
        assert [pair for pair in each if pair[0] in shared] == [
            pair for pair in colours[0] if pair[0] in shared
        ]
