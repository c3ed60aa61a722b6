import resource
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin import __version__
from soundkin.embedding import export as export_module
from soundkin.embedding.embedder import TrackEmbedding
from soundkin.embedding.export import Content, Export, Outcome, Unusable
from soundkin.embedding.part_files import content_name
from soundkin.embedding.store import read_embeddings, read_patches
from soundkin.errors import ArtefactError, OutputError, Skipped
from soundkin.files import read_json, sha256_of, write_json

SIZE = 4


def track(number: int) -> TrackEmbedding:
    """A made-up embedding of audio `number`."""
    rng = np.random.default_rng(number)
    patches = number % 3 + 1
    return TrackEmbedding(
        vector=rng.standard_normal(SIZE, np.float32),
        patch_vectors=rng.standard_normal((patches, SIZE), np.float32),
        start_seconds=[float(patch) for patch in range(patches)],
        duration_seconds=float(number),
        audio_hash=f"{number:032x}",
        warnings=(),
    )


Audio = list[int | None]  # the audio of each track, None where it cannot be used


def run(
    folder: Path,
    audio: Audio,
    order: list[int] | None = None,
    stop_after: int | None = None,
    seconds_waiting: float = 60.0,
    **more,
) -> int:
    """Embed tracks in some order; end without finishing after `stop_after`. Returns how many it computed."""
    settings = {"model_hash": "m", "embedding_size": SIZE, "patches": True, "tracks_per_part": 3, **more}
    computed = 0
    with (
        patch.object(export_module, "SECONDS_WAITING", seconds_waiting),
        Export(folder, [f"track-{row}" for row in range(len(audio))], **settings) as export,
    ):
        for row in (order or range(len(audio)))[:stop_after]:
            outcome = outcome_of(audio[row], export.known)
            computed += isinstance(outcome, TrackEmbedding)
            export.record(row, outcome)
        if stop_after is None:
            export.finish(folder.parent / "model", folder.parent / "catalog.csv")
    return computed


def outcome_of(audio: int | None, known: frozenset[Content]) -> Outcome:
    if audio is None:
        return Unusable(Skipped("bad.mp3", "cannot be decoded"), "b4d")
    embedding = track(audio)
    content = Content(embedding.audio_hash)
    return content if content in known else embedding


def content(folder: Path) -> dict[str, bytes]:
    """All files and their bytes; empty folders count too."""
    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    return {name: path.read_bytes() if path.is_file() else b"" for name, path in sorted(paths.items())}


audio_of_tracks = st.lists(st.none() | st.integers(0, 8), min_size=1, max_size=10)


@settings(max_examples=15, deadline=None)
@given(audio=audio_of_tracks, data=st.data(), patches=st.booleans())
def test_stopped_anywhere_and_run_again_ends_with_the_same_bytes(
    tmp_path_factory, audio, data, patches
) -> None:
    here = tmp_path_factory.mktemp("export")
    run(here / "straight", audio, patches=patches)
    orders = st.permutations(range(len(audio)))
    for _ in range(data.draw(st.integers(0, 3), label="kills")):
        stop_after = data.draw(st.integers(0, len(audio)), label="stop_after")
        seconds_waiting = data.draw(st.sampled_from([0.0, 60.0]), label="seconds_waiting")
        run(here / "stopped", audio, data.draw(orders), stop_after, seconds_waiting, patches=patches)
    run(here / "stopped", audio, data.draw(orders), patches=patches)
    assert content(here / "stopped") == content(here / "straight")


@settings(max_examples=10, deadline=None)
@given(before=audio_of_tracks, after=audio_of_tracks)
def test_a_catalog_that_changed_ends_as_if_new_and_computes_only_what_is_new(
    tmp_path_factory, before, after
) -> None:
    here = tmp_path_factory.mktemp("export")
    run(here / "grown", before)
    assert run(here / "grown", after) == len(set(after) - set(before) - {None})
    run(here / "new", after)
    assert content(here / "grown") == content(here / "new")


