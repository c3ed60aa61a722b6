import itertools

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import silhouette_score

from soundkin.errors import OutputError
from soundkin.explore.map import MOST_TRACKS, draw_map, legend_rows, map_points, sample_tracks
from soundkin.explore.palette import DARK, LIGHT, LINES, MARKERS, dark_twin, save_picture, shorten


def test_tracks_that_are_alike_lie_together_and_the_random_seed_decides_where():
    kinds = np.arange(60) % 3
    vectors = np.eye(3, 16)[kinds] + 0.05 * np.random.default_rng(0).normal(size=(60, 16))
    points = map_points(vectors, random_seed=0)
    assert silhouette_score(points, kinds) > 0.6
    assert np.array_equal(points, map_points(vectors, random_seed=0))


@pytest.mark.parametrize("tracks", [0, 1, 2, 3, 9, 10, 12])
@pytest.mark.parametrize("size", [1, 2, 8])
def test_any_number_of_tracks_and_dimensions_has_points(tracks, size):
    points = map_points(np.random.default_rng(0).normal(size=(tracks, size)), random_seed=0)
    assert points.shape == (tracks, 2)
    assert np.isfinite(points).all()


def test_equal_and_silent_vectors_have_points():
    assert np.isfinite(map_points(np.ones((20, 4)), 0)).all()
    assert np.isfinite(map_points(np.zeros((20, 4)), 0)).all()


def test_more_tracks_than_print_well_are_sampled():
    rows = sample_tracks(MOST_TRACKS + 500, random_seed=0)
    assert len(rows) == len(set(rows)) == MOST_TRACKS
    assert (np.diff(rows) > 0).all()
    assert sample_tracks(3, random_seed=0).tolist() == [0, 1, 2]


def test_the_commonest_names_are_told_apart_and_the_rest_are_other():
    names = [f"genre {rank}" for rank in range(9) for _ in range(9 - rank)] + [None]
    rows = legend_rows(names)
    assert list(rows) == [*(f"genre {rank}" for rank in range(len(MARKERS))), "other", "unknown"]
    assert rows["unknown"] == [len(names) - 1] and len(rows["other"]) == 3
    assert sorted(itertools.chain(*rows.values())) == list(range(len(names)))
    assert list(legend_rows(["other", "a", None])) == ["a", "other", "unknown"]


def test_every_colour_has_a_shape_and_a_line_of_its_own():
    for theme in (LIGHT, DARK):
        assert len(set(theme.colours)) == len(set(MARKERS)) == len(set(LINES)) == len(theme.colours)


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize(("theme", "least"), [(LIGHT, 2.0), (DARK, 5.0)])
def test_every_colour_stands_out_from_its_ground(theme, least):
    for colour in (*theme.colours, theme.ink, theme.quiet):
        light, dark = sorted((luminance(colour), luminance(theme.paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= least


def test_the_dark_twin_is_dark_and_in_the_same_folder(tmp_path):
    points = np.random.default_rng(0).normal(size=(5, 2))
    draw_map(points, ["a"] * 5, "five", "genre", tmp_path / "map.png")
    twins = tmp_path / "map.png", dark_twin(tmp_path / "map.png")
    means = [np.asarray(Image.open(path).convert("L")).mean() for path in twins]
    assert means[0] > 200 and means[1] < 60


def test_a_name_that_begins_with_an_underscore_stays_in_the_legend():
    assert shorten("_private").strip() == "_private" and not shorten("_private").startswith("_")


def test_a_picture_is_written_whatever_the_names_are(tmp_path, recwarn):
    names = ["A$AP $TAR", "音楽", "x" * 90, "<b>", None]
    draw_map(
        np.random.default_rng(0).normal(size=(5, 2)), names, "five $tracks", "genre", tmp_path / "map.png"
    )
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 600
    assert not recwarn.list


def test_nothing_to_draw_is_an_empty_map(tmp_path):
    draw_map(np.zeros((0, 2)), [], "nothing", "genre", tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 0


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"map\.png"):
        draw_map(np.zeros((1, 2)), ["a"], "one", "genre", tmp_path / "file" / "map.png")


def test_names_are_drawn_as_they_are(tmp_path, monkeypatch):
    """Neither as formulas nor left out, whatever matplotlib makes of `$` and `_`."""
    drawn = []
    monkeypatch.setattr("soundkin.explore.palette.save_picture", lambda figure, output: drawn.append(figure))
    names = ["$A$AP", "_underground", r"50% {\frac}", "$unclosed"] * 3
    draw_map(
        np.random.default_rng(0).normal(size=(12, 2)), names, "who is $who$?", "genre", tmp_path / "map.png"
    )
    light, _ = drawn
    (axes,) = light.axes
    legend = axes.get_legend().get_texts()
    assert {text.get_text().strip() for text in legend} == {f"{name} (3)" for name in names}
    assert not any(text.get_parse_math() for text in [*legend, axes.title])
    save_picture(light, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_a_way_leads_through_its_tracks_in_their_order(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("soundkin.explore.palette.save_picture", lambda figure, output: drawn.append(figure))
    points = np.random.default_rng(0).normal(size=(12, 2))
    draw_map(points, ["a"] * 12, "a way", "genre", tmp_path / "map.png", way=[7, 2, 5])
    for figure in drawn:
        [axes] = figure.axes
        for line in axes.lines:
            assert np.allclose(line.get_xydata(), points[[7, 2, 5]])
        assert [text.get_text() for text in axes.texts] == ["1", "2", "3"]
        assert np.allclose([text.get_position() for text in axes.texts], points[[7, 2, 5]])
