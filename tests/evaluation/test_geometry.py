import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.errors import UsageError
from soundkin.evaluation.geometry import effective_dimensions, geometry, patch_distances
from soundkin.evaluation.hubness import REDUCTIONS, hubness
from soundkin.evaluation.label_questions import Question, group_numbers


def space(tracks=60, dimensions=8, random_seed=0):
    return np.random.default_rng(random_seed).normal(size=(tracks, dimensions))


def asked(tracks):
    artists = [(f"artist {row // 2}",) for row in range(tracks)]
    return Question(
        "genre", [(str(row // 2 % 3),) for row in range(tracks)], "artist", artists, group_numbers(artists)
    )


def test_equal_spread_in_all_directions_uses_all_dimensions():
    both_ways = np.concatenate([np.eye(6), -np.eye(6)])
    found = effective_dimensions("ours", both_ways)
    assert (found.given, found.effective, found.holding_most) == (6, pytest.approx(6), 6)


def test_one_line_is_one_dimension_and_one_point_none():
    assert effective_dimensions("ours", np.array([[1.0, 0, 0], [-2.0, 0, 0]])).effective == pytest.approx(1)
    point = effective_dimensions("ours", np.outer([1.0, 2.0, 5.0], [1.0, 2.0, 3.0]))  # length does not count
    assert (point.effective, point.holding_most) == (0.0, 0)


def test_a_hand_made_case_of_unequal_variances():
    # 4 of 5 vectors on the first axis, 1 of 5 on the second, both ways: variances 0.8 and 0.2.
    vectors = np.array([[1.0, 0], [-1, 0]] * 4 + [[0, 1.0], [0, -1]])
    found = effective_dimensions("ours", vectors)
    assert found.effective == pytest.approx(1 / (0.8**2 + 0.2**2))
    assert found.holding_most == 2


@pytest.mark.parametrize(("tracks", "dimensions"), [(50, 7), (7, 50), (5000, 4)])
def test_dimensions_agree_with_the_covariance_of_numpy(tracks, dimensions):
    vectors = space(tracks, dimensions) * np.linspace(0.1, 2, dimensions) + 0.5
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    variances = np.linalg.eigvalsh(np.cov(unit.T))[::-1]
    found = effective_dimensions("ours", vectors)
    assert found.effective == pytest.approx(variances.sum() ** 2 / (variances**2).sum())
    assert found.holding_most == np.argmax(np.cumsum(variances) >= 0.95 * variances.sum()) + 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_dimensions_do_not_change_when_the_space_is_turned_or_stretched(random_seed):
    rng = np.random.default_rng(random_seed)
    vectors = rng.normal(size=(20, 5)) * rng.uniform(0.1, 3, size=5)
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    found, turned = effective_dimensions("ours", vectors), effective_dimensions("ours", 3 * vectors @ turn)
    assert turned.effective == pytest.approx(found.effective)
    assert 1 <= found.effective <= 5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_patch_distances_are_those_of_a_loop_over_pairs(random_seed, counts):
    rng = np.random.default_rng(random_seed)
    patches = [rng.normal(size=(count, 3)) for count in counts]
    unit = [of_track / np.linalg.norm(of_track, axis=1, keepdims=True) for of_track in patches]
    within, between = patch_distances(patches)
    for track, own in enumerate(unit):
        rest = unit[:track] + unit[track + 1 :]
        pairs = [1 - one @ other for place, one in enumerate(own) for other in own[place + 1 :]]
        assert within[track] == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)
        others = [np.mean(1 - own @ other.T) for other in rest if len(own) and len(other)]
        expected = np.mean(others) if others else np.nan
        assert between[track] == pytest.approx(expected, nan_ok=True)


def test_tracks_that_are_points_have_no_spread_and_shuffled_patches_have_all_of_it():
    vectors = space(30)
    points = geometry({"ours": vectors}, [np.tile(vector, (4, 1)) for vector in vectors])
    assert points.spread.ratio == pytest.approx(0, abs=1e-9)
    anywhere = geometry({"ours": vectors}, list(space(4000, 8, 1).reshape(500, 8, 8))[:30])
    assert anywhere.spread.ratio == pytest.approx(1, abs=0.05)
    assert "patches of one track 0% as far apart" in points.verdict


def test_planted_spread_is_found():
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(60, 40))
    near, far = ([middle + noise * rng.normal(size=(6, 40)) for middle in middles] for noise in (0.2, 1.0))
    ratios = [geometry({"ours": middles}, patches).spread.ratio for patches in (near, far)]
    # Two noisy copies of a unit-variance vector have cosine 1 / (1 + noise^2); those of others have 0.
    assert ratios == pytest.approx([1 - 1 / 1.04, 1 - 1 / 2], abs=0.03)


def test_patches_that_cannot_be_compared_say_so():
    vectors = space(3)
    for patches in ([vector[None] for vector in vectors], [np.zeros((0, 8))] * 3):
        found = geometry({"ours": vectors}, patches)
        assert found.spread is None
        assert any("nothing to compare patches with" in note for note in found.notes)
    assert any("No patch vectors were given" in note for note in geometry({"ours": vectors}).notes)


def test_every_system_is_measured_by_every_similarity():
    systems = {"ours": space(), "other": space(random_seed=1)}
    found = geometry(systems, questions=[asked(60)], resamples=100)
    assert [(of.hubness.system, of.similarity) for of in found.neighbours] == [
        (system, similarity) for system in systems for similarity in REDUCTIONS
    ]
    plain = hubness("ours", systems["ours"])
    assert found.neighbours[0].hubness == plain
    rows = found.table()
    assert rows[0]["hubness: skewness"] == f"{plain.skewness:.2f}"
    assert "effective dimension" in rows[0]
    assert "effective dimension" not in rows[1]
    assert "(" in rows[1]["genre mAP@10"]
    assert "changing genre mAP@10 by" in found.verdict


def test_a_large_collection_is_sampled_and_the_notes_say_so():
    found = geometry({"ours": space(80)}, questions=[asked(80)], most_tracks=50, resamples=50)
    assert (found.tracks, found.ranked) == (80, 50)
    assert found.neighbours[0].hubness.largest_hub <= 1
    assert any("50 tracks drawn from 80" in note for note in found.notes)
    assert not any("drawn from" in note for note in geometry({"ours": space(80)}).notes)


def test_the_order_of_the_catalog_does_not_matter():
    vectors = space(40)
    turned = geometry({"ours": vectors[::-1].copy()})
    for found, other in zip(geometry({"ours": vectors}).neighbours, turned.neighbours, strict=True):
        assert found.hubness.skewness == pytest.approx(other.hubness.skewness)


def test_intervals_of_spread_draw_artists_where_they_are_known():
    vectors = space(100)
    rng = np.random.default_rng(0)
    noise = np.repeat([0.1, 1.0] * 5, 10)  # artist by artist, of ten
    artists = [(f"artist {row // 10}",) for row in range(100)]
    question = Question("genre", artists, "artist", artists, group_numbers(artists))
    patches = [vector + size * rng.normal(size=(5, 8)) for vector, size in zip(vectors, noise, strict=True)]
    of_tracks = geometry({"ours": vectors}, patches).spread.within
    of_artists = geometry({"ours": vectors}, patches, [question], artists=question.groups).spread.within
    assert of_artists.high - of_artists.low > of_tracks.high - of_tracks.low


def test_few_tracks_cannot_show_more_dimensions_than_they_are():
    assert any(
        "5 tracks cannot show more than 4 dimensions of ours" in n for n in geometry({"ours": space(5)}).notes
    )


@pytest.mark.parametrize("tracks", [0, 1])
def test_no_neighbours_is_nothing_measured(tracks):
    found = geometry({"ours": np.ones((tracks, 3))}, [np.ones((2, 3))] * tracks)
    assert "nothing measured" in found.verdict
    assert found.spread is None


def test_one_point_has_neither_dimensions_nor_a_ratio():
    found = geometry({"ours": np.ones((4, 3))}, [np.ones((2, 3))] * 4)
    assert found.dimensions[0].effective == 0
    assert found.spread.ratio is None
    assert "patches" not in found.verdict


@pytest.mark.parametrize(
    ("patches", "expected"),
    [
        ([np.ones((2, 8))] * 3, "patches of 3 tracks for 60 vectors"),
        ([*[np.ones((2, 8))] * 59, np.full((1, 8), np.inf)], "a patch vector of track 59 holds a NaN"),
    ],
)
def test_refuses(patches, expected):
    with pytest.raises(UsageError, match=expected):
        geometry({"ours": space()}, patches)


def test_plain_values_come_out():
    dumped = geometry({"ours": space()}, questions=[asked(60)], resamples=20).model_dump(mode="json")
    assert dumped["neighbours"][1]["retrieval"][0]["label"] == "genre"
