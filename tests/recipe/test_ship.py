import json
from pathlib import Path

import pandas as pd
import pytest

import ship as shipping
from onnx_teachers import onnx_teacher
from ship import put_in_the_box, score, ship
from soundkin.embedding.bundle import load_bundle, save_bundle
from soundkin.errors import UsageError
from soundkin.statistics.bootstrap import Interval


def planted(new: float, current: float | None, mfcc: float = 0.1) -> dict[str, dict[str, Interval]]:
    """Figures in which each system has one score throughout, and the new one keeps all neighbours."""
    scores = {"new": new, "MFCC": mfcc, "teachers together": 0.9}
    scores |= {} if current is None else {"default": current}
    names = ("same artist, recorded", "same genre, rendered", "overlap with one", "hubness")
    figures = {
        figure: {name: Interval(system=name, mean=value, low=0.0, high=1.0) for name, value in scores.items()}
        for figure in names
    }
    return figures | {"kept: mp3": {"new": Interval(system="new", mean=1.0)}}


@pytest.fixture
def run(little_model, little_music, tmp_path) -> Path:
    """The model folder of a run that kept to its training tracks."""
    little_model.provenance = {"train_config": {"teacher": ["/somewhere/one.onnx"], "data": {"cache": None}}}
    little_model.tasks = {"distill": {"teachers": [["one.parquet", 5, 0, "", ""]]}}
    save_bundle(little_model, tmp_path / "run" / "model")
    frame = pd.read_csv(little_music / "tracks.csv")[["track_id"]]
    frame["split"] = ["test"] * 24 + ["train"] * 11 + ["test"]
    frame.to_csv(tmp_path / "run" / "tracks.csv", index=False)
    return tmp_path / "run" / "model"


@pytest.fixture
def shipped(run, little_music, tmp_path, monkeypatch):
    """Ship the run's model, with planted figures, into a box of the test's own."""

    def ship_it(figures: dict) -> str:
        monkeypatch.setattr(shipping, "judge", lambda *_: figures)
        return ship(run, little_music, tmp_path, folder=tmp_path / "box")

    return ship_it


def test_a_score_is_of_retrieval_and_overlap_alone() -> None:
    figures = planted(new=0.2, current=0.3)
    figures["same artist, recorded"]["new"] = Interval(system="new", mean=0.5)
    assert score(figures, "new") == pytest.approx(0.3)


def test_the_first_model_is_shipped_with_its_card_and_attribution(shipped, run, tmp_path) -> None:
    assert "in the box now" in shipped(planted(new=0.4, current=None))
    assert load_bundle(tmp_path / "box").hash == load_bundle(run).hash
    assert "Artist 0" in (tmp_path / "box" / "ATTRIBUTION.md").read_text()
    card = (tmp_path / "box" / "README.md").read_text()
    for wanted in (
        "same artist, recorded | 0.40 [0.00, 1.00]; MFCC 0.10; teachers together 0.90 |",
        "1 tracks that forbid commercial use (nc); 24 tracks of collections that it is judged by: SuperTux,",
        "Trained again by `make model",
        "no commercial recording",
        "ATTRIBUTION.md beside the default model",
    ):
        assert wanted in " ".join(card.split())


def test_nothing_shipped_names_a_folder_of_this_machine(shipped, tmp_path) -> None:
    shipped(planted(new=0.4, current=None))
    config = json.loads((tmp_path / "box" / "config.json").read_text())
    assert config["provenance"]["train_config"] == {"teacher": ["one.onnx"], "data": {"cache": None}}


@pytest.mark.parametrize(
    ("new", "current", "mfcc", "reason"),
    [
        (0.4, 0.3, 0.1, ""),
        (0.4, 0.4, 0.1, "the model in the box 0.4000"),
        (0.4, 0.3, 0.5, "MFCC statistics 0.5000"),
    ],
)
def test_only_a_better_model_takes_the_place(
    shipped, little_model, little_music, tmp_path, new, current, mfcc, reason
) -> None:
    little_model.network.trunk.load_state_dict(
        {name: value + 0.01 for name, value in little_model.network.trunk.state_dict().items()}
    )
    little_model.hash = ""
    little_model.__post_init__()
    put_in_the_box(little_model, little_music / "ATTRIBUTION.md", tmp_path / "box")
    before = load_bundle(tmp_path / "box").hash
    said = shipped(planted(new, current, mfcc))
    assert (load_bundle(tmp_path / "box").hash == before) == bool(reason)
    assert reason in said


def test_what_is_in_the_box_is_not_judged_against_itself(shipped, tmp_path) -> None:
    shipped(planted(new=0.4, current=None))
    assert "in the box already" in shipped({})


@pytest.mark.parametrize("track", ["t03", "t35"])
def test_a_model_that_heard_what_it_must_not_is_refused(shipped, run, track) -> None:
    frame = pd.read_csv(run.parent / "tracks.csv")
    frame.loc[frame["track_id"] == track, "split"] = "valid"
    frame.to_csv(run.parent / "tracks.csv", index=False)
    with pytest.raises(UsageError, match=f"track_id={track} is held out, or forbids"):
        shipped(planted(new=0.4, current=None))


def test_a_model_that_is_too_large_or_without_its_run_is_refused(shipped, run, monkeypatch) -> None:
    monkeypatch.setattr(shipping, "MOST_BYTES", 10_000)
    with pytest.raises(UsageError, match=r"has 0\.\d MB, and 0 MB is the most"):
        shipped(planted(new=0.4, current=None))
    (run.parent / "tracks.csv").unlink()
    with pytest.raises(UsageError, match=r"tracks\.csv is missing"):
        shipped(planted(new=0.4, current=None))


def test_a_teacher_known_by_its_answers_gets_its_name_and_licence(run, tmp_path) -> None:
    onnx_teacher(tmp_path / "one.onnx", licence="ISC", citation="A. Author, 2019")
    described = shipping._with_licence(["one.parquet", 2, 1, "", ""], tmp_path)
    assert described == ["loudness", 2, 1, "ISC", "A. Author, 2019"]
    assert shipping._with_licence(["other.parquet", 2, 1, "", ""], tmp_path)[0] == "other.parquet"
