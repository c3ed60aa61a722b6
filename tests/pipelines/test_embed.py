import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import numpy as np
import psutil
import pytest
import soundfile
import torch

from command_line import soundkin_command
from soundkin.embedding import embed_tracks
from soundkin.embedding.bundle import Bundle, save_bundle
from soundkin.embedding.embed_tracks import EmbedResult
from soundkin.embedding.embedder import Embedder, load
from soundkin.embedding.store import read_embeddings, read_patches
from soundkin.errors import (
    AudioError,
    AudioStoreError,
    CatalogError,
    OtherModelError,
    OutputError,
    SoundkinError,
    UsageError,
)
from soundkin.features import remote_audio
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.models import ConvConfig, NetworkConfig, build_network
from soundkin.pipelines.embed import embed_catalog

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "export_embeddings.py"
WRITING_AT_ONCE = f"""
import runpy
from soundkin.embedding import export
export.SECONDS_WAITING = 0
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""
RATE_HZ = 22_050


def save_model(folder: Path, random_seed: int = 0) -> Path:
    torch.manual_seed(random_seed)
    front_end = LogMelFrontEnd(window_samples=882, hop_samples=441, mel_bands=32)
    convolution = ConvConfig(filters=16, width=5, pool=2, padded=True)
    network_config = NetworkConfig(convolutions=(convolution,), dense=(24,), embedding_size=8)
    network = build_network(network_config, front_end.mel_bands)
    save_bundle(Bundle(front_end, PatchConfig(frames=50, hop_frames=50), network_config, network), folder)
    return folder


def write_audio(path: Path, seconds: float, random_seed: int) -> None:
    samples = (
        np.random.default_rng(random_seed).uniform(-0.5, 0.5, round(seconds * RATE_HZ)).astype(np.float32)
    )
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, samples, RATE_HZ)


def write_catalog(folder: Path, paths: list[str]) -> Path:
    rows = [f"track-{number},{path}" for number, path in enumerate(paths)]
    (folder / "catalog.csv").write_text("\n".join(["track_id,path", *rows]) + "\n")
    return folder / "catalog.csv"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path / "model")


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Five tracks of different lengths and formats; only the third cannot be used."""
    paths = ["audio/a.wav", "audio/b.flac", "audio/c.mp3", "audio/d.ogg", "audio/e.mp3"]
    for number, path in enumerate(paths):
        write_audio(tmp_path / path, 0.7 + 2 * number, number)
    (tmp_path / paths[2]).write_text("no audio")
    return write_catalog(tmp_path, paths)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def counts(result: EmbedResult) -> tuple[int, int, int]:
    return result.embedded, result.reused, len(result.skipped)


def test_every_usable_track_has_its_own_vector(model: Path, catalog: Path, tmp_path: Path) -> None:
    result = embed_catalog(model, catalog, tmp_path / "out", patches=True)
    assert counts(result) == (4, 0, 1)
    embeddings, embedder = read_embeddings(tmp_path / "out"), load(model)
    assert embeddings.track_ids == ["track-0", "track-1", "track-3", "track-4"]
    assert embeddings.model_hash == embedder.hash
    assert (embeddings.model_path, embeddings.catalog_path) == (model, catalog)
    for vector, path in zip(embeddings.vectors, ["a.wav", "b.flac", "d.ogg", "e.mp3"], strict=True):
        assert np.array_equal(vector, embedder.embed(tmp_path / "audio" / path)), "alone or among others"
    assert [len(patches.vectors) for patches in read_patches(tmp_path / "out")] == [1, 3, 7, 9]


