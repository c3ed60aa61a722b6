"""The 2013 paper's comparison as a user runs it, with small networks on a corpus of a few tracks."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from soundkin.cli.main import main
from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.known_users import known_users
from soundkin.errors import ArtefactError, CatalogError, ConfigError, UsageError
from soundkin.evaluation.user_rankings import BOUND, POPULARITY, SHUFFLED
from soundkin.experiments.reproduce import reproduce
from soundkin.experiments.vandenoord2013 import Reproduction
from soundkin.files import sha256_of
from soundkin.pipelines.train import compose

SMALL = [
    "trainer.epochs=1",
    "trainer.steps_per_epoch=2",
    "trainer.threads=1",
    "data.batch_patches=8",
    "data.cache_workers=1",
    "data.split={train:0.5,valid:0.2,test:0.3}",
    "model.embedding_size=8",
    "model.dense=[]",
    "model.convolutions=[{filters:8,width:5,pool:4,padded:true}]",
    "task.latent_factors.factors=4",
    "logger=csv",
]


@pytest.fixture(scope="module")
def asked(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("runs")
    shutil.copy(small_catalog.parent / "ratings.csv", folder / "ratings.csv")
    return {
        "paper": "vandenoord2013",
        "catalog_path": small_catalog,
        "ratings": folder / "ratings.csv",
        "run_dir": folder / "2013",
        "overrides": SMALL,
    }


@pytest.fixture(scope="module")
def result(asked: dict[str, Any]) -> Reproduction:
    return reproduce(**asked)


@pytest.mark.slow
def test_all_of_the_papers_systems_are_compared_on_the_test_tracks(result: Reproduction, asked) -> None:
    rows = result.table()
    expected = ["linear regression", "MLP", "CNN, MSE", "CNN, WPE", BOUND, SHUFFLED, POPULARITY, "chance"]
    assert [row["system"] for row in rows] == expected
    assert list(rows[0])[:3] == ["system", "mAP@500", "AUC"]
    tested = pd.read_csv(asked["run_dir"] / "test.csv")
    assert result.tracks["test"] == result.comparison.tracks == len(tested)
    for loss in ("mse", "wpe"):
        trained = pd.read_csv(asked["run_dir"] / f"cnn-{loss}/tracks.csv")
        assert set(trained["split"]) == {"train"} and not set(trained["track_id"]) & set(tested["track_id"])
        assert 0 < result.tracks["teaching"] <= len(trained)
    taught = pd.read_csv(asked["run_dir"] / "train.csv")
    assert not set(taught["artist"]) & set(tested["artist"])
    assert result.tracks["judging"] > 0
    assert result.codewords < 4000 and "4,000 were asked for" in result.notes[0]
    assert (result.factors, result.comparison.rows[0].users > 0) == (4, True)


@pytest.mark.slow
def test_what_is_right_is_what_users_of_the_training_came_to_play(result: Reproduction, asked) -> None:
    users = known_users(load_bundle(asked["run_dir"] / "cnn-mse/model"), asked["run_dir"])
    ratings = pd.read_csv(asked["ratings"])
    tested = pd.read_csv(asked["run_dir"] / "test.csv")["track_id"]
    right = ratings[ratings["track_id"].isin(tested) & ratings["user_id"].isin(users.ids)]
    assert result.comparison.plays == len(right)
    assert result.comparison.users == right["user_id"].nunique()


@pytest.mark.slow
def test_plays_of_the_test_tracks_teach_nothing(result: Reproduction, asked, tmp_path: Path) -> None:
    """Without most of them, all systems predict the same, bit for bit."""
    ratings = pd.read_csv(asked["ratings"])
    tested = pd.read_csv(asked["run_dir"] / "test.csv")["track_id"]
    learnt = ratings[~ratings["track_id"].isin(tested[1:])]
    learnt.to_csv(tmp_path / "ratings.csv", index=False)
    again = reproduce(**asked | {"ratings": tmp_path / "ratings.csv", "run_dir": tmp_path / "2013"})
    assert again.provenance["models"] == result.provenance["models"]
    assert sha256_of(tmp_path / "2013/regressions.npz") == sha256_of(asked["run_dir"] / "regressions.npz")


@pytest.mark.slow
def test_the_bound_that_knows_the_plays_is_far_above_chance(result: Reproduction) -> None:
    auc = {
        score.system: score.mean
        for row in result.comparison.rows
        if row.metric == "AUC"
        for score in row.scores
    }
    assert auc["chance"] == pytest.approx(0.5) and auc[BOUND] > 0.7
    assert all(0 <= auc[name] <= 1 for name in auc)
    assert result.verdict.startswith("CNN, MSE ") and "mAP@500" in result.verdict


@pytest.mark.slow
def test_what_is_done_is_not_done_again(result: Reproduction, asked) -> None:
    run_dir = asked["run_dir"]
    assert json.loads((run_dir / "reproduction.json").read_text()) == json.loads(json.dumps(result.to_json()))
    kept = [run_dir / "cnn-mse/model/model.safetensors", run_dir / "regressions.npz"]
    before = [(path.stat().st_mtime_ns, sha256_of(path)) for path in kept]
    assert reproduce(**asked) == result
    assert before == [(path.stat().st_mtime_ns, sha256_of(path)) for path in kept]
    (run_dir / "regressions.npz").unlink()
    assert reproduce(**asked) == result
    assert sha256_of(run_dir / "regressions.npz") == before[1][1]
    assert reproduce(**asked | {"codewords": 10}).codewords == 10


@pytest.mark.slow
def test_another_config_or_other_data_are_refused(result: Reproduction, asked) -> None:
    with pytest.raises(ConfigError, match=r"cnn-mse holds a run of another config \(random_seed: 0 -> 1\)"):
        reproduce(**asked | {"overrides": [*SMALL, "random_seed=1"]})
    with pytest.raises(ConfigError, match="holds a comparison with other training tracks"):
        reproduce(**asked | {"overrides": [*SMALL, "data.split.random_seed=1"]})
    ratings = asked["ratings"].read_text()
    asked["ratings"].write_text(ratings[: ratings.rindex("user-0010")])
    try:
        with pytest.raises(ConfigError, match=r"model was trained on other tracks or ratings than these\."):
            reproduce(**asked)
    finally:
        asked["ratings"].write_text(ratings)
    (asked["run_dir"] / "regressions.npz").write_bytes(b"no archive")
    with pytest.raises(ArtefactError, match=r"regressions\.npz is corrupt\. Delete it"):
        reproduce(**asked)
    (asked["run_dir"] / "regressions.npz").unlink()


@pytest.mark.slow
def test_the_command_prints_a_table_and_a_verdict(result: Reproduction, asked, capsys) -> None:
    words = ["reproduce", "vandenoord2013", "--catalog", asked["catalog_path"], "--ratings", asked["ratings"]]
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in (*words, "--run-dir", asked["run_dir"], *SMALL)])
    said = capsys.readouterr()
    assert not ended.value.code
    assert result.verdict in said.out.splitlines() and "linear regression" in said.out
    assert "metric learning to rank" in said.err


@pytest.mark.slow
def test_what_cannot_be_done_is_said_before_anything_is(asked, tmp_path: Path) -> None:
    asked = asked | {"run_dir": tmp_path / "run"}
    with pytest.raises(UsageError, match=r"vandenord2013 is not among .* Did you mean vandenoord2013\?"):
        reproduce(**asked | {"paper": "vandenord2013"})
    for override in ("run_dir=elsewhere", "task.latent_factors.loss=wpe", "experiment=demo"):
        with pytest.raises(ConfigError, match="is what the comparison itself sets"):
            reproduce(**asked | {"overrides": [override]})
    for overrides in (["task=[artist]", "~task.latent_factors"], ["task=[artist]"]):
        with pytest.raises(ConfigError, match="is about latent factors"):
            reproduce(**asked | {"overrides": overrides})
    with pytest.raises(CatalogError, match=r"ratings nöne\.csv does not exist"):
        reproduce(**asked | {"ratings": Path("nöne.csv")})
    with pytest.raises(ConfigError, match="no such score here"):
        reproduce(**asked | {"overrides": [*SMALL, "trainer.watched=nonsense"]})
    for shares, missing in (
        ("{train:0.7,valid:0,test:0.3}", "valid"),
        ("{train:0.7,valid:0.3,test:0}", "test"),
    ):
        with pytest.raises(UsageError, match=f"no track is in the {missing} split"):
            reproduce(**asked | {"overrides": [*SMALL, f"data.split={shares}"]})
    assert not (tmp_path / "run").exists()


def test_the_experiment_is_the_papers() -> None:
    config = compose(["experiment=vandenoord2013", "catalog=c.csv", "run_dir=r"])
    front_end, task = config.features, config.task.latent_factors
    seconds = (
        front_end.window_samples + (config.patch.frames - 1) * front_end.hop_samples
    ) / front_end.sample_rate_hz
    assert seconds == pytest.approx(3.0, abs=0.01) and front_end.mel_bands == 128
    assert (task.loss, task.factors, config.model.patch_pooling) == ("mse", 50, "mean")
    assert config.task.artist is None and config.task.genre is None
