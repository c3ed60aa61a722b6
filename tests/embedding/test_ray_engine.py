"""Embedding in Ray: real actors, on this machine; a cluster of one node; kills of workers and drivers."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import psutil
import pytest
import soundfile

from command_line import soundkin_command
from soundkin.embedding import ray_engine
from soundkin.embedding.bundle import save_bundle
from soundkin.embedding.embed_tracks import Heard, Track
from soundkin.embedding.export import Unusable
from soundkin.embedding.ray_engine import in_ray
from soundkin.errors import ClusterError, MissingExtraError, Skipped, UsageError
from soundkin.extras import EXTRAS
from soundkin.pipelines.embed import embed_catalog

os.environ |= ray_engine.LOOPBACK | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
pytest.importorskip("ray", reason="needs Ray: pip install soundkin[ray]")
pytestmark = pytest.mark.slow

START = """
import ray
ray.init("local", num_cpus=1, include_dashboard=False, object_store_memory=2**28)
ray.shutdown()
"""
KILLED = "killed.mp3"  # whose worker dies


@pytest.fixture(scope="module", autouse=True)
def ray_itself() -> None:
    """Skip where Ray does not start at all, as in a sandbox without shared memory."""
    started = subprocess.run([sys.executable, "-c", START], capture_output=True, timeout=180)
    if started.returncode:
        pytest.skip(f"Ray does not start here: {started.stderr.decode(errors='replace')[-200:]}")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, make) -> Path:
    """A model and a catalog of 40 tracks, of which one is no audio and one is missing."""
    folder = tmp_path_factory.mktemp("ray")
    save_bundle(make.bundle(), folder / "model")
    names = [f"{number}.{'flac' if number % 2 else 'wav'}" for number in range(40)]
    for number, name in enumerate(names):
        soundfile.write(folder / name, make.noise(0.7 + number / 8, number), make.rate_hz)
    (folder / names[7]).write_text("no audio")
    (folder / names[9]).unlink()
    rows = [f"track-{number},{name}" for number, name in enumerate(names)]
    (folder / "catalog.csv").write_text("\n".join(["track_id,path", *rows]) + "\n")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def embed(library: Path, output: Path, *words: str) -> "subprocess.Popen[str]":
    command = soundkin_command(
        "embed", str(library / "model"), str(library / "catalog.csv"), "-o", str(output)
    )
    words = ("--patches", "--allow-skipped", *words)
    return subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def local(library: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the local engine writes."""
    output = tmp_path_factory.mktemp("local") / "out"
    embed_catalog(library / "model", library / "catalog.csv", output, patches=True)
    return content(output)