def run_in_place(folder: Path, audio: dict[str, int], others: bool = True, **more) -> set[str]:
    """Embed tracks by id where the folder has them; which files of the folder were written."""
    before = {path: path.stat().st_ino for path in folder.rglob("*.parquet")}
    settings = {"model_hash": "m", "embedding_size": SIZE, "patches": True, "tracks_per_part": 3, **more}
    with Export(folder, list(audio), **settings) as export:
        export.keep_places(others)
        for track_id, number in audio.items():
            export.record(export.row(track_id), outcome_of(number, export.known))
        export.finish(folder.parent / "model", folder.parent / "catalog.csv")
    after = {path: path.stat().st_ino for path in folder.rglob("*.parquet")}
    return {path.parent.name + path.name[:5] for path in after if before.get(path) != after[path]}


audio_by_track = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 8), min_size=1)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(runs=st.lists(audio_by_track, min_size=1, max_size=5), others=st.booleans(), trusting=st.booleans())
def test_tracks_that_keep_their_places_have_the_vectors_of_their_audio(
    tmp_path_factory, runs, others, trusting
) -> None:
    folder = tmp_path_factory.mktemp("export") / "out"
    wanted: dict[str, int] = {}
    for audio in runs:
        run_in_place(folder, audio, others, trusting=trusting)
        wanted = wanted | audio if others else audio
        assert run_in_place(folder, audio, others, trusting=trusting) == set()
        stored = read_embeddings(folder)
        assert dict(zip(stored.track_ids, stored.audio_hashes, strict=True)) == {
            track_id: track(number).audio_hash for track_id, number in wanted.items()
        }
        for one in read_patches(folder):
            np.testing.assert_array_equal(one.vectors, track(wanted[one.track_id]).patch_vectors)


def test_only_parts_in_which_something_changes_are_written(tmp_path: Path) -> None:
    audio = {f"track-{number}": number for number in range(8)}
    run_in_place(tmp_path / "out", audio)
    assert run_in_place(tmp_path / "out", dict(reversed(audio.items()))) == set()
    added = {"a-new-one": 20} | audio
    assert run_in_place(tmp_path / "out", added) == {"tracks00002", "patches00002"}
    assert run_in_place(tmp_path / "out", added | {"track-4": 30}) == {"tracks00001", "patches00001"}
    assert run_in_place(tmp_path / "out", {"track-4": 30, "track-0": 0}) == set(), "others stay"
    kept = {"track-4": 30, "track-0": 0}
    assert run_in_place(tmp_path / "out", kept, others=False) == {
        f"{kind}0000{number}" for kind in ("tracks", "patches") for number in (0, 1)
    }
    assert sorted(read_embeddings(tmp_path / "out").track_ids) == ["track-0", "track-4"]


def test_damaged_patches_that_were_trusted_are_not_copied(tmp_path: Path) -> None:
    audio = {"a": 0, "b": 1}
    run_in_place(tmp_path / "out", audio)
    [path] = (tmp_path / "out/patches").iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert run_in_place(tmp_path / "out", audio, trusting=True) == set()
    with pytest.raises(ArtefactError, match="is damaged"):
        run_in_place(tmp_path / "out", audio | {"c": 2}, trusting=True)
    run_in_place(tmp_path / "out", audio | {"c": 2})
    assert len(list(read_patches(tmp_path / "out"))) == 3


def test_nothing_is_computed_twice_after_a_stop(tmp_path: Path) -> None:
    assert run(tmp_path / "out", [0, 1, 2, 3, 4], stop_after=4) == 4
    assert run(tmp_path / "out", [0, 1, 2, 3, 4]) == 1
    assert run(tmp_path / "out", [0, 1, 2, 3, 4]) == 0


@pytest.mark.parametrize(("seconds_waiting", "kept"), [(0.0, 4), (60.0, 3)])
def test_a_kill_loses_what_waits_for_the_disk(tmp_path: Path, seconds_waiting: float, kept: int) -> None:
    with patch.object(Export, "__exit__", lambda export, *_: export._lock.close()):
        run(tmp_path / "out", [0, 1, 2, 3, 4], stop_after=4, seconds_waiting=seconds_waiting)
    assert run(tmp_path / "out", [0, 1, 2, 3, 4]) == 5 - kept