def test_bad_files_are_listed_with_their_reason(model: Path, tmp_path: Path) -> None:
    write_audio(tmp_path / "audio" / "good.wav", 1.0, 0)
    soundfile.write(tmp_path / "audio" / "sample.wav", np.zeros(1), RATE_HZ)
    (tmp_path / "audio" / "empty.mp3").write_bytes(b"")
    (tmp_path / "audio" / "text.flac").write_text("no audio")
    (tmp_path / "audio" / "folder.ogg").mkdir()
    os.mkfifo(tmp_path / "audio" / "pipe.wav")
    names = ["missing.mp3", "sample.wav", "empty.mp3", "text.flac", "folder.ogg", "pipe.wav", "good.wav"]
    catalog = write_catalog(tmp_path, [f"audio/{name}" for name in names])
    result = embed_catalog(model, catalog, tmp_path / "out")
    assert counts(result) == (1, 0, 6)
    assert [skipped.path for skipped in result.skipped] == [f"audio/{name}" for name in names[:-1]]
    lines = (tmp_path / "out" / "skipped.csv").read_text().splitlines()
    assert len(lines) == 7
    for line, reason in zip(
        lines[1:], ["cannot be", "1 samples", "empty", "decoded", "folder", "pipe"], strict=True
    ):
        assert reason in line
        assert str(tmp_path) not in line, "the list is the same wherever the music lies"


