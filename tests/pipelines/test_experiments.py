"""Every experiment that ships: what it says of its source, and that a model comes out of it."""

import re
from pathlib import Path

import numpy as np
import pytest

import soundkin
from onnx_teachers import onnx_teacher
from soundkin.models import build_network
from soundkin.pipelines.train import compose, train
from soundkin.training.compose import config_folder

FILES = {
    path.stem: path for path in sorted((config_folder() / "experiment").glob("*.yaml")) if path.stem != "demo"
}
WITHOUT_SOURCE = {"own"}  # a setting for everyday use, after nobody's work
SHORT = [
    "trainer.epochs=2",
    "trainer.steps_per_epoch=2",
    "trainer.frozen_share=0.5",
    "trainer.threads=1",
    "data.batch_patches=8",
    "data.cache_workers=1",
    "data.validation_patches=2",
    "data.examples.first=1",
    "data.examples.held_out=1",
    "logger=csv",
]
MOST_FRAMES, MOST_FILTERS, MOST_UNITS = 24, 8, 16


def smaller(name: str) -> list[str]:
    """Overrides that keep the shape of an experiment's network, and leave little of its size."""
    config = compose([f"experiment={name}", "start=random", "catalog=c.csv", "run_dir=r"])
    model = config.model
    network = build_network(model, config.features.mel_bands)
    frames = min(config.patch.frames, max(MOST_FRAMES, network.minimum_frames))
    layers = [
        layer.model_copy(update={"filters": min(layer.filters, MOST_FILTERS)}) for layer in model.convolutions
    ]
    written = [
        ",".join(f"{key}:{value}".lower() for key, value in layer.model_dump().items()) for layer in layers
    ]
    return [
        f"patch={{frames:{frames},hop_frames:{frames}}}",
        f"model.convolutions=[{','.join(f'{{{layer}}}' for layer in written)}]",
        f"model.dense=[{','.join(str(min(size, MOST_UNITS)) for size in model.dense)}]",
    ]


def test_the_experiments_that_are_promised_are_there() -> None:
    assert {
        "vandenoord2013",
        "dieleman2014",
        "seminar2017",
        "contrastive",
        "labels",
        "best",
        "distilled",
    } <= FILES.keys()


@pytest.mark.parametrize("name", [path.stem for path in (config_folder() / "experiment").glob("*.yaml")])
def test_tasks_that_are_chosen_take_the_place_of_an_experiments_own(name: str) -> None:
    words = [f"experiment={name}", "task=[contrastive]", "start=random", "catalog=c.csv", "run_dir=r"]
    chosen = compose(words).task
    assert [task for task in chosen.model_fields_set if getattr(chosen, task)] == ["contrastive"]


@pytest.mark.parametrize("name", FILES)
def test_an_experiment_says_what_it_is_after_and_whose_idea_it_is(name: str) -> None:
    lines = FILES[name].read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    paragraph = " ".join(line.removeprefix("#").strip() for line in lines[1:] if line.startswith("#"))
    assert len(paragraph.split()) >= 10
    if name not in WITHOUT_SOURCE:
        assert re.search(r"\b(19|20)\d\d\b|docs/results\.md", paragraph), (
            "name who had the idea, where and when"
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_an_experiment_gives_a_model(name: str, small_catalog: Path, tmp_path: Path) -> None:
    sources = [f"catalog={small_catalog}", f"ratings={small_catalog.parent / 'ratings.csv'}", "start=random"]
    sources.append(f"teacher={onnx_teacher(tmp_path / 'teacher.onnx')}")
    config = compose([f"experiment={name}", *sources, f"run_dir={tmp_path / 'run'}", *SHORT, *smaller(name)])
    model = train(config).model
    embedder = soundkin.load(model)
    vector = embedder.embed(next(small_catalog.parent.rglob("*.flac")))
    assert vector.shape == (config.model.embedding_size,)
    assert np.isfinite(vector).all() and vector.any()
    chosen = sorted(task for task, settings in config.task if settings is not None)
    assert f"Proxy tasks: {', '.join(chosen)}." in (model / "README.md").read_text(encoding="utf-8")
    assert embedder.reads_lyrics == (config.model.lyrics is not None)
