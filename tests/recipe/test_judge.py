import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agreement import TeacherAnswers, overlaps, r_squared
from judge import as_json, held_out_tracks, judge, named_bundles, table
from soundkin.embedding.bundle import save_bundle
from soundkin.embedding.embedder import TrackEmbedding
from soundkin.errors import UsageError

TRACKS = [f"t{number:02d}" for number in range(36)]


def write_answers(path: Path, track_ids: list[str], vectors: np.ndarray) -> None:
    """Four answers about each track, a second apart."""
    rows = [(track, float(second)) for track in track_ids for second in range(4)]
    columns = {
        "track_id": [track for track, _ in rows],
        "start_seconds": [second for _, second in rows],
        "vector": list(vectors.astype(np.float32)),
    }
    pq.write_table(pa.table(columns), path)


@pytest.fixture
def teachers(tmp_path) -> Path:
    """One that knows artists (of 12 tracks 3 in a row), and one that answers at random."""
    (tmp_path / "teachers").mkdir()
    rng = np.random.default_rng(0)
    artists = [number % 12 // 4 + 3 * (number // 12) for number in range(36)]
    knowing = np.repeat(np.eye(9)[artists], 4, axis=0) + rng.normal(0, 0.01, (144, 9))
    write_answers(tmp_path / "teachers" / "knowing.parquet", TRACKS, knowing)
    write_answers(tmp_path / "teachers" / "random.parquet", TRACKS, rng.normal(size=(144, 5)))
    return tmp_path / "teachers"


def test_systems_are_scored_side_by_side(little_music, little_model, teachers) -> None:
    figures = judge({"ours": little_model}, little_music, teachers, distorted=8)
    assert figures["same artist, recorded"]["knowing"].mean == 1.0
    assert figures["same artist, rendered"]["random"].mean < 0.8
    assert figures["overlap with knowing"]["knowing"].mean == 1.0
    assert set(figures["hubness"]) >= {"ours", "MFCC", "untrained", "teachers together"}
    kept = {name: of_systems["ours"].mean for name, of_systems in figures.items() if "kept: " in name}
    assert {"kept: pink noise, SNR 0 dB", "kept: resampling to 16 kHz", "kept: mp3, 32 kbit/s"} < set(kept)
    assert all(0 < share <= 1 for share in kept.values())
    text, stored = table(figures), json.loads(json.dumps(as_json(figures)))
    assert all(name in text for name in figures)
    assert stored["R2 of random"]["ours"]["mean"] < 0.1


def test_overlaps_are_shares_of_ten_neighbours() -> None:
    vectors = np.random.default_rng(1).normal(size=(200, 6))
    turned = vectors @ np.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))[0]
    assert overlaps(turned, vectors).mean() == pytest.approx(1.0, abs=0.01)
    assert overlaps(np.random.default_rng(3).normal(size=(200, 6)), vectors).mean() < 0.15


def test_r_squared_is_of_what_patch_vectors_hold(little_music, little_model, tmp_path) -> None:
    rng = np.random.default_rng(0)
    catalog = held_out_tracks(little_music)
    patches = rng.normal(size=(len(catalog), 4, 8)).astype(np.float32)
    known, noise = (patches @ rng.normal(size=(8, 3))).reshape(-1, 3), rng.normal(size=(len(catalog) * 4, 3))
    embedded = [
        TrackEmbedding(of_track.mean(axis=0), of_track, [0.0, 1.0, 2.0, 3.0], 4.0, "", ())
        for of_track in patches
    ]
    shares = []
    for name, answers in (("known", known), ("noise", noise)):
        write_answers(tmp_path / f"{name}.parquet", catalog.track_ids, answers)
        teacher = TeacherAnswers(tmp_path / f"{name}.parquet", catalog.track_ids)
        shares.append(r_squared(little_model, embedded, teacher, catalog))
    assert shares[0] > 0.8
    assert shares[1] < 0.1


def test_a_teacher_that_does_not_know_all_tracks_is_refused(little_music, little_model, tmp_path) -> None:
    write_answers(tmp_path / "half.parquet", TRACKS[:12], np.random.default_rng(0).normal(size=(48, 2)))
    with pytest.raises(UsageError, match=r"nothing of 12 of the 24 held-out tracks, such as track_id=t12"):
        judge({"ours": little_model}, little_music, tmp_path)
    with pytest.raises(UsageError, match=r"holds no \.parquet"):
        judge({"ours": little_model}, little_music, little_music)


def test_models_are_named_by_their_runs(little_model, tmp_path) -> None:
    for name in ("one/model", "two/model"):
        save_bundle(little_model, tmp_path / name)
    assert list(named_bundles([str(tmp_path / "one" / "model"), str(tmp_path / "two" / "model")])) == [
        "one",
        "two",
    ]


def test_the_held_out_tracks_are_those_of_held_out_collections(little_music) -> None:
    frame = pd.read_csv(little_music / "tracks.csv")
    assert held_out_tracks(little_music).track_ids == list(frame["track_id"][:24])
