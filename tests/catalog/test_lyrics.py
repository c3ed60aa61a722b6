from pathlib import Path

from soundkin.catalog.lyrics import LARGEST_BYTES, lyrics_beside, plain_lyrics


def test_lrc_marks_go_and_words_stay() -> None:
    text = "[ar: Nina]\n[length: 03:00]\n[00:12.00][01:12.00]Birds <00:12.5>flying\n\n[00:15]High [chorus]\n[Verse 1]\n"
    assert plain_lyrics(text) == "Birds flying\n\nHigh [chorus]\n[Verse 1]"
    assert plain_lyrics("Straße\n東京") == "Straße\n東京"


def test_the_file_beside_the_audio(tmp_path: Path) -> None:
    audio = tmp_path / "song.mp3"
    assert lyrics_beside(audio) == ""
    (tmp_path / "song.txt").write_bytes("\ufeffla la".encode())
    assert lyrics_beside(audio) == "la la"
    (tmp_path / "song.lrc").write_text("[00:01.00]lo lo")
    assert lyrics_beside(audio) == "lo lo", "the words with times are the surer ones"


def test_what_is_no_lyrics(tmp_path: Path) -> None:
    audio = tmp_path / "song.mp3"
    (tmp_path / "song.lrc").write_bytes(b"caf\xe9")
    (tmp_path / "song.txt").write_text("x" * (LARGEST_BYTES + 1))
    assert lyrics_beside(audio) == ""
    (tmp_path / "song.txt").unlink()
    (tmp_path / "song.txt").mkdir()
    assert lyrics_beside(audio) == ""
