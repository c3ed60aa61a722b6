"""Tags written by one library into real files and read by ours."""

from collections.abc import Callable
from pathlib import Path

import av
import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.apev2 import APEv2
from mutagen.flac import Picture
from mutagen.id3 import ID3, SYLT, TALB, TCON, TDOR, TDRC, TIT2, TPE1, TXXX, UFID, USLT, WCOP, Frame
from mutagen.mp4 import MP4, AtomDataType, MP4FreeForm

from containers import encode, silent_film
from soundkin.catalog.file_tags import NoAudioError, Tags, read_tags
from soundkin.errors import AudioError

SECONDS = 1.5
EXPECTED = Tags(
    title="Sinnerman",
    artist="Nina Simone",
    album="Pastel Blues",
    genre="Jazz;Soul",
    year=1965,
    lyrics="Oh sinnerman\nwhere you gonna run to",
    licence="https://example.org/licence",
    recording_mbid="5935ec91-8124-42ff-937f-f31a20ffe58f",
)


def tone() -> np.ndarray:
    return (0.1 * np.sin(np.arange(int(44100 * SECONDS)) / 20)).astype(np.float32)


def written(path: Path) -> Path:
    """A real audio file, in the container that its suffix names."""
    if path.suffix in (".m4a", ".opus"):
        with av.open(str(path), "w") as container:
            stream = container.add_stream(
                {".m4a": "aac", ".opus": "libopus"}[path.suffix], rate=48000, layout="mono"
            )
            frame = av.AudioFrame.from_ndarray(tone()[None], format="fltp", layout="mono")
            frame.sample_rate = 44100
            for resampled in av.AudioResampler("fltp", "mono", 48000, frame_size=960).resample(frame):
                container.mux(stream.encode(resampled))
            container.mux(stream.encode(None))
    else:
        soundfile.write(path, tone(), 44100)
    return path


def tag_id3(path: Path) -> None:
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    for frame in (
        TIT2(text="Sinnerman"),
        TPE1(text="Nina Simone"),
        TALB(text="Pastel Blues"),
        TCON(text=["(8)", "Soul"]),
        TDRC(text="1965-10-01"),
        USLT(lang="eng", text=EXPECTED.lyrics),
        WCOP(url=EXPECTED.licence),
        UFID(owner="http://www.id3.org/dummy/ufid.html", data=b"7"),
        UFID(owner="http://musicbrainz.org", data=EXPECTED.recording_mbid.encode()),
    ):
        file.tags.add(frame)
    file.save()


def tag_vorbis(path: Path) -> None:
    file = mutagen.File(path)
    file["TITLE"], file["Artist"], file["album"], file["genre"] = (
        "Sinnerman",
        "Nina Simone",
        "Pastel Blues",
        ["Jazz", "Soul"],
    )
    file["date"], file["lyrics"], file["license"] = "1965-10-01", EXPECTED.lyrics, EXPECTED.licence
    file["musicbrainz_trackid"], file["musicbrainz_releasetrackid"] = EXPECTED.recording_mbid, "another"
    file.save()


def tag_mp4(path: Path) -> None:
    file = MP4(path)
    file["\xa9nam"], file["\xa9ART"], file["\xa9alb"], file["\xa9gen"] = (
        "Sinnerman",
        "Nina Simone",
        "Pastel Blues",
        "Jazz; Soul",
    )
    file["\xa9day"], file["\xa9lyr"], file["cprt"], file["trkn"] = (
        "1965",
        EXPECTED.lyrics,
        EXPECTED.licence,
        [(1, 9)],
    )
    file["----:com.apple.iTunes:MusicBrainz Track Id"] = MP4FreeForm(EXPECTED.recording_mbid.encode())
    file.save()


@pytest.mark.parametrize(
    ("suffix", "tag"),
    [
        (".mp3", tag_id3),
        (".wav", tag_id3),
        (".flac", tag_vorbis),
        (".ogg", tag_vorbis),
        (".opus", tag_vorbis),
        (".m4a", tag_mp4),
    ],
)
def test_every_container(tmp_path: Path, suffix: str, tag: Callable[[Path], None]) -> None:
    path = written(tmp_path / f"song{suffix}")
    bare = read_tags(path)
    assert bare == Tags(duration=bare.duration)
    tag(path)
    tags = read_tags(path)
    assert tags.duration == pytest.approx(SECONDS, abs=0.1)
    assert tags == Tags(**{**vars(EXPECTED), "duration": tags.duration})


