"""What stays of a file when its tags, name and container change, and what shows that it has changed."""

import os
import shutil
from pathlib import Path

import mutagen
import pytest
from mutagen.apev2 import APEv2
from mutagen.flac import Picture
from mutagen.id3 import APIC, ID3, TIT2

from containers import encode
from soundkin.catalog.scanned_files import content_hash, signature


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp3", "mp3"), (".m4a", "aac"), (".opus", "libopus"), (".aac", "aac"), (".wv", "wavpack")],
)
def test_the_same_sound_whatever_the_tags(tmp_path: Path, suffix: str, codec: str) -> None:
    path = encode(tmp_path / f"a{suffix}", codec)
    before = content_hash(path)
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
    assert before and content_hash(path) == before != content_hash(other)


def test_a_picture_in_a_flac(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.flac", "flac")
    before = content_hash(path)
    file = mutagen.File(path)
    picture = Picture()
    picture.data = os.urandom(300_000)
    file.add_picture(picture)
    file.save()
    assert content_hash(path) == before


def test_no_sound_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"nothing")
    assert content_hash(tmp_path / "a.mp3") == content_hash(tmp_path / "absent.mp3") == ""


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
