"""What Dockerfile, compose.yaml and the units of systemd promise, as far as shows without their daemons."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import edited_index
from served_library import ServedApp
from soundkin.cli.main import cli
from soundkin.errors import UsageError
from soundkin.pipelines.serve import serve_settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
UNITS = sorted((ROOT / "deploy").glob("soundkin*"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def instructions(name: str) -> list[str]:
    return re.findall(rf"^(?:HEALTHCHECK .*)?{name} (.*)$", DOCKERFILE, re.MULTILINE)


def argument_of(name: str) -> str:
    return next(line.partition("=")[2] for line in instructions("ARG") if line.startswith(f"{name}="))


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """The words after `soundkin`, by where they stand."""
    for line in re.findall(r"soundkin ([a-z]+ [^&\n]*)", "\n".join(instructions("RUN"))):
        yield f"Dockerfile: {line}", shlex.split(line)
    yield "Dockerfile: CMD", json.loads(instructions("CMD")[-1])
    for name, service in COMPOSE["services"].items():
        if service.get("image") == "soundkin":
            yield f"compose.yaml: {name}", service["command"]
    for unit in UNITS:
        for line in re.findall(
            r"^ExecStart=/opt/soundkin/bin/soundkin (.*)$", unit.read_text(), re.MULTILINE
        ):
            yield unit.name, shlex.split(line)


@pytest.mark.parametrize(("place", "words"), list(command_lines()), ids=lambda value: str(value)[:40])
def test_every_command_line_is_one_that_soundkin_takes(place: str, words: list[str]) -> None:
    context = cli.make_context("soundkin", list(words))
    name, command, rest = cli.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None
    command.make_context(name, rest, parent=context)  # raises where an option is unknown or off
    with pytest.raises(click.ClickException):
        command.make_context(name, [*rest, "--no-such-option"], parent=context)


def test_there_are_commands_of_every_kind() -> None:
    verbs = {place.split(":")[0]: set() for place, _ in command_lines()}
    for place, words in command_lines():
        verbs[place.split(":")[0]].add(next(word for word in words if not word.startswith("-")))
    assert verbs == {
        "Dockerfile": {"sync", "neighbours", "query", "serve"},
        "compose.yaml": {"sync", "neighbours", "serve"},
        "soundkin.service": {"serve"},
        "soundkin-sync.service": {"sync"},
    }


def test_the_image_is_built_from_what_is_there_and_what_the_project_asks_for() -> None:
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]]
    for name in copied:
        assert (ROOT / name).exists() and f"!{name}" in let_in
    version = argument_of("PYTHON").partition("-")[0]
    assert version in SpecifierSet(PROJECT["requires-python"])
    assert set(argument_of("EXTRAS").split(",")) <= set(PROJECT["optional-dependencies"])
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    [torch] = [Requirement(line) for line in PROJECT["dependencies"] if line.startswith("torch")]
    assert pins["torch"] in torch.specifier, "else the second pip brings another torch than the first"


def test_nothing_in_the_containers_is_root_or_writes_to_the_music() -> None:
    assert instructions("USER") == ["10001"]
    for service in COMPOSE["services"].values():
        mounts = [mount for mount in service["volumes"] if "MUSIC" in mount]
        assert all(mount.endswith(":/music:ro") for mount in mounts)
        if service["image"] == "soundkin":
            assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["services"]["serve"]["ports"])


@pytest.mark.slow
def test_what_the_build_tries_out_works(tmp_path: Path) -> None:
    [line] = [line for line in instructions("RUN") if "soundkin sync" in line]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    words = ["sh", "-ec", line.replace("/tmp/", f"{tmp_path}/")]
    done = subprocess.run(
        words, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "rank" in done.stdout


@pytest.mark.slow
def test_the_health_check_tells_a_server_that_answers_from_one_that_does_not(tmp_path: Path) -> None:
    edited_index.build(tmp_path / "index", range(10))
    served = ServedApp(tmp_path / "index", token="correct-horse-battery", loopback_name=None)
    [line] = re.findall(r"^HEALTHCHECK .*CMD (.*)$", DOCKERFILE, re.MULTILINE)
    _, option, code = json.loads(line)

    def check(port: int) -> int:
        words = [sys.executable, option, code.replace(":8000/", f":{port}/")]
        return subprocess.run(words, capture_output=True, check=False).returncode

    try:
        assert ":8000/" in code and check(served.port) == 0
    finally:
        served.stop()
    assert check(served.port) != 0


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/soundkin/bin/soundkin", sys.executable)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    words = ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_token_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SOUNDKIN_TOKEN", raising=False)
    file = tmp_path / "token"
    monkeypatch.setenv("SOUNDKIN_TOKEN_FILE", str(file))
    assert "SOUNDKIN_TOKEN_FILE=%d/token" in (ROOT / "deploy/soundkin.service").read_text()
    with pytest.raises(UsageError, match=r"SOUNDKIN_TOKEN_FILE=.*token cannot be read: No such file"):
        serve_settings(tmp_path)
    for content, problem in (
        (b"", "take a token of 16"),
        (b"\xff" * 20, "is no text"),
        (b"short\n", "16 ASCII"),
    ):
        file.write_bytes(content)
        with pytest.raises(UsageError, match=problem):
            serve_settings(tmp_path)
    file.write_text("correct-horse-battery\n")
    assert serve_settings(tmp_path).token == "correct-horse-battery"
    assert serve_settings(tmp_path, token="another-horse-battery").token == "another-horse-battery"
    monkeypatch.setenv("SOUNDKIN_TOKEN", "environment-goes-first")
    assert serve_settings(tmp_path).token == "environment-goes-first"