@pytest.mark.parametrize(
    ("written_genres", "expected"),
    [
        (["(17)"], "Rock"),
        (["17"], "Rock"),
        (["(17)(8)"], "Rock;Jazz"),
        (["(4)Eurodisco"], "Disco;Eurodisco"),
        (["Rock; Pop", "Pop"], "Rock;Pop"),
        (["Rock, Pop"], "Rock;Pop"),
        (["Rock/Pop"], "Rock;Pop"),
        (["Rock\\Pop|Jazz"], "Rock;Pop;Jazz"),
        (["17/8"], "Rock;Jazz"),
        (
            ["Hip Hop / Rap, Folk, World, & Country, Singer/Songwriter/AC/DC"],
            "Hip Hop / Rap;Folk, World, & Country;Singer/Songwriter;AC/DC",
        ),
        (["R&B", "Drum & Bass"], "R&B;Drum & Bass"),
        (["Folk, World, & Country"], "Folk, World, & Country"),
        ([" R&B/Soul\n"], "R&B/Soul"),
        ([""], ""),
    ],
)
def test_genres(tmp_path: Path, written_genres: list[str], expected: str) -> None:
    path = written(tmp_path / "song.mp3")
    tags = ID3()
    tags.add(TCON(text=written_genres))
    tags.save(path)
    assert read_tags(path).genre == expected


def test_id3v1_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "song.mp3")
    old = (
        b"TAG"
        + b"Sinnerman".ljust(30, b"\0")
        + b"Nina Simone".ljust(60, b"\0")
        + b"1965".ljust(34, b"\0")
        + bytes([17])
    )
    path.write_bytes(path.read_bytes() + old)
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.year, tags.genre) == ("Sinnerman", "Nina Simone", 1965, "Rock")


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("1999-05-01", 1999),
        ("19990501", 1999),
        ("May 1999", 1999),
        ("0", None),
        ("0000", None),
        ("19999", None),
        ("99", None),
    ],
)
def test_years(tmp_path: Path, date: str, expected: int | None) -> None:
    path = written(tmp_path / "song.flac")
    file = mutagen.File(path)
    file["date"] = date
    file.save()
    assert read_tags(path).year == expected


def test_the_recording_is_older_than_its_remaster(tmp_path: Path) -> None:
    path = written(tmp_path / "song.mp3")
    tags = ID3()
    tags.add(TDRC(text="2011"))
    tags.add(TDOR(text="1970"))
    tags.save(path)
    assert read_tags(path).year == 1970


def test_several_artists_and_odd_characters(tmp_path: Path) -> None:
    path = written(tmp_path / "song.flac")
    file = mutagen.File(path)
    file["artist"], file["title"] = ["Simon", "Garfunkel", "Simon"], "A\tB\n C\u2028"
    file.save()
    tags = read_tags(path)
    assert tags.artist == "Simon;Garfunkel" and tags.title == "A B C"


def test_ape_tags_and_the_artist_of_the_album(tmp_path: Path) -> None:
    path = written(tmp_path / "song.ogg")
    file = mutagen.File(path)
    file["albumartist"] = "Nina Simone"
    file.save()
    assert read_tags(path).artist == "Nina Simone"
    texts = APEv2()
    texts["Title"], texts["Genre"] = "Sinnerman", ["Jazz", "Soul"]
    from soundkin.catalog.file_tags import _strings

    assert {key: list(_strings(value)) for key, value in texts.items()} == {
        "Title": ["Sinnerman"],
        "Genre": ["Jazz", "Soul"],
    }


def test_ape_tags_beside_id3_fill_its_gaps(tmp_path: Path) -> None:
    path = written(tmp_path / "song.mp3")
    ape = APEv2()
    ape["Title"], ape["Artist"], ape["Genre"], ape["Year"] = (
        "Ape title",
        "Ape artist",
        ["Jazz", "Soul"],
        "1973",
    )
    ape.save(path)
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.genre, tags.year) == ("Ape title", "Ape artist", "Jazz;Soul", 1973)
    tags_id3 = ID3()
    tags_id3.add(TIT2(text="ID3 title"))
    tags_id3.save(path)
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.year) == ("ID3 title", "Ape artist", 1973)


