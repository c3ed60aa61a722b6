import json
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset
import pytest

from soundkin.embedding.embedder import TrackEmbedding
from soundkin.embedding.export import Export, Unusable
from soundkin.embedding.store import Part, read_embeddings, read_manifest, read_patches, write_manifest
from soundkin.errors import ArtefactError, OutputError, Skipped, UsageError
from soundkin.files import sha256_of

SIZE = 4


def track(number: int) -> TrackEmbedding:
    """A made-up embedding with `number` + 1 patches."""
    rng = np.random.default_rng(number)
    return TrackEmbedding(
        vector=rng.standard_normal(SIZE, np.float32),
        patch_vectors=rng.standard_normal((number + 1, SIZE), np.float32),
        start_seconds=[float(patch) for patch in range(number + 1)],
        duration_seconds=number + 1.5,
        audio_hash=f"{number:032x}",
        warnings=("silent from start to end",) if number == 1 else (),
    )


def export(folder: Path, tracks: int, model_hash: str = "m", patches: bool = True) -> Path:
    track_ids = [f"track-{number}" for number in range(tracks)]
    with Export(folder, track_ids, model_hash, SIZE, patches, tracks_per_part=2) as writer:
        for number in range(tracks):
            writer.record(number, track(number))
        writer.finish(folder.parent / "model", folder.parent / "catalog.csv")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return export(tmp_path / "embeddings", 5)


