import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.evaluation.fairness import Fairness, exposures, fairness
from soundkin.statistics.bootstrap import drawn_means
from soundkin.statistics.measure import CHANCE, Measure

ARTISTS, TRACKS = 40, 3  # three tracks by each of forty artists


def measure(scores, groups=None, weights=None):
    count = len(next(iter(scores.values())))
    groups = np.arange(count) // TRACKS if groups is None else np.asarray(groups)
    return Measure("retrieval", "genre", "mAP@10", "artist", scores, groups, weights)


def dealt(*names):
    """Artists dealt to groups in turn, one name a track."""
    return [(names[artist % len(names)],) for artist in range(ARTISTS) for _ in range(TRACKS)]


def noise(random_seed=0):
    rng = np.random.default_rng(random_seed)
    return 0.5 + 0.1 * rng.normal(size=ARTISTS).repeat(TRACKS) + 0.05 * rng.normal(size=ARTISTS * TRACKS)


def only(found, group, grouping="language"):
    return next(one for one in found.scores if (one.grouping, one.group) == (grouping, group))


def test_a_group_that_is_served_worse_is_found_and_the_others_are_not():
    language = dealt("de", "en", "fr", "sw")
    is_sw = np.array([name == ("sw",) for name in language])
    scores = {"ours": noise() - 0.3 * is_sw, "MFCC": noise(1), CHANCE: np.full(120, 0.25)}
    found = fairness([measure(scores)], {"language": language}, resamples=500)
    sw = only(found, "sw")
    assert (sw.worse, sw.confirmed, sw.items, sw.units) == (("ours",), ("ours",), 30, 10)
    assert sw.gaps[0].mean == pytest.approx(scores["ours"][is_sw].mean() - scores["ours"][~is_sw].mean())
    assert sw.gaps[0].high < -0.2
    assert sw.means[0].mean == pytest.approx(scores["ours"][is_sw].mean())
    assert sw.gaps[2].mean == 0 and sw.p_values[2] == 1
    assert [one.group for one in found.scores if one.confirmed] == ["sw"]
    assert found.verdict == "served worse by ours: language sw (4 groups compared, 0 not)"
    row = next(row for row in found.table() if row["group"] == "sw")
    assert (row["found"], row["measure"]) == ("worse", "retrieval genre mAP@10, artist filter")
    assert row["chance"] == "0.25 (+0.00)"


def test_a_gap_is_paired_within_artists_whose_tracks_stand_on_both_sides():
    """What artists share drops out where each has tracks in both groups: what is left is the difference."""
    words = [("spoken" if track == 0 else "sung",) for _ in range(ARTISTS) for track in range(TRACKS)]
    artists = np.random.default_rng(0).normal(size=ARTISTS).repeat(TRACKS)
    spoken = np.array([name == ("spoken",) for name in words])
    found = fairness([measure({"ours": artists - 0.01 * spoken})], {"words": words}, resamples=300)
    gap = only(found, "spoken", "words").gaps[0]
    assert (gap.low, gap.mean, gap.high) == pytest.approx((-0.01, -0.01, -0.01))


def test_the_interval_agrees_with_drawing_by_hand():
    language, scores = dealt("de", "en"), noise()
    weights = np.random.default_rng(2).random(120) + 0.5
    gap = only(
        fairness([measure({"ours": scores}, weights=weights)], {"language": language}, resamples=400), "de"
    ).gaps[0]
    inside = np.array([name == ("de",) for name in language])
    groups = np.arange(120) // TRACKS
    ours, others = (
        drawn_means(scores[:, None], weights * part, groups, 400, 0)[:, 0] for part in (inside, ~inside)
    )
    by_hand = ours - others
    assert (gap.mean, gap.low, gap.high) == pytest.approx(
        (by_hand[0], *np.quantile(by_hand[1:], [0.025, 0.975]))
    )


