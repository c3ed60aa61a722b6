"""A run and its inputs: checked before its folder is made, kept with it, and refused when they change."""

import csv
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import soundkin
from soundkin.cli.main import main
from soundkin.errors import ConfigError, OutputError, SoundkinError
from soundkin.files import locked
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.train import TrainResult, compose, sweep, train

ARTISTS, TRACKS_EACH = 20, 4


@dataclass(frozen=True)
class Tables:
    """A catalog without audio, the vectors of its tracks, and what people did with them."""

    folder: Path

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog.csv"

    def words(self, run: str = "run", *more: str) -> list[str]:
        return [
            "features=external",
            f"features.path={self.folder / 'vectors.npz'}",
            f"catalog={self.catalog}",
            f"run_dir={self.folder / run}",
            "task=[genre]",
            "trainer.epochs=1",
            "trainer.steps_per_epoch=2",
            "trainer.threads=1",
            "model.embedding_size=8",
            "logger=csv",
            *more,
        ]

    def train(self, *more: str, run: str = "run", again: bool = False) -> TrainResult:
        return train(compose(self.words(run, *more)), again)

    def change(self, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        change(pd.read_csv(self.catalog, dtype=str)).to_csv(self.catalog, index=False)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    generator = np.random.default_rng(0)
    tracks = [
        {"track_id": f"t{artist}-{number}", "path": f"{artist}-{number}.mp3", "artist": f"a{artist}",
         "genre": ("folk", "soul")[artist % 2]}
        for artist in range(ARTISTS + 5) for number in range(TRACKS_EACH)
    ]  # fmt: skip
    vectors = generator.normal(size=(len(tracks), 6)).astype(np.float32)
    np.savez(tmp_path / "vectors.npz", track_id=[track["track_id"] for track in tracks], vectors=vectors)
    frame = pd.DataFrame(tracks)
    frame.to_csv(tmp_path / "all.csv", index=False)
    frame.head(ARTISTS * TRACKS_EACH).to_csv(tmp_path / "catalog.csv", index=False)
    lists = pd.DataFrame(
        {"playlist_id": [f"p{row // 8}" for row in range(80)], "track_id": frame["track_id"][:80]}
    )
    lists.to_csv(tmp_path / "playlists.csv", index=False)
    plays = [
        {"user_id": f"u{row % 7}", "track_id": track, "rating": 1}
        for row, track in enumerate(lists["track_id"])
    ]
    pd.DataFrame(plays).to_csv(tmp_path / "ratings.csv", index=False)
    return Tables(tmp_path)


def soundkin_says(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


# Checked before the folder is made


@pytest.mark.parametrize(
    "wrong, answer",
    [
        (["task=[playlist]"], "no file of them was named"),
        (["task=[contrastive]", "task.contrastive.positives=playlist"], "no file of them was named"),
        (["task=[ratings]", "ratings={folder}/none.csv"], "none.csv does not exist"),
        (["playlists={folder}/none.csv"], "none.csv does not exist"),
        (["task=[playlist]", "playlists={folder}/ratings.csv"], "playlist_id"),
        (["task=[year]"], "no column year"),
        (["task=[album]"], "no column album"),
        (
            [
                "task=[latent_factors]",
                "ratings={folder}/ratings.csv",
                "task.latent_factors.minimum_listeners=99",
            ],
            "is liked by 99 users",
        ),
        (["model.lyrics={}"], "no training track has lyrics"),
        (["features.path={folder}/none.npz"], "none.npz does not exist"),
        (["features.path={folder}/none.onnx"], "none.onnx"),
        (["features.path={folder}/all.csv"], "ends in .csv"),
        (["task.genre=null"], "no proxy task is chosen"),
        (["trainer.watched=gnre_map"], "Did you mean genre_map"),
        (["trainer.watched=latent_factors_ndcg"], "no such score here"),
        (["trainer=gpu"], "no GPU"),
        (["trainer.strategy=dpp"], "should be 'auto' or 'ddp'"),
        (["patch.frames=1", "features=default"], "needs .* frames or more"),
        (["data.augment.gain_db=3"], "frozen features are none"),
        (["data.split.group=artits"], "Did you mean artist"),
    ],
)  # fmt: skip
def test_a_start_that_fails_is_told_at_once_and_leaves_no_folder(
    tables: Tables, wrong: list[str], answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    if "features=default" in wrong:
        words = [word for word in tables.words() if not word.startswith("features")]
    else:
        words = tables.words()
    with pytest.raises(SoundkinError, match=answer):
        train(compose([*words, *(word.replace("{folder}", str(tables.folder)) for word in wrong)]))
    assert not (tables.folder / "run").exists() and not (tables.folder / "cache").exists()


@pytest.mark.slow
def test_a_folder_is_held_from_its_first_checkpoint_on(tables: Tables) -> None:
    audio = [word for word in tables.words() if not word.startswith(("features", "patch"))]
    with pytest.raises(SoundkinError, match=r"no training track can be read: none of the \d+ files is there"):
        train(compose(audio))
    assert not (tables.folder / "run").exists()
    for path in pd.read_csv(tables.catalog)["path"]:
        (tables.folder / path).write_text("this is no music")
    with pytest.raises(SoundkinError, match=r"no training track can be read \(\d+ of \d+ files were skipped"):
        train(compose(audio))
    assert (tables.folder / "run/config.yaml").exists()
    assert tables.train().metrics["valid/genre_map"] > 0  # another config, in the same folder


def test_a_file_that_no_task_reads_is_named_with_the_tasks_that_would(tables: Tables, caplog) -> None:
    tables.train(f"playlists={tables.folder / 'playlists.csv'}", f"ratings={tables.folder / 'ratings.csv'}")
    assert "playlists.csv is not used: add a task that learns from it: task=[genre,playlist]" in caplog.text
    assert "ratings.csv is not used" in caplog.text and "task=[genre,latent_factors]" in caplog.text


# Inputs are kept with the run


@pytest.mark.slow
@pytest.mark.parametrize("finished", [True, False])
def test_a_grown_catalog_is_refused_with_what_changed(tables: Tables, finished: bool, capsys) -> None:
    tables.train()
    if not finished:
        (tables.folder / "run/finished.json").unlink()
        shutil.rmtree(tables.folder / "run/model")
    (tables.folder / "all.csv").replace(tables.catalog)
    code, _, said = soundkin_says(capsys, "train", *tables.words())
    assert code == 2 and "has 100 tracks instead of 80 (20 new)" in said and "--again" in said


@pytest.mark.slow
def test_a_run_by_a_soundkin_that_kept_no_inputs(tables: Tables) -> None:
    tables.train()
    for name in ("inputs.json", "split.json", "finished.json"):
        (tables.folder / "run" / name).unlink()
    assert tables.train().trained_before
    (tables.folder / "all.csv").replace(tables.catalog)
    with pytest.raises(ConfigError, match=r"catalog\.csv has other content"):
        tables.train()


@pytest.mark.slow
@pytest.mark.parametrize(
    "change, answer",
    [
        (lambda frame: frame.iloc[4:], "76 tracks instead of 80 (4 gone)"),
        (lambda frame: frame.assign(genre="pop", year="1999"), "other values in genre, year"),
        (lambda frame: frame[::-1], "has its rows in another order"),
    ],
)
def test_any_change_of_the_catalog_is_named(tables: Tables, change, answer: str) -> None:
    tables.train()
    tables.change(change)
    with pytest.raises(ConfigError) as raised:
        tables.train()
    assert answer in str(raised.value)


def test_a_catalog_saved_otherwise_is_the_same(tables: Tables) -> None:
    tables.train()
    pd.read_csv(tables.catalog).to_csv(
        tables.catalog, index=False, quoting=csv.QUOTE_ALL, lineterminator="\r\n"
    )
    assert tables.train().trained_before


@pytest.mark.slow
def test_other_files_are_inputs_too_where_a_task_reads_them(tables: Tables) -> None:
    named = [f"playlists={tables.folder / 'playlists.csv'}", f"ratings={tables.folder / 'ratings.csv'}"]
    tables.train("task=[playlist]", *named)
    ratings = pd.read_csv(tables.folder / "ratings.csv")
    ratings.head(9).to_csv(tables.folder / "ratings.csv", index=False)
    assert tables.train("task=[playlist]", *named).trained_before, "no task reads the ratings"
    lists = pd.read_csv(tables.folder / "playlists.csv")
    lists.head(40).to_csv(tables.folder / "playlists.csv", index=False)
    with pytest.raises(ConfigError, match=r"than these\. Now playlists=.*playlists.csv has other content"):
        tables.train("task=[playlist]", *named)


def test_a_changed_table_of_vectors_is_an_input(tables: Tables) -> None:
    tables.train()
    with np.load(tables.folder / "vectors.npz") as arrays:
        content = dict(arrays)
    np.savez(tables.folder / "vectors.npz", **content | {"vectors": content["vectors"] + 1})
    with pytest.raises(ConfigError, match=r"features\.path has other content"):
        tables.train()


def test_changed_audio_is_refused_by_a_run_that_goes_on(tables: Tables) -> None:
    tables.train()
    (tables.folder / "run/finished.json").unlink()
    tracks = pd.read_csv(tables.folder / "run/tracks.csv")
    used = tracks["audio_hash"].notna()
    tracks.loc[used.idxmax(), "audio_hash"] = "0" * 32
    tracks.to_csv(tables.folder / "run/tracks.csv", index=False)
    with pytest.raises(ConfigError, match=r"other audio: 1 track\(s\) have changed"):
        tables.train()


def test_again_trains_anew_under_the_same_split(tables: Tables) -> None:
    tables.train()
    before = pd.read_csv(tables.folder / "run/tracks.csv").set_index("track_id")["split"]
    rule = (tables.folder / "run/split.json").read_text()
    (tables.folder / "all.csv").replace(tables.catalog)
    assert not tables.train(again=True).trained_before
    after = pd.read_csv(tables.folder / "run/tracks.csv").set_index("track_id")["split"]
    assert (after[before.index] == before).all() and len(after) == 100
    assert (tables.folder / "run/split.json").read_text() == rule
    assert tables.train().trained_before


def test_a_start_that_came_to_nothing_leaves_its_split_rule(tables: Tables, monkeypatch) -> None:
    monkeypatch.setattr("soundkin.pipelines.train.fit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        tables.train()
    monkeypatch.undo()
    rule = (tables.folder / "run/split.json").read_text()
    (tables.folder / "all.csv").replace(tables.catalog)
    tables.train()
    assert (tables.folder / "run/split.json").read_text() == rule
    assert len(pd.read_csv(tables.folder / "run/tracks.csv")) == 100


@pytest.mark.slow
def test_again_keeps_the_old_model_until_the_new_one_is_there(tables: Tables, monkeypatch) -> None:
    tables.train()
    model = tables.folder / "run/model/config.json"
    old = model.read_text()
    monkeypatch.setattr("soundkin.pipelines.train.fit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        tables.train("random_seed=1", again=True)
    monkeypatch.undo()
    assert model.read_text() == old
    assert not tables.train("random_seed=1").trained_before
    assert model.read_text() != old


def test_another_config_is_refused_in_plain_words(tables: Tables) -> None:
    tables.train()
    with pytest.raises(ConfigError) as raised:
        tables.train("trainer.steps_per_epoch=null", "data.cache_folder=null", "random_seed=3")
    assert "another config (random_seed: 0 -> 3; trainer.steps_per_epoch: 2 -> not set)" in str(raised.value)


@pytest.mark.slow
def test_a_model_that_was_removed_is_made_again(tables: Tables) -> None:
    tables.train()
    shutil.rmtree(tables.folder / "run/model")
    assert not tables.train().trained_before
    assert soundkin.load(tables.folder / "run/model").embedding_size == 8


def test_two_runs_in_one_folder_do_not_meet(tables: Tables) -> None:
    (tables.folder / "run").mkdir()
    with locked(tables.folder / "run"), pytest.raises(OutputError, match="another run is writing"):
        tables.train()


# Skipped files


@pytest.mark.slow
def test_a_finished_run_still_says_which_files_were_skipped(tables: Tables, capsys) -> None:
    with np.load(tables.folder / "vectors.npz") as arrays:
        ids, vectors = arrays["track_id"][1:], arrays["vectors"][1:]
    np.savez(tables.folder / "vectors.npz", track_id=ids, vectors=vectors)
    tables.change(lambda frame: frame.assign(split=["train"] * 60 + ["valid"] * 20))
    for _ in range(2):
        code, _, said = soundkin_says(capsys, "train", *tables.words())
        assert code == 3 and "skipped track_id=t0-0" in said
        code, _, said = soundkin_says(capsys, "train", "--allow-skipped", *tables.words())
        assert code == 0 and "skipped track_id=t0-0" in said


# No epochs, early stop, steps that are skipped


@pytest.mark.slow
def test_no_epochs_keep_the_start_as_a_model(tables: Tables) -> None:
    result = tables.train("trainer.epochs=0")
    assert 0 < result.metrics["valid/genre_map"] <= 1
    [row] = csv.DictReader((tables.folder / "run/metrics.csv").open())
    assert row["step"] == "0.0"
    embedded = embed_catalog(result.model, tables.catalog, tables.folder / "embeddings")
    assert embedded.embedded == 80 and not embedded.skipped
    assert soundkin.load(result.model).embedding_size == 8
    assert tables.train("trainer.epochs=0").trained_before
    trained = tables.train("trainer.epochs=1", run="other")
    assert trained.metrics.keys() > result.metrics.keys()


def test_no_epochs_and_nothing_held_out(tables: Tables) -> None:
    tables.change(lambda frame: frame.assign(split="train"))
    assert tables.train("trainer.epochs=0").metrics == {"step": 0.0}
    assert tables.train("trainer.epochs=0").trained_before


def test_early_stop_says_so_and_the_bar_ends_full(tables: Tables, caplog, capfd) -> None:
    caplog.set_level(logging.INFO)
    tables.train("trainer.epochs=40", "trainer.patience=2", "trainer.learning_rate=1e-9")
    rows = list(csv.DictReader((tables.folder / "run/metrics.csv").open()))
    assert len(rows) < 40
    assert (
        f"stopped early after epoch {len(rows)} of 40: no better held-out retrieval in 2 epochs"
        in caplog.text
    )
    assert "the weights of epoch 1 are kept" in caplog.text and "trainer.patience" in caplog.text
    [bar] = [
        line for line in capfd.readouterr().err.replace("\r", "\n").splitlines() if "stopped early:" in line
    ]
    assert "100%" in bar


def test_a_run_to_the_end_does_not_say_that_it_stopped(tables: Tables, caplog, capfd) -> None:
    caplog.set_level(logging.INFO)
    tables.train("trainer.epochs=3", "trainer.patience=1", "trainer.learning_rate=1e-9")
    text = caplog.text + capfd.readouterr().err
    assert ("stopped early" in text) == (
        len(list(csv.DictReader((tables.folder / "run/metrics.csv").open()))) < 3
    )


@pytest.mark.slow
def test_a_finished_run_announces_no_work(tables: Tables, capsys) -> None:
    soundkin_says(capsys, "train", *tables.words())
    code, out, said = soundkin_says(capsys, "train", *tables.words())
    assert code == 0 and "model:" in out and "trained already" in said
    assert "training" not in said and "Reading tracks" not in said


# --show


def test_show_needs_no_files(capsys) -> None:
    code, out, _ = soundkin_says(
        capsys, "train", "--show", "task=[year]", "trainer=gpu", "data.split.group=künstler"
    )
    assert code == 0 and "catalog: ???" in out and "periods:" in out and "group: künstler" in out
    code, out, _ = soundkin_says(capsys, "train", "--show", "-m", "trainer.epochs=1,2", "run_dir=r")
    assert code == 0 and out.count("random_seed: 0\nfeatures") == 2 and "run_dir: r/trainer.epochs=2" in out


# Sweeps


@pytest.mark.slow
def test_a_sweep_ends_in_a_table_sorted_by_the_score_that_selects(tables: Tables, capsys) -> None:
    words = tables.words("sweep", "trainer.learning_rate=1e-3,3e-2", "trainer.watched=retrieval,nonsense")
    code, out, said = soundkin_says(capsys, "train", "-m", *words)
    assert code == 2 and "2 of 4 runs failed" in said and "4 runs: " in out
    table = pd.read_csv(tables.folder / "sweep/sweep.csv")
    assert list(table.columns[:3]) == ["run", "trainer.learning_rate", "trainer.watched"]
    assert table["watched"][:2].is_monotonic_decreasing and table["watched"][2:].isna().all()
    assert table["failed"][2:].str.contains("trainer.selection_score=nonsense: no such score here").all()
    for run in table["run"][:2]:
        assert (tables.folder / "sweep" / run / "model/config.json").exists()
    assert {"genre_map", "retrieval"} <= set(table.columns)


@pytest.mark.slow
def test_a_sweep_goes_on_where_it_stopped_and_may_grow(tables: Tables, monkeypatch) -> None:
    first = sweep(tables.words("sweep", "trainer.learning_rate=1e-3,3e-3"))
    assert not first.failures and len(first.table()) == 2
    grown = sweep(tables.words("sweep", "trainer.learning_rate=1e-3,2e-3,3e-3"))
    results = [result for _, result in grown.outcomes if isinstance(result, TrainResult)]
    assert [result.trained_before for result in results] == [True, False, True]


def test_a_run_that_breaks_down_does_not_lose_the_others(tables: Tables, monkeypatch) -> None:
    def break_down(config, *_):
        if config.random_seed == 1:
            raise RuntimeError("CUDA out of memory")
        return real(config, *_)

    from soundkin.pipelines import train as verb

    real = verb.fit
    monkeypatch.setattr(verb, "fit", break_down)
    result = sweep(tables.words("sweep", "random_seed=1,2"))
    assert [row.get("failed", "") for row in result.table()] == ["", "RuntimeError: CUDA out of memory"]


def test_a_sweep_whose_config_is_wrong_everywhere_is_refused(tables: Tables) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean trainer\.epochs"):
        sweep(tables.words("sweep", "trainer.epoch=1,2"))
    assert not (tables.folder / "sweep").exists()


def test_inputs_say_nothing_of_where_they_are(tables: Tables) -> None:
    tables.train()
    inputs = json.loads((tables.folder / "run/inputs.json").read_text())
    assert set(inputs["columns"]) == {"track_id", "path", "artist", "genre"} and set(inputs["files"]) == {
        "features.path"
    }
