"""Linking a real library to the databases and tables of media servers."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import edited_index
from navidrome_database import add_files, open_database
from soundkin.cli.main import main
from soundkin.errors import CatalogError, OutputError, UsageError
from soundkin.pipelines.link import link
from soundkin.pipelines.sync import sync
from soundkin.search.vector_index import open_index


@pytest.fixture
def library(tmp_path):
    """Twenty tracks: `7.ogg`, by Artist 7, is called Title 7."""
    edited_index.build(tmp_path / "library" / "index", range(20))
    (tmp_path / "library" / "catalog.csv").touch()
    return tmp_path / "library"


@pytest.fixture
def navidrome(tmp_path):
    with open_database(tmp_path / "navidrome.db") as connection:
        add_files(
            connection,
            *({"id": f"nav{number:02}", "path": f"{number}.ogg"} for number in range(18)),
            {"id": "pod", "path": "podcast/1.mp3", "title": "One", "artist": "Somebody", "duration": 9.0},
            {"id": "gone", "path": "19.ogg", "missing": 1},
        )
    return tmp_path / "navidrome.db"


def ids_in(library: Path) -> dict[str, str]:
    table = pd.read_csv(library / "server_ids.csv", dtype=str, keep_default_na=False)
    return dict(zip(table["server_id"], table["track_id"], strict=True))


def test_ids_are_kept_with_the_library(library, navidrome):
    result = link(library, navidrome)
    assert ids_in(library) == {f"nav{number:02}": f"track-{number:05}" for number in range(18)}
    assert (result.by, result.linked, result.tracks) == ({"path": 18}, 18, 20)
    assert [(each.server_id, each.path) for each in result.unlinked] == [
        ("gone", "19.ogg"),
        ("pod", "podcast/1.mp3"),
    ]
    assert sum(result.reasons.values()) == 2


def test_the_same_command_makes_the_same_file_and_new_ids_replace_the_old(library, navidrome):
    link(library, navidrome)
    before = (library / "server_ids.csv").read_bytes()
    link(library, navidrome)
    assert (library / "server_ids.csv").read_bytes() == before
    with open_database(navidrome.with_name("moved.db"), folders={1: "/elsewhere"}) as connection:
        add_files(connection, *({"id": f"new{number}", "path": f"{number}.ogg"} for number in range(18)))
    link(library, navidrome.with_name("moved.db"))
    assert set(ids_in(library)) == {f"new{number}" for number in range(18)}


def test_a_dry_run_keeps_nothing(library, navidrome, tmp_path):
    result = link(library, navidrome, output=tmp_path / "unmatched.csv", dry_run=True)
    assert result.dry_run and result.linked == 18 and not (library / "server_ids.csv").exists()
    table = pd.read_csv(tmp_path / "unmatched.csv", dtype=str, keep_default_na=False)
    assert table["server_id"].tolist() == ["gone", "pod"]
    assert table["title"].tolist() == ["", "One"] and "file is gone" in table["reason"][0]


def test_all_linked_is_a_table_without_rows(library, tmp_path):
    (tmp_path / "export.csv").write_text("id,path\n1,0.ogg\n2,1.ogg\n")
    assert link(library, tmp_path / "export.csv", output=tmp_path / "unmatched.csv").unlinked == []
    assert (tmp_path / "unmatched.csv").read_text().startswith("server_id,path,")


def test_what_cannot_be_linked_changes_nothing(library, navidrome, tmp_path):
    link(library, navidrome)
    before = (library / "server_ids.csv").read_bytes()
    (tmp_path / "other.csv").write_text("id,path\n1,/films/a.mkv\n")
    with pytest.raises(UsageError, match=r"none of the 1 tracks .* /films/a\.mkv, is one of the library"):
        link(library, tmp_path / "other.csv")
    with pytest.raises(CatalogError, match=r"ends in '\.txt'"):
        link(library, navidrome, output=tmp_path / "unmatched.txt")
    assert (library / "server_ids.csv").read_bytes() == before
    (library / "catalog.csv").unlink()
    with pytest.raises(UsageError, match="is no library"):
        link(library / "index", navidrome)


def test_a_library_that_cannot_be_written_says_so(library, navidrome):
    (library / "server_ids.csv").mkdir()
    with pytest.raises(OutputError, match=r"server_ids\.csv"):
        link(library, navidrome)


def test_several_that_fit_are_named(library, tmp_path):
    (tmp_path / "export.csv").write_text("id,title,artist,album\n1,Title 3,Artist 3,\n2,Title 4,Artist 4,\n")
    with pytest.raises(UsageError, match="none of the 2 tracks"):
        link(library, tmp_path / "export.csv")  # nobody knows how long they are, nor the albums


def test_the_command(library, navidrome, capsys):
    def run(*words):
        with pytest.raises(SystemExit) as end:
            main(["link", str(library), str(navidrome), *words])
        return end.value.code, capsys.readouterr()

    code, said = run()
    assert code == 0 and "18 ids of" in said.out and "18 of the library's 20 tracks" in said.out
    assert "podcast/1.mp3" in said.out and "19.ogg" in said.out and "-o unmatched.csv" in said.err
    code, said = run("--json")
    found = json.loads(said.out)
    assert code == 0 and found["by"] == {"path": 18} and found["unlinked"][1]["server_id"] == "pod"


@pytest.mark.slow
def test_links_survive_syncs(small_catalog, tmp_path):
    """Files that are moved and retagged keep their ids, and so do their links."""
    music = tmp_path / "music"
    music.mkdir()
    for path in sorted((small_catalog.parent / "music").rglob("*.*"))[:6]:
        (music / path.name).write_bytes(path.read_bytes())
    sync(music, tmp_path / "library")
    index = open_index(tmp_path / "library/index")
    paths = [index.tracks.label(row).path for row in range(len(index))]
    rows = [f"{number},/data/{Path(path).name}" for number, path in enumerate(paths)]
    (tmp_path / "export.csv").write_text("\n".join(["id,path", *rows]) + "\n")
    result = link(tmp_path / "library", tmp_path / "export.csv")
    assert result.linked == len(index)
    before = ids_in(tmp_path / "library")
    (music / "moved").mkdir()
    first = min(music.glob("*.*"))
    first.rename(music / "moved" / first.name)
    sync(music, tmp_path / "library")
    assert ids_in(tmp_path / "library") == before
    again = open_index(tmp_path / "library/index")
    assert {again.tracks.label(row).track_id for row in range(len(again))} == set(before.values())
    assert replace(link(tmp_path / "library", tmp_path / "export.csv"), library=Path()) == replace(
        result, library=Path()
    )