@pytest.mark.slow
def test_equal_groups_have_intervals_over_zero_about_as_often_as_they_say():
    language = dealt("de", "en")
    outside = named = 0
    for trial in range(250):
        one = only(fairness([measure({"ours": noise(trial)})], {"language": language}, resamples=150), "de")
        outside += not one.gaps[0].low <= 0 <= one.gaps[0].high
        named += bool(one.confirmed)
    assert 0.02 < outside / 250 < 0.1  # 5% nominal; percentiles over 20 artists a side are a little narrow
    assert named / 250 < 0.06


@pytest.mark.slow
def test_of_many_equal_groupings_hardly_any_is_confirmed():
    rng = np.random.default_rng(0)
    called = confirmed = 0
    for trial in range(30):
        groupings = {
            f"column {column}": [(str(group),) for group in rng.integers(0, 2, ARTISTS).repeat(TRACKS)]
            for column in range(20)
        }
        scores = fairness([measure({"ours": noise(trial)})], groupings, resamples=200).scores
        called += any(one.worse for one in scores)
        confirmed += any(one.confirmed for one in scores)
    assert called >= 15  # some interval lies below zero nearly always, by chance alone
    assert confirmed <= 5


def test_small_groups_are_flagged_rather_than_scored():
    few_artists = [
        ("rare",) if artist < 7 else ("common",) for artist in range(ARTISTS) for _ in range(TRACKS)
    ]
    few_tracks = [
        ("rare",) if artist < 19 and track == 0 else ("common",) for artist in range(40) for track in range(3)
    ]
    found = fairness(
        [measure({"ours": noise()})], {"artists": few_artists, "tracks": few_tracks}, resamples=50
    )
    rare, common = only(found, "rare", "artists"), only(found, "common", "artists")
    assert rare.flag == "too few to tell (artists: 7)"
    assert (
        common.flag == "too few to tell (other artists: 7)"
    )  # nor is there enough to compare the others with
    assert only(found, "rare", "tracks").flag == "too few to tell (items: 19)"
    assert not any((one.means, one.gaps, one.worse) != ((), (), ()) for one in found.scores)
    assert found.verdict == "no group can be compared: 4 are too small, or have no others"
    assert any("named, not scored" in note for note in found.notes)
    assert found.table()[0]["found"] == common.flag


def test_one_group_has_nobody_to_be_compared_with():
    found = fairness([measure({"ours": noise()})], {"language": dealt("de")}, resamples=50)
    assert found.scores[0].flag == "nobody else to compare with"
    assert found.verdict.startswith("no group can be compared: 1 are")


def test_nothing_at_all():
    for found in (
        fairness([], {}),
        fairness([measure({"ours": noise()})], {}),
        fairness([], {"language": dealt("de")}),
    ):
        assert (found.scores, found.exposures, found.table()) == ((), (), [])
        assert found.verdict == "nothing to split: no item with a score is in a group."
    unasked = measure({"ours": np.full(120, np.nan)})
    assert fairness([unasked], {"language": dealt("de", "en")}).scores == ()


def test_items_that_could_not_be_asked_belong_to_no_group():
    scores = noise()
    scores[:60] = np.nan
    found = fairness([measure({"ours": scores})], {"language": dealt("de", "en")}, resamples=50)
    assert only(found, "de").items == 30


def test_the_unknown_are_a_group():
    found = fairness([measure({"ours": noise()})], {"language": dealt("de", "unknown")}, resamples=50)
    assert only(found, "unknown").items == 60 and only(found, "unknown").gaps


def test_a_track_of_two_genres_counts_in_both():
    both = [("rock", "pop"), ("rock",), ("pop",), ("jazz",)]
    genres = [both[artist % 4] for artist in range(ARTISTS) for _ in range(TRACKS)]
    found = fairness([measure({"ours": noise()})], {"genre": genres}, resamples=50)
    assert [(one.group, one.items) for one in found.scores] == [("jazz", 30), ("pop", 60), ("rock", 60)]


