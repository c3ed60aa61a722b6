"""`sync` on real files: whatever happens to the music, the library is as a first sync would make it."""

import os
import resource
import shutil
from pathlib import Path
from unittest.mock import patch

import mutagen
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from containers import encode
from small_start import make_start
from soundkin.catalog.table import read_catalog, write_catalog
from soundkin.embedding.library import Library, default_library
from soundkin.embedding.store import read_embeddings, read_patches
from soundkin.errors import OtherModelError, OutputError, TracksGoneError, UsageError
from soundkin.features import decode
from soundkin.features.file_hashes import file_hash
from soundkin.files import locked
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.precompute import precompute_neighbours
from soundkin.pipelines.query import query
from soundkin.pipelines.scan import Changes
from soundkin.pipelines.sync import SyncResult, sync
from soundkin.search.neighbour_store import NeighbourStore
from soundkin.search.vector_index import open_index


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_start(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen files of different sound: 0.flac, 1.mp3, 2.flac, ..."""
    folder = tmp_path_factory.mktemp("sounds")
    for seed in range(12):
        suffix = "mp3" if seed % 2 else "flac"
        encode(folder / f"{seed}.{suffix}", suffix, seed=seed)
    return folder


def sound(folder: Path, number: int) -> Path:
    return next(folder.glob(f"{number}.*"))


@pytest.fixture
def music(tmp_path: Path, sounds: Path) -> Path:
    """Eight files in two folders."""
    for number in range(8):
        put(sound(sounds, number), tmp_path / f"music/{'ab'[number // 4]}/{sound(sounds, number).name}")
    return tmp_path / "music"


def put(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, place)


def retag(path: Path, title: str) -> None:
    tags = mutagen.File(path, easy=True)
    tags["title"] = title
    tags.save()


def content(folder: Path) -> dict[str, tuple[object, ...]]:
    """By path: title, vector, patches, and paths and scores of all others, which is what people see of it."""
    library = Library(folder)
    catalog, index = read_catalog(library.catalog), open_index(library.index)
    vectors = read_embeddings(library.embeddings)
    rows = {track_id: row for row, track_id in enumerate(vectors.track_ids)}
    patches = {one.track_id: one.vectors for one in read_patches(library.embeddings)}
    assert len(index) == len(catalog)
    found: dict[str, tuple[object, ...]] = {}
    titles = catalog.frame["title"].fillna("")
    for track_id, path, title in zip(catalog.track_ids, catalog.audio_paths(), titles, strict=True):
        row = index.row(track_id)
        assert index.tracks.label(row).title == title
        scores, near = index.search(index.vector(row)[None], len(index))
        others = [index.audio_path(index.tracks.label(int(row)).path) for row in near[0]]
        found[str(path)] = (
            title,
            vectors.vectors[rows[track_id]].tobytes(),
            patches[track_id].tobytes(),
            sorted(zip(others, scores[0].round(5).tolist(), strict=True)),
        )
    return found


def ids(folder: Path) -> dict[str, str]:
    catalog = read_catalog(Library(folder).catalog)
    return dict(zip((path.name for path in catalog.audio_paths()), catalog.track_ids, strict=True))


def counts(result: SyncResult) -> tuple[int, int, int]:
    return result.embedded, result.reused, result.untouched


def test_a_first_sync_makes_a_library_and_the_next_one_leaves_it(
    music: Path, tmp_path: Path, model: str
) -> None:
    result = sync(music, tmp_path / "lib", model)
    assert len(result.changes.new) == 8 and counts(result) == (8, 0, 0) and result.skipped == []
    assert [
        answer.path
        for answer in query(tmp_path / "lib", like=[str(music / "a/0.flac")], k=3, fold_versions=False)
    ]
    library = Library(tmp_path / "lib")
    before = {path: path.stat().st_mtime_ns for path in library.folder.rglob("*.parquet")}
    version = (library.index / "CURRENT").read_text()
    again = sync(music, tmp_path / "lib")
    assert again.changes == Changes() and counts(again) == (0, 8, 8), "the model is the library's own"
    assert {path: path.stat().st_mtime_ns for path in library.folder.rglob("*.parquet")} == before
    assert (library.index / "CURRENT").read_text() == version, "readers have nothing to open anew"


def test_all_kinds_of_change_at_once(music: Path, tmp_path: Path, sounds: Path, model: str) -> None:
    library = tmp_path / "lib"
    sync(music, library, model)
    known, before = ids(library), content(library)
    frame = read_catalog(Library(library).catalog).frame
    write_catalog(frame.assign(mood=[f"mood {row}" for row in range(8)]), Library(library).catalog)
    (music / "a/0.flac").unlink()
    (music / "a/1.mp3").rename(music / "b/moved.mp3")
    retag(music / "a/2.flac", "Other")
    put(sound(sounds, 9), music / "a/3.mp3")
    put(sound(sounds, 8), music / "b/new.flac")
    hashed: list[str] = []
    with patch.object(decode, "file_hash", lambda path: hashed.append(path.name) or os.urandom(16).hex()):
        result = sync(music, library)
    assert result.changes == Changes(
        ["b/new.flac"], [], ["b/moved.mp3"], ["a/2.flac"], ["a/0.flac"], ["a/3.mp3"]
    )
    assert counts(result) == (2, 6, 4)
    assert sorted(hashed) == ["3.mp3", "new.flac"], "of moved and retagged files, tags alone are read"
    now = ids(library)
    assert now["moved.mp3"] == known["1.mp3"] and now["2.flac"] == known["2.flac"]
    assert {*known} - {*now} == {"0.flac", "1.mp3"}
    after = content(library)
    assert after[f"{music}/b/moved.mp3"][1:3] == before[f"{music}/a/1.mp3"][1:3]
    assert after[f"{music}/a/2.flac"][:3] == ("Other", *before[f"{music}/a/2.flac"][1:3])
    assert after[f"{music}/a/3.mp3"][1] != before[f"{music}/a/3.mp3"][1]
    moods = read_catalog(Library(library).catalog).values("mood")
    assert sorted(mood for [mood] in filter(None, moods)) == [f"mood {row}" for row in range(1, 8)]
    sync(music, tmp_path / "fresh", model)
    assert content(tmp_path / "fresh") == after


def test_neighbours_that_were_computed_ahead_follow(
    music: Path, tmp_path: Path, sounds: Path, model: str
) -> None:
    library = tmp_path / "library"
    sync(music, library, model)
    precompute_neighbours(library, k=3)
    put(sound(sounds, 8), music / "new/8.flac")
    (music / "a/0.flac").unlink()
    sync(music, library, model)
    index = open_index(library)
    with NeighbourStore.open(Library(library).neighbours, index) as store:
        for row in range(len(index)):
            track_id = index.tracks.label(row).track_id
            asked = query(library, [track_id], 3)
            answers = [answer.track_id for answer in asked]
            assert [name for name, _ in store.neighbours(track_id)] == answers


def test_a_file_that_returns_brings_its_vector_until_it_is_forgotten(
    music: Path, tmp_path: Path, model: str
) -> None:
    library = tmp_path / "lib"
    sync(music, library, model)
    known, before = ids(library), content(library)
    aside = tmp_path / "aside.flac"
    (music / "a/0.flac").rename(aside)
    sync(music, library)
    assert "0.flac" not in ids(library) and len(open_index(library)) == 7
    put(aside, music / "b/back.flac")
    result = sync(music, library)
    assert result.changes == Changes(returned=["b/back.flac"]) and counts(result)[0] == 0
    assert ids(library)["back.flac"] == known["0.flac"]
    assert content(library)[f"{music}/b/back.flac"][1:3] == before[f"{music}/a/0.flac"][1:3]
    (music / "b/back.flac").unlink()
    sync(music, library, forget=True)
    assert len(read_embeddings(Library(library).embeddings).track_ids) == 7
    assert not Library(library).catalog.with_name("catalog.gone.csv").exists()
    put(aside, music / "b/back.flac")
    result = sync(music, library)
    assert result.changes == Changes(new=["b/back.flac"]) and counts(result)[0] == 1


def test_a_drive_that_is_not_mounted_stops_it(music: Path, tmp_path: Path, model: str) -> None:
    library = tmp_path / "lib"
    sync(music, library, model)
    before = {path: path.read_bytes() for path in library.rglob("*") if path.is_file()}
    (music / "b").rename(tmp_path / "unmounted")
    with pytest.raises(TracksGoneError, match=r"4 of 8 tracks are gone from .* the first .*b/4\.flac.*--yes"):
        sync(music, library)
    assert {path: path.read_bytes() for path in library.rglob("*") if path.is_file()} == before
    sync(music, library, dry_run=True)
    assert len(sync(music, library, yes=True).changes.gone) == 4 and len(open_index(library)) == 4
    (tmp_path / "unmounted").rename(music / "b")
    assert counts(sync(music, library)) == (0, 8, 4) and len(open_index(library)) == 8
    shutil.rmtree(music)
    music.mkdir()
    with pytest.raises(UsageError, match="holds no audio"):
        sync(music, library, yes=True)
    assert len(open_index(library)) == 8


def test_a_dry_run_writes_nothing(music: Path, tmp_path: Path, model: str) -> None:
    result = sync(music, tmp_path / "lib", model, dry_run=True)
    assert len(result.changes.new) == 8 and result.dry_run and not (tmp_path / "lib").exists()


@pytest.mark.parametrize("count", [1, 2])
def test_small_libraries(music: Path, tmp_path: Path, sounds: Path, model: str, count: int) -> None:
    shutil.rmtree(music)
    with pytest.raises(UsageError, match="not a folder"):
        sync(music, tmp_path / "lib", model)
    for number in range(count):
        put(sound(sounds, number), music / sound(sounds, number).name)
    assert counts(sync(music, tmp_path / "lib", model)) == (count, 0, 0)
    assert len(query(tmp_path / "lib", like=[str(music / "0.flac")], fold_versions=False)) == count - 1
    (music / "0.flac").unlink()
    put(sound(sounds, 5), music / "5.mp3")
    sync(music, tmp_path / "lib")
    assert sorted(ids(tmp_path / "lib")) == sorted(path.name for path in music.iterdir())


def test_a_library_of_which_nothing_can_be_embedded(
    music: Path, tmp_path: Path, sounds: Path, model: str
) -> None:
    shutil.rmtree(music)
    music.mkdir()
    soundfile.write(music / "short.wav", np.zeros(1), 22_050)
    result = sync(music, tmp_path / "lib", model)
    assert counts(result)[0] == 0 and [item.path for item in result.skipped] == ["short.wav"]
    put(sound(sounds, 0), music / "0.flac")
    sync(music, tmp_path / "lib")
    assert len(open_index(tmp_path / "lib")) == 1
    (music / "0.flac").unlink()
    sync(music, tmp_path / "lib")
    assert len(open_index(tmp_path / "lib")) == 0
    put(sound(sounds, 1), music / "1.mp3")
    sync(music, tmp_path / "lib")
    assert len(open_index(tmp_path / "lib")) == 1


def test_files_that_cannot_be_used_are_tried_again_when_they_change(
    music: Path, tmp_path: Path, sounds: Path, model: str
) -> None:
    (music / "bad.mp3").write_bytes(b"no audio")
    soundfile.write(music / "short.wav", np.zeros(1), 22_050)
    result = sync(music, tmp_path / "lib", model)
    assert len(result.skipped) == 2 and counts(result)[0] == 8
    with patch.object(decode, "file_hash", side_effect=AssertionError("a file is read")):
        assert len(sync(music, tmp_path / "lib").skipped) == 2
    put(sound(sounds, 9), music / "bad.mp3")
    assert len(sync(music, tmp_path / "lib").skipped) == 1
    assert "bad.mp3" in ids(tmp_path / "lib")


def test_a_file_that_vanishes_while_it_is_read(music: Path, tmp_path: Path, model: str) -> None:
    def vanishing(path: Path) -> str:
        if path.name == "3.mp3":
            path.unlink()
        return file_hash(path)

    with patch.object(decode, "file_hash", vanishing):
        result = sync(music, tmp_path / "lib", model)
    assert counts(result)[0] == 7 and [item.path for item in result.skipped] == ["a/3.mp3"]
    assert "cannot be read: No such file" in result.skipped[0].reason
    assert sync(music, tmp_path / "lib").changes == Changes(gone=["a/3.mp3"])
    assert content(tmp_path / "lib").keys() == {str(path) for path in music.rglob("*.*")}


def test_a_file_that_is_replaced_between_scan_and_embedding(
    music: Path, tmp_path: Path, sounds: Path, model: str
) -> None:
    original = tmp_path / "original.mp3"
    shutil.copy2(music / "a/3.mp3", original)

    def replacing(path: Path) -> str:
        if path.name == "3.mp3":
            put(sound(sounds, 9), path)
        return file_hash(path)

    with patch.object(decode, "file_hash", replacing):
        sync(music, tmp_path / "lib", model)
    put(original, music / "a/3.mp3")
    sync(music, tmp_path / "lib")
    sync(music, tmp_path / "fresh", model)
    assert content(tmp_path / "lib") == content(tmp_path / "fresh"), (
        "the other sound's vector is not kept for it"
    )


def test_another_model_is_asked_for(music: Path, tmp_path: Path, model: str) -> None:
    other = str(make_start(tmp_path / "other", random_seed=1))
    sync(music, tmp_path / "lib", model)
    before = content(tmp_path / "lib")
    with pytest.raises(OtherModelError, match="--replace"):
        sync(music, tmp_path / "lib", other)
    assert content(tmp_path / "lib") == before
    assert counts(sync(music, tmp_path / "lib", other, replace=True))[0] == 8
    assert open_index(tmp_path / "lib").model_path == Path(other)


def test_two_at_once(music: Path, tmp_path: Path, model: str) -> None:
    (tmp_path / "lib").mkdir()
    with locked(tmp_path / "lib"), pytest.raises(OutputError, match="another run is writing"):
        sync(music, tmp_path / "lib", model)


def test_a_damaged_table_of_sounds_costs_nothing_but_reading(music: Path, tmp_path: Path, model: str) -> None:
    sync(music, tmp_path / "lib", model)
    for text in ("not a table", ""):
        Library(tmp_path / "lib").sounds.write_text(text)
        assert counts(sync(music, tmp_path / "lib")) == (0, 8, 8)


def test_the_library_of_a_folder_is_found_by_that_folder(
    music: Path, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    result = sync(music, model=model)
    assert (
        result.library == default_library(music).folder
        and result.library.parent == tmp_path / "data/soundkin"
    )
    assert result.library.name.startswith("music-")
    assert len(query(music, like=[str(music / "a/0.flac")], fold_versions=False)) == 7
    assert sorted(path.name for path in music.iterdir()) == ["a", "b"], "nothing is written into the music"


def test_links_out_of_the_folder(
    music: Path, tmp_path: Path, sounds: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    put(sound(sounds, 9), tmp_path / "disk/9.mp3")
    (music / "disk").symlink_to(tmp_path / "disk")
    assert len(sync(music, tmp_path / "lib", model).skipped) == 1
    result = sync(music, tmp_path / "lib", follow_links=True)
    assert result.changes == Changes(new=["disk/9.mp3"]) and result.skipped == []
    answers = query(tmp_path / "lib", like=[str(music / "disk/9.mp3")], k=20, fold_versions=False)
    assert len(answers) == 8, "it is known as a track of the library, and is not its own answer"
    assert sync(music, tmp_path / "lib", follow_links=True).changes == Changes()


def test_the_map_keeps_its_tracks_in_place(music: Path, tmp_path: Path, sounds: Path, model: str) -> None:
    library = Library(tmp_path / "lib")
    sync(music, library.folder, model)
    before = pd.read_csv(library.map_places, index_col="track_id")
    assert len(before) == 8 and "8 tracks" in library.map.read_text()
    (music / "a/0.flac").rename(tmp_path / "aside.flac")
    put(sound(sounds, 9), music / "a/9.mp3")
    sync(music, library.folder)
    after = pd.read_csv(library.map_places, index_col="track_id")
    assert len(after) == 9, "and one that is gone has its place kept"
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    library.map.unlink()
    sync(music, library.folder)
    assert library.map.exists()


@pytest.mark.slow
def test_killed_anywhere_and_run_again_it_ends_as_if_undisturbed(
    music: Path, tmp_path: Path, sounds: Path, model: str
) -> None:
    """Killed for real, right before and right after each file that it puts in place."""
    sync(music, tmp_path / "lib", model)
    for name in ("a/0.flac", "a/1.mp3"):
        (music / name).unlink()
    (music / "a/2.flac").rename(music / "moved.flac")
    retag(music / "a/3.mp3", "Other")
    put(sound(sounds, 9), music / "b/5.mp3")
    put(sound(sounds, 10), music / "b/new.flac")
    shutil.copytree(tmp_path / "lib", tmp_path / "undisturbed")
    sync(music, tmp_path / "undisturbed")
    wanted, tracks = content(tmp_path / "undisturbed"), ids(tmp_path / "undisturbed")
    kills = 0
    for after in (False, True):
        for number in range(1, 100):
            copy = tmp_path / f"killed-{after}-{number}"
            shutil.copytree(tmp_path / "lib", copy)
            if not killed(music, copy, number, after):
                break
            kills += 1
            sync(music, copy)
            assert content(copy) == wanted and ids(copy) == tracks, (number, after)
            shutil.rmtree(copy)
    assert kills >= 20


def killed(music: Path, library: Path, number: int, after: bool) -> bool:
    """Sync in a process that dies at the renaming `number`; whether there were as many."""
    child = os.fork()
    if child == 0:
        rename, count = os.replace, 0

        def replace(path: Path, target: Path) -> Path:
            nonlocal count
            count += 1
            if count == number and not after:
                os._exit(9)
            rename(path, target)
            if count == number:
                os._exit(9)
            return Path(target)

        try:
            Path.replace = Path.rename = replace  # type: ignore[method-assign]
            sync(music, library)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_full_disk_loses_nothing(music: Path, tmp_path: Path, sounds: Path, model: str) -> None:
    """A limit on the size of files stands in for a disk without space: writes fail half way alike."""
    library = tmp_path / "lib"
    sync(music, library, model)
    before = content(library)
    for number in (9, 10):
        put(sound(sounds, number), music / f"c/{sound(sounds, number).name}")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (1_000, 4_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            with pytest.raises(OutputError, match=r"cannot write|Is the disk full"):
                sync(music, library)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert len(open_index(library)) == len(before), "what there was can still be asked"
    sync(music, library)
    sync(music, tmp_path / "fresh", model)
    assert content(library) == content(tmp_path / "fresh")


operations = st.lists(
    st.tuples(
        st.sampled_from(["add", "delete", "move", "retag", "change", "return", "sync"]), st.integers(0, 99)
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=operations)
def test_any_history_ends_as_a_first_sync_of_what_is_there(
    tmp_path_factory: pytest.TempPathFactory, sounds: Path, model: str, steps: list[tuple[str, int]]
) -> None:
    """All but ids: a track keeps that of the place where it was first seen, a first sync takes the last."""
    here = tmp_path_factory.mktemp("history")
    music, bin_ = here / "music", here / "bin"
    bin_.mkdir()
    for number in range(4):
        put(sound(sounds, number), music / sound(sounds, number).name)
    sync(music, here / "lib", model)
    first = ids(here / "lib")  # all in the top folder, where nothing is added
    still = set(first)
    for step, (operation, number) in enumerate(steps):
        files = sorted(path for path in music.rglob("*") if path.is_file())
        path = files[number % len(files)]
        gone = sorted(bin_.iterdir())
        source = sound(sounds, number % 12)
        if operation == "add":
            put(source, music / f"new/{step}{source.suffix}")
        elif operation == "delete" and len(files) > 1:
            path.rename(bin_ / f"{step}-{path.name}")
        elif operation == "move":
            (music / f"to{step}").mkdir()
            path.rename(music / f"to{step}/{path.name}")
        elif operation == "retag":
            retag(path, f"Title {step}")
        elif operation == "change":
            put(sound(sounds, (number * 2 + (path.suffix == ".mp3")) % 12), path)
        elif operation == "return" and gone:
            place = music / f"back{step}/{gone[number % len(gone)].name}"
            put(gone[number % len(gone)], place)
            gone[number % len(gone)].unlink()
        elif operation == "sync":
            sync(music, here / "lib", yes=True)
        if operation in ("delete", "move", "change"):
            still.discard(path.name)
    sync(music, here / "lib", yes=True)
    sync(music, here / "fresh", model)
    assert content(here / "lib") == content(here / "fresh")
    catalog = read_catalog(Library(here / "lib").catalog)
    now = dict(zip(catalog.audio_paths(), catalog.track_ids, strict=True))
    assert {name: now[music / name] for name in still} == {name: first[name] for name in still}


@pytest.mark.slow
def test_an_index_in_milvus_stays_there(music: Path, tmp_path: Path, sounds: Path, model: str) -> None:
    library = Library(tmp_path / "lib")
    sync(music, library.folder, model)
    uri = str(tmp_path / "here.db")
    index_embeddings(library.embeddings, library.index, engine="milvus", uri=uri, kind="exact")
    put(sound(sounds, 9), music / "b/9.mp3")
    sync(music, library.folder)
    assert open_index(library.index).version == "v3", "edited"
    other = str(make_start(tmp_path / "other", random_seed=1))
    sync(music, library.folder, other, replace=True)
    current = library.index / open_index(library.index).version
    (current / "tracks.arrow").write_bytes(b"damaged")
    sync(music, library.folder)
    sync(music, tmp_path / "fresh", other)
    index = open_index(library.index)
    assert (index.manifest.kind, index.kind.uri, index.manifest.settings["kind"]) == ("milvus", uri, "exact")
    assert content(library.folder) == content(tmp_path / "fresh")


def test_a_kind_of_index_that_was_asked_for_stays(music: Path, tmp_path: Path, model: str) -> None:
    library = Library(tmp_path / "lib")
    sync(music, library.folder, model)
    index_embeddings(library.embeddings, library.index, kind="exact")
    sync(music, library.folder, str(make_start(tmp_path / "other", random_seed=1)), replace=True)
    assert open_index(library.index).manifest.reason.startswith("asked for")
