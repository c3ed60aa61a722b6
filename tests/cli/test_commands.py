"""The commands one by one, as a person types them: results on stdout, exit codes as README promises."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from soundkin.cli.main import COMMANDS, main


class Said(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> Said:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(int(ended.value.code or 0), said.out, said.err)

    return call


SMALL = [
    "trainer.epochs=2",
    "trainer.steps_per_epoch=4",
    "data.batch_patches=8",
    "patch.frames=64",
    "logger=csv",
]


@pytest.fixture(scope="module")
def chain(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every step of the way has been taken, by commands."""
    folder = tmp_path_factory.mktemp("chain")
    steps: list[list[object]] = [
        ["scan", small_catalog.parent / "music", "-o", folder / "catalog.csv"],
        ["train", f"catalog={folder}/catalog.csv", f"run_dir={folder}/run", *SMALL],
        ["embed", folder / "run/model", folder / "catalog.csv", "-o", folder / "embeddings", "--patches"],
        ["index", folder / "embeddings", "-o", folder / "index"],
    ]
    for step in steps:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in step])
        assert not ended.value.code
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    said = run(command, "--help")
    assert said.code == 0 and "xample" in said.out and f"soundkin {command}" in said.out


def test_help_and_query_load_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['soundkin', '--help']\nfrom soundkin.cli.main import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "import soundkin.cli.query_command, soundkin.pipelines.query\n"
    code += "assert not {'torch', 'pandas', 'sklearn', 'librosa', 'hydra'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_mistyped_command_names_the_nearest(run: Run) -> None:
    said = run("qurey")
    assert said.code == 2 and "Did you mean query?" in said.err


def test_a_missing_option_is_a_usage_error(run: Run) -> None:
    assert run("index", "embeddings").code == 2