def test_users_are_split_as_tracks_are():
    rng = np.random.default_rng(0)
    scores = np.where(np.arange(80) % 2, 0.2, 0.6) + 0.05 * rng.normal(size=80)
    scores[0] = np.nan
    users = Measure("recommendation", "plays", "recall@20", None, {"model": scores}, np.arange(80))
    countries = [("no",) if user % 2 else ("se",) for user in range(80)]
    found = fairness([users], {"country": countries}, resamples=300)
    assert found.verdict == "served worse by model: country no (2 groups compared, 0 not)"
    assert found.exposures == ()


def test_exposure_stands_beside_and_counts_for_the_verdict():
    rng = np.random.default_rng(0)
    hidden = np.arange(120) // 3 % 2 == 0
    vectors = rng.normal(size=(120, 8)) + np.where(hidden, 0, 2)[:, None]  # a crowd that all look towards
    found = fairness(
        [], {"side": [("hidden",) if is_so else ("seen",) for is_so in hidden]}, {"ours": vectors},
        np.arange(120) // 3, resamples=300,
    )  # fmt: skip
    assert found.verdict == "shown less than its share: side hidden (2 groups compared, 0 not)"
    rows = {row["group"]: row for row in found.table()}
    assert rows["hidden"]["found"] == "shown less" and rows["seen"]["found"] == ""
    assert rows["hidden"]["ours"].startswith("0.")


def test_it_survives_json_and_the_same_seed_gives_the_same():
    def again(seed):
        vectors = np.random.default_rng(0).normal(size=(120, 4))
        return fairness(
            [measure({"ours": noise()})],
            {"language": dealt("de", "en")},
            {"ours": vectors},
            np.arange(120),
            10,
            200,
            seed,
        )

    assert Fairness.model_validate_json(again(3).model_dump_json()) == again(3)
    assert again(3) != again(4)


