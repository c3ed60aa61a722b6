"""A start that has learnt pays: on few tracks of one's own, held-out artists are found better than from a
random one; on a synthesised corpus, and on real music with the model that comes along, where both are there.
"""

from pathlib import Path

import numpy as np
import pytest

from smallest_run import SMALLEST
from soundkin.catalog.table import Catalog, read_catalog, write_catalog
from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.synthesise import synthesise
from soundkin.embedding import default_model
from soundkin.embedding.embedder import load
from soundkin.evaluation.retrieval import METRICS, retrieval
from soundkin.pipelines.scan import scan
from soundkin.pipelines.train import compose, train

METRIC = "mAP@10"
SHORT = ["trainer.epochs=6", "trainer.threads=1", "data.cache_workers=1", "logger=csv"]
SIZE = [word for word in SMALLEST if word.startswith("patch")] + ["model.embedding_size=32"]
SIZE += ["model.convolutions=[{filters:32,width:5,pool:4,padded:true},{filters:32,padded:true}]"]


def assigned(catalog: Catalog, artists: dict[str, list[str]], path: Path) -> Path:
    """A catalog of the tracks by these artists, by split; written to `path`."""
    frame = catalog.frame
    split = {artist: split for split, names in artists.items() for artist in names}
    chosen = frame[frame["artist"].isin(list(split))]
    home = str(catalog.folder.resolve())
    write_catalog(chosen.assign(split=chosen["artist"].map(split), audio_folder=home), path)
    return path


def scores(models: dict[str, Path | str], held_out: Catalog, label: str) -> dict[str, float]:
    """How well tracks of held-out artists find others with their label, by model."""
    paths, artists = held_out.audio_paths(), held_out.artists
    systems = {name: np.stack([load(model).embed(path) for path in paths]) for name, model in models.items()}
    values, filtered = held_out.values(label), ("artist", artists.keys)
    values, filtered = (artists.keys, None) if label == "artist" else (values, filtered)
    [measure] = retrieval(
        systems, label, values, filtered, artists.groups, 0, metrics={METRIC: METRICS[METRIC]}
    )
    return {name: float(np.nanmean(measure.scores[name])) for name in models}


@pytest.mark.slow
def test_a_start_that_knows_the_genres_pays_on_a_few_tracks(tmp_path: Path) -> None:
    config = CorpusConfig(
        genres=4, artists_per_genre=16, tracks_per_artist=2, seconds=4.0, users=0, triplets=0
    )
    synthesise(tmp_path, config, workers=1)
    scan(tmp_path / "music", tmp_path / "catalog.csv")
    corpus = read_catalog(tmp_path / "catalog.csv")
    by_genre = [sorted(group["artist"].unique()) for _, group in corpus.frame.groupby("genre")]
    others = [artist for names in by_genre for artist in names[:8]]
    own = [artist for names in by_genre for artist in names[8:10]]
    tested = [artist for names in by_genre for artist in names[10:]]
    first = assigned(corpus, {"train": others}, tmp_path / "others.csv")
    second = assigned(corpus, {"train": own}, tmp_path / "own.csv")
    words = [*SHORT, f"data.cache_folder={tmp_path / 'cache'}", "task=[genre]"]
    longer = ["trainer.epochs=20", "trainer.steps_per_epoch=20"]
    start = train(
        compose([*words, *SIZE, *longer, f"catalog={first}", f"run_dir={tmp_path / 'start'}"])
    ).model
    models: dict[str, Path | str] = {}
    for name, more in (("start", [f"start={start}"]), ("random", SIZE)):
        places = [f"catalog={second}", f"run_dir={tmp_path / 'own' / name}"]
        models[name] = train(compose([*words, *more, *places])).model
    held_out = read_catalog(assigned(corpus, {"test": tested}, tmp_path / "tested.csv"))
    found = scores(models, held_out, "genre")
    assert found["start"] > found["random"] + 0.03, found


@pytest.mark.slow
def test_the_default_pays_on_sixty_real_tracks(music: Path, tmp_path: Path) -> None:
    if not (default_model.FOLDER / "config.json").is_file():
        pytest.skip("needs the default model, which comes with a release")
    tracks = read_catalog(music / "tracks.csv")
    known = tracks.select(tracks.frame["kind"].eq("recorded").to_numpy())
    counts = known.frame["artist"].value_counts()
    artists = [artist for artist in sorted(counts.index) if artist and 3 <= counts[artist] <= 6]
    own, tested = artists[0::3][:15], artists[1::3]
    assert 45 <= counts[own].sum() <= 75 and len(tested) >= 15
    catalog = assigned(known, {"train": own}, tmp_path / "own.csv")
    places = [f"catalog={catalog}", "task=[artist]", f"data.cache_folder={tmp_path / 'cache'}", *SHORT]
    models: dict[str, Path | str] = {
        start: train(compose([*places, f"start={start}", f"run_dir={tmp_path / start}"])).model
        for start in ("default", "random")
    }
    held_out = read_catalog(assigned(known, {"test": tested}, tmp_path / "tested.csv"))
    found = scores(models, held_out, "artist")
    assert found["default"] > found["random"], found