def test_unfinished_parts_go_as_soon_as_finished_ones_hold_their_tracks(tmp_path: Path) -> None:
    run(tmp_path / "out", [0, 1, 2, 3, 4], stop_after=2)
    with Export(
        tmp_path / "out", [f"track-{row}" for row in range(5)], "m", SIZE, patches=True, tracks_per_part=3
    ) as export:
        left = tmp_path / "out" / "unfinished" / "tracks"
        assert len(list(left.iterdir())) == 1
        for row, outcome in enumerate([Content(track(0).audio_hash), Content(track(1).audio_hash), track(2)]):
            export.record(row, outcome)
        assert not list(left.iterdir())


def test_the_old_embeddings_stay_whole_until_the_new_ones_are(tmp_path: Path) -> None:
    run(tmp_path / "out", [0, 1, 2, 3])
    run(tmp_path / "out", [3, 5, 6, 7, 0], stop_after=4)
    assert read_embeddings(tmp_path / "out").audio_hashes == [
        track(number).audio_hash for number in (0, 1, 2, 3)
    ]
    run(tmp_path / "out", [3, 5, 6, 7, 0])
    assert read_embeddings(tmp_path / "out").audio_hashes == [
        track(number).audio_hash for number in (3, 5, 6, 7, 0)
    ]


def test_another_model_starts_afresh_and_leaves_nothing_of_the_old(tmp_path: Path) -> None:
    run(tmp_path / "out", [0, 1, 2, 3])
    run(tmp_path / "out", [0, 1], model_hash="another", stop_after=1)
    assert run(tmp_path / "out", [0, 1, 2, 3], model_hash="third") == 4
    run(tmp_path / "fresh", [0, 1, 2, 3], model_hash="third")
    assert content(tmp_path / "out") == content(tmp_path / "fresh")


def test_patches_asked_for_later_are_computed_and_given_up_ones_removed(tmp_path: Path) -> None:
    run(tmp_path / "out", [0, 1, 2, 3], patches=False)
    assert run(tmp_path / "out", [0, 1, 2, 3], patches=True) == 4
    assert len(list(read_patches(tmp_path / "out"))) == 4
    assert run(tmp_path / "out", [0, 1, 2, 3], patches=False) == 0
    run(tmp_path / "fresh", [0, 1, 2, 3], patches=False)
    assert content(tmp_path / "out") == content(tmp_path / "fresh")