def test_ape_tags_go_before_id3v1_which_cuts_titles(tmp_path: Path) -> None:
    path = written(tmp_path / "song.mp3")
    ape = APEv2()
    ape["Title"] = "A title of more than thirty letters"
    ape.save(path)
    old = (
        b"TAG"
        + ape["Title"][0].encode()[:30]
        + b"Nina Simone".ljust(60, b"\0")
        + b"1965".ljust(34, b"\0")
        + b"\x11"
    )
    path.write_bytes(path.read_bytes() + old)
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.genre) == (
        "A title of more than thirty letters",
        "Nina Simone",
        "Rock",
    )


@pytest.mark.parametrize("suffix", [".aac", ".tta", ".wv"])
def test_ape_and_id3_tags_in_what_else_holds_them(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"song{suffix}", {".aac": "aac", ".tta": "tta", ".wv": "wavpack"}[suffix])
    ape = APEv2()
    ape["Title"], ape["Genre"] = "Ape title", "Jazz"
    ape.save(path)
    assert (read_tags(path).title, read_tags(path).genre) == ("Ape title", "Jazz")


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([SYLT(lang="eng", format=2, type=1, text=[("Hello ", 0), ("world", 500)])], "Hello world"),
        (
            [SYLT(lang="eng", format=2, type=1, text=[("Hello", 0), ("\nwor", 500), ("ld", 700)])],
            "Hello\nworld",
        ),
        (
            [SYLT(lang="eng", format=2, type=1, text=[("First line", 0), ("Second", 500)])],
            "First line\nSecond",
        ),
        ([SYLT(lang="eng", format=2, type=5, text=[("C", 0), ("Am", 500)])], ""),
        ([TXXX(desc="LYRICS", text="some words")], "some words"),
        ([TXXX(desc="Unsynced lyrics", text="some words")], "some words"),
        ([USLT(lang="deu", desc="x", text="Worte"), TXXX(desc="LYRICS", text="words")], "Worte"),
        ([USLT(lang="eng", text=" "), USLT(lang="XXX", desc="y", text="words")], "words"),
        ([USLT(lang="eng", text="[ar: Nina]"), USLT(lang="deu", text="Worte")], "Worte"),
    ],
)
def test_where_id3_keeps_lyrics(tmp_path: Path, frames: list[Frame], expected: str) -> None:
    path = written(tmp_path / "song.mp3")
    tags = ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(path)
    assert read_tags(path).lyrics == expected


def test_free_atoms_of_mp4(tmp_path: Path) -> None:
    path = written(tmp_path / "song.m4a")
    file = MP4(path)
    file["\xa9day"], file["\xa9ART"] = "2009", "Ann feat. Bob"
    for name, values in {
        "ORIGINALYEAR": ["1969"],
        "LYRICS": ["words"],
        "ARTISTS": ["Ann", "Bob"],
        "LABEL": ["X"],
    }.items():
        file[f"----:com.apple.iTunes:{name}"] = [MP4FreeForm(value.encode()) for value in values]
    file["----:com.apple.iTunes:TITLE"] = MP4FreeForm(b"\x89PNG", AtomDataType.PNG)
    file.save()
    tags = read_tags(path)
    assert (tags.year, tags.lyrics, tags.artist, tags.title) == (1969, "words", "Ann;Bob", "")


def test_several_artist_frames(tmp_path: Path) -> None:
    path = written(tmp_path / "song.mp3")
    tags = ID3()
    tags.add(TPE1(text=["Simon", "Garfunkel"]))
    tags.save(path)
    assert read_tags(path).artist == "Simon;Garfunkel"


