"""What people type, as tracks and vectors."""

import json
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from soundkin.embedding.store import Embeddings
from soundkin.errors import UsageError
from soundkin.pipelines.seeds import resolve_seeds
from soundkin.search.query_description import Seed
from soundkin.search.vector_index import Index, build_index, open_index

TRACKS = [  # track_id, artist, title, album
    ("a1", "Ann", "Dawn", "Days"),
    ("a2", "Ann", "Dusk", "Days"),
    ("a3", "Ann", "Dawn (Live)", "Live"),
    ("b1", "Bob", "Dusk", "Nights"),
    ("b2", "Bob & Ann", "Noon", "Nights"),
    ("b3", "Bob", "Noon!", "Twice"),
    ("b4", "Bob", "Noon", "Twice"),
    ("c^2", "Cat", "Odd", ""),
]
VECTORS = np.random.default_rng(0).standard_normal((len(TRACKS), 4)).astype(np.float32)


def make_index(folder: Path) -> Index:
    ids = [track[0] for track in TRACKS]
    columns = zip(("track_id", "artist", "title", "album"), zip(*TRACKS, strict=True), strict=True)
    table = pa.table(dict(columns) | {"path": [f"{name}.mp3" for name in ids]})
    count = len(ids)
    embeddings = Embeddings(ids, VECTORS, [9.0] * count, [""] * count, "m", folder / "m", folder / "c.csv")
    build_index(embeddings, table, folder, folder / "index", "exact")
    return open_index(folder / "index")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return make_index(tmp_path_factory.mktemp("seeds"))


@pytest.mark.parametrize(
    ("typed", "ids", "weight"),
    [
        ("a1", ["a1"], 1),
        ("track:a1^3", ["a1"], 3),
        ("ann dawn", ["a1"], 1),
        ("dusk bob^2", ["b1"], 2),
        ("album:days", ["a1", "a2"], 1),
        ("artist:ann", ["a1", "a2", "a3", "b2"], 1),
        ("noon twice", ["b3"], 1),  # the same names twice: either will do
        ("c^2", ["c^2"], 1),
        (Seed(name="days", kind="album", weight=0.5), ["a1", "a2"], 0.5),
    ],
)
def test_by_name(index: Index, typed: str | Seed, ids: list[str], weight: float) -> None:
    (seed,) = resolve_seeds(index, [typed])
    assert [index.tracks.label(row).track_id for row in seed.rows] == ids
    assert seed.weight == weight
    own = [VECTORS[row] / np.linalg.norm(VECTORS[row]) for row in seed.rows]
    mean = np.mean(own, axis=0)
    np.testing.assert_allclose(seed.vector, mean / np.linalg.norm(mean), atol=1e-6)


def refusal(index: Index, typed: str | Seed) -> str:
    with pytest.raises(UsageError) as caught:
        resolve_seeds(index, [typed])
    return str(caught.value)


