import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from held_out import held_out_names, is_held_out
from make_catalog import make_catalog
from soundkin.catalog.table import read_catalog
from soundkin.errors import CatalogError

RECIPE = Path(__file__).resolve().parents[2] / "recipe"


def test_nothing_that_is_held_out_or_not_free_trains(little_music, songs, tmp_path) -> None:
    make_catalog(little_music, songs, tmp_path / "made" / "catalog.csv")
    frame = read_catalog(tmp_path / "made" / "catalog.csv").frame.set_index("track_id")
    tests = set(frame.index[frame["split"] == "test"])
    assert tests == {f"t{number:02d}" for number in range(24)} | {"t35"}
    assert (frame["split"][frame["kind"] == "made_up"] == "train").all()


def test_paths_of_both_lead_to_the_audio(little_music, songs, tmp_path) -> None:
    make_catalog(little_music, songs, tmp_path / "catalog.csv")
    catalog = read_catalog(tmp_path / "catalog.csv")
    assert catalog.audio_path("t00").samefile(little_music / "audio" / "00.wav")
    assert catalog.audio_path("made_up_000001").resolve() == songs.resolve() / "audio" / "000001.flac"


def test_a_few_artists_are_for_validation_whole(music, songs, tmp_path) -> None:
    make_catalog(music, songs, tmp_path / "catalog.csv")
    catalog = read_catalog(tmp_path / "catalog.csv")
    split = catalog.frame["split"]
    leads = pd.Series(catalog.artists.leads)
    heard, validated = (set(leads[(split == name).to_numpy()]) - {None} for name in ("train", "valid"))
    assert not heard & validated
    assert 0.01 < len(validated) / len(heard | validated) < 0.08


def test_fonts_of_one_collection_are_one_collection(little_music, songs, tmp_path) -> None:
    frame = make_catalog(little_music, songs, tmp_path / "catalog.csv")
    assert set(frame["collection"]) == {"SuperTux", "OpenMSX", "Pingus", "Mutopia", "made up: punk"}


def test_the_held_out_names_are_collections_of_the_music(music) -> None:
    frame = read_catalog(music / "tracks.csv").frame
    names = frame["collection"].str.split(" /").str[0]
    assert set(held_out_names()) <= set(names)
    assert is_held_out(frame, "catalog").sum() == 338


def test_music_without_licence_classes_or_collections_is_refused(little_music, songs, tmp_path) -> None:
    frame = pd.read_csv(little_music / "tracks.csv")
    for column in ("licence_class", "collection"):
        frame.drop(columns=column).to_csv(tmp_path / "tracks.csv", index=False)
        with pytest.raises(CatalogError, match=f"no column {column}"):
            make_catalog(tmp_path, songs, tmp_path / "catalog.csv")


def test_the_command_says_what_is_in_each_split(little_music, songs, tmp_path) -> None:
    command = [
        sys.executable,
        RECIPE / "make_catalog.py",
        little_music,
        songs,
        "-o",
        tmp_path / "catalog.csv",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"test, recorded: 1[2-9]; .*train, made_up: 2", said)
