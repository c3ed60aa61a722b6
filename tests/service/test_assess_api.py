"""What the server answers, to what a page sends and to what nobody should send."""

import csv
import json
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from starlette.testclient import TestClient

from command_line import soundkin_command
from soundkin.assess.annotator_state import SessionConfig
from soundkin.assess.assessment import Assessment
from soundkin.errors import OutputError, UsageError
from soundkin.pipelines.assess import open_assessment
from soundkin.service.assess_page import make_app, serve
from soundkin.service.hosts import url_of


@pytest.fixture
def assessment(opened: Callable[..., Assessment]) -> Assessment:
    return opened()


@pytest.fixture
def client(assessment: Assessment) -> TestClient:
    return TestClient(make_app(assessment))


def saved(folder: Path) -> list[list[str]]:
    rows: list[list[str]] = []
    for name in ("triplets.csv", "triplets.checks.csv"):
        with (folder / name).open(newline="") as file:
            rows += list(csv.reader(file))[1:]
    return rows


def join(client: TestClient, name: str = "anna") -> dict[str, Any]:
    response = client.post("/api/sessions", json={"annotator_id": name})
    assert response.status_code == 201
    return dict(response.json())


def give(client: TestClient, state: dict[str, Any], choice: str = "left", **changes: Any) -> Any:
    body = {
        "question_id": state["question"]["question_id"],
        "choice": choice,
        "seconds_taken": 12.5,
        **changes,
    }
    return client.post(f"/api/sessions/{state['session_id']}/answers", json=body)


def test_the_page_needs_nothing_from_elsewhere_and_is_held_to_it(client: TestClient) -> None:
    for path, kind in (("/", "text/html"), ("/assess.css", "text/css"), ("/assess.js", "text/javascript")):
        response = client.get(path)
        assert response.status_code == 200 and response.headers["content-type"].startswith(kind)
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "http://" not in response.text and "https://" not in response.text
    assert " style=" not in client.get("/").text and " onclick=" not in client.get("/").text


def test_a_question_tells_nothing_of_its_tracks_and_can_be_heard(client: TestClient, tmp_path: Path) -> None:
    state = join(client)
    assert state["phase"] == "tutorial" and (state["answered"], state["total"]) == (0, 2)
    assert set(state["question"]) == {"question_id", "anchor", "left", "right"}
    told = str(state)
    assert "track" not in told and "Secret" not in told and "wav" not in told and "gold" not in told
    for place in ("anchor", "left", "right"):
        response = client.get(f"/audio/{state['question'][place]}")
        assert response.headers["content-type"] == "audio/mpeg"
        (tmp_path / "clip.mp3").write_bytes(response.content)
        samples, rate = soundfile.read(tmp_path / "clip.mp3")
        assert rate == 22_050 and 0.09 < (samples**2).mean() ** 0.5 < 0.11, "all clips are equally loud"


def test_an_answer_is_saved_and_brings_the_question_that_was_announced(
    client: TestClient, tmp_path: Path
) -> None:
    state = join(client)
    response = give(client, state)
    assert response.status_code == 200
    reply = response.json()
    assert reply["closer"] in ("left", "right") and "same recording" in reply["reason"]
    assert reply["state"]["question"] == state["following"]
    assert len(saved(tmp_path)) == 1


def test_only_the_tutorial_tells_what_is_right(client: TestClient) -> None:
    state = join(client)
    for _ in range(2):
        state = give(client, state).json()["state"]
    assert state["phase"] == "qualifier"
    reply = give(client, state).json()
    assert (reply["closer"], reply["reason"]) == ("", "")


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"choice": "middle"}, 400, "left, right, skip"),
        ({"choice": 1}, 400, "choice"),
        ({"question_id": "0" * 16}, 409, "not the one being asked"),
        ({"question_id": None}, 400, "question_id"),
        ({"seconds_taken": -1}, 400, "seconds_taken"),
        ({"seconds_taken": True}, 400, "seconds_taken"),
        ({"seconds_taken": "soon"}, 400, "seconds_taken"),
    ],
)
def test_an_answer_that_is_off_is_refused_and_changes_nothing(
    client: TestClient, tmp_path: Path, changes: dict[str, Any], status: int, said: str
) -> None:
    state = join(client)
    response = give(client, state, **changes)
    assert response.status_code == status and said in response.json()["error"]
    assert saved(tmp_path) == []
    assert client.get(f"/api/sessions/{state['session_id']}").json() == state


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"seconds_taken": NaN}', "application/json", 400),
        (b"[" * 3000, "application/json", 400),
        (b" " * 5000, "application/json", 413),
        (b'{"annotator_id": "anna"}', "text/plain", 415),
        (b"annotator_id=anna", "application/x-www-form-urlencoded", 415),
    ],
)
def test_what_is_not_json_is_refused(client: TestClient, content: bytes, kind: str, status: int) -> None:
    state = join(client)
    for path in ("/api/sessions", f"/api/sessions/{state['session_id']}/answers"):
        response = client.post(path, content=content, headers={"content-type": kind})
        assert response.status_code == status and response.json()["error"]


