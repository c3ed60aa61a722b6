"""Which files of a folder are music, and what they are called."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.catalog.audio_files import find_audio, new_ids, track_id
from soundkin.errors import Skipped


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def reasons(items: list[Skipped], folder: Path) -> dict[str, str]:
    return {item.path.removeprefix(f"{folder}/"): item.reason for item in items}


def test_audio_by_suffix_sorted_and_the_rest_counted(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b/2.MP3",
        "b/1.flac",
        "a.ogg",
        "cover.jpg",
        "mp3",
        "z.wav.txt",
        "b/film.mkv",
        "list.m3u",
        "b/._1.flac",
    )
    found = find_audio(tmp_path)
    assert found.audio == ["a.ogg", "b/1.flac", "b/2.MP3", "b/film.mkv"]
    assert (found.skipped, found.passed_over, found.others) == ([], [], 5)


def test_hidden_audio_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", ".hidden.mp3", ".trash/c.mp3", ".trash/x/d.flac", ".cache/thumb.png")
    found = find_audio(tmp_path)
    assert found.audio == ["a.mp3"] and found.skipped == []
    assert reasons(found.passed_over, tmp_path) == {
        ".hidden.mp3": "hidden",
        ".trash": "a hidden folder, with 2 audio files",
    }


def test_audio_without_a_known_suffix_is_known_by_how_it_begins(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 8000)
    (tmp_path / "a.wav").rename(tmp_path / "recording")
    (tmp_path / "tape.old").write_bytes(b"fLaC....")
    (tmp_path / "notes").write_bytes(b"ID and such")
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic")
    found = find_audio(tmp_path)
    assert found.audio == ["recording", "tape.old"] and found.others == 2


def test_audio_that_no_decoder_opens_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "b.ofr", "bought.m4p")
    assert set(reasons(find_audio(tmp_path).skipped, tmp_path)) == {"b.ofr", "bought.m4p"}


def test_links_to_what_is_listed_anyway_are_counted_and_those_out_are_named(tmp_path: Path) -> None:
    music, outside = tmp_path / "music", tmp_path / "outside"
    touch(music, "x/a.mp3")
    touch(outside, "b.mp3")
    (music / "loop").symlink_to(music)
    (music / "x/again.mp3").symlink_to("a.mp3")
    (music / "far").symlink_to(outside)
    (music / "far.mp3").symlink_to(outside / "b.mp3")
    (music / "broken.mp3").symlink_to("nothing.mp3")
    (music / "unmounted").symlink_to("/nowhere/music")
    (music / "turning.mp3").symlink_to("turning.mp3")
    (music / "cover.jpg").symlink_to("nothing.jpg")
    found = find_audio(music)
    assert found.audio == ["x/a.mp3"] and found.others == 1
    named = reasons(found.skipped, music)
    assert set(named) == {"far", "far.mp3", "broken.mp3", "turning.mp3", "unmounted"}
    assert "a link that leads out of" in named["far"] and "--follow-links" in named["far.mp3"]
    assert "broken link" in named["broken.mp3"] and "broken link" in named["unmounted"]
    assert set(reasons(found.passed_over, music)) == {"loop", "x/again.mp3"}


def test_links_out_of_the_folder_are_followed_on_request(tmp_path: Path) -> None:
    music, outside = tmp_path / "music", tmp_path / "outside"
    touch(music, "x/a.mp3")
    touch(outside, "b.mp3", "deep/c.mp3")
    (music / "far").symlink_to(outside)
    (music / "far again").symlink_to(outside / "deep")
    (music / "far.mp3").symlink_to(outside / "b.mp3")
    (music / "up").symlink_to(tmp_path)
    (outside / "back").symlink_to(music)
    (outside / "deep/round").symlink_to(outside)
    (outside / "deep/higher").symlink_to(tmp_path)
    found = find_audio(music, follow_links=True)
    assert found.audio == ["far/b.mp3", "far/deep/c.mp3", "x/a.mp3"]
    named = reasons(found.skipped, music)
    assert set(named) == {"up", "far/deep/higher", "far/deep/round"}
    assert named["up"] == f"a link to {tmp_path}, which holds it: a loop"
    assert set(reasons(found.passed_over, music)) == {"far/back", "far again", "far.mp3"}


def test_links_into_a_hidden_store_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, ".git/annex/objects/k1.mp3", ".git/annex/objects/k2", ".git/annex/objects/unused.mp3")
    touch(tmp_path, ".albums/one/01.mp3", ".albums/one/.deep/02.mp3", "plain/03.mp3", "store/blob")
    (tmp_path / "Artist").mkdir()
    (tmp_path / "Artist/01 Song.mp3").symlink_to("../.git/annex/objects/k1.mp3")
    (tmp_path / "Artist/02 Song.flac").symlink_to("../.git/annex/objects/k2")
    (tmp_path / "Artist/03 Same.mp3").symlink_to("../.git/annex/objects/k1.mp3")
    (tmp_path / "Artist/04 Blob.mp3").symlink_to("../store/blob")
    (tmp_path / "Album").symlink_to(".albums/one")
    (tmp_path / "Album again").symlink_to("Album")
    (tmp_path / "Artist/05 From the album.mp3").symlink_to("../.albums/one/01.mp3")
    (tmp_path / ".albums/one/up").symlink_to(tmp_path)
    (tmp_path / ".albums/one/in").symlink_to(".deep")
    found = find_audio(tmp_path)
    songs = ["01 Song.mp3", "02 Song.flac", "03 Same.mp3", "04 Blob.mp3"]
    assert found.audio == [
        "Album/01.mp3",
        "Album/in/02.mp3",
        *(f"Artist/{song}" for song in songs),
        "plain/03.mp3",
    ]
    assert found.skipped == []
    assert reasons(found.passed_over, tmp_path) == {
        ".git": "a hidden folder, with 1 audio file",
        "Album again": "a link to what is listed anyway",
        "Album/up": "a link to what is listed anyway",
        "Artist/05 From the album.mp3": "a link to what is listed anyway",
    }


def test_what_cannot_be_listed_is_reported(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "x\\..\\b.mp3", "C:/c.mp3")
    os.mkfifo(tmp_path / "pipe.mp3")
    (tmp_path / "folder.mp3").mkdir()
    odd_file, odd_folder = os.fsdecode(b"caf\xe9.mp3"), os.fsdecode(b"caf\xe9")
    touch(tmp_path, odd_file, f"{odd_folder}/b.mp3")
    found = find_audio(tmp_path)
    assert found.audio == ["a.mp3"]
    assert reasons(found.skipped, tmp_path) == {
        "pipe.mp3": "not a regular file",
        "caf\ufffd.mp3": "its name is not valid UTF-8; rename it",
        "caf\ufffd": "its name is not valid UTF-8; rename it",
        "x\\..\\b.mp3": "a catalog cannot hold its name; rename it",
        "C:/c.mp3": "a catalog cannot hold its name; rename it",
    }


def test_track_ids_are_readable_and_last() -> None:
    assert (
        track_id("Nina Simone/Pastel Blues/08 Sinnerman.flac")
        == "nina-simone-pastel-blues-08-sinnerman-44426429"
    )
    assert track_id("???.mp3").isalnum()
    assert track_id(unicodedata.normalize("NFD", "Björk/é.mp3")) == track_id(
        unicodedata.normalize("NFC", "Björk/é.mp3")
    )
    assert len(track_id("x" * 500)) <= 70


@settings(max_examples=50, deadline=None)
@given(st.sets(st.text(min_size=1, max_size=8), max_size=10), st.sets(st.text(max_size=3)))
def test_every_path_has_an_id_of_its_own(paths: set[str], more: set[str]) -> None:
    paths |= {unicodedata.normalize(form, path) for path in paths for form in ("NFC", "NFD")}
    taken = more | {track_id(path) for path in list(paths)[:2]}
    ids = new_ids(paths, taken)
    assert set(ids) == paths and len(set(ids.values())) == len(paths) and not taken & set(ids.values())


def test_the_id_of_a_path_depends_on_the_others_only_where_they_are_alike() -> None:
    twins = [unicodedata.normalize(form, "Beyoncé.mp3") for form in ("NFC", "NFD")]
    ids = new_ids([*twins, "a.mp3"], [])
    assert ids["a.mp3"] == track_id("a.mp3") and track_id(twins[0]) in ids.values()
    assert new_ids(["a.mp3"], []) == {"a.mp3": ids["a.mp3"]}
