"""Lyrics from the catalog to the vectors: read, learnt from, saved, and used again when embedding."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import soundkin
from soundkin.catalog.table import read_catalog, write_catalog
from soundkin.embedding.store import read_embeddings
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.train import compose, train
from soundkin.training.held_out import HeldOutTargets, held_out_scores

WORDS = {
    "sea": "wave tide salt harbour sail shore deep drifting",
    "road": "dust mile wheel mountain walking stone home",
}
SMALL = [
    "task=[genre]",
    "trainer.epochs=12",
    "trainer.steps_per_epoch=10",
    "trainer.patience=12",
    "trainer.threads=1",
    "data.batch_patches=16",
    "data.cache_workers=1",
    "data.split={train:0.5,valid:0.5,test:0.0}",
    "patch.frames=64",
    "patch.hop_frames=64",
    "model.embedding_size=16",
    "model.convolutions=[{filters:16,width:5,pool:4,padded:true}]",
    "logger=csv",
]


@pytest.fixture(scope="module")
def sung(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many songs to few tunes: the genre is in the words alone, which three in four tracks have."""
    catalog = read_catalog(small_catalog)
    generator = np.random.default_rng(0)
    genres = generator.permuted(np.resize(list(WORDS), len(catalog)))
    lyrics = [" ".join(generator.permuted(WORDS[genre].split())) for genre in genres]
    lyrics = [words if number % 4 else "" for number, words in enumerate(lyrics)]
    frame = catalog.frame.assign(
        path=np.resize(catalog.frame["path"][:4], len(catalog)),
        genre=genres,
        lyrics=pd.array(lyrics, dtype="string"),
        audio_folder=str(catalog.folder.resolve()),
    )
    path = tmp_path_factory.mktemp("sung") / "catalog.csv"
    write_catalog(frame, path)
    return path


def genre_map(model: Path, catalog_path: Path, folder: Path) -> tuple[float, np.ndarray, list[bool]]:
    """The retrieval score of held-out tracks with lyrics; all vectors; and which tracks have lyrics."""
    embed_catalog(model, catalog_path, folder)
    embeddings, catalog = read_embeddings(folder), read_catalog(catalog_path)
    sings = [bool(values) for values in catalog.values("lyrics")]
    held_out = pd.read_csv(model.parent / "tracks.csv")["split"].eq("valid").to_numpy() & np.array(sings)
    labels = HeldOutTargets.from_catalog(catalog.select(held_out))
    return (
        held_out_scores(labels.measure(embeddings.vectors[held_out]))["genre_map"],
        embeddings.vectors,
        sings,
    )


@pytest.mark.slow
def test_words_that_carry_the_label_are_learnt_and_travel_with_the_model(sung: Path, tmp_path: Path) -> None:
    places = [f"catalog={sung}", f"data.cache_folder={tmp_path / 'cache'}", *SMALL]
    with_words = train(
        compose([*places, f"run_dir={tmp_path / 'words'}", "+model.lyrics={modality_dropout:0.2}"])
    ).model
    without = train(compose([*places, f"run_dir={tmp_path / 'audio'}"])).model
    found, vectors, sings = genre_map(with_words, sung, tmp_path / "embedded-words")
    found_without, _, _ = genre_map(without, sung, tmp_path / "embedded-audio")
    assert found > 0.85 > 0.75 > found_without

    model, catalog = soundkin.load(with_words), read_catalog(sung)
    assert model.reads_lyrics
    row = sings.index(True)
    song, words = catalog.audio_paths()[row], catalog.values("lyrics")[row][0]
    assert np.array_equal(model.embed(song, lyrics=words), vectors[row])
    assert not np.allclose(model.embed(song), vectors[row])
    silent = sings.index(False)
    assert np.array_equal(model.embed(catalog.audio_paths()[silent]), vectors[silent])
