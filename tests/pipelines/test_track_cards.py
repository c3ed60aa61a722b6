from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from soundkin.catalog.table import Catalog
from soundkin.pipelines.track_cards import TrackCards


def cards(folder: Path) -> TrackCards:
    soundfile.write(folder / "a.wav", np.zeros(8000, np.float32), 8000)
    frame = pd.DataFrame({
        "track_id": ["a", "b", "c"],
        "path": ["a.wav", "gone.wav", "a.wav"],
        "title": ["Night Train", None, "C"],
        "artist": ["Ann", None, "Ann"],
        "genre": ["jazz;soul", "soul", None],
        "year": pd.array([1961, 1969, None], dtype="Int64"),
    })  # fmt: skip
    return TrackCards(Catalog(frame, folder), trained=[True, False, False])


def test_a_track_is_shown_with_what_it_shares_with_the_query(tmp_path):
    shown = cards(tmp_path)
    seed, near = shown.card(0), shown.card(1, query=0, similarity=0.9, moment="here")
    assert (seed.title, seed.artist, seed.genre, seed.trained_on, list(seed.shared)) == (
        "Night Train", "Ann", "jazz; soul", True, [],
    )  # fmt: skip
    assert (near.title, near.artist, near.similarity, near.moment) == ("b", "unknown artist", 0.9, "here")
    assert (
        near.shared == ["genre", "decade"] and shown.shared(0, 2) == ["artist"] and shown.shared(1, 2) == []
    )
    assert seed.audio.startswith("data:audio/mpeg;base64,")
    assert near.audio is None and near.silence.startswith("no sound: ")


def test_a_track_that_is_shown_again_is_not_read_again(tmp_path):
    shown = cards(tmp_path)
    first = shown.card(0)
    (tmp_path / "a.wav").unlink()
    assert shown.card(0).audio == first.audio
