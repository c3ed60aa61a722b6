"""Parameters and answers of the protocol: what goes in and out, whatever it says."""

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundkin.service.subsonic_envelope import Parameters, SubsonicError, answer, failure

ABOUT = 'status="ok" version="1.16.1" type="soundkin" serverVersion="0.1.0" openSubsonic="true"'


def as_xml(content):
    return answer(Parameters(), content).body.decode()


@pytest.mark.parametrize(
    ("content", "inner"),
    [  # as in Navidrome's server/subsonic/responses/.snapshots
        ({}, ""),
        (
            {
                "sonicMatch": [
                    {"entry": {"id": "1", "isDir": False, "title": "A"}, "similarity": 0.95},
                    {"entry": {"id": "2", "isDir": False, "title": "B"}, "similarity": 0.78},
                ]
            },
            '<sonicMatch><entry id="1" isDir="false" title="A"/><similarity>0.95</similarity></sonicMatch>'
            '<sonicMatch><entry id="2" isDir="false" title="B"/><similarity>0.78</similarity></sonicMatch>',
        ),
        ({"sonicMatch": []}, ""),
        ({"similarSongs2": {"song": []}}, "<similarSongs2/>"),
        (
            {"similarSongs2": {"song": [{"id": "1", "isDir": True, "title": "t", "isVideo": False}]}},
            '<similarSongs2><song id="1" isDir="true" title="t" isVideo="false"/></similarSongs2>',
        ),
        (
            {"openSubsonicExtensions": [{"name": "template", "versions": [1, 2]}]},
            '<openSubsonicExtensions name="template"><versions>1</versions><versions>2</versions>'
            "</openSubsonicExtensions>",
        ),
        (
            {"genres": {"genre": [{"value": "Rock", "songCount": 1000, "albumCount": 100}]}},
            '<genres><genre songCount="1000" albumCount="100">Rock</genre></genres>',
        ),
        (
            {"song": {"id": "1", "genres": [{"name": "rock"}], "artists": [{"id": "2", "name": "A & B"}]}},
            '<song id="1"><genres name="rock"/><artists id="2" name="A &amp; B"/></song>',
        ),
        (
            {"user": {"username": "deluan", "adminRole": False, "folder": [1]}},
            '<user username="deluan" adminRole="false"><folder>1</folder></user>',
        ),
    ],
)
def test_xml_is_that_of_navidrome(content, inner):
    expected = f'<subsonic-response xmlns="http://subsonic.org/restapi" {ABOUT}>{inner}</subsonic-response>'
    assert ElementTree.canonicalize(as_xml(content)) == ElementTree.canonicalize(expected)


@given(st.text(), st.text())
def test_xml_and_json_hold_whatever_a_title_holds(title, genre):
    content = {"song": {"id": "1", "title": title, "genres": [{"value": genre}]}}
    [song] = ElementTree.fromstring(as_xml(content).encode())
    held = "".join(
        sign if sign in "\t\n\r" or "\x20" <= sign <= "\ud7ff" or "\ue000" <= sign <= "\ufffd" else "\ufffd"
        for sign in title
        if sign <= "\uffff"
    )
    assert "".join(sign for sign in song.get("title") if sign <= "\uffff") == held
    document = json.loads(answer(Parameters("f=json"), content).body)
    assert document["subsonic-response"]["song"]["title"] == title


def test_jsonp_calls_names_of_functions_and_nothing_else():
    good = answer(Parameters("f=jsonp&callback=window.player_1.$on"), {})
    text = good.body.decode()
    assert text.startswith("window.player_1.$on({") and text.endswith("});")
    assert good.headers["content-type"].startswith("application/javascript")
    assert "\u2028" not in answer(Parameters("f=jsonp&callback=f"), {"a": "\u2028"}).body.decode()


@pytest.mark.parametrize(
    "callback", ["", "alert(1);f", "a-b", "f\n", "a..b", "1f", "é", "<script>", "f" * 999]
)
def test_a_callback_that_is_none_is_refused_in_json(callback):
    parameters = Parameters(f"f=jsonp&callback={callback}".replace(";", "%3B").replace("\n", "%0A"))
    with pytest.raises(SubsonicError):
        answer(parameters, {})
    refused = failure(parameters, 0, "no")
    assert refused.headers["content-type"] == "application/json"
    assert json.loads(refused.body)["subsonic-response"]["error"] == {"code": 0, "message": "no"}


def test_the_first_value_that_is_not_empty_counts_and_a_form_comes_first():
    parameters = Parameters("id=form&u=", "id=url&id=again&u=me&q=a%20b+c&bad=%ff%00")
    assert [parameters.get(name) for name in ("id", "u", "q", "bad", "none")] == [
        "form",
        "me",
        "a b c",
        "\ufffd\0",
        "",
    ]


@pytest.mark.parametrize("text", ["", "7", "1000000000", "0"])
def test_numbers_are_whole_and_not_too_many(text):
    assert Parameters(f"count={text}").number("count", 10, most=50) == {"": 10, "7": 7, "0": 0}.get(text, 50)


@pytest.mark.parametrize("text", ["-1", "1.5", "1e3", "abc", "٣", "9" * 5000, "%00", "NaN"])
def test_other_numbers_are_errors_that_say_so(text):
    with pytest.raises(SubsonicError, match=r"^count=.*give a whole number from 0") as caught:
        Parameters(f"count={text}").number("count", 10)
    assert caught.value.code == 0 and len(str(caught.value)) < 200


def test_more_parameters_than_anyone_sends_are_refused():
    with pytest.raises(SubsonicError, match="1000 parameters"):
        Parameters("&".join(f"a{number}=1" for number in range(10_000)))


def test_busy_says_when_to_ask_again():
    busy = failure(Parameters("f=json"), 0, "too many", 503)
    assert busy.status_code == 503 and int(busy.headers["retry-after"]) > 0