@settings(max_examples=10, deadline=None)
@given(st.permutations(["de", "en", "fr"]), st.integers(0, 2**16))
def test_what_groups_are_called_changes_nothing(names, random_seed):
    place = np.random.default_rng(random_seed).integers(0, 3, ARTISTS)
    place[:30] = np.arange(30) % 3
    before, after = ("a", "b", "c"), names

    def by_group(labels):
        values = [(labels[artist],) for artist in place for _ in range(TRACKS)]
        vectors = np.random.default_rng(1).normal(size=(120, 4))
        found = fairness(
            [measure({"ours": noise()})],
            {"language": values},
            {"ours": vectors},
            np.arange(120),
            resamples=60,
        )
        scores = {one.group: one.model_dump(exclude={"group"}) for one in found.scores}
        shown = {one.group: one.model_dump(exclude={"group"}) for one in found.exposures}
        return [(scores[label], shown[label]) for label in labels]

    for one, other in zip(by_group(before), by_group(after), strict=True):
        assert one == other


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16))
def test_the_order_of_items_changes_no_mean(random_seed):
    order = np.random.default_rng(random_seed).permutation(120)
    language, scores = dealt("de", "en"), noise()
    one = fairness([measure({"ours": scores})], {"language": language}, resamples=50)
    other = fairness(
        [measure({"ours": scores[order]}, groups=(np.arange(120) // TRACKS)[order])],
        {"language": [language[row] for row in order]},
        resamples=50,
    )
    for here, there in zip(one.scores, other.scores, strict=True):
        assert here.gaps[0].mean == pytest.approx(there.gaps[0].mean)
        assert here.gaps[0].low == pytest.approx(there.gaps[0].low)


def exposed(vectors, values, artists=None, k=1, resamples=100):
    artists = np.arange(len(vectors)) if artists is None else artists
    return {
        one.group: one
        for one in exposures({"ours": np.asarray(vectors)}, {"side": values}, artists, k, resamples, 0)
    }


def angles(degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_a_hand_made_case():
    """Nearest of each at 0, 10, 25, 90 and 95 degrees: 10, 0, 10, 95, 90. Of five places, rock (0, 10) has
    three.
    """
    shown = exposed(angles([0, 10, 25, 90, 95]), [("rock",), ("rock",), ("pop",), ("pop",), ("pop",)])
    assert (shown["rock"].share_of_places, shown["rock"].share_of_tracks) == pytest.approx((3 / 5, 2 / 5))
    assert (shown["pop"].share_of_places, shown["pop"].share_of_tracks) == pytest.approx((2 / 5, 3 / 5))
    assert shown["pop"].flag == "too few to tell (tracks: 3, artists: 3)"
    assert shown["pop"].ratio is None and not shown["pop"].confirmed


def hub_and_rim(rng, tracks=120):
    """Half the tracks lie round one direction, the other half in all: these find those, and are not found."""
    seen = np.arange(tracks) % 2 == 0
    vectors = rng.normal(size=(tracks, 16))
    return np.where(seen[:, None], 0.5 * vectors + np.eye(16)[0] * 2, vectors), seen


def test_a_group_in_the_middle_of_all_is_shown_more_and_the_ratio_is_that_of_the_shares():
    vectors, seen = hub_and_rim(np.random.default_rng(0))
    shown = exposed(vectors, [("seen",) if is_so else ("hidden",) for is_so in seen], k=10, resamples=400)
    hidden = shown["hidden"]
    assert hidden.ratio.mean == pytest.approx(hidden.share_of_places / hidden.share_of_tracks)
    assert hidden.shown_less and hidden.confirmed
    assert shown["seen"].ratio.low > 1 and not shown["seen"].shown_less


def test_groups_dealt_at_random_hold_one_about_as_often_as_intervals_say_hubs_or_not():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        artists = np.arange(60).repeat(2)
        vectors = rng.normal(size=(60, 40)).repeat(2, axis=0) + rng.normal(size=(120, 40))
        vectors += rng.uniform(0, 1.5, size=(60, 1)).repeat(
            2, axis=0
        )  # some nearer the middle than others: hubs
        side = rng.permutation(60) % 2
        ratio = exposed(vectors, [(str(side[artist]),) for artist in artists], artists, k=10)["0"].ratio
        held += ratio.low <= 1 <= ratio.high
    assert held / 60 > 0.85


def test_no_two_tracks_and_no_groups():
    assert exposed(np.ones((1, 3)), [("rock",)]) == {}
    assert exposed(np.zeros((0, 3)), []) == {}
    assert exposures({"ours": np.ones((4, 2))}, {}, np.arange(4), 2, 10, 0) == ()


def test_one_group_has_every_place():
    shown = exposed(np.random.default_rng(0).normal(size=(30, 4)), [("rock",)] * 30, k=5)
    assert shown["rock"].share_of_places == 1
    ratio = shown["rock"].ratio
    assert (ratio.low, ratio.mean, ratio.high, shown["rock"].p_value) == (1, 1, 1, 1)


def test_a_list_is_never_longer_than_the_others():
    shown = exposed(np.random.default_rng(0).normal(size=(3, 4)), [("a",), ("a",), ("b",)], k=10)
    assert shown["a"].share_of_places == pytest.approx(2 / 3)  # everybody finds everybody


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 12))
def test_shares_of_single_groups_sum_to_one(random_seed, tracks, k):
    rng = np.random.default_rng(random_seed)
    values = [(str(group),) for group in rng.integers(0, 4, tracks)]
    shown = exposed(rng.normal(size=(tracks, 5)), values, k=k, resamples=10).values()
    assert sum(one.share_of_places for one in shown) == pytest.approx(1)
    assert sum(one.share_of_tracks for one in shown) == pytest.approx(1)


def test_a_track_of_two_groups_is_a_place_for_both():
    shown = exposed(np.random.default_rng(0).normal(size=(9, 3)), [("a", "b")] * 9, k=2)
    assert shown["a"].share_of_places == shown["b"].share_of_places == 1
