import json
from pathlib import Path

import numpy as np
import pytest

from soundkin.catalog.listening_history import read_history
from soundkin.errors import CatalogError

WHEN = 1_700_000_000  # 2023-11-14T22:13:20Z
DAWN = {"artist_name": "Ann", "track_name": "Dawn", "additional_info": {"track_mbid": "x", "tracknumber": 1}}
LASTFM = {"artist": {"#text": "Ann", "mbid": ""}, "name": "Dawn", "date": {"uts": str(WHEN), "#text": "x"}}
SPOTIFY = {"master_metadata_track_name": "Dawn", "master_metadata_album_artist_name": "Ann", "ms_played": 9}

FORMS = {
    "ListenBrainz, lines": json.dumps({"listened_at": WHEN, "track_metadata": DAWN}) + "\n",
    "ListenBrainz, list": json.dumps([{"listened_at": WHEN, "track_metadata": DAWN}]),
    "ListenBrainz, API": json.dumps(
        {"payload": {"listens": [{"listened_at": WHEN, "track_metadata": DAWN}]}}
    ),
    "Last.fm, API": json.dumps([{"recenttracks": {"track": [LASTFM], "@attr": {"user": "x"}}}]),
    "Last.fm, CSV": "Ann,Days,Dawn,14 Nov 2023 22:13\n",
    "Last.fm, statistics": f"Artist;Album;AlbumId;Track;Date#ann\nAnn;Days;;Dawn;{WHEN}000\n",
    "scrobbles": json.dumps({"scrobbles": [{"track": "Dawn", "artist": "Ann", "date": WHEN * 1000}]}),
    "Spotify": json.dumps([{"ts": "2023-11-14T22:13:20Z", **SPOTIFY}]),
    "Spotify, account": json.dumps(
        [{"endTime": "2023-11-14 22:13", "artistName": "Ann", "trackName": "Dawn"}]
    ),
    "table": "artist\ttitle\ttimestamp\nAnn\tDawn\t2023-11-14T22:13:20Z\n",
}


def write(folder: Path, text: str) -> Path:
    path = folder / "history"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_exports(tmp_path: Path, form: str) -> None:
    plays = read_history(write(tmp_path, FORMS[form]))
    assert plays[["track_id", "artist", "title"]].to_numpy().tolist() == [["", "Ann", "Dawn"]]
    assert WHEN - 60 < plays["seconds"][0] <= WHEN


@pytest.mark.parametrize("text", ["a\nb\na\n", "track_id,plays\na,1\nb,1\na,2\n", '["x", {"track_id": "a"}]'])
def test_ids_without_times(tmp_path: Path, text: str) -> None:
    plays = read_history(write(tmp_path, text))
    assert plays["track_id"].tolist() in (["a", "b", "a"], ["a"]) and np.isnan(plays["seconds"]).all()


def test_quoted_cells(tmp_path: Path) -> None:
    text = 'artist,title,date\n"Ann, Bob","Dawn, ""the"" song","14 Nov 2023, 22:13"\n,,\n'
    plays = read_history(write(tmp_path, text))
    assert plays[["artist", "title"]].to_numpy().tolist() == [["Ann, Bob", 'Dawn, "the" song']]


@pytest.mark.parametrize("text", ["", "[]", "{}", "artist,title\n", '{"listened_at": 3}'])
def test_nothing_in_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(CatalogError, match=r"names no tracks\. Give a JSON or CSV export"):
        read_history(write(tmp_path, text))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="neither JSON nor JSON lines"):
        read_history(write(tmp_path, '{"a": '))
    with pytest.raises(CatalogError, match="cannot be read"):
        read_history(tmp_path / "nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogError, match="cannot be read as UTF-8"):
        read_history(tmp_path / "binary")
    with pytest.raises(CatalogError, match="time"):
        read_history(write(tmp_path, "artist,title,date\nAnn,Dawn,some day\n"))
