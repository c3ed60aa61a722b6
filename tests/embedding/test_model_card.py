import re
from pathlib import Path

import numpy as np
import soundfile

from soundkin.catalog.table import read_catalog
from soundkin.embedding.bundle import save_bundle
from soundkin.embedding.model_card import training_data


def card_of(bundle, folder: Path) -> str:
    save_bundle(bundle, folder / "model")
    return (folder / "model" / "README.md").read_text()


def test_the_five_lines_work(make, tmp_path: Path, monkeypatch, capsys) -> None:
    card = card_of(make.bundle(), tmp_path)
    lines = re.search(r"```python\n(.*?)```", card, re.DOTALL).group(1)
    assert len([line for line in lines.splitlines() if line]) == 5
    for name in ("one.mp3", "other.mp3"):
        soundfile.write(tmp_path / name, make.noise(2.0), make.rate_hz)
    monkeypatch.chdir(tmp_path)
    exec(lines.replace("path/of/this/folder", "model"), {})
    assert np.isclose(float(capsys.readouterr().out), 1.0)


def test_it_says_what_the_bundle_knows(make, tmp_path: Path) -> None:
    bundle = make.bundle(
        tasks={"artist": {}, "genre": {}},
        metrics={"test": {"map": 0.41239, "tracks": 120}},
        provenance={
            "name": "first light",
            "created": "2026-11-23",
            "versions": {"soundkin": "0.1.0", "av": None},
            "limits": ["It heard no bagpipes."],
            "made_again": "make model MUSIC=folder",
            "training_data": {"catalog": "tracks.csv", "tracks": 813, "licences": {"free": 800, "nc": 13}},
        },
    )
    card = card_of(bundle, tmp_path)
    parameters = sum(parameter.numel() for parameter in bundle.network.parameters())
    for expected in (
        "# first light",
        f"{parameters:,} parameters",
        "1.0 seconds at a time",
        "- Tracks: 813",
        "- Licences: free: 800, nc: 13",
        "Proxy tasks: artist, genre.",
        "| test, map | 0.4124 |",
        "| test, tracks | 120 |",
        f"`{bundle.hash}`",
        "Made with: soundkin 0.1.0",
        "Made on: 2026-11-23",
        "- It heard no bagpipes.\n",
        "Trained again by `make model MUSIC=folder`.\n",
    ):
        assert expected in card
    assert "None" not in card


def test_a_bare_bundle_has_a_card_too(make, tmp_path: Path) -> None:
    card = card_of(make.bundle(), tmp_path)
    assert "Not stated." in card
    assert "Proxy tasks" not in card
    assert "Measured" not in card


def test_training_data_counts_tracks_labels_and_licences(tmp_path: Path) -> None:
    path = tmp_path / "tracks.csv"
    path.write_text(
        "track_id,path,artist,genre,licence\n"
        "a,a.ogg,Ann,rock; folk,CC BY 4.0\n"
        "b,b.ogg,Ann,rock,CC BY 4.0\n"
        "c,c.ogg,Ben,,\n"
    )
    described = training_data(read_catalog(path), path)
    assert described.pop("catalog_sha256")
    assert described == {
        "catalog": "tracks.csv",
        "tracks": 3,
        "artists": 2,
        "genres": 2,
        "licences": {"CC BY 4.0": 2, "not stated": 1},
    }
