import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from soundkin.evaluation.neighbour_verdicts import nearest_neighbours, neighbour_verdicts
from soundkin.statistics.measure import CHANCE

IDS = list("abcdefgh")


def angles(degrees):
    return np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], axis=1)


ALONG = angles(np.array([0, 10, 21, 33, 46, 60, 75, 89]))  # a, b, c, ... in a row, ever farther apart


def verdicts(rows):
    frame = pd.DataFrame([row.split() for row in rows])
    frame.columns = ["query_id", "neighbour_id", "verdict", "annotator_id"][: frame.shape[1]]
    return frame


def judge(rows, systems=None, k=3, artists=None):
    return neighbour_verdicts(
        systems or {"ours": ALONG}, IDS, verdicts(rows), k=k, resamples=200, artists=artists
    )


def test_a_hand_made_case():
    # Nearest to a are b, c, d; nearest to h are g, f, e.
    found = judge(["a b good", "a c bad", "a h bad", "a g good", "h g good"])
    offered = found.offered[0]
    assert (offered.neighbours, offered.judged) == (6, 3)
    assert offered.good.mean == pytest.approx(2 / 3)
    assert (offered.at_least, offered.at_most) == pytest.approx((2 / 6, 5 / 6))
    # Of a's pairs: b before c, b before h, c before g (wrong), g before h. Of h there is nothing bad.
    assert (found.queries, found.compared) == (2, 1)
    assert found.preference[0].mean == pytest.approx(3 / 4)
    assert found.preference[1].system == CHANCE
    assert found.base_rate == pytest.approx(3 / 5)
    assert "3 of 6 neighbours by ours were judged" in found.verdict


def test_people_who_disagree_count_by_their_share():
    found = judge(["a b good ann", "a b bad ben", "a c good ann"])
    assert found.offered[0].good.mean == pytest.approx((0.5 + 1) / 2)
    assert found.preference[0].mean == pytest.approx((0.5 + 0) / 2)  # b level with itself, and c after b


def test_the_last_word_counts():
    assert judge(["a b bad ann", "a b good ann"]).offered[0].good.mean == 1.0


def test_perfect_and_reversed_orders():
    rows = ["a b good", "a c good", "a g bad", "h g good", "h a bad"]
    assert judge(rows).preference[0].mean == 1.0
    swapped = [row.replace("good", "x").replace("bad", "good").replace("x", "bad") for row in rows]
    assert judge(swapped).preference[0].mean == 0.0


def test_level_tracks_count_a_half():
    assert judge(["a b good", "a c bad"], {"flat": np.ones((8, 2))}).preference[0].mean == 0.5


def test_systems_are_compared_on_the_same_pairs_and_offered_their_own_lists():
    rows = [f"{query} {other} {'good' if abs(ord(query) - ord(other)) < 2 else 'bad'}"
            for query in IDS for other in IDS if other != query]  # fmt: skip
    mixed = ALONG[[3, 6, 0, 5, 1, 7, 2, 4]]
    found = judge(rows, {"mixed": mixed, "along": ALONG})
    assert [score.system for score in found.preference] == ["mixed", "along", CHANCE]
    assert found.preference[1].mean == 1.0
    assert found.gains[0].high < 0
    assert "not shown to beat along" in found.verdict
    assert table_of(found)["along"]["queries with both (queries)"] == "8 (8)"
    table = table_of(found)
    assert table["along"]["judged of the 3 nearest"] == "24 of 24"
    assert set(table[CHANCE]) == {"system", "good before bad", "mixed above it"}


