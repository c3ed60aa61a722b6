"""`soundkin serve` as people start it."""

import http.client
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import psutil
import pytest

import edited_index


@pytest.fixture(scope="module")
def index_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "index"
    edited_index.build(folder, range(40))
    return folder


@contextmanager
def started(*words, **environment):
    """The command in a process of its own, and its port."""
    import os

    command = [sys.executable, "-m", "soundkin", "serve", *map(str, words), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    ) as server:
        line = server.stdout.readline()
        found = re.search(r":(\d+)/", line)
        assert found, line + server.stderr.read()
        try:
            yield int(found[1]), server
        finally:
            server.kill()


def ask(port, target, **headers):
    deadline = time.monotonic() + 60
    while True:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                connection.request("GET", target, headers=headers)
                response = connection.getresponse()
                return response.status, response.read().decode()
        except ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def run(*words):
    command = [sys.executable, "-m", "soundkin", "serve", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_it_serves_until_ctrl_c_and_logs_no_secrets(index_folder):
    token = "correct-horse-battery"
    with started(index_folder, SOUNDKIN_TOKEN=token) as (port, server):
        assert ask(port, f"/tracks?q=title&apiKey={token}")[0] == 401
        status, body = ask(port, f"/tracks?q=title&apiKey={token}", Authorization=f"Bearer {token}")
        assert status == 200 and '"total":40' in body
        by_proxy = {"Host": "music.example.org", "Authorization": f"Bearer {token}"}
        assert ask(port, "/tracks", **by_proxy)[0] == 200, "a proxy on this machine passes names on"
        assert ask(port, "/tracks/a%0ab", Authorization=f"Bearer {token}")[0] == 404
        server.send_signal(signal.SIGINT)
        log = server.communicate(timeout=30)[1]
    assert server.returncode in (0, 130) and "Traceback" not in log
    assert re.search(r"127\.0\.0\.1 GET /tracks 401 [\d.]+ ms", log)
    assert "GET /tracks/a%0ab 404" in log
    assert token not in log and "apiKey" not in log


@pytest.mark.slow
def test_several_processes_share_a_port_and_their_counts(index_folder):
    with started(index_folder, "--processes", "2", "--no-access-log") as (port, server):
        for _ in range(40):
            assert ask(port, "/tracks/track-00001")[0] == 200
        counted = ask(port, "/metrics")[1]
        processes = psutil.Process(server.pid).children(recursive=True)
        server.kill()
        _, left = psutil.wait_procs(processes, timeout=60)
    assert left == [], "server processes end with the first"
    pattern = (
        r'soundkin_requests_total\{method="GET",route="/tracks/\{track_id:path\}",status="200"\} ([\d.]+)'
    )
    assert float(re.search(pattern, counted)[1]) == 40
    assert "soundkin_tracks 40.0" in counted


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "there is no token"),
        (["--token", "short"], "16 ASCII characters"),
        (["--token", ""], "16 ASCII characters"),
        (["--decode-seconds", "0"], "more than 0 s"),
    ],
)
@pytest.mark.slow
def test_mistakes_end_in_one_line(index_folder, words, said):
    done = run(index_folder, "--port", "0", *words)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_folder_without_an_index_is_said_so(tmp_path):
    done = run(tmp_path, "--port", "0")
    assert done.returncode == 2 and "is not an index" in done.stderr and "Traceback" not in done.stderr