def test_a_question_is_answered_once(client: TestClient, tmp_path: Path) -> None:
    state = join(client)
    assert give(client, state).status_code == 200
    assert give(client, state, "right").status_code == 409
    assert len(saved(tmp_path)) == 1


def test_many_answers_at_once_are_one(client: TestClient, tmp_path: Path) -> None:
    state = join(client)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(give(client, state).status_code)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200] + [409] * 7 and len(saved(tmp_path)) == 1


def test_answers_faster_than_anybody_listens_are_warned_of_and_then_end_it(
    opened: Callable[..., Assessment], tmp_path: Path
) -> None:
    client = TestClient(make_app(opened(tutorial=0, qualifier=0, fast_seconds=7.0, most_fast=6)))
    state, hurried = join(client), []
    for _ in range(6):  # whatever the page claims to have taken
        reply = give(client, state, seconds_taken=60.0).json()
        state, hurried = reply["state"], [*hurried, reply["hurried"]]
    assert hurried == [False, True, True, True, True, True]
    assert state["phase"] == "suspended" and state["question"] is None
    assert (tmp_path / "triplets.csv").read_text().count("\n") == 1, (
        "no answer of theirs is left to learn from"
    )
    assert max(float(row[6]) for row in saved(tmp_path)) < 7


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "=cmd()", "a\x00b", "a\u202eb", "-1"])
def test_names_that_are_refused(client: TestClient, name: str) -> None:
    response = client.post("/api/sessions", json={"annotator_id": name})
    assert response.status_code == 400 and "name" in response.json()["error"]


def test_a_name_with_commas_quotes_and_accents_comes_back(client: TestClient, tmp_path: Path) -> None:
    give(client, join(client, 'Zoë, "the ear"'))
    assert saved(tmp_path)[0][3] == 'Zoë, "the ear"'


@pytest.mark.parametrize(
    "path",
    [
        "/audio/x",
        "/audio/..%2f..%2fetc%2fpasswd",
        "/audio/",
        "/assess.py",
        "/../pyproject.toml",
        "/api/sessions/nobody",
        "/api",
    ],
)
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404 and response.json()["error"]


def test_other_methods_are_405(client: TestClient) -> None:
    assert client.delete("/api/sessions").status_code == 405 and client.post("/").status_code == 405


def test_a_session_of_nobody_answers_nothing(client: TestClient, tmp_path: Path) -> None:
    state = {**join(client), "session_id": "unknown"}
    assert give(client, state).status_code == 404 and saved(tmp_path) == []


def test_the_same_name_goes_on_in_another_session(client: TestClient) -> None:
    first = give(client, join(client)).json()["state"]
    second = join(client)
    assert second["session_id"] != first["session_id"] and second["question"] == first["question"]


