"""Frozen features from elsewhere, all the way: trained, bundled, embedded, queried, evaluated."""

from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from soundkin.embedding.bundle import Bundle, load_bundle, save_bundle
from soundkin.embedding.embedder import load
from soundkin.embedding.store import read_embeddings, read_patches
from soundkin.errors import ArtefactError, ConfigError, SoundkinError, UsageError
from soundkin.evaluation.evaluation_report import Evaluation
from soundkin.features.frontends.external import ExternalFrontEnd, OnnxInput
from soundkin.features.frontends.interface import TableTrack
from soundkin.features.frontends.onnx_encoder import OnnxFrontEnd
from soundkin.features.frontends.vector_table import VectorTableFrontEnd
from soundkin.features.patches import PatchConfig
from soundkin.files import read_json, write_json
from soundkin.models import NetworkConfig, build_network
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.evaluate import evaluate
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.query import query
from soundkin.pipelines.train import compose, train
from soundkin.training.run_config import TrainConfig

SIZE, GENRES = 64, ("folk", "metal", "techno", "soul")
SMALL = [
    "trainer.threads=1",
    "trainer.steps_per_epoch=10",
    "data.cache_workers=1",
    "model.embedding_size=16",
    "logger=csv",
]


def network_config() -> NetworkConfig:
    return NetworkConfig(convolutions=(), time_pooling=("mean",), dense=(24,), embedding_size=8)


def bundle_of(front_end: ExternalFrontEnd) -> Bundle:
    torch.manual_seed(0)
    network = build_network(network_config(), front_end.mel_bands)
    return Bundle(front_end, PatchConfig(frames=1, hop_frames=1), network_config(), network)


# A table of vectors


def write_catalog_and_vectors(folder: Path, artists: int = 80, name: str = "vectors.parquet") -> Path:
    """Four tracks an artist, two vectors a track. Genre moves four of 64 numbers; the others are noise, and
    louder.
    """
    generator = np.random.default_rng(0)
    tracks, rows = [], []
    for artist in range(artists):
        genre = artist % len(GENRES)
        for number in range(4):
            track_id = f"t{artist}-{number}"
            tracks.append(
                {
                    "track_id": track_id,
                    "path": f"{track_id}.mp3",
                    "artist": f"a{artist}",
                    "genre": GENRES[genre],
                }
            )
            for patch in range(2):
                vector = generator.normal(scale=3.0, size=SIZE)
                vector[: len(GENRES)] = generator.normal(size=len(GENRES)) + 3.0 * np.eye(len(GENRES))[genre]
                rows.append((track_id, 5.0 * patch, vector))
    pd.DataFrame(tracks).to_csv(folder / "catalog.csv", index=False)
    write_vectors(folder / name, rows)
    return folder / "catalog.csv"


def write_vectors(path: Path, rows: list[tuple[str, float, np.ndarray]]) -> None:
    ids, starts, vectors = zip(*rows, strict=True)
    if path.suffix == ".npz":
        np.savez(path, track_id=np.array(ids), start_seconds=np.array(starts), vectors=np.float32(vectors))
    else:
        column = pa.array([vector.astype(np.float32) for vector in vectors], pa.list_(pa.float32()))
        pq.write_table(pa.table({"track_id": ids, "start_seconds": starts, "vector": column}), path)


def table_config(catalog: Path, run_dir: Path, *more: str) -> TrainConfig:
    table = [
        f"features.path={catalog.parent / 'vectors.parquet'}",
        "features.name=MuQ",
        "features.licence=CC BY-NC 4.0",
    ]
    chosen = ["features=external", "task=[genre]", "trainer.epochs=12", *table, *SMALL, *more]
    return compose([f"catalog={catalog}", f"run_dir={run_dir}", *chosen])