@pytest.mark.slow
class TestTheChain:
    def test_query_by_track(self, run: Run, chain: Path) -> None:
        seed = pd.read_csv(chain / "catalog.csv")["track_id"][3]
        said = run("query", chain / "index", "--like", seed, "-k", 4, "--json")
        answers = json.loads(said.out)
        assert said.code == 0 and len(answers) == 4 and seed not in {answer["track_id"] for answer in answers}
        assert [answer["score"] for answer in answers] == sorted((a["score"] for a in answers), reverse=True)
        assert all(answer["title"] and answer["artist"] for answer in answers)

    def test_query_by_file(self, run: Run, chain: Path, small_catalog: Path, tmp_path: Path) -> None:
        song = next(small_catalog.parent.rglob("*.flac"))
        copy = shutil.copy(song, tmp_path / "a copy.flac")
        nearest = json.loads(run("query", chain / "index", "--like", copy, "-k", 1, "--json").out)[0]
        assert Path(nearest["path"]).name == song.name and nearest["score"] == pytest.approx(1.0, abs=1e-5)
        others = json.loads(run("query", chain / "index", "--like", song, "-k", 1, "--json").out)
        assert others[0]["track_id"] != nearest["track_id"], (
            "a seed that is in the index is no answer to itself"
        )

    def test_filters_and_artist_cap(self, run: Run, chain: Path) -> None:
        catalog = pd.read_csv(chain / "catalog.csv").set_index("track_id")
        genre = catalog["genre"].str.split(";").str[0].iloc[-1]
        words = [
            "--like",
            catalog.index[0],
            "-k",
            9,
            "--where",
            f"genre={genre}",
            "--artist-cap",
            1,
            "--json",
        ]
        found = catalog.loc[
            [answer["track_id"] for answer in json.loads(run("query", chain / "index", *words).out)]
        ]
        assert len(found) and found["artist"].is_unique and found["genre"].str.contains(genre).all()

    def test_table_and_evaluation(self, run: Run, chain: Path) -> None:
        said = run("evaluate", chain / "run/model", chain / "catalog.csv", "-o", chain / "metrics.json")
        assert said.code == 0 and "MFCC" in said.out and "untrained" in said.out and "chance" in said.out
        saved = json.loads((chain / "metrics.json").read_text())
        assert saved["verdict"] in said.out.replace("\n", " ") and saved["rows"]

    def test_users_are_recommended_tracks_and_the_cold_start_is_judged(
        self, run: Run, chain: Path, small_catalog: Path
    ) -> None:
        ratings = small_catalog.parent / "ratings.csv"
        words = [
            f"catalog={chain}/catalog.csv",
            f"run_dir={chain}/listening",
            f"ratings={ratings}",
            "task=[ratings]",
        ]
        assert run("train", *words, *SMALL).code == 0
        model, embeddings = chain / "listening/model", chain / "listening/embeddings"
        assert run("embed", model, chain / "catalog.csv", "-o", embeddings).code == 0
        rated = pd.read_csv(ratings).groupby("user_id")["track_id"].agg(set)["user-0004"]
        said = run("recommend", embeddings, "user-0004", "--ratings", ratings, "-k", 3, "--json")
        found = [one["track_id"] for one in json.loads(said.out)]
        assert said.code == 0 and len(found) == 3 and not rated & set(found)
        table = run("recommend", embeddings, "user-0004", "--ratings", ratings, "-k", 3)
        assert "for user-0004" in table.out and all(one["title"] in table.out for one in json.loads(said.out))
        said = run(
            "evaluate", model, chain / "catalog.csv", "--ratings", ratings, "--truth", small_catalog.parent
        )
        assert said.code == 0 and "upper bound" in said.out and "shuffled" in said.out
        assert any(line.startswith("cold start: held-out tracks: ") for line in said.out.splitlines())

    def test_some_files_skipped_is_3_and_they_are_named(self, run: Run, chain: Path, tmp_path: Path) -> None:
        frame = pd.read_csv(chain / "catalog.csv").iloc[:3]
        folder = Path(frame["audio_folder"][0])
        for path in frame["path"]:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / path, tmp_path / path)
        (tmp_path / frame["path"][1]).write_bytes(b"this is no music")
        frame.drop(columns="audio_folder").to_csv(tmp_path / "catalog.csv", index=False)
        said = run("embed", chain / "run/model", tmp_path / "catalog.csv", "-o", tmp_path / "embeddings")
        assert said.code == 3 and frame["path"][1] in said.err and "2 tracks embedded" in said.out

    def test_a_corrupt_model_is_4(self, run: Run, chain: Path, tmp_path: Path) -> None:
        shutil.copytree(chain / "run/model", tmp_path / "model")
        weights = bytearray((tmp_path / "model/model.safetensors").read_bytes())
        weights[-1] ^= 1
        (tmp_path / "model/model.safetensors").write_bytes(weights)
        said = run("embed", tmp_path / "model", chain / "catalog.csv", "-o", tmp_path / "embeddings")
        assert said.code == 4 and "corrupt" in said.err

    def test_an_index_of_another_model_is_4(
        self, run: Run, chain: Path, small_catalog: Path, tmp_path: Path
    ) -> None:
        words = [f"catalog={chain}/catalog.csv", f"run_dir={tmp_path}/other", *SMALL, "random_seed=1"]
        assert run("train", *words).code == 0
        song = next(small_catalog.parent.rglob("*.flac"))
        said = run("query", chain / "index", "--like", song, "--model", tmp_path / "other/model")
        assert said.code == 4 and "model" in said.err

    @pytest.mark.parametrize(
        "words, code, answer",
        [
            (["query", "{chain}/index", "--like", "nobody"], 2, "nobody"),
            (["query", "{chain}/index", "--like", "x", "--where", "gnere=rock"], 2, "genre"),
            (["query", "{chain}/nowhere", "--like", "x"], 2, "nowhere"),
            (
                ["train", "catalog={chain}/catalog.csv", "run_dir={chain}/r", "trainer.epoch=3"],
                2,
                "trainer.epochs",
            ),
            (["train", "catalog={chain}/none.csv", "run_dir={chain}/r"], 2, "none.csv"),
            (["embed", "{chain}/none", "{chain}/catalog.csv", "-o", "{chain}/e"], 2, "none"),
            (["scan", "{chain}/index", "-o", "{chain}/c.csv"], 2, "no audio"),
            (
                ["embed", "{chain}/run/model", "{chain}/catalog.csv", "-o", "/proc/embeddings"],
                2,
                "/proc/embeddings",
            ),
            (["evaluate", "{chain}/run", "{chain}/catalog.csv"], 2, "run/model"),
            (["recommend", "{chain}/index", "user-0001"], 2, "task=[ratings]"),
            (["evaluate", "{chain}/run/model", "{chain}/catalog.csv", "--truth", "{chain}"], 2, "ratings"),
            (
                ["evaluate", "{chain}/run/model", "{chain}/catalog.csv", "--ratings", "none.csv"],
                2,
                "none.csv",
            ),
            (
                ["reproduce", "{chain}/paper", "--catalog", "c", "--ratings", "r", "--run-dir", "d"],
                2,
                "vandenoord2013",
            ),
            (
                ["transfer", "{chain}/catalog.csv", "--source", "game", "--run-dir", "{chain}/t"],
                2,
                "no column game",
            ),
        ],
    )
    def test_a_mistake_ends_in_one_clear_line(
        self, run: Run, chain: Path, words: list[str], code: int, answer: str
    ) -> None:
        said = run(*(word.format(chain=chain) for word in words))
        assert said.code == code, said.err
        assert answer in said.err
        assert len([line for line in said.err.splitlines() if line.startswith(("soundkin:", "Error"))]) == 1