@pytest.mark.parametrize("kind", ["tracks", "patches"])
def test_a_damaged_part_is_computed_again(tmp_path: Path, kind: str, caplog) -> None:
    run(tmp_path / "out", [0, 1, 2, 3])
    before = content(tmp_path / "out")
    path = min((tmp_path / "out" / kind).iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert run(tmp_path / "out", [0, 1, 2, 3]) == 3
    assert "damaged" in caplog.text
    assert content(tmp_path / "out") == before


def test_what_a_kill_leaves_half_written_is_cleared_away(tmp_path: Path) -> None:
    run(tmp_path / "straight", [0, 1, 2, 3])
    run(tmp_path / "out", [0, 1, 2, 3], stop_after=2)
    for name in (".manifest.json.123.tmp", "tracks.writing", "patches.writing", "unfinished/tracks.writing"):
        (tmp_path / "out" / name).write_bytes(b"half")
    (tmp_path / "out" / "patches" / "00000-0123456789abcdef.parquet").write_bytes(
        b"patches whose tracks never came"
    )
    (tmp_path / "out" / "unfinished" / "tracks" / "odd.parquet").write_bytes(b"")
    run(tmp_path / "out", [0, 1, 2, 3])
    assert content(tmp_path / "out") == content(tmp_path / "straight")


def test_skipped_files_are_listed_in_catalog_order(tmp_path: Path) -> None:
    run(tmp_path / "out", [None, 1, None, None], order=[3, 1, 2, 0])
    lines = (tmp_path / "out" / "skipped.csv").read_text().splitlines()
    rows = [f"track-{row},bad.mp3,cannot be decoded,b4d,{__version__}" for row in (0, 2, 3)]
    assert lines == ["track_id,path,reason,audio_hash,soundkin", *rows]


def test_files_that_could_not_be_used_are_known_until_they_or_soundkin_change(tmp_path: Path) -> None:
    run(tmp_path / "out", [None, 1])
    again = Export(tmp_path / "out", ["track-0", "track-1"], "m", SIZE, patches=True)
    assert again.known_unusable() == {"b4d": "cannot be decoded"}
    listed = tmp_path / "out" / "skipped.csv"
    listed.write_text(listed.read_text().replace(f"b4d,{__version__}", "b4d,0.0.0"))
    assert again.known_unusable() == {}


def test_the_same_audio_with_other_words_is_another_content(tmp_path: Path) -> None:
    spoken = replace(track(1), lyrics_hash="w0rds")
    with Export(tmp_path / "out", ["a", "b"], "m", SIZE, patches=False) as export:
        export.record(0, track(1))
        export.record(1, spoken)
        export.finish(tmp_path / "model", tmp_path / "catalog.csv")
    with Export(tmp_path / "out", ["a", "b"], "m", SIZE, patches=False) as export:
        assert export.known == {Content(spoken.audio_hash), Content(spoken.audio_hash, "w0rds")}
    assert read_embeddings(tmp_path / "out").audio_hashes == [spoken.audio_hash] * 2


def test_embeddings_of_format_version_1_are_read_and_kept(tmp_path: Path) -> None:
    run(tmp_path / "out", [0, 1], patches=False)
    before = read_embeddings(tmp_path / "out").vectors
    manifest = read_json(tmp_path / "out" / "manifest.json")
    [path] = (tmp_path / "out" / "tracks").glob("*.parquet")
    old = pq.read_table(path).drop_columns(["lyrics_hash"])
    path.unlink()
    pq.write_table(old, tmp_path / "old.parquet")
    sha256 = sha256_of(tmp_path / "old.parquet")
    name = content_name(0, sha256, None)
    (tmp_path / "old.parquet").rename(path.with_name(f"{name}.parquet"))
    part = {"name": name, "count": 2, "tracks_sha256": sha256, "patches_sha256": None}
    write_json(tmp_path / "out" / "manifest.json", manifest | {"format_version": 1, "parts": [part]})
    np.testing.assert_array_equal(read_embeddings(tmp_path / "out").vectors, before)
    assert run(tmp_path / "out", [0, 1], patches=False) == 0, "nothing is embedded anew"
    np.testing.assert_array_equal(read_embeddings(tmp_path / "out").vectors, before)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.mp3").write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"holds other files, such as song\.mp3"):
        run(tmp_path / "music", [0])
    assert content(tmp_path / "music") == {"song.mp3": b"precious"}


def test_files_of_others_in_our_folder_survive(tmp_path: Path) -> None:
    run(tmp_path / "out", [0, 1])
    for name in ("notes.txt", "tracks/notes.txt"):
        (tmp_path / "out" / name).write_bytes(b"mine")
    run(tmp_path / "out", [2, 3])
    assert (tmp_path / "out" / "notes.txt").exists()
    assert (tmp_path / "out" / "tracks" / "notes.txt").exists()


def test_two_runs_do_not_write_one_folder(tmp_path: Path) -> None:
    with (
        Export(tmp_path / "out", ["a"], "m", SIZE, patches=False),
        pytest.raises(OutputError, match="another run"),
    ):
        run(tmp_path / "out", [0])
    run(tmp_path / "out", [0])


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/embeddings")):
        with pytest.raises(OutputError, match="cannot write"):
            run(folder, [0])


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a disk without space: writes fail half way alike."""
    run(tmp_path / "straight", list(range(12)), tracks_per_part=6)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_400, hard))  # holds a track, but no part of six
    try:
        with pytest.raises(OutputError, match="cannot write"):
            run(tmp_path / "out", list(range(12)), tracks_per_part=6, seconds_waiting=0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run(tmp_path / "out", list(range(12)), tracks_per_part=6) == 6
    assert content(tmp_path / "out") == content(tmp_path / "straight")


def test_no_descriptors_are_left_open(tmp_path: Path) -> None:
    run(tmp_path / "out", [0, 1, 2, 3])
    before = len(list(Path("/proc/self/fd").iterdir()))
    run(tmp_path / "out", [0, 1, 2, 3])
    assert len(list(Path("/proc/self/fd").iterdir())) == before