def test_queries_by_one_artist_are_drawn_together_and_few_artists_are_not_drawn():
    rows = [f"{query} {other} {'good' if abs(ord(query) - ord(other)) < 2 else 'bad'}"
            for query in IDS for other in IDS if other != query]  # fmt: skip
    found = judge(rows, {"mixed": ALONG[[3, 6, 0, 5, 1, 7, 2, 4]], "along": ALONG}, artists=np.arange(8) // 2)
    assert (found.groups, found.unit) == (4, "artists")
    assert [score.low for score in found.preference] == [None] * 3
    assert "too few artists to say (4, at least 8 are needed)" in found.verdict
    assert "not shown to beat" not in found.verdict


def table_of(found):
    return {row["system"]: row for row in found.table()}


def test_lists_that_nobody_judged_say_so():
    found = judge(["a h bad"])
    assert found.offered[0].good is None
    assert (found.offered[0].at_least, found.offered[0].at_most) == (0.0, 1.0)
    assert found.verdict.startswith("none of the 3 neighbours by ours were judged")
    assert "no query has both" in found.verdict
    assert found.table()[0]["good among the judged"] == ""


def test_judgements_about_other_tracks_are_left_out_and_counted():
    found = judge(["a b good", "a zz bad", "zz a bad"])
    assert (found.judgements, found.left_out) == (1, 2)
    assert any("2 verdicts are about tracks that have no vector" in note for note in found.notes)


@pytest.mark.parametrize("rows", [["zz yy good"]])
def test_nothing_known_is_nothing_measured(rows):
    found = judge(rows)
    assert "nothing measured" in found.verdict
    assert found.table() == []
    assert found.base_rate is None


def test_an_empty_file_is_nothing_measured():
    empty = pd.DataFrame({"query_id": [], "neighbour_id": [], "verdict": []}, dtype=object)
    assert "nothing measured" in neighbour_verdicts({"ours": ALONG}, IDS, empty).verdict


def test_notes_warn_of_lists_that_one_system_made():
    notes = " ".join(judge(["a b good", "a c bad"]).notes)
    assert "favours the system that made the list" in notes
    assert "no intervals: too few queries to say (1, at least 8 are needed)" in notes


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_good_before_bad_is_the_mean_auc_of_the_judged(random_seed):
    rng = np.random.default_rng(random_seed)
    vectors = rng.integers(-1, 2, size=(8, 3)).astype(float)  # many level cosines
    pairs = [
        (query, other) for query in range(8) for other in range(8) if other != query and rng.random() < 0.5
    ]
    good = rng.random(len(pairs)) < 0.4
    rows = [
        f"{IDS[query]} {IDS[other]} {'good' if word else 'bad'}"
        for (query, other), word in zip(pairs, good, strict=True)
    ]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(norms > 0, norms, 1)
    expected = []
    for query in range(8):
        of_query = [place for place, (asked, _) in enumerate(pairs) if asked == query]
        truth = good[of_query]
        if len(set(truth)) == 2:
            cosines = np.round([unit[query] @ unit[pairs[place][1]] for place in of_query], 6)
            expected.append(roc_auc_score(truth, cosines))
    found = judge(rows or ["a b good"], {"ours": vectors})
    assert found.compared == len(expected)
    if expected:
        assert found.preference[0].mean == pytest.approx(np.mean(expected))


def planted(pool_of):
    """Two systems that hear the truth equally well and err apart; good is what is near in truth.

    Judged are the lists of the systems that `pool_of` picks.
    """
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 8))
    systems = {name: truth + rng.normal(size=truth.shape) for name in ("maker", "peer")}
    unit = truth / np.linalg.norm(truth, axis=1, keepdims=True)
    queries = rng.choice(400, 100, replace=False)
    lists = [nearest_neighbours(systems[name], queries, 10, random_seed=0) for name in pool_of]
    pairs = {
        (query, other) for of in lists for query, others in zip(queries, of, strict=True) for other in others
    }
    ids = [str(track) for track in range(400)]
    rows = [
        (ids[query], ids[other], "good" if unit[query] @ unit[other] > 0.5 else "bad")
        for query, other in sorted(pairs)
    ]
    frame = pd.DataFrame(rows, columns=["query_id", "neighbour_id", "verdict"])
    return neighbour_verdicts(systems, ids, frame)


@pytest.mark.slow
def test_one_systems_lists_flatter_an_equal_that_errs_elsewhere_so_the_two_are_not_compared():
    found = planted(["maker"])
    maker, peer = found.offered
    assert maker.judged == maker.neighbours > 4 * peer.judged
    assert found.gains[0].high < 0  # they are equally good
    assert peer.good.low > maker.good.high
    assert found.comparable == (CHANCE,)
    assert {row["system"]: row for row in found.table()}["peer"]["maker above it"] == "not comparable"
    assert "not comparable, judge the lists of all: peer" in found.verdict
    assert "beat peer" not in found.verdict


@pytest.mark.slow
def test_where_the_lists_of_both_were_judged_equals_are_equal():
    found = planted(["maker", "peer"])
    assert found.comparable == ("peer", CHANCE)
    assert found.gains[0].low < 0 < found.gains[0].high
    assert found.offered[0].good.mean == pytest.approx(found.offered[1].good.mean, abs=0.05)
    assert "not shown to beat peer" in found.verdict


def test_nearest_neighbours_agree_with_a_sort_and_leave_the_query_out():
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(700, 6))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = np.arange(0, 700, 1)
    found = nearest_neighbours(vectors, queries, 5, random_seed=1)
    for query in (0, 511, 512, 699):
        order = [other for other in np.argsort(-(unit @ unit[query])) if other != query]
        assert set(found[query]) == set(order[:5])


def test_fewer_tracks_than_neighbours_are_no_trouble():
    found = neighbour_verdicts({"ours": ALONG[:3]}, IDS[:3], verdicts(["a b good", "a c bad"]), k=10)
    assert (found.offered[0].neighbours, found.offered[0].judged) == (2, 2)


def test_intervals_draw_queries():
    rows = [f"{query} {other} {word}" for query, word in zip("abcdefgh", ["good", "bad"] * 4, strict=True)
            for other in IDS if other != query]  # fmt: skip
    good = judge(rows).offered[0].good
    assert good.mean == 0.5
    assert good.high - good.low >= 0.5  # 8 queries of all or nothing; 24 verdicts drawn alone would give 0.4


def test_plain_values_come_out():
    assert judge(["a b good", "a c bad"]).model_dump(mode="json")["offered"][0]["system"] == "ours"
