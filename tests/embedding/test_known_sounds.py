from pathlib import Path

from soundkin.embedding.known_sounds import read_known_sounds, write_known_sounds


def test_sounds_are_kept_as_long_as_their_vectors(tmp_path: Path) -> None:
    table = tmp_path / "sounds.csv"
    assert read_known_sounds(table) == {}
    write_known_sounds(table, {"5ee": "a", "b0b": "b", "dad": "c"}, ["a", "c", "d"])
    assert read_known_sounds(table) == {"5ee": "a", "dad": "c"}
    write_known_sounds(table, {}, [])
    assert read_known_sounds(table) == {}
    table.write_text("my notes\n")
    assert read_known_sounds(table) == {}
