import pytest
from PIL import Image

from soundkin.explore.curves import SCORES, draw_curves, panels, read_curves, readable

TABLE = """epoch,step,train/loss,train/genre_loss,train/genre_accuracy,valid/genre_map,seconds
0.0,10.0,3.5,2.5,0.1,,1.5
0.0,10.0,,,,0.25,
1.0,20.0,nan,2.0,0.2,0.5,1.5
"""


@pytest.fixture
def metrics_csv(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(TABLE)
    return path


def test_empty_cells_and_numbers_that_are_none_are_left_out(metrics_csv):
    curves = read_curves(metrics_csv)
    assert curves["train/loss"] == ([10], [3.5])
    assert curves["valid/genre_map"] == ([10, 20], [0.25, 0.5])
    assert "seconds" not in curves


def test_panels_keep_losses_and_scores_apart(metrics_csv):
    assert panels(read_curves(metrics_csv)) == {
        "loss": ["train/loss"],
        "loss of each task": ["train/genre_loss"],
        "scores on training batches": ["train/genre_accuracy"],
        SCORES["valid"]: ["valid/genre_map"],
    }


def test_weights_are_drawn_only_where_they_are_learnt_and_cosines_by_themselves():
    steps = [1, 2]
    curves = {
        "train/genre_weight": (steps, [1.0, 1.0]),
        "train/artist_weight": (steps, [1.0, 0.7]),
        "train/gradient_cosine_genre.artist": (steps, [0.1, -0.2]),
    }
    assert list(panels(curves).values()) == [["train/gradient_cosine_genre.artist"], ["train/artist_weight"]]
    assert readable("train/gradient_cosine_genre.artist", curves) == "genre and artist"


def test_the_selection_score_is_drawn_once():
    same, another = ([1, 2], [0.3, 0.4]), ([1, 2], [0.3, 0.3])
    assert panels({"valid/retrieval": same, "valid/watched": same}) == {SCORES["valid"]: ["valid/retrieval"]}
    assert panels({"valid/retrieval": same, "valid/watched": another})[SCORES["valid"]] == [
        "valid/retrieval",
        "valid/watched",
    ]


def test_a_legend_says_whose_curve_it_is_only_where_there_are_two():
    assert readable("valid/genre_map", ["valid/genre_map"]) == "genre mAP"
    assert readable("valid/genre_loss", ["train/genre_loss", "valid/genre_loss"]) == "genre, held out"


def test_a_picture_is_written(metrics_csv, tmp_path):
    assert draw_curves(metrics_csv, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"


def marks(metrics_csv, tmp_path, monkeypatch, **settings):
    """What vertical lines say, and where they stand, in each panel of a picture."""
    drawn = []
    monkeypatch.setattr("soundkin.explore.palette.save_picture", lambda figure, output: drawn.append(figure))
    assert draw_curves(metrics_csv, tmp_path / "curves.png", **settings)
    return [[(text.get_text(), text.xy[0]) for text in axes.texts] for axes in drawn[0].axes]


@pytest.mark.slow
def test_the_epoch_that_was_kept_and_an_early_stop_are_marked_in_every_panel(
    metrics_csv, tmp_path, monkeypatch
):
    assert set(map(tuple, marks(metrics_csv, tmp_path, monkeypatch))) == {()}
    found = marks(metrics_csv, tmp_path, monkeypatch, kept_step=10, stopped=True)
    assert len(found) == 4 and all(panel == [("kept", 10), ("stopped early", 20)] for panel in found)


@pytest.mark.parametrize("content", [None, "", "epoch,step\n", "epoch,step,train/loss\n0,1,\n"])
def test_nothing_logged_is_no_picture(content, tmp_path):
    path = tmp_path / "metrics.csv"
    if content is not None:
        path.write_text(content)
    assert not draw_curves(path, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
