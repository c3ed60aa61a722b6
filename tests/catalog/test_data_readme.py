"""The lines in data/README.md that turn public sets into catalogs, run on small imitations of the sets'
files.
"""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soundkin.catalog.playlists import read_playlists
from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.catalog.triplets_table import read_triplets
from soundkin.catalog.verdicts import read_verdicts

README = Path(__file__).parents[2] / "data/README.md"


def put(folder: Path, path: str, *rows: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text("".join(f"{row}\n" for row in rows))


def fma(folder: Path) -> None:
    put(
        folder,
        "fma_metadata/tracks.csv",
        ",album,album,artist,set,set,track,track,track,track",
        ",date_released,title,name,split,subset,genre_top,genres_all,license,title",
        "track_id,,,,,,,,,",
        '2,2009-01-05 00:00:00,AWOL,AWOL,training,small,Hip-Hop,"[21, 10]",CC,Food',
        "3,,AWOL,AWOL,validation,medium,,[],,Electric Ave",
        "5,2008-01-01 00:00:00,null,None,test,small,,[21],NA,nan",
        "6,,,NA,test,small,,[],,",
    )
    put(
        folder,
        "fma_metadata/genres.csv",
        "genre_id,#tracks,parent,title,top_level",
        "21,9,0,Hip-Hop,21",
        "10,9,0,Pop,10",
    )
    for number in (2, 5, 6):
        put(folder, f"fma_small/000/00000{number}.mp3")


def jamendo(folder: Path) -> None:
    header = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"
    first = (
        "track_0000382\tartist_000020\talbum_000046\t82/382.mp3\t211.1\tgenre---classical\tinstrument---voice"
    )
    second = "track_0000808\tartist_000114\talbum_000131\t08/808.mp3\t265.6\tgenre---pop\tgenre---rock"
    put(folder, "autotagging.tsv", header, first, second)
    put(folder, "split-0/autotagging-train.tsv", header, first)
    put(folder, "split-0/autotagging-validation.tsv", header, second)
    put(folder, "split-0/autotagging-test.tsv", header)


def mtat(folder: Path) -> None:
    put(
        folder,
        "clip_info_final.csv",
        '"clip_id"\t"track_number"\t"title"\t"artist"\t"album"\t"url"\t"segmentStart"\t"segmentEnd"\t"original_url"\t"mp3_path"',
        *(f'"{n}"\t"1"\t"T{n}"\t"A"\t"B"\t"u"\t"0"\t"29"\t"o"\t"f/{n}.mp3"' for n in (2, 6)),
        '"10"\t"1"\t"nan"\t"None"\t"NA"\t"u"\t"0"\t"29"\t"o"\t"f/10.mp3"',
        '"11"\t"1"\t"T"\t"A"\t"B"\t"u"\t"0"\t"29"\t"o"\t""',
    )
    put(
        folder,
        "annotations_final.csv",
        '"clip_id"\t"no voice"\t"rock"\t"mp3_path"',
        '"2"\t"1"\t"1"\t"f/2.mp3"',
    )
    put(
        folder,
        "comparisons_final.csv",
        "\t".join(f"clip{n}_{what}" for what in ("id", "numvotes", "mp3_path") for n in (1, 2, 3)),
        "2\t6\t10\t1\t4\t0\tx\ty\tz",
        "2\t6\t10\t2\t2\t0\tx\ty\tz",
    )


def gtzan(folder: Path) -> None:
    put(folder, "genres/blues/blues.00000.wav")
    put(folder, "genres/.DS_Store")


def msd(folder: Path) -> None:
    with sqlite3.connect(folder / "track_metadata.db") as database:
        columns = "track_id, title, song_id, release, artist_id, artist_name, duration, year"
        database.execute(f"CREATE TABLE songs ({columns})")
        for track, song in (
            ("TRAAAAW128F429D538", "SOA"),
            ("TRAAABD128F429CF47", "SOB"),
            ("TRAAAZZ128F429CF47", "SOC"),
        ):
            row = (track, "nan", song, "NA", "AR", "None", 9.5, 0)
            database.execute(f"INSERT INTO songs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            put(folder, f"audio/A/A/A/{track}.mp3")
    put(folder, "sid_mismatches.txt", "ERROR: <SOC TRAAAZZ128F429CF47> Artist  -  Title  !=  Other  -  Title")
    put(folder, "train_triplets.txt", "u1\tSOA\t3", "u1\tSOZ\t1", "NA\tSOB\t1")


def converted(folder: Path, name: str, imitate: Callable[[Path], None]) -> Catalog:
    [lines] = re.findall(rf"```python {name}\n(.*?)```", README.read_text(), flags=re.DOTALL)
    imitate(folder)
    subprocess.run([sys.executable, "-W", "error", "-c", lines], cwd=folder, check=True)
    return read_catalog(folder / "catalog.csv")


def test_the_examples_are_valid(tmp_path: Path) -> None:
    for name, example in zip(
        "ABCDE", re.findall(r"```csv\n(.*?)```", README.read_text(), flags=re.DOTALL), strict=True
    ):
        (tmp_path / f"{name}.csv").write_text(example)
    catalog = read_catalog(tmp_path / "A.csv")
    assert catalog.values("genre")[0] == ("Jazz", "Soul")
    assert (
        len(read_ratings(tmp_path / "B.csv", catalog)) == 2
        and len(read_triplets(tmp_path / "C.csv", catalog)) == 1
    )
    assert read_verdicts(tmp_path / "D.csv", catalog)["verdict"].tolist() == ["good"]
    assert len(read_playlists(tmp_path / "E.csv", catalog)) == 2


def test_every_set_has_a_test_here() -> None:
    assert re.findall(r"```python (\w+)", README.read_text()) == [
        "fma",
        "jamendo",
        "mtat",
        "gtzan",
        "msd",
        "msd2013",
    ]


@pytest.mark.slow
def test_fma(tmp_path: Path) -> None:
    catalog = converted(tmp_path, "fma", fma)
    assert (
        catalog.track_ids == ["fma-000002", "fma-000005", "fma-000006"] and catalog.audio_paths()[0].exists()
    )
    assert catalog.values("genre") == [("Hip-Hop", "Pop"), ("Hip-Hop",), ()]
    assert catalog.values("year") == [("2009",), ("2008",), ()]
    assert catalog.values("split")[0] == ("train",) and catalog.values("title") == [("Food",), ("nan",), ()]
    assert catalog.values("artist") == [("AWOL",), ("None",), ("NA",)]
    assert catalog.values("album") == [("AWOL",), ("null",), ()] and catalog.values("licence")[1] == ("NA",)


@pytest.mark.slow
def test_jamendo(tmp_path: Path) -> None:
    catalog = converted(tmp_path, "jamendo", jamendo)
    assert catalog.values("genre") == [("classical",), ("pop", "rock")]
    assert catalog.values("instrument") == [("voice",), ()] and catalog.values("split") == [
        ("train",),
        ("valid",),
    ]
    assert catalog.audio_path("track_0000808") == tmp_path / "audio/08/808.mp3"


@pytest.mark.slow
def test_mtat(tmp_path: Path) -> None:
    catalog = converted(tmp_path, "mtat", mtat)
    assert catalog.track_ids == ["2", "6", "10"] and catalog.values("tags") == [("no voice", "rock"), (), ()]
    assert [catalog.values(column)[2] for column in ("title", "artist", "album")] == [
        ("nan",),
        ("None",),
        ("NA",),
    ]
    triplets = read_triplets(tmp_path / "triplets.csv", catalog)
    assert triplets.values.tolist() == [["2", "10", "6"], ["10", "2", "6"]]


@pytest.mark.slow
def test_gtzan(tmp_path: Path) -> None:
    catalog = converted(tmp_path, "gtzan", gtzan)
    assert catalog.track_ids == ["blues.00000"] and catalog.values("genre") == [("blues",)]


@pytest.mark.slow
def test_msd(tmp_path: Path) -> None:
    catalog = converted(tmp_path, "msd", msd)
    assert catalog.values("song_id") == [("SOA",), ("SOB",)] and catalog.values("year") == [(), ()]
    assert [catalog.values(column)[0] for column in ("title", "artist", "album")] == [
        ("nan",),
        ("None",),
        ("NA",),
    ]
    ratings = read_ratings(tmp_path / "ratings.csv", catalog)
    assert ratings[["user_id", "rating"]].values.tolist() == [["u1", 3.0], ["NA", 1.0]]


def played(folder: Path) -> None:
    """One song more than the subset holds, and a listener who knows that one alone."""
    put(folder, "catalog.csv", "track_id,path,artist", *(f"T{n},{n}.mp3,NA" for n in range(9331)))
    plays = [f"{user},T{n},1" for user in ("u1", "null") for n in range(9330)]
    put(folder, "ratings.csv", "user_id,track_id,rating", "u3,T9330,9", *plays)


@pytest.mark.slow
def test_msd2013(tmp_path: Path) -> None:
    converted(tmp_path, "msd2013", played)
    catalog = read_catalog(tmp_path / "catalog-2013.csv")
    assert (
        len(catalog) == 9330 and "T9330" not in catalog.track_ids and catalog.values("artist")[0] == ("NA",)
    )
    ratings = read_ratings(tmp_path / "ratings-2013.csv", catalog)
    assert set(ratings["user_id"]) == {"u1", "null"} and len(ratings) == 2 * 9330