def test_a_full_disk_is_said_and_the_answer_can_be_given_again(
    client: TestClient, assessment: Assessment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = join(client)

    def full(answer: object) -> None:
        raise OutputError("cannot write triplets.csv: the disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(assessment._files, "append", full)
        response = give(client, state)
        assert response.status_code == 507 and "disk is full" in response.json()["error"]
    assert client.get(f"/api/sessions/{state['session_id']}").json()["question"] == state["question"]
    assert give(client, state).status_code == 200 and len(saved(tmp_path)) == 1


def test_a_foreign_name_of_the_host_is_refused_where_only_we_are_meant(assessment: Assessment) -> None:
    app = make_app(assessment, "127.0.0.1")
    assert TestClient(app, base_url="http://127.0.0.1:8000").get("/").status_code == 200
    assert TestClient(app, base_url="http://localhost").get("/").status_code == 200
    assert TestClient(app, base_url="http://evil.example").get("/").status_code == 400


def test_a_restarted_server_knows_everybody_and_their_sessions(
    opened: Callable[..., Assessment], tmp_path: Path
) -> None:
    client = TestClient(make_app(opened()))
    state = join(client)
    for choice in ("left", "right", "skip", "left"):
        state = give(client, state, choice).json()["state"]
    again = TestClient(make_app(opened()))
    after = again.get(f"/api/sessions/{state['session_id']}").json()
    keep = ("phase", "answered", "total", "tries_left", "annotator_id")
    assert {name: after[name] for name in keep} == {name: state[name] for name in keep}
    assert after["question"]["question_id"] == state["question"]["question_id"]
    assert give(again, state).status_code == 200 and len(saved(tmp_path)) == 5


def test_two_servers_do_not_share_a_file(assessment: Assessment, music_catalog: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="another run is collecting answers"):
        open_assessment(music_catalog, tmp_path / "triplets.csv")


@pytest.mark.slow
def test_a_track_that_cannot_be_played_is_left_out(music_catalog: Path, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    for path in music_catalog.parent.iterdir():
        (folder / path.name).write_bytes(b"no music" if path.name == "3.wav" else path.read_bytes())
    assessment = open_assessment(
        folder / "catalog.csv", tmp_path / "answers.csv", sessions=SessionConfig(fast_seconds=0.0)
    )
    client = TestClient(make_app(assessment))
    state = join(client)
    for _ in range(14):
        for question in filter(None, (state["question"], state["following"])):
            for place in ("anchor", "left", "right"):
                client.get(f"/audio/{question[place]}")
        state = client.get(f"/api/sessions/{state['session_id']}").json()
        side = assessment._sessions.annotators["anna"].queue[0]
        assert "track-3" not in {clip.track_id for clip in side.clips}
        state = give(client, state, "left" if side.gold and side.left == side.closer else "right").json()[
            "state"
        ]
    assert state["phase"] == "main"
    assessment.close()


def test_an_address_that_is_taken_is_a_usage_error(assessment: Assessment) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UsageError, match="cannot be taken"):
            serve(assessment, "127.0.0.1", other.getsockname()[1], print)


class Command:
    """`soundkin assess` as a process of its own."""

    def __init__(self, catalog: Path, output: Path, host: str = "127.0.0.1") -> None:
        words = ["assess", catalog, "-o", output, "--port", "0", "--host", host]
        self.process = subprocess.Popen(
            soundkin_command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.startswith(f"Open {url_of(host, 0).removesuffix('0/')}"), self.process.communicate()
        self.address = said.split()[1].rstrip("/")

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, content, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return dict(json.load(response))

    def end(self, how: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(how)
        said = "".join(self.process.communicate(timeout=30))
        return self.process.returncode, said


@pytest.fixture
def run_command(music_catalog: Path, tmp_path: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def run(host: str = "127.0.0.1") -> Command:
        started.append(Command(music_catalog, tmp_path / "triplets.csv", host))
        return started[-1]

    yield run
    for command in started:
        command.process.kill()
        command.process.wait()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_the_command_answers_at_an_ipv6_address(run_command: Callable[..., Command]) -> None:
    command = run_command("::1")
    assert command.address.startswith("http://[::1]:") and "listen_seconds" in command.ask("/api/rules")
    assert command.end(signal.SIGINT)[0] == 0


@pytest.mark.slow
def test_the_command_survives_being_killed_and_ends_cleanly(
    run_command: Callable[[], Command], tmp_path: Path
) -> None:
    command = run_command()
    state = command.ask("/api/sessions", {"annotator_id": "anna"})
    given = {"choice": "left", "seconds_taken": 9.0}
    for _ in range(3):
        body = {**given, "question_id": state["question"]["question_id"]}
        state = command.ask(f"/api/sessions/{state['session_id']}/answers", body)["state"]
    command.end(signal.SIGKILL)
    assert len(saved(tmp_path)) == 3
    command = run_command()
    again = command.ask(f"/api/sessions/{state['session_id']}")
    assert (
        again["phase"] == "qualifier" and again["question"]["question_id"] == state["question"]["question_id"]
    )
    body = {**given, "question_id": again["question"]["question_id"]}
    command.ask(f"/api/sessions/{state['session_id']}/answers", body)
    code, said = command.end(signal.SIGINT)
    assert (
        code == 0
        and "Traceback" not in said
        and "0 answers to learn from; 4 others" in said
        and "anna" in said
    )
    assert len(saved(tmp_path)) == 4