def edit(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refusal(folder: Path) -> str:
    with pytest.raises(ArtefactError) as caught:
        read_embeddings(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_was_written_is_read(folder: Path, tmp_path: Path) -> None:
    embeddings = read_embeddings(folder)
    assert embeddings.track_ids == [f"track-{number}" for number in range(5)]
    assert embeddings.vectors.dtype == np.float32
    assert np.array_equal(embeddings.vectors, [track(number).vector for number in range(5)])
    assert embeddings.duration_seconds == [1.5, 2.5, 3.5, 4.5, 5.5]
    assert embeddings.audio_hashes == [track(number).audio_hash for number in range(5)]
    assert embeddings.model_hash == "m"
    assert (embeddings.model_path, embeddings.catalog_path) == (tmp_path / "model", tmp_path / "catalog.csv")


def test_vectors_that_are_mapped_are_the_same(folder: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mapped, whole = read_embeddings(folder, scratch), read_embeddings(folder)
    assert isinstance(mapped.vectors, np.memmap) and mapped.vectors.filename is None
    assert list(scratch.iterdir()) == []
    assert np.array_equal(mapped.vectors, whole.vectors)
    assert replace(mapped, vectors=whole.vectors) == replace(whole, vectors=whole.vectors)


def test_no_room_for_vectors_that_are_mapped(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"cannot write {tmp_path}/nowhere"):
        read_embeddings(folder, tmp_path / "nowhere")
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * SIZE * 3, limits[1]))
    try:
        with pytest.raises(OutputError, match=f"cannot write {tmp_path}"):
            read_embeddings(folder, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_patches_are_read_track_by_track(folder: Path) -> None:
    stored = list(read_patches(folder))
    assert [patches.track_id for patches in stored] == [f"track-{number}" for number in range(5)]
    for number, patches in enumerate(stored):
        assert patches.start_seconds == track(number).start_seconds
        assert np.array_equal(patches.vectors, track(number).patch_vectors)
    (chosen,) = read_patches(folder, {"track-3"})
    assert np.array_equal(chosen.vectors, stored[3].vectors)


def test_patches_that_were_not_kept_are_not_there(tmp_path: Path) -> None:
    folder = export(tmp_path / "embeddings", 3, patches=False)
    assert not (folder / "patches").exists()
    with pytest.raises(UsageError, match="--patches"):
        list(read_patches(folder))


def test_other_tools_read_the_parts(folder: Path) -> None:
    frame = pd.read_parquet(folder / "tracks")
    assert list(frame.columns) == [
        "track_id",
        "vector",
        "duration_seconds",
        "model_hash",
        "audio_hash",
        "lyrics_hash",
        "warnings",
    ]
    assert np.array_equal(np.stack(frame["vector"]), read_embeddings(folder).vectors)
    assert [list(warnings) for warnings in frame["warnings"]] == [
        [],
        ["silent from start to end"],
        [],
        [],
        [],
    ]
    schema = pyarrow.dataset.dataset(folder / "tracks").schema
    assert str(schema.field("vector").type).startswith("fixed_size_list<")
    assert pyarrow.dataset.dataset(folder / "patches").count_rows() == 1 + 2 + 3 + 4 + 5


def test_no_tracks_are_no_mistake(tmp_path: Path) -> None:
    folder = tmp_path / "embeddings"
    with Export(folder, ["gone"], "m", SIZE, patches=False) as writer:
        writer.record(0, Unusable(Skipped("gone.mp3", "cannot be read")))
        writer.finish(tmp_path / "model", tmp_path / "catalog.csv")
    for embeddings in (read_embeddings(folder), read_embeddings(folder, tmp_path)):
        assert embeddings.track_ids == []
        assert embeddings.vectors.shape == (0, SIZE)


def test_a_moved_folder_finds_its_neighbours_again(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    moved = folder.rename(tmp_path / "runs" / "embeddings")
    assert read_embeddings(moved).model_path == tmp_path / "runs" / "model"


@pytest.mark.parametrize("kind", ["tracks", "patches"])
def test_a_damaged_part_is_refused(folder: Path, kind: str) -> None:
    path = max((folder / kind).iterdir())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match="is corrupt"):
        list(read_patches(folder)) if kind == "patches" else read_embeddings(folder)
    path.unlink()
    with pytest.raises(ArtefactError, match="is missing"):
        list(read_patches(folder)) if kind == "patches" else read_embeddings(folder)


def test_a_damaged_manifest_is_refused(folder: Path) -> None:
    edit(folder, count=6)
    assert "do not add up" in refusal(folder)
    edit(folder, count="many")
    assert "manifest.json is corrupt" in refusal(folder)
    edit(folder, count=1, parts=[{"name": "../../etc/x", "count": 1, "tracks_sha256": "0"}])
    assert "manifest.json is corrupt" in refusal(folder)
    edit(folder, format_version=99)
    assert "Update soundkin" in refusal(folder)
    (folder / "manifest.json").write_text("{}")
    assert "does not describe" in refusal(folder)
    (folder / "manifest.json").unlink()
    assert "is missing" in refusal(folder)


def test_a_manifest_that_lies_about_a_part_is_refused(folder: Path) -> None:
    manifest = read_manifest(folder)
    first, second, third = manifest.parts
    swapped = (first.model_copy(update={"count": 1}), second.model_copy(update={"count": 3}), third)
    write_manifest(folder, manifest.model_copy(update={"parts": swapped}))
    assert "does not fit its manifest" in refusal(folder)


def test_vectors_of_two_models_are_never_mixed(folder: Path, tmp_path: Path) -> None:
    another = export(tmp_path / "other", 2, model_hash="another")
    (part,) = read_manifest(another).parts
    for kind in ("tracks", "patches"):
        (another / kind / f"{part.name}.parquet").rename(folder / kind / f"{part.name}.parquet")
    manifest = read_manifest(folder)
    parts = (part, *manifest.parts[1:])
    write_manifest(folder, manifest.model_copy(update={"parts": parts}))
    message = refusal(folder)
    assert "model another" in message
    assert "model m" in message


def test_no_folder_is_a_mistake_of_the_call(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="soundkin embed"):
        read_embeddings(tmp_path / "nowhere")


def test_parts_name_their_checksums(folder: Path) -> None:
    for part in read_manifest(folder).parts:
        assert isinstance(part, Part)
        assert part.tracks_sha256 == sha256_of(folder / "tracks" / f"{part.name}.parquet")
        assert part.patches_sha256 == sha256_of(folder / "patches" / f"{part.name}.parquet")


def test_reading_needs_neither_torch_nor_pandas(folder: Path) -> None:
    code = (
        "import sys; from soundkin.embedding.store import read_embeddings; read_embeddings(sys.argv[1]);"
        "print([name for name in ('torch', 'pandas', 'sklearn') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code, folder], check=True, capture_output=True, text=True)
    assert run.stdout == "[]\n"