def test_what_is_off_with_a_file_is_said(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_audio(tmp_path / "audio" / "whole.wav", 2.0, 0)
    content = (tmp_path / "audio" / "whole.wav").read_bytes()
    (tmp_path / "audio" / "cut.wav").write_bytes(content[: len(content) // 2])
    catalog = write_catalog(tmp_path, ["audio/whole.wav", "audio/cut.wav"])
    embed_catalog(model, catalog, tmp_path / "out")
    [message] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert message.endswith("cut.wav: cut short: 1.0 of the 2.0 s that its header claims")


def test_unchanged_files_are_not_computed_again(model: Path, catalog: Path, tmp_path: Path) -> None:
    embed_catalog(model, catalog, tmp_path / "out")
    before = content(tmp_path / "out")
    assert counts(embed_catalog(model, catalog, tmp_path / "out")) == (0, 4, 1)
    assert content(tmp_path / "out") == before


def test_a_catalog_may_grow_files_may_move_and_be_mended(model: Path, catalog: Path, tmp_path: Path) -> None:
    embed_catalog(model, catalog, tmp_path / "out")
    (tmp_path / "audio" / "a.wav").rename(tmp_path / "audio" / "moved.wav")
    write_audio(tmp_path / "audio" / "b.flac", 1.5, 99)
    write_audio(tmp_path / "audio" / "c.mp3", 1.5, 98)
    write_audio(tmp_path / "audio" / "new.ogg", 1.5, 97)
    names = ["new.ogg", "moved.wav", "b.flac", "c.mp3", "d.ogg", "e.mp3"]
    write_catalog(tmp_path, [f"audio/{name}" for name in names])
    assert counts(embed_catalog(model, catalog, tmp_path / "out")) == (3, 3, 0)
    embed_catalog(model, catalog, tmp_path / "fresh")
    assert content(tmp_path / "out") == content(tmp_path / "fresh")


def test_another_model_computes_all_again(model: Path, catalog: Path, tmp_path: Path) -> None:
    embed_catalog(model, catalog, tmp_path / "out")
    another = save_model(tmp_path / "other", random_seed=1)
    before = content(tmp_path / "out")
    with pytest.raises(OtherModelError, match=r"holds 4 vectors of model .* --replace"):
        embed_catalog(another, catalog, tmp_path / "out")
    assert content(tmp_path / "out") == before
    assert counts(embed_catalog(another, catalog, tmp_path / "out", replace=True)) == (4, 0, 1)
    assert read_embeddings(tmp_path / "out").model_hash == load(another).hash


def test_a_bad_file_is_decoded_again_only_when_it_changes(
    model: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed_catalog(model, catalog, tmp_path / "out")
    decoded = []
    monkeypatch.setattr(Embedder, "embed_file", lambda self, path, *_: decoded.append(path.name) or _refuse())
    again = embed_catalog(model, catalog, tmp_path / "out")
    assert decoded == [] and counts(again) == (0, 4, 1)
    (tmp_path / "audio" / "c.mp3").write_text("still no audio")
    embed_catalog(model, catalog, tmp_path / "out")
    assert decoded == ["c.mp3"]


def _refuse() -> None:
    raise AudioError("it cannot be decoded")


@pytest.mark.slow
def test_the_command_asks_before_it_replaces_and_may_allow_skipped(
    model: Path, catalog: Path, tmp_path: Path
) -> None:
    call = ["embed", str(model), str(catalog), "-o", str(tmp_path / "out")]
    assert _exit_code(call) == 3
    assert _exit_code([*call, "--allow-skipped"]) == 0
    another = save_model(tmp_path / "other", random_seed=1)
    call[1] = str(another)
    assert _exit_code([*call, "--allow-skipped"]) == 2, "nobody at the terminal to ask"
    assert _exit_code([*call, "--allow-skipped", "--replace"]) == 0


def _exit_code(arguments: list[str]) -> int:
    command = soundkin_command(*arguments)
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode


def test_audio_in_an_object_store_gives_the_same_bytes(
    model: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fsspec.filesystem("memory")
    store.put(str(tmp_path / "audio"), "/bucket/audio", recursive=True)
    versions = dict.fromkeys(store.find("/bucket"), "first")  # which the store in memory does not tell
    info = store.info
    monkeypatch.setattr(store, "info", lambda path: {**info(path), "ETag": versions.get(path)})
    monkeypatch.setattr(remote_audio, "PAUSES_SECONDS", ())
    embed_catalog(model, catalog, tmp_path / "local", patches=True)
    remote = {"audio": "memory://bucket", "patches": True}
    assert counts(embed_catalog(model, catalog, tmp_path / "out", **remote)) == (4, 0, 1)
    assert content(tmp_path / "out") == content(tmp_path / "local")

    copied = []
    get_file = store.get_file
    monkeypatch.setattr(store, "get_file", lambda path, to: (copied.append(path), get_file(path, to)))
    assert counts(embed_catalog(model, catalog, tmp_path / "out", **remote)) == (0, 4, 1)
    assert copied == [], "what has not changed is not copied again"
    versions["/bucket/audio/b.flac"] = "second"
    assert counts(embed_catalog(model, catalog, tmp_path / "out", **remote)) == (0, 4, 1)
    assert copied == ["/bucket/audio/b.flac"]

    with (
        monkeypatch.context() as broken,
        pytest.raises(AudioStoreError, match=r"^memory://bucket/audio/a\.wav cannot be read, asked 1 times"),
    ):
        broken.setattr(store, "info", lambda path: 1 / 0)
        embed_catalog(model, catalog, tmp_path / "out", **remote)
    assert len(read_embeddings(tmp_path / "out").track_ids) == 4, "a store that fails takes no vectors away"
    store.rm("/bucket", recursive=True)


def test_calls_that_make_no_sense_are_refused(model: Path, catalog: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="workers=0"):
        embed_catalog(model, catalog, tmp_path / "out", workers=0)
    with pytest.raises(UsageError, match="does not exist"):
        embed_catalog(tmp_path / "nowhere", catalog, tmp_path / "out")
    with pytest.raises(CatalogError):
        embed_catalog(model, tmp_path / "none.csv", tmp_path / "out")
    with pytest.raises(OutputError, match="holds other files"):
        embed_catalog(model, catalog, tmp_path / "audio")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def long_catalog(tmp_path: Path) -> Path:
    """Sixty tracks of half a minute: a few seconds of work."""
    for number in range(60):
        write_audio(tmp_path / "audio" / f"{number}.wav", 30.0, number)
    (tmp_path / "audio" / "7.wav").write_text("no audio")
    return write_catalog(tmp_path, [f"audio/{number}.wav" for number in range(60)])


def export(model: Path, catalog: Path, output: Path, workers: int) -> "subprocess.Popen[str]":
    """Start the script, which writes every track at once, in a process group of its own, as a shell does."""
    command = [sys.executable, "-c", WRITING_AT_ONCE, model, catalog, output]
    command += ["--workers", str(workers), "--patches"]
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_tracks(process: "subprocess.Popen[str]", output: Path, count: int) -> None:
    """Until at least `count` tracks are on disk."""
    while process.poll() is None and len(list((output / "unfinished" / "tracks").glob("*.parquet"))) < count:
        time.sleep(0.005)
    assert process.poll() is None, process.communicate()


@pytest.mark.slow
def test_two_workers_give_the_same_bytes(
    model: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_tracks, "TRACKS_A_WORKER", 1)
    single = embed_catalog(model, catalog, tmp_path / "one", workers=1, patches=True)
    two = embed_catalog(model, catalog, tmp_path / "two", workers=2, patches=True)
    assert counts(single) == counts(two) == (4, 0, 1)
    assert content(tmp_path / "one") == content(tmp_path / "two")


@pytest.mark.slow
def test_real_music_embeds_alike_with_one_worker_and_two(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_tracks, "TRACKS_A_WORKER", 1)
    torch.manual_seed(0)
    front_end, network_config = LogMelFrontEnd(), NetworkConfig()
    network = build_network(network_config, front_end.mel_bands)
    save_bundle(Bundle(front_end, PatchConfig(), network_config, network), tmp_path / "model")
    lines = (music / "tracks.csv").read_text().splitlines()
    paths = [line.split(",")[1] for line in lines[1::60]]
    rows = [f"track-{number},{path},{music}" for number, path in enumerate(paths)]
    (tmp_path / "catalog.csv").write_text("\n".join(["track_id,path,audio_folder", *rows]))
    single = embed_catalog(tmp_path / "model", tmp_path / "catalog.csv", tmp_path / "one", workers=1)
    assert counts(single) == (len(rows), 0, 0)
    embed_catalog(tmp_path / "model", tmp_path / "catalog.csv", tmp_path / "two", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")


@pytest.mark.slow
def test_killed_twice_and_run_again_it_ends_with_the_same_bytes(
    model: Path, long_catalog: Path, tmp_path: Path
) -> None:
    for kill, workers in enumerate((2, 1), start=1):
        process = export(model, long_catalog, tmp_path / "killed", workers)
        wait_for_tracks(process, tmp_path / "killed", 15 * kill)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.kill()
        process.communicate()
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive, "workers end with their parent"
    process = export(model, long_catalog, tmp_path / "killed", 1)
    stdout, stderr = process.communicate()
    assert process.returncode == 3, stderr
    embedded, reused = int(stdout.split()[1]), int(stdout.split()[3])
    assert embedded + reused == 59
    assert reused >= 30
    embed_catalog(model, long_catalog, tmp_path / "straight", patches=True)
    assert content(tmp_path / "killed") == content(tmp_path / "straight")


@pytest.mark.slow
def test_ctrl_c_stops_all_workers_and_loses_nothing(model: Path, long_catalog: Path, tmp_path: Path) -> None:
    process = export(model, long_catalog, tmp_path / "out", 2)
    wait_for_tracks(process, tmp_path / "out", 10)
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert stderr.count("Traceback") == 1, "that of the script itself, which the command line catches"
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert embed_catalog(model, long_catalog, tmp_path / "out", patches=True).reused >= 10


@pytest.mark.slow
def test_a_worker_that_dies_is_explained(model: Path, long_catalog: Path, tmp_path: Path) -> None:
    process = export(model, long_catalog, tmp_path / "out", 2)
    wait_for_tracks(process, tmp_path / "out", 5)
    [server] = [it for it in psutil.Process(process.pid).children() if "forkserver" in " ".join(it.cmdline())]
    server.children()[0].kill()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == SoundkinError.exit_code
    assert "a worker process died" in stderr
    assert "audio/" in stderr
    assert "Traceback" not in stderr