@pytest.fixture(scope="module")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog without audio, its vectors, and what training on them leaves in `run`."""
    folder = tmp_path_factory.mktemp("table")
    train(table_config(write_catalog_and_vectors(folder), folder / "run"))
    return folder


def scores(evaluation: Evaluation, label: str) -> dict[str, float]:
    [row] = [
        row
        for row in evaluation.rows
        if (row.label, row.metric, row.filtered_by) == (label, "mAP@10", "artist")
    ]
    assert "external" not in row.unbeaten, row.verdict
    return {score.system: score.mean for score in row.scores}


@pytest.mark.slow
def test_a_head_trained_on_frozen_vectors_beats_them(table_run: Path) -> None:
    evaluation = evaluate(table_run / "run" / "model", table_run / "catalog.csv")
    assert evaluation.systems == ("model", "external", "untrained", "chance")
    assert not evaluation.skipped
    found = scores(evaluation, "genre")
    assert found["model"] > 0.8 > 0.6 > found["external"] > found["chance"]
    assert any("the vectors that the model was given" in note for note in evaluation.notes)
    assert not any("MFCC" in note for note in evaluation.notes)


@pytest.mark.slow
def test_a_catalog_is_embedded_and_queried_without_audio(table_run: Path, tmp_path: Path) -> None:
    model, catalog = table_run / "run" / "model", table_run / "catalog.csv"
    one = embed_catalog(model, catalog, tmp_path / "one", workers=2, patches=True)
    assert (one.embedded, one.reused, one.skipped) == (320, 0, [])
    two = embed_catalog(model, catalog, tmp_path / "one", patches=True)
    assert (two.embedded, two.reused) == (0, 320)
    embeddings, embedder = read_embeddings(tmp_path / "one"), load(model)
    for row in (0, 77):
        alone = embedder.embed_file(TableTrack(embeddings.track_ids[row]))
        assert alone.vector.tobytes() == embeddings.vectors[row].tobytes()
        assert alone.audio_hash == embeddings.audio_hashes[row]
    assert next(read_patches(tmp_path / "one")).start_seconds == [0.0, 5.0]
    index_embeddings(tmp_path / "one", tmp_path / "index")
    answers = query(tmp_path / "index", ["t0-0"], k=20, artist_cap=1)
    genre_of = pd.read_csv(catalog).set_index("track_id")["genre"]
    assert sum(genre_of[answer.track_id] == genre_of["t0-0"] for answer in answers) > 15
    (tmp_path / "song.mp3").write_bytes(b"whatever")
    with pytest.raises(UsageError, match=r"song\.mp3: this model was trained on a table of vectors by MuQ"):
        query(tmp_path / "index", [str(tmp_path / "song.mp3")], model=model)


@pytest.mark.slow
def test_where_the_vectors_come_from_travels(table_run: Path) -> None:
    model = table_run / "run" / "model"
    bundle = load_bundle(model)
    assert isinstance(bundle.front_end, ExternalFrontEnd)
    stated = (bundle.front_end.name, bundle.front_end.licence, bundle.front_end.path)
    assert stated == ("MuQ", "CC BY-NC 4.0", table_run / "vectors.parquet")
    card = (model / "README.md").read_text()
    assert "Made by: MuQ" in card and "Licence: CC BY-NC 4.0" in card
    assert f"Table: vectors.parquet, SHA-256 {bundle.front_end.sha256}" in card
    assert "vectors of 64 numbers" in card and "one.mp3" not in card


@pytest.mark.slow
def test_a_run_goes_on_with_the_same_vectors_alone(table_run: Path, tmp_path: Path) -> None:
    catalog = write_catalog_and_vectors(tmp_path)
    again = table_config(
        catalog,
        table_run / "run",
        f"features.path={table_run / 'vectors.parquet'}",
        f"catalog={table_run / 'catalog.csv'}",
    )
    assert train(again).model == table_run / "run" / "model"
    write_catalog_and_vectors(tmp_path, artists=8, name="other.parquet")
    with pytest.raises(ConfigError, match=r"another config \(features\.path.*features\.sha256"):
        train(
            again.model_copy(
                update={"features": VectorTableFrontEnd(path=tmp_path / "other.parquet", name="MuQ")}
            )
        )


@pytest.mark.slow
def test_a_table_may_move_and_grow(table_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = write_catalog_and_vectors(tmp_path, artists=84, name="grown.npz")
    result = embed_catalog(
        table_run / "run" / "model", catalog, tmp_path / "out", vectors=tmp_path / "grown.npz"
    )
    assert (result.embedded, result.skipped) == (336, [])
    assert "is not the table that the model was trained on" in caplog.text
    before = embed_catalog(table_run / "run" / "model", table_run / "catalog.csv", tmp_path / "old")
    assert before.embedded == 320
    grown, old = read_embeddings(tmp_path / "out"), read_embeddings(tmp_path / "old")
    np.testing.assert_array_equal(grown.vectors[:320], old.vectors)
    known = embed_catalog(
        table_run / "run" / "model", catalog, tmp_path / "few"
    )  # the trained table has not the new
    assert (known.embedded, len(known.skipped)) == (320, 16)
    assert known.skipped[0].reason.startswith("is not in")


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("data.augment.gain_db=6", r"data\.augment\.gain_db=6.*frozen features are none"),
        ("model=vandenoord2013", r"patch\.frames=1: this network needs"),
        ("features.path=none.npz", r"none\.npz does not exist"),
        ("features.size=7", r"features\.size=7: .* has 64"),
    ],
)
def test_configs_that_cannot_work_are_refused(tmp_path: Path, override: str, complaint: str) -> None:
    catalog = write_catalog_and_vectors(tmp_path, artists=32)
    with pytest.raises(UsageError, match=complaint):
        train(table_config(catalog, tmp_path / "run", override))


def test_a_path_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"features\.path is missing\. Give it as features\.path=VALUE"):
        compose(["catalog=c.csv", "run_dir=r", "features=external"])


def test_the_vectors_named_are_for_a_model_that_looks_them_up(tmp_path: Path) -> None:
    write_catalog_and_vectors(tmp_path, artists=1)
    front_end = VectorTableFrontEnd(path=tmp_path / "vectors.parquet").identified()
    save_bundle(bundle_of(front_end), tmp_path / "model")
    (tmp_path / "vectors.parquet").rename(tmp_path / "moved.parquet")
    with pytest.raises(UsageError, match=r"vectors\.parquet does not exist.*--vectors FILE"):
        load(tmp_path / "model").embed_file(TableTrack("t0-0"))
    with pytest.raises(UsageError, match=r"^vectors=.*moved\.csv: no table ends so\. Give an \.npz"):
        load(tmp_path / "model", tmp_path / "moved.csv")
    moved = load(tmp_path / "model", tmp_path / "moved.parquet")
    assert moved.embed_file(TableTrack("t0-0")).vector.shape == (8,)
    assert moved.hash == load(tmp_path / "model").hash


def test_what_a_vector_depends_on_is_hashed_and_no_more(tmp_path: Path) -> None:
    write_catalog_and_vectors(tmp_path, artists=1)
    front_end = VectorTableFrontEnd(path=tmp_path / "vectors.parquet", name="MuQ").identified()
    hashes = [
        bundle_of(front_end.model_copy(update=update)).hash
        for update in ({}, {"name": "other"}, {"path": tmp_path / "elsewhere.parquet"}, {"sha256": "0" * 64})
    ]
    assert hashes[0] == hashes[1] == hashes[2] != hashes[3]


# An ONNX model

RATE_HZ = 8_000


def write_encoder(path: Path) -> Path:
    """A spectrogram with 16 random filters and its logarithm, averaged over time: [1, samples] to [1, 16]."""
    weights = np.random.default_rng(1).normal(size=(16, 1, 200)).astype(np.float32)
    nodes = [
        helper.make_node("Unsqueeze", ["audio", "one"], ["channel"]),
        helper.make_node("Conv", ["channel", "weights"], ["filtered"], strides=[100]),
        helper.make_node("Abs", ["filtered"], ["strength"]),
        helper.make_node("ReduceMean", ["strength"], ["mean"], axes=[2], keepdims=0),
        helper.make_node("Add", ["mean", "floor"], ["audible"]),
        helper.make_node("Log", ["audible"], ["vector"]),
    ]
    constants = {"weights": weights, "one": np.array([1]), "floor": np.array([1e-4], np.float32)}
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [1, "samples"])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, 16])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


ONNX = OnnxInput(sample_rate_hz=RATE_HZ, window_seconds=1.0, hop_seconds=0.5)


@pytest.mark.slow
def test_a_bundle_holds_the_encoder_that_it_was_trained_with(small_catalog: Path, tmp_path: Path) -> None:
    path = write_encoder(tmp_path / "encoder.onnx")
    heard = [
        f"features.onnx.{key}={value}"
        for key, value in ONNX.model_dump(exclude={"log_mel", "output"}).items()
    ]
    chosen = [
        "features=external",
        f"features.path={path}",
        "features.name=ours",
        *heard,
        "trainer.epochs=3",
        *SMALL,
    ]
    model = train(compose([f"catalog={small_catalog}", f"run_dir={tmp_path / 'run'}", *chosen])).model
    song = next(small_catalog.parent.rglob("*.flac"))
    before = load(model).embed(song)
    path.unlink()
    model = model.rename(tmp_path / "moved")
    after = load(model)
    assert after.embed(song).tobytes() == before.tobytes()
    assert after.embed_patches(song)[1][:3] == [0.0, 0.5, 1.0]
    assert embed_catalog(model, small_catalog, tmp_path / "out").embedded == 32
    embeddings = read_embeddings(tmp_path / "out")
    catalog = pd.read_csv(small_catalog).set_index("track_id")["path"]
    row = next(
        row
        for row, name in enumerate(embeddings.track_ids)
        if (small_catalog.parent / catalog[name]).samefile(song)
    )
    assert embeddings.vectors[row].tobytes() == before.tobytes(), "alone or among others"
    evaluation = evaluate(model, small_catalog, split="all")
    assert evaluation.systems == ("model", "external", "untrained", "chance")
    assert "waveform at 8000 Hz, 1 s every 0.5 s" in (model / "README.md").read_text()


def test_an_array_is_heard_as_a_file_is(tmp_path: Path) -> None:
    front_end = OnnxFrontEnd(path=write_encoder(tmp_path / "encoder.onnx"), onnx=ONNX).identified()
    save_bundle(bundle_of(front_end), tmp_path / "model")
    embedder = load(tmp_path / "model")
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * RATE_HZ).astype(np.float32)
    vector = embedder.embed((samples, RATE_HZ))
    assert vector.tobytes() == embedder.embed((samples, RATE_HZ)).tobytes()
    assert not np.allclose(vector, embedder.embed((samples * 0.1, RATE_HZ)))


def test_a_bundles_encoder_that_was_changed_is_noticed(tmp_path: Path) -> None:
    front_end = OnnxFrontEnd(path=write_encoder(tmp_path / "encoder.onnx"), onnx=ONNX).identified()
    bundle = bundle_of(front_end)
    save_bundle(bundle, tmp_path / "model")
    assert (tmp_path / "model" / "external.onnx").read_bytes() == front_end.path.read_bytes()
    save_bundle(load_bundle(tmp_path / "model"), tmp_path / "model")  # over itself
    kept = load_bundle(tmp_path / "model")
    assert kept.hash == bundle.hash
    with pytest.raises(UsageError, match=r"vectors=.* takes audio"):
        load_bundle(tmp_path / "model", tmp_path / "vectors.npz")
    with (tmp_path / "model" / "external.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ArtefactError, match=r"external\.onnx is missing or corrupt"):
        load_bundle(tmp_path / "model")
    (tmp_path / "model" / "external.onnx").unlink()
    with pytest.raises(ArtefactError, match=r"external\.onnx is missing or corrupt"):
        load_bundle(tmp_path / "model")
    with front_end.path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(SoundkinError, match="is not the model that was trained with"):
        save_bundle(bundle, tmp_path / "another")


def test_a_bundle_whose_settings_were_changed_is_noticed(tmp_path: Path) -> None:
    front_end = OnnxFrontEnd(path=write_encoder(tmp_path / "encoder.onnx"), onnx=ONNX).identified()
    save_bundle(bundle_of(front_end), tmp_path / "model")
    config = read_json(tmp_path / "model" / "config.json")
    config["front_end"]["onnx"]["window_seconds"] = 2.0
    write_json(tmp_path / "model" / "config.json", config)
    with pytest.raises(ArtefactError, match="was changed after training"):
        load_bundle(tmp_path / "model")
