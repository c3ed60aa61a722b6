"""Paths of ours and of a server that sees the music elsewhere."""

import unicodedata

import pytest

from soundkin.catalog.mounts import same_files

OURS = ["Nina/Pastel/01.flac", "Nina/Pastel/02.flac", "Björk/Post/01.flac", "loose.mp3"]


@pytest.mark.parametrize(
    ("folder", "prefix"),
    [
        ("/music", ""),  # Navidrome
        ("", ""),  # relative paths, nothing else known
        ("", "/music/"),  # absolute paths
        ("", "/mnt/nas/Music Library/"),
        ("/music", "/music/"),  # Navidrome before 0.55
        ("", "D:\\Music\\"),
        ("", "//nas/share/"),
    ],
)
def test_the_mount_is_found(folder, prefix):
    separator = "\\" if "\\" in prefix else "/"
    server = [(folder, prefix + path.replace("/", separator)) for path in OURS]
    assert same_files(server, OURS) == {row: [row] for row in range(len(OURS))}


def test_case_and_normal_form_do_not_matter_unless_they_tell_files_apart():
    server = [("/m", unicodedata.normalize("NFD", "Björk/Post/01.flac")), ("/m", "NINA/pastel/01.FLAC")]
    assert same_files(server, OURS) == {0: [2], 1: [0]}
    ours = ["a/song.mp3", "A/Song.mp3"]
    assert same_files([("/m", "A/Song.mp3"), ("/m", "a/song.mp3"), ("/m", "A/SONG.mp3")], ours) == {
        0: [1],
        1: [0],
        2: [0, 1],
    }


def test_one_side_may_hold_more_folders():
    deeper = [("/music/rock", path) for path in OURS]
    ours = [f"rock/{path}" for path in OURS] + [f"jazz/{number}.mp3" for number in range(9)]
    assert same_files(deeper, ours) == {row: [row] for row in range(len(OURS))}
    wider = [("/music", f"rock/{path}") for path in OURS] + [("/music", f"jazz/{n}.mp3") for n in range(9)]
    assert same_files(wider, OURS) == {row: [row] for row in range(len(OURS))}


def test_several_libraries_have_mounts_of_their_own():
    ours = [f"rock/{path}" for path in OURS] + [f"jazz/{path}" for path in OURS]
    server = [("/rock", path) for path in OURS] + [("/jazz", path) for path in OURS]
    assert same_files(server, ours) == {row: [row] for row in range(2 * len(OURS))}, (
        "libraries named as the folders are"
    )


def test_the_same_name_elsewhere_is_another_file():
    server = [("/music", path) for path in OURS] + [("/music", "Unknown/Album/loose.mp3")]
    assert same_files(server, OURS) == {row: [row] for row in range(len(OURS))}
    other = [("/music", f"Ella/Pastel/{path[-7:]}") for path in OURS[:2]]
    assert same_files([*server[:2], *other], OURS) == {0: [0], 1: [1]}


def test_nothing_in_common_is_nothing():
    assert same_files([("/music", "a.mp3")], ["b.mp3"]) == {}
    assert same_files([("", "")], OURS) == {} == same_files([], OURS) == same_files([("/m", "a.mp3")], [])


def test_odd_paths_do_no_harm():
    for path in ("/", "//", ".", "./loose.mp3", "a//b", "\0", "\\", "/.", "ﬁ/İ.mp3"):
        same_files([("", path), ("/music", path), (path, path)], [*OURS, "a/b"])
    assert same_files([("", "./loose.mp3")], OURS) == {0: [3]}