def test_ray_writes_the_bytes_of_the_local_engine(
    library: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    process = embed(library, tmp_path / "out", "--engine", "ray", "--workers", "2")
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert stdout == f"{tmp_path / 'out'}: 38 tracks embedded, 0 unchanged and kept\n"
    assert "ray" not in stderr.lower(), "Ray is not heard"
    assert content(tmp_path / "out") == local
    again = embed_catalog(library / "model", library / "catalog.csv", tmp_path / "out", patches=True)
    assert (again.embedded, again.reused) == (0, 38), "either engine goes on from the other's"


def die_once(track: Track) -> Heard:
    path, source, _ = track
    died = Path(f"{source}.died")
    if path == KILLED and not died.exists():
        died.touch()
        os._exit(1)
    return heard(track)


def die_always(track: Track) -> Heard:
    if track[0] == KILLED:
        os._exit(1)
    return heard(track)


def refuse(track: Track) -> Heard:
    raise UsageError("the table of vectors is gone")


def fail(track: Track) -> Heard:
    raise ZeroDivisionError("a bug of ours")


def see_nothing(track: Track) -> Heard:
    return Heard(Unusable(Skipped(track[0], "cannot be read: No such file or directory.")))


class Unknown:
    """What workers cannot import."""

    def __reduce__(self) -> tuple[object, ...]:
        return import_module, ("nowhere_to_be_found",)


def heard(track: Track) -> Heard:
    return Heard(Unusable(Skipped(track[0], "heard"), "its hash"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of one node, which another process has started."""
    code = "import sys, ray; "
    code += "ray.init('local', num_cpus=2, include_dashboard=False, object_store_memory=2**28); "
    code += "print(ray.get_runtime_context().gcs_address, flush=True); sys.stdin.read()"
    tests = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1]), *sys.path])
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | ray_engine.QUIET | {"PYTHONPATH": tests},
        text=True,
    )
    assert started.stdout
    yield started.stdout.readline().strip()
    started.communicate(timeout=60)  # its input ends


def tracks_in(folder: Path) -> list[Track]:
    """Twenty, of which the fifth is that at which workers die."""
    paths = [KILLED if number == 5 else f"{number}.mp3" for number in range(20)]
    return [(path, folder / path, "") for path in paths]


def test_a_worker_that_dies_is_replaced(cluster: str, tmp_path: Path) -> None:
    outcomes = dict(in_ray(die_once, tracks_in(tmp_path), 2, cluster))
    assert (tmp_path / f"{KILLED}.died").exists()
    assert sorted(outcomes) == list(range(20)), "each track once"
    assert {heard.outcome.audio_hash for heard in outcomes.values()} == {"its hash"}


def test_a_track_that_kills_every_worker_ends_the_run(
    cluster: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ClusterError, match=rf"^workers died, .* \(near .*{KILLED}.*\)\. Run the same"):
        dict(in_ray(die_always, tracks_in(tmp_path), 2, cluster))
    assert capfd.readouterr() == ("", ""), "what Ray says of it is not heard"


def test_errors_of_workers_arrive_as_they_are(cluster: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^the table of vectors is gone$"):
        dict(in_ray(refuse, tracks_in(tmp_path), 1, cluster))
    with pytest.raises(ZeroDivisionError, match=r"^a bug of ours\n") as raised:
        dict(in_ray(fail, tracks_in(tmp_path), 1, cluster))
    assert "in fail\n" in raised.value.__notes__[0], "the traceback of the worker"


def test_a_node_without_a_module_is_told(cluster: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"^Ray failed: .*No module named 'nowhere_to_be_found'"):
        dict(in_ray(partial(heard, Unknown()), tracks_in(tmp_path), 1, cluster))


def test_a_node_without_the_audio_is_named(cluster: str, tmp_path: Path) -> None:
    tracks = tracks_in(tmp_path)
    missing = dict(in_ray(see_nothing, tracks, 1, cluster))
    assert len(missing) == 20, "here neither: they are skipped"
    (tmp_path / "3.mp3").write_text("there is something")
    with pytest.raises(ClusterError, match=r"^the node \S+ cannot read .*/3\.mp3, which this machine can"):
        dict(in_ray(see_nothing, tracks, 1, cluster))


def test_a_node_with_other_versions_is_named(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "OURS", "0.0.1")  # here, and not in the actors
    with pytest.raises(ClusterError, match=r"^the node \S+ has soundkin .* was run with 0\.0\.1\."):
        dict(in_ray(heard, tracks_in(tmp_path), 1, cluster))


def test_the_command_takes_the_address_of_a_cluster(
    library: Path, local: dict[str, bytes], cluster: str, tmp_path: Path
) -> None:
    stdout, stderr = embed(library, tmp_path / "out", "--engine", "ray", "--address", cluster).communicate()
    assert stdout.endswith(": 38 tracks embedded, 0 unchanged and kept\n"), stderr
    assert content(tmp_path / "out") == local


def test_actors_read_audio_from_a_store(
    library: Path, local: dict[str, bytes], cluster: str, tmp_path: Path
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(library)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    words = ["--engine", "ray", "--address", cluster, "--workers", "2", "--audio", url]
    stdout, stderr = embed(library, tmp_path / "out", *words).communicate()
    server.shutdown()
    server.server_close()
    assert stdout.endswith(": 38 tracks embedded, 0 unchanged and kept\n"), stderr
    written = content(tmp_path / "out")
    assert written.pop("skipped.csv").count(b"there is no such file") == 1
    assert written == {name: text for name, text in local.items() if name != "skipped.csv"}


def test_a_killed_driver_leaves_what_is_done_and_no_process(
    library: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    code = f"""
from soundkin.embedding import export, ray_engine
from soundkin.pipelines.embed import embed_catalog
export.SECONDS_WAITING, ray_engine.TRACKS_A_BLOCK = 0, 1
library, output = {str(library)!r}, {str(tmp_path / "out")!r}
embed_catalog(library + "/model", library + "/catalog.csv", output, patches=True, engine="ray")
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    unfinished = tmp_path / "out" / "unfinished" / "tracks"
    while process.poll() is None and len(list(unfinished.glob("*.parquet"))) < 3:
        time.sleep(0.005)
    family = psutil.Process(process.pid).children(recursive=True)
    assert "raylet" in {it.name() for it in family}
    process.kill()
    assert process.wait() == -signal.SIGKILL, process.stderr
    agents = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")  # who look for it for a minute
    workers = [it for it in family if it.is_running() and it.name() not in agents]
    assert not psutil.wait_procs(workers, timeout=60)[1], "Ray ends with its driver"
    again = embed_catalog(library / "model", library / "catalog.csv", tmp_path / "out", patches=True)
    assert again.reused >= 3 and again.embedded + again.reused == 38
    assert content(tmp_path / "out") == local


def test_a_cluster_that_is_not_there(library: Path, tmp_path: Path) -> None:
    process = embed(library, tmp_path / "out", "--engine", "ray", "--address", "127.0.0.1:1")
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == ClusterError.exit_code
    assert stderr.splitlines()[-1].startswith("soundkin: Ray at 127.0.0.1:1 cannot be reached or joined: ")
    assert "Traceback" not in stderr


def test_a_ray_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClusterError, match=r"^Ray 2\.9\.3 is too old, 2\.60 is needed: pip install"):
        ray_engine.require_version("2.9.3")


def test_calls_that_make_no_sense(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = (library / "model", library / "catalog.csv", tmp_path / "out")
    with pytest.raises(UsageError, match=r"^address=head:6379 is for Ray: give --engine ray too\.$"):
        embed_catalog(*paths, address="head:6379")
    monkeypatch.setitem(EXTRAS, "ray", ("nowhere_to_be_found",))
    with pytest.raises(MissingExtraError, match=r"^--engine ray needs .*'soundkin\[ray\]'$"):
        embed_catalog(*paths, engine="ray")
    assert not (tmp_path / "out").exists()


def test_the_local_engine_does_not_import_ray(library: Path, tmp_path: Path) -> None:
    code = "import sys, soundkin; soundkin.embed(*map(__import__('pathlib').Path, sys.argv[1:])); "
    words = [library / "model", library / "catalog.csv", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", code + "print('ray' in sys.modules)", *words], capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr
