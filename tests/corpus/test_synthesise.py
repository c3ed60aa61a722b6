import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.table import read_catalog
from soundkin.catalog.triplets_table import read_triplets
from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.invented_artists import plan_tracks
from soundkin.corpus.synthesise import Corpus, read_truth, synthesise
from soundkin.errors import UsageError
from soundkin.pipelines.scan import scan

TINY = CorpusConfig(
    genres=2,
    artists_per_genre=2,
    tracks_per_artist=2,
    seconds=4.0,
    users=12,
    tracks_per_user=4.0,
    triplets=40,
)


@pytest.fixture(scope="module")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Eight tracks of four seconds; tests must not change it."""
    return synthesise(Path(tmp_path_factory.mktemp("corpus")), TINY)


def music_bytes(corpus: Corpus) -> dict[str, bytes]:
    files = (path for path in corpus.music.rglob("*") if path.is_file())
    return {path.relative_to(corpus.folder).as_posix(): path.read_bytes() for path in files}


def test_the_scanner_finds_what_was_planted(tiny_corpus: Corpus, tmp_path: Path) -> None:
    catalog_path = tmp_path / "catalog.csv"
    assert not scan(tiny_corpus.music, catalog_path, 1).skipped
    catalog, truth = read_catalog(catalog_path), read_truth(tiny_corpus.folder)
    assert set(catalog.track_ids) == set(truth.track_ids) == set(truth.tracks)
    for track_id, artist, genres in zip(
        catalog.track_ids, catalog.values("artist"), catalog.values("genre"), strict=True
    ):
        assert artist == (truth.tracks[track_id]["artist"],)
        assert genres in ((), tuple(truth.tracks[track_id]["genres"]))
    ratings = read_ratings(tiny_corpus.ratings, catalog)
    assert set(ratings["user_id"]) == set(truth.user_ids) and len(truth.user_ids) == TINY.users
    assert len(read_triplets(tiny_corpus.triplets, catalog)) == TINY.triplets
    assert truth.track_factors.shape[0] == len(truth.track_ids) == len(truth.popularity)


def test_every_track_is_audible_music_of_the_planned_length(tiny_corpus: Corpus) -> None:
    for path in read_truth(tiny_corpus.folder).tracks.values():
        sound, rate = soundfile.read(tiny_corpus.music / path["path"], always_2d=True)
        assert 3.5 < len(sound) / rate < 4.5
        assert 0.02 < np.sqrt(np.mean(sound**2)) < 0.4


def test_a_whole_corpus_is_left_alone(tiny_corpus: Corpus) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_corpus.folder.rglob("*")}
    synthesise(tiny_corpus.folder, TINY)
    assert before == {path: path.stat().st_mtime_ns for path in tiny_corpus.folder.rglob("*")}


def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(tiny_corpus: Corpus, tmp_path: Path) -> None:
    torn = Corpus(tmp_path / "torn")
    shutil.copytree(tiny_corpus.folder, torn.folder)
    state = json.loads((torn.folder / "corpus.json").read_text())
    (torn.folder / "corpus.json").write_text(json.dumps({**state, "complete": False}))
    tracks = sorted(path for path in torn.music.rglob("*") if path.suffix in (".ogg", ".flac", ".mp3"))
    for path in tracks[::2]:
        path.unlink()
    shutil.rmtree(torn.truth)
    synthesise(torn.folder, TINY)
    assert music_bytes(torn) == music_bytes(tiny_corpus)
    for table in ("ratings.csv", "triplets.csv", "truth/tracks.json", "truth/factors.npz", "corpus.json"):
        assert (torn.folder / table).read_bytes() == (tiny_corpus.folder / table).read_bytes(), table


@pytest.mark.slow
def test_two_workers_make_the_same_bytes_as_one(tiny_corpus: Corpus, tmp_path: Path) -> None:
    assert music_bytes(synthesise(tmp_path, TINY, workers=2)) == music_bytes(tiny_corpus)


def test_other_settings_and_other_peoples_music_are_not_mixed_in(tiny_corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="other settings"):
        synthesise(tiny_corpus.folder, TINY.model_copy(update={"random_seed": 1}))
    (tmp_path / "music").mkdir()
    with pytest.raises(UsageError, match="music is in the way"):
        synthesise(tmp_path, TINY)


def test_another_random_seed_is_another_corpus() -> None:
    ours, theirs = (
        {plan.title for plan in plan_tracks(CorpusConfig(random_seed=number))} for number in (0, 1)
    )
    assert len(ours & theirs) < 0.1 * len(ours)


def test_the_default_corpus_is_what_it_says() -> None:
    config = CorpusConfig()
    plans = plan_tracks(config)
    assert len(plans) == config.genres * config.artists_per_genre * config.tracks_per_artist == 480
    frame = pd.DataFrame(
        {
            "genre": [plan.genres[0] for plan in plans],
            "artist": [plan.album.artist.name for plan in plans],
            "format": [plan.album.audio_format for plan in plans],
            "rate": [plan.album.sample_rate_hz for plan in plans],
            "crossover": [len(plan.genres) > 1 for plan in plans],
        }
    )
    assert frame.groupby("artist")["genre"].nunique().eq(1).all()
    assert frame.groupby("genre").size().eq(60).all()
    assert set(frame["format"]) == {"ogg", "flac", "mp3"} and set(frame["rate"]) == {22050, 44100, 48000}
    assert 0.05 < frame["crossover"].mean() < 0.15


def test_instruments_are_shared_across_genres() -> None:
    """So that a timbre alone does not tell the genre."""
    genres_of_kit: dict[object, set[str]] = {}
    for plan in plan_tracks(CorpusConfig()):
        genres_of_kit.setdefault(plan.album.artist.kit, set()).add(plan.album.artist.genre.name)
    assert np.mean([len(genres) for genres in genres_of_kit.values()]) >= 3
