"""What stays of a file when its tags, name and container change, and what shows that it has changed."""

import os
import shutil
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.apev2 import APEv2
from mutagen.flac import Picture
from mutagen.id3 import APIC, ID3, TIT2

from containers import encode
from soundkin.catalog.scanned_files import signature, sound_hashes


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp3", "mp3"), (".m4a", "aac"), (".opus", "libopus"), (".aac", "aac"), (".wv", "wavpack")],
)
def test_the_same_sound_whatever_the_tags(tmp_path: Path, suffix: str, codec: str) -> None:
    path = encode(tmp_path / f"a{suffix}", codec)
    before = sound_hashes(path)
    if suffix == ".mp3":
        tags = ID3()
        tags.add(TIT2(text="Title"))
        tags.add(APIC(mime="image/jpeg", data=b"\xff\xd8" + os.urandom(200_000)))
        tags.save(path)
    elif suffix in (".aac", ".wv"):
        ape = APEv2()
        ape["Title"] = "Title" * 1000
        ape.save(path)
    else:
        file = mutagen.File(path)
        file["\xa9nam" if suffix == ".m4a" else "title"] = "Title" * 5000
        file.save()
    other = encode(tmp_path / f"b{suffix}", codec, seed=1)
    assert all(before) and sound_hashes(path) == before
    assert not {*before} & {*sound_hashes(other)}


def test_a_picture_in_a_flac(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.flac", "flac")
    before = sound_hashes(path)
    file = mutagen.File(path)
    picture = Picture()
    picture.data = os.urandom(300_000)
    file.add_picture(picture)
    file.save()
    assert sound_hashes(path) == before


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_a_change_further_on_is_heard_by_the_second_hash_alone(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 100 * 22_050)
    soundfile.write(tmp_path / f"a{suffix}", noise, 22_050)
    noise[50 * 22_050 :] = 0
    soundfile.write(tmp_path / f"b{suffix}", noise, 22_050)
    (first, whole), (same, other) = (sound_hashes(tmp_path / f"{name}{suffix}") for name in "ab")
    assert first == same and whole != other


def test_tags_do_not_move_the_stretches_further_on(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp3", "mp3", seconds=100)
    before = sound_hashes(path)
    tags = ID3()
    tags.add(APIC(mime="image/jpeg", data=b"\xff\xd8" + os.urandom(200_000)))
    tags.save(path)
    ape = APEv2()
    ape["Title"] = "Title" * 1000
    ape.save(path)
    assert path.stat().st_size > 1_000_000 and sound_hashes(path) == before


def test_no_sound_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"nothing")
    assert sound_hashes(tmp_path / "a.mp3") == sound_hashes(tmp_path / "absent.mp3") == ("", "")


def test_a_signature_sees_every_change(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"one")
    seen = {signature(path)}
    times = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as tag editors can
    seen.add(signature(path))
    (tmp_path / "a.lrc").write_text("words")
    seen.add(signature(path))
    shutil.copy2(path, tmp_path / "copy.mp3")
    (tmp_path / "copy.mp3").replace(path)
    seen.add(signature(path))
    assert len(seen) == 4 and signature(path) in seen
