"""The Subsonic protocol as it is served: all methods by their schemas, and whatever else may be sent."""

import os
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from soundkin.service.problems import BusyError
from soundkin.service.subsonic_routes import METHODS
from soundkin.service.workload import Workload
from subsonic_library import LOGIN, TOKEN, build_subsonic_library, code_of, response_of, url
from subsonic_schema import checked


def test_every_method_answers_by_its_schema_in_both_formats(subsonic):
    [artist] = response_of(subsonic, "search3", query="Artist 7", artistCount=1).search_result3.artist
    album = response_of(subsonic, "getAlbumList2", type="newest").album_list2.album[0]
    given = {
        "id": "track-00000", "startSongId": "track-00001", "endSongId": "track-00002", "username": "me",
        "type": "random", "genre": "rock", "query": "title", "fromYear": "1960", "toYear": "1980",
    }  # fmt: skip
    ids = {"getArtist": artist.id, "getAlbum": album.id}
    for method in METHODS:
        if method in ("stream", "download"):
            continue
        parameters = {**given, "id": ids.get(method, given["id"])}
        answer = response_of(subsonic, method, **parameters)
        assert answer.status == "ok", method
        got = subsonic.ask("GET", url(f"{method}.view", **parameters))
        assert got.status == 200 and got.type == "application/xml"
        root = ElementTree.fromstring(got.content)
        assert root.tag == "{http://subsonic.org/restapi}subsonic-response" and root.get("status") == "ok"


@pytest.mark.parametrize("unknown", ["nowhere", "../../etc/passwd", "ar-nobody", "al-", "\0", "é" * 300])
def test_unknown_ids_are_not_found(subsonic, unknown):
    for method in ("getSong", "getAlbum", "getArtist", "getSimilarSongs", "getSonicSimilarTracks", "stream"):
        assert code_of(subsonic, method, id=unknown) == 70, method
    assert code_of(subsonic, "findSonicPath", startSongId="track-00001", endSongId=unknown) == 70


def test_parameters_that_are_missing_or_odd_are_errors_that_say_so(subsonic):
    for method in (
        "getSong",
        "getSimilarSongs2",
        "getSonicSimilarTracks",
        "stream",
        "getAlbumList2",
        "getUser",
    ):
        assert code_of(subsonic, method) == 10, method
    assert code_of(subsonic, "findSonicPath", startSongId="track-00001") == 10
    for count in (-1, "x", "1.5"):
        assert code_of(subsonic, "getSonicSimilarTracks", id="track-00001", count=count) == 0
        assert code_of(subsonic, "search3", query="", songCount=count) == 0
    assert (
        code_of(subsonic, "findSonicPath", startSongId="track-00001", endSongId="track-00002", count=0) == 0
    )
    assert response_of(subsonic, "getSonicSimilarTracks", id="track-00001", count=0).sonic_match == []
    assert (
        len(response_of(subsonic, "getSonicSimilarTracks", id="track-00001", count=10**9).sonic_match) == 59
    )
    assert code_of(subsonic, "getAlbumList2", type="odd") == 0


def test_audio_is_streamed_with_ranges(subsonic, subsonic_folder):
    content = (subsonic_folder / "0.ogg").read_bytes()
    for method in ("stream", "download.view"):
        whole = subsonic.ask("GET", url(method, id="track-00000", maxBitRate=128, format="mp3"))
        assert whole.status == 200 and whole.content == content and whole.type == "audio/ogg"
        part = subsonic.ask("GET", url(method, id="track-00000"), headers={"Range": "bytes=5-9"})
        assert part.status == 206 and part.content == content[5:10]
    head = subsonic.ask("HEAD", url("stream", id="track-00000"))
    assert head.status == 200 and head.content == b"" and head.headers["content-length"] == str(len(content))
    assert (
        subsonic.ask("GET", url("stream", id="track-00000"), headers={"Range": "bytes=99999-"}).status == 416
    )