def test_several_matches_are_listed(index: Index) -> None:
    said = refusal(index, "dusk")
    assert said.splitlines() == [
        "'dusk' fits 2 tracks. Choose one by its id",
        "  a2 (Ann - Dusk, of Days)",
        "  b1 (Bob - Dusk, of Nights)",
    ]
    assert "--like 'artist:ann'" in refusal(index, "ann")
    assert "--like 'album:days'" in refusal(index, "days")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("ann dwan", r"neither a file nor a track_id in index .*Did you mean a1 \(Ann - Dawn, of Days\)"),
        ("track:a9", r"neither a file .*Did you mean a1 \(Ann"),
        ("artist:an", "holds no artist an. Did you mean Ann"),
        ("album:dais", "holds no album dais. Did you mean Days"),
        ("playlist:nowhere.m3u", "nowhere.m3u cannot be read"),
    ],
)
def test_unknown_names(index: Index, typed: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        resolve_seeds(index, [typed])


def test_nothing_is_no_seed(index: Index) -> None:
    for blank in ("", " ", Seed(name=" ", kind="album"), Seed(name=" ", kind="artist")):
        with pytest.raises(UsageError):
            resolve_seeds(index, [blank])


def test_playlists_keep_their_order_and_say_what_is_missing(
    index: Index, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = index.audio_folder
    lines = [
        "../b1.mp3",
        f"{folder}/a1.mp3",
        "gone.mp3",
        "a2",
        "#EXTINF:1,Cat - Odd",
        "x:/odd.mp3",
        "../b1.mp3",
    ]
    (folder / "lists").mkdir()
    playlist = folder / "lists" / "mix.M3U8"
    playlist.write_text("\n".join(lines))
    with caplog.at_level(logging.WARNING):
        (seed,) = resolve_seeds(index, [str(playlist)])
    assert [index.tracks.label(row).track_id for row in seed.rows] == ["b1", "a1", "a2", "c^2"]
    assert "left out 1 of 6 entries" in caplog.text and "line 3: gone.mp3" in caplog.text
    named = [{"creator": "ann", "title": "DUSK"}, {"location": ["gone"], "title": "Noon", "creator": "Bob"}]
    jspf = tmp_path / "mix.json"
    jspf.write_text(json.dumps({"playlist": {"track": named}}))
    (seed,) = resolve_seeds(index, [f"playlist:{jspf}"])  # of two Noons by Bob, none is meant
    assert [index.tracks.label(row).track_id for row in seed.rows] == ["a2"]


def test_playlists_of_the_served_page_name_tracks_by_their_ids(index: Index, tmp_path: Path) -> None:
    urls = ["http://127.0.0.1:8000/tracks/c%5E2/audio", "https://home.example/music/tracks/b4/audio"]
    names = "#EXTINF:9,Bob - Noon"  # of several so called, the URL says which
    (tmp_path / "saved.m3u8").write_text(f"#EXTM3U\n{urls[0]}\n{names}\n{urls[1]}\n")
    (seed,) = resolve_seeds(index, [f"playlist:{tmp_path / 'saved.m3u8'}"])
    assert [index.tracks.label(row).track_id for row in seed.rows] == ["c^2", "b4"]


def test_a_playlist_of_strangers(index: Index, tmp_path: Path) -> None:
    (tmp_path / "p.m3u").write_text("x.mp3\ny.mp3\n")
    said = refusal(index, str(tmp_path / "p.m3u"))
    assert said.startswith(
        f"none of the 2 entries of playlist {tmp_path / 'p.m3u'} is in index {index.folder}"
    )
    assert "Sync the folder that they are in, or give another playlist" in said
    assert said.endswith("p.m3u, line 1: x.mp3") and "\n" not in said
    (tmp_path / "p.m3u").write_text("x.mp3\n")
    assert refusal(index, str(tmp_path / "p.m3u")).startswith("the only entry of playlist")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is an empty file"),
        ("#EXTM3U\n#EXTINF:1,Ann - Dawn\n\n", "has no entry: no line of it is a path or URL"),
        ('{"playlist": {"track": []}}', "has no entry"),
    ],
)
def test_a_playlist_without_entries(index: Index, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "p.m3u").write_text(content)
    wanted = f"playlist {tmp_path / 'p.m3u'} {said}"
    assert refusal(index, f"playlist:{tmp_path / 'p.m3u'}").startswith(wanted)
    assert "Put tracks into it, or give another playlist." in refusal(index, str(tmp_path / "p.m3u"))


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("ann dawn", "a1 (Ann - Dawn, of Days)"),
        ("a1", "a1 (Ann - Dawn, of Days)"),
        ("ann dawn " * 100, "a1 (Ann - Dawn, of Days)"),
        ("track:b1^3", "b1 (Bob - Dusk, of Nights)^3"),
        ("album:days", "album:days"),
        ("artist:ann^2", "artist:ann^2"),
        ("c^2", "c^2 (Cat - Odd)"),
    ],
)
def test_seeds_as_people_read_them(index: Index, typed: str, shown: str) -> None:
    assert [seed.shown(index) for seed in resolve_seeds(index, [typed])] == [shown]
