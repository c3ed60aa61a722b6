"""Logins among the parameters, right and wrong."""

import hashlib
import hmac
from urllib.parse import urlencode

import pytest

from soundkin.service.subsonic_envelope import Parameters, SubsonicError
from soundkin.service.subsonic_login import check_login

TOKEN = "a token of 16 & more"
COMMON = {"v": "1.16.1", "c": "test"}


def salted(token, salt="c19b2d"):
    return hashlib.md5((token + salt).encode()).hexdigest()


def check(token=TOKEN, **given):
    check_login(Parameters(urlencode({**COMMON, **given})), token)


def code_of(token=TOKEN, **given):
    with pytest.raises(SubsonicError) as caught:
        check(token, **given)
    assert TOKEN not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize(
    "login",
    [
        {"u": "me", "p": TOKEN},
        {"u": "somebody else", "p": f"enc:{TOKEN.encode().hex()}"},
        {"u": "me", "p": f"enc:{TOKEN.encode().hex().upper()}"},
        {"u": "me", "t": salted(TOKEN), "s": "c19b2d"},
        {"u": "me", "t": salted(TOKEN).upper(), "s": "c19b2d"},
        {"u": "me", "t": salted(TOKEN, "ü"), "s": "ü"},
        {"apiKey": TOKEN},
        {"apiKey": TOKEN, "u": ""},
    ],
)
def test_right_logins(login):
    check(**login)


def test_the_salted_token_is_that_of_the_specification():
    assert salted("sesame") == "26719a1196d2a940705a59634eb18eab"


@pytest.mark.parametrize(
    ("code", "login"),
    [
        (40, {"u": "me", "p": "wrong"}),
        (40, {"u": "me", "p": TOKEN[:-1]}),
        (40, {"u": "me", "p": TOKEN + "\0"}),
        (40, {"u": "me", "p": "enc:"}),
        (40, {"u": "me", "p": "enc:zz"}),
        (40, {"u": "me", "p": "enc:ff"}),
        (40, {"u": "me", "p": "\ufffd"}),
        (40, {"u": "me", "t": salted("wrong"), "s": "c19b2d"}),
        (40, {"u": "me", "t": salted(TOKEN), "s": "another"}),
        (40, {"u": "me", "t": "é", "s": "c19b2d"}),
        (40, {"u": "me", "t": TOKEN, "s": "c19b2d"}),
        (10, {"u": "me", "t": salted(TOKEN)}),
        (10, {"u": "me"}),
        (10, {"p": TOKEN}),
        (10, {"u": "me", "p": ""}),
        (10, {"u": "me", "p": TOKEN, "v": ""}),
        (10, {"u": "me", "p": TOKEN, "c": ""}),
        (10, {"apiKey": TOKEN, "c": ""}),
        (10, {}),
        (43, {"apiKey": TOKEN, "u": "me"}),
        (43, {"apiKey": "wrong", "p": TOKEN}),
        (43, {"apiKey": TOKEN, "t": salted(TOKEN), "s": "c19b2d"}),
        (44, {"apiKey": "wrong"}),
        (44, {"apiKey": salted(TOKEN)}),
        (20, {"u": "me", "p": TOKEN, "v": "0.9"}),
        (30, {"u": "me", "p": TOKEN, "v": "2.0.0"}),
        (30, {"u": "me", "p": TOKEN, "v": "9" * 5000}),
    ],
)
def test_wrong_logins_have_the_codes_of_the_specification(code, login):
    assert code_of(**login) == code


@pytest.mark.parametrize("version", ["1.16.1", "1.8", "1", "01.2", "1.99.0", "x", "²", "."])
def test_clients_of_version_one_or_of_none_are_understood(version):
    check(u="me", p=TOKEN, v=version)


def test_without_a_token_any_complete_login_goes():
    for login in ({"u": "a", "p": "b"}, {"u": "a", "t": "b", "s": "c"}, {"apiKey": "b"}):
        check(None, **login)
    assert code_of(None, u="a") == 10 and code_of(None, apiKey="a", u="b") == 43


def test_secrets_are_compared_in_constant_time(monkeypatch):
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return True

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for login in ({"u": "me", "p": "x"}, {"u": "me", "t": "x", "s": "y"}, {"apiKey": "x"}):
        check(**login)
    assert compared == [(b"x", TOKEN.encode()), (b"x", salted(TOKEN, "y").encode()), (b"x", TOKEN.encode())]