def test_audio_that_is_gone_or_elsewhere_is_not_found(subsonic):
    for number in (1, 2):
        got = subsonic.ask("GET", url("stream", id=f"track-{number:05}"))
        assert b"secret" not in got.content
        [error] = ElementTree.fromstring(got.content)
        assert error.get("code") == "70"


def test_methods_that_are_not_here_are_404_and_empty(subsonic, guarded_subsonic):
    for path in ("scrobble", "getCoverArt.view", "ping.view.view", "PING", "%2e%2e", "__class__"):
        for server in (subsonic, guarded_subsonic):
            got = server.ask("GET", f"/rest/{path}?{urlencode(LOGIN)}")
            assert got.status == 404 and got.content == b"", path
    for path in (
        "/rest/../tracks",
        "/rest//tracks",
        "/rest/tracks",
        "/rest/%2e%2e/tracks",
        "/rest/ping/../../tracks",
    ):
        assert b"track-0" not in guarded_subsonic.ask("GET", path).content


def test_a_form_is_taken_and_its_login_too(guarded_subsonic):
    form = urlencode({"apiKey": TOKEN, "v": "1.16.1", "c": "test", "f": "json", "id": "track-00001"})
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    got = guarded_subsonic.ask("POST", "/rest/getSong?id=track-00002", form, kind)
    assert checked(got.content).song.id == "track-00001"
    assert guarded_subsonic.ask("POST", "/rest/ping", form, {"Content-Type": "text/plain"}).content.count(
        b'code="10"'
    )
    assert guarded_subsonic.ask("POST", "/rest/ping", "a=1&" * 20_000, kind).status == 413
    got = guarded_subsonic.ask("POST", "/rest/ping", b"\xff\xfe\x00=%ff&f=json", kind)
    assert checked(got.content).error.code == 10


def test_only_the_extensions_are_public(guarded_subsonic):
    known = guarded_subsonic.ask("GET", "/rest/getOpenSubsonicExtensions?f=json")
    names = {extension.name for extension in checked(known.content).open_subsonic_extensions}
    assert names == {"apiKeyAuthentication", "formPost", "sonicSimilarity"}
    for method in set(METHODS) - {"getOpenSubsonicExtensions"}:
        for login, code in (({}, 10), (LOGIN, 40), ({**LOGIN, "apiKey": TOKEN}, 43)):
            got = guarded_subsonic.ask(
                "GET", f"/rest/{method}?{urlencode({**login, 'f': 'json', 'id': 'track-00000'})}"
            )
            assert got.status == 200 and checked(got.content).error.code == code, method


def test_tokens_are_in_no_log_and_no_answer(guarded_subsonic, caplog):
    caplog.set_level("DEBUG")
    for login in (
        {**LOGIN, "p": TOKEN},
        {**LOGIN, "p": TOKEN + "x"},
        {"apiKey": TOKEN, "v": "1", "c": TOKEN},
    ):
        for f in ("json", "xml", "jsonp"):
            got = guarded_subsonic.ask("GET", f"/rest/getSong?{urlencode({**login, 'f': f, 'id': 'x'})}")
            assert TOKEN.encode() not in got.content
    assert "/rest/getSong" in caplog.text and TOKEN not in caplog.text


def test_answers_are_for_this_origin_alone(subsonic):
    got = subsonic.ask("GET", url("ping", f="jsonp", callback="f"))
    assert got.content.startswith(b"f({")
    assert got.headers["cross-origin-resource-policy"] == "same-origin"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in got.headers


def test_too_much_at_once_is_an_envelope_that_says_when_to_ask_again(subsonic, monkeypatch):
    async def busy(self, work):
        raise BusyError("too many requests wait for an answer. Ask again in a moment.")

    monkeypatch.setattr(Workload, "run", busy)
    got = subsonic.ask("GET", url("ping", f="json"))
    assert got.status == 503 and int(got.headers["retry-after"]) > 0
    assert "again" in checked(got.content).error.message


