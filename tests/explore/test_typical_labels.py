"""Labels that are typical of a group: planted ones are found, frequent and rare ones are not."""

import numpy as np
import pytest

from soundkin.explore.typical_labels import log_odds_score, name_labels, typical_labels

GROUPS = np.repeat(np.arange(4), 50)


def planted(random_seed: int = 0) -> list[tuple[str, ...]]:
    """Every track is rock; half of group 2 is also jazz, as are a twentieth of the others."""
    rng = np.random.default_rng(random_seed)
    jazz = rng.random(200) < np.where(GROUPS == 2, 0.5, 0.05)
    return [("rock", "jazz") if each else ("rock",) for each in jazz]


def test_what_all_have_names_nothing_and_what_is_more_frequent_somewhere_does() -> None:
    found = typical_labels({"genre": planted()}, GROUPS)
    assert [name_labels(group) for group in found] == [[], [], ["jazz"], []]
    [jazz] = found[2]
    assert 0.35 < jazz.share < 0.65 and jazz.share_elsewhere < 0.1 and jazz.column == "genre"


def test_the_score_is_the_log_odds_ratio_in_standard_deviations() -> None:
    held, known, elsewhere, others = (np.array([float(each)]) for each in (30, 50, 10, 150))
    yes, no = 10 * 40 / 200, 10 * 160 / 200
    odds = np.log((30 + yes) / (20 + no)) - np.log((10 + yes) / (140 + no))
    expected = odds / np.sqrt(1 / (30 + yes) + 1 / (10 + yes))
    np.testing.assert_allclose(log_odds_score(held, known, elsewhere, others), expected)


def test_labels_dealt_at_random_are_typical_of_nothing() -> None:
    rng = np.random.default_rng(0)
    artists = [(f"artist {rng.zipf(1.5) % 60}",) for _ in GROUPS]
    found = [typical_labels({"artist": artists}, rng.permutation(GROUPS)) for _ in range(20)]
    assert sum(len(group) for groups in found for group in groups) <= 2


def test_two_tracks_of_a_label_are_too_few_however_rare_it_is() -> None:
    values = [("yodel",) if row < 2 else ("rock",) if row % 2 else ("pop",) for row in range(200)]
    assert not any("yodel" in name_labels(group) for group in typical_labels({"tags": values}, GROUPS))


@pytest.mark.parametrize("values", [{}, {"genre": [()] * 200}, {"genre": [("rock",)] * 200}])
def test_without_labels_or_with_one_there_is_nothing_typical(values: dict) -> None:
    assert typical_labels(values, GROUPS) == [[], [], [], []]