@pytest.mark.parametrize(("suffix", "codec"), [(".mka", "aac"), (".webm", "libopus"), (".mkv", "ac3")])
def test_tags_of_matroska(tmp_path: Path, suffix: str, codec: str) -> None:
    said = {"TITLE": "Sinnerman", "ARTIST": "Nina Simone", "ALBUM": "Pastel Blues", "GENRE": "Jazz, Soul"}
    said |= {"DATE_RECORDED": "1965-10-01", "LYRICS-eng": "Oh sinnerman"}
    encode(tmp_path / f"song{suffix}", codec, **said)
    tags = read_tags(tmp_path / f"song{suffix}")
    assert (tags.title, tags.artist, tags.album) == ("Sinnerman", "Nina Simone", "Pastel Blues")
    assert (tags.genre, tags.year, tags.lyrics) == ("Jazz;Soul", 1965, "Oh sinnerman")


def test_a_film_without_sound(tmp_path: Path) -> None:
    silent_film(tmp_path / "film.mp4")
    with pytest.raises(NoAudioError):
        read_tags(tmp_path / "film.mp4")


def test_audio_of_an_unknown_kind_is_no_silent_film(tmp_path: Path) -> None:
    path = encode(tmp_path / "song.mkv", "aac")
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    with pytest.raises(AudioError, match="no decoder") as caught:
        read_tags(path)
    assert not isinstance(caught.value, NoAudioError)


def test_a_name_that_looks_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "song.wav").rename("http:song.wav")
    assert read_tags(Path(path.name)).duration == SECONDS


def test_riff_info_in_a_wav(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "song.wav", "w", 44100, 1) as file:
        file.title, file.artist, file.genre, file.date = "Sinnerman", "Nina Simone", "Jazz", "1965"
        file.write(tone())
    tags = read_tags(tmp_path / "song.wav")
    assert (tags.title, tags.artist, tags.genre, tags.year) == ("Sinnerman", "Nina Simone", "Jazz", 1965)
    assert tags.duration == SECONDS


def test_lyrics_beside_the_audio(tmp_path: Path) -> None:
    path = written(tmp_path / "song.mp3")
    (tmp_path / "song.lrc").write_text("[ar:Nina]\n[00:01.00]Oh sinnerman\n")
    assert read_tags(path).lyrics == "Oh sinnerman"


def test_a_cover_picture_in_an_ogg(tmp_path: Path) -> None:
    import base64

    path = written(tmp_path / "song.ogg")
    picture = Picture()
    picture.data, picture.mime = b"\xff\xd8" * 100_000, "image/jpeg"
    file = mutagen.File(path)
    file["metadata_block_picture"], file["title"] = base64.b64encode(picture.write()).decode(), "Sinnerman"
    file.save()
    assert read_tags(path).title == "Sinnerman"


@pytest.mark.parametrize(
    ("real", "claimed"), [("wav", "mp3"), ("mp3", "wav"), ("ogg", "flac"), ("m4a", "mp3"), ("mp3", "m4a")]
)
def test_wrong_suffix(tmp_path: Path, real: str, claimed: str) -> None:
    path = written(tmp_path / f"song.{real}").rename(tmp_path / f"mislabelled.{claimed}")
    assert read_tags(path).duration == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".wav", ".m4a", ".opus"])
@pytest.mark.parametrize(
    "content", [b"", b"\0", b"hello, I am text\n" * 100, b"RIFF\xff\xff\xff\xffWAVE", b"ID3\x04\0\0\xff\xff"]
)
def test_no_audio(tmp_path: Path, suffix: str, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"song{suffix}"
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        read_tags(path)
    assert "cannot be opened as audio" in str(caught.value) or "no audio in it" in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_mutated_files_are_read_or_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    for suffix in (".mp3", ".flac", ".ogg", ".wav", ".m4a", ".opus"):
        content = written(tmp_path / f"song{suffix}").read_bytes()
        for _ in range(40):
            mutated = np.frombuffer(content, dtype=np.uint8)[: random.integers(1, len(content))].copy()
            reach = min(len(mutated), int(random.choice([40, 400, len(content)])))
            mutated[random.integers(0, reach, size=8)] = random.integers(0, 256, size=8)
            (tmp_path / f"mutated{suffix}").write_bytes(mutated.tobytes())
            try:
                assert isinstance(read_tags(tmp_path / f"mutated{suffix}"), Tags)
            except AudioError as error:
                assert str(error)
    assert capfd.readouterr() == ("", "")