KNOWN = [*(f"track-{n:05}" for n in range(6)), "ar-artist 7", "al-bf2b6fa199fe8012"]
TEXTS = st.one_of(
    st.text(max_size=30), st.sampled_from(["title", "rock", "random", "byYear", "newest", '""', "f"])
)
IDS = st.one_of(st.sampled_from(KNOWN), st.sampled_from(KNOWN), TEXTS)
TYPES = st.one_of(st.sampled_from(["byGenre", "byYear", "alphabeticalByName", "starred", "newest"]), TEXTS)
NUMBERS = st.one_of(st.integers(0, 70).map(str), st.integers().map(str), TEXTS)
PARAMETERS = st.fixed_dictionaries(
    {"id": IDS, "startSongId": IDS, "endSongId": IDS, "type": TYPES, "genre": TEXTS, "username": TEXTS},
    optional={
        **dict.fromkeys(("query", "callback"), TEXTS),
        **dict.fromkeys(("count", "size", "offset", "fromYear", "toYear"), NUMBERS),
        **dict.fromkeys(("songCount", "songOffset", "artistCount", "albumOffset"), NUMBERS),
    },
)
ODD_LOGINS = st.dictionaries(st.sampled_from([*LOGIN, "t", "s", "apiKey"]), TEXTS)
LOGINS = st.integers(0, 7).flatmap(lambda turn: st.just(LOGIN) if turn else ODD_LOGINS)
CASES = int(os.environ.get("SOUNDKIN_FUZZ_CASES", "1000"))


@pytest.mark.slow
@settings(max_examples=CASES // 4, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(sorted(METHODS)),
    view=st.booleans(),
    form=st.booleans(),
    f=st.sampled_from(["", "json", "xml", "jsonp", "odd"]),
    login=LOGINS,
    parameters=PARAMETERS,
)
@example("getSonicSimilarTracks", False, False, "json", LOGIN, {"id": "track-00001", "count": "9" * 400})
@example("search3", True, True, "", LOGIN, {"query": "\ud7ff\x00", "songOffset": str(10**18)})
def test_whatever_is_sent_the_answer_is_an_envelope(subsonic, method, view, form, f, login, parameters):
    sent = urlencode({**parameters, **login, "f": f}, errors="surrogatepass", quote_via=quote)
    path = f"/rest/{method}{'.view' if view else ''}"
    if form:
        got = subsonic.ask("POST", path, sent, {"Content-Type": "application/x-www-form-urlencoded"})
    else:
        got = subsonic.ask("GET", f"{path}?{sent}")
    assert got.status == 200
    for private in subsonic.app.state.private_names:
        assert private.encode() not in got.content
    if got.type == "audio/ogg":
        assert method in ("stream", "download")
    elif got.type == "application/json":
        checked(got.content)
    elif got.type == "application/javascript":
        callback, _, rest = got.content.decode().partition("(")
        assert callback == parameters["callback"]
        checked(rest.removesuffix(");"))
    else:
        root = ElementTree.fromstring(got.content)
        assert root.tag.endswith("}subsonic-response") and root.get("status") in ("ok", "failed")


def test_ids_are_those_of_the_media_server_where_they_are_linked(serve_library, tmp_path):
    folder = tmp_path / "library"
    build_subsonic_library(folder)
    numbers = [n for n in range(60) if n % 10]
    rows = [f"nd-{n},track-{n:05},path" for n in numbers]
    (folder / "server_ids.csv").write_text("\n".join(["server_id,track_id,matched_by", *rows, ""]))
    linked = serve_library(folder)
    found = response_of(linked, "getSonicSimilarTracks", id="nd-3", count=59).sonic_match
    expected = {f"nd-{n}" if n in numbers else f"track-{n:05}" for n in range(60) if n != 3}
    assert {match.entry.id for match in found} == expected
    ends = {"startSongId": "nd-9", "endSongId": "nd-41"}
    path = response_of(linked, "findSonicPath", **ends).sonic_match
    assert [path[0].entry.id, path[-1].entry.id] == ["nd-9", "nd-41"]
    assert response_of(linked, "getSong", id="track-00000").song.id == "track-00000"
    assert code_of(linked, "getSong", id="nd-0") == 70
