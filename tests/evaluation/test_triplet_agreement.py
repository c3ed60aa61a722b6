from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.evaluation.triplet_agreement import (
    BEST_FIXED,
    MAJORITY_OF_OTHERS,
    ONE_OTHER,
    agreement,
    triplet_agreement,
)
from soundkin.statistics.measure import CHANCE

IDS = list("abcdefgh")


def line(places):
    """Tracks along a quarter circle: cosine falls with the distance of their places, in [0, 1]."""
    return np.stack([np.cos(np.pi / 2 * np.asarray(places)), np.sin(np.pi / 2 * np.asarray(places))], axis=1)


ALONG = line(np.linspace(0, 1, 8))  # a, b, c, ... in a row: b is closer to a than c is


def judged(rows, named=True):
    frame = pd.DataFrame(
        [row.split() for row in rows], columns=["anchor_id", "closer_id", "farther_id", "annotator_id"]
    )
    return frame if named else frame.drop(columns="annotator_id")


def judge(rows, systems=None, named=True, **settings):
    return triplet_agreement(systems or {"ours": ALONG}, IDS, judged(rows, named), resamples=200, **settings)


def test_a_system_agrees_where_the_closer_track_has_the_higher_cosine_and_half_where_they_are_level():
    tracks = np.array([[0, 1, 2], [0, 2, 1], [0, 1, 3]])
    vectors = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 1.0], [4.0, 2.0]])  # tracks 1 and 3 point the same way
    assert agreement(vectors, tracks).tolist() == [1.0, 0.0, 0.5]


def test_a_hand_made_case():
    # Is b or c closer to a? ann, ben and eve say b, dan says c. And b or d? Only ann was asked, and says d.
    found = judge(["a b c ann", "a b c ben", "a c b dan", "a b c eve", "a d b ann"])
    assert found.overall.score("ours").mean == pytest.approx((3 / 4 + 0) / 2)
    assert found.overall.score(CHANCE).mean == 0.5
    assert found.overall.score(BEST_FIXED).mean == pytest.approx((3 / 4 + 1) / 2)
    repeated = found.repeated
    assert (repeated.judgements, repeated.asked, repeated.anchors, repeated.annotators) == (4, 1, 1, 4)
    assert repeated.score("ours").mean == 0.75
    # The other three are two against one for whoever said b, and three to none against dan.
    assert repeated.score(MAJORITY_OF_OTHERS).mean == pytest.approx(3 / 4)
    assert repeated.score(ONE_OTHER).mean == pytest.approx((3 * 2 / 3 + 0) / 4)
    assert repeated.score(BEST_FIXED).mean == 0.75


def test_an_even_split_of_the_others_counts_a_half():
    repeated = judge(["a b c ann", "a b c ben", "a c b dan"]).repeated
    # ann: ben for, dan against; ben alike; dan: both against.
    assert repeated.score(MAJORITY_OF_OTHERS).mean == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert repeated.score(ONE_OTHER).mean == pytest.approx((0.5 + 0.5 + 0) / 3)


def test_a_question_is_the_same_whichever_way_round_it_is_answered_but_not_about_another_anchor():
    assert judge(["a b c ann", "a c b ben"]).repeated.score(ONE_OTHER).mean == 0.0
    assert judge(["a b c ann", "b a c ben"]).repeated is None


def test_a_person_who_answers_twice_is_no_second_person():
    found = judge(["a b c ann", "a b c ann"])
    assert found.repeated is None
    assert "nobody knows how far people agree" in found.verdict
    assert any("No question was put to two people" in note for note in found.notes)


def test_nameless_judgements_are_different_peoples():
    found = judge(["a b c _", "a b c _"], named=False)
    assert found.repeated.score(ONE_OTHER).mean == 1.0
    assert found.repeated.annotators is None
    assert any("2 answers name no annotator" in note for note in found.notes)


def test_every_question_counts_once_however_often_it_was_judged():
    often = [f"a b c person{number}" for number in range(9)]  # the system is right nine times
    assert judge([*often, "d h c ann"]).overall.score("ours").mean == pytest.approx(0.5)


def test_full_agreement_is_all_ones():
    triples = ("abc", "bcd", "cde", "def", "efg", "fgh", "gfe", "hga")
    found = judge([f"{' '.join(triple)} {who}" for who in ("ann", "ben") for triple in triples])
    for system in ("ours", MAJORITY_OF_OTHERS, ONE_OTHER, BEST_FIXED):
        assert found.repeated.score(system).mean == 1.0
    assert found.verdict.startswith("above chance")


def test_of_few_anchors_there_is_no_verdict():
    found = judge(
        [f"{' '.join(triple)} {who}" for who in ("ann", "ben") for triple in ("abc", "bcd", "hga", "def")]
    )
    assert found.verdict.startswith(
        "too few anchors to say (4, at least 8 are needed): ours agrees with 1.00 of"
    )
    assert found.overall.score("ours").low is None
    assert found.table()[0]["answers: all questions"] == "8 (4 anchors)"


def test_anchors_by_one_artist_are_drawn_together():
    rng = np.random.default_rng(0)
    truth, ids, frame = planted(people=5, care=1.0, questions=400, tracks=120)
    artists = np.arange(120) // 10
    good = rng.random(12) < 0.5  # what an artist's tracks are about is known, or is not
    heard = np.where(good[artists][:, None], truth, rng.normal(size=truth.shape))
    widths = {}
    for unit, of_tracks in (("artists", artists), ("anchors", None)):
        score = triplet_agreement({"ours": heard}, ids, frame, artists=of_tracks).overall.score("ours")
        widths[unit] = score.high - score.low
    assert widths["artists"] > 1.3 * widths["anchors"]
    few = triplet_agreement({"ours": heard}, ids, frame, artists=artists // 2).overall
    assert (few.groups, few.unit) == (6, "artists") and few.score("ours").low is None


def test_without_judgements_about_known_tracks_nothing_is_measured():
    for rows in ([], ["a b elsewhere ann"]):
        found = judge(rows)
        assert (found.overall, found.repeated, found.table()) == (None, None, [])
        assert "nothing measured" in found.verdict
        assert found.left_out == len(rows)


def test_judgements_about_other_tracks_are_left_out_and_counted():
    rows = ["a b c ann", "a b c ben"]
    found = judge([*rows, "a z c ann", "z b c ben"])
    assert found.left_out == 2
    assert any("2 answers are about tracks that have no vector" in note for note in found.notes)
    assert found.overall == judge(rows).overall


def test_systems_are_compared_on_the_same_draws():
    rng = np.random.default_rng(0)
    rows = [f"{' '.join(rng.permutation(IDS)[:3])} ann" for _ in range(60)]
    found = judge(rows, {"ours": ALONG, "same": 2 * ALONG, "backwards": line(np.linspace(0, 1, 8) ** 3)})
    gain = found.overall.gain_over("same")
    assert (gain.mean, gain.low, gain.high) == (0.0, 0.0, 0.0)
    assert "not shown to beat same" in found.verdict
    table = {row["system"]: row for row in found.table()}
    assert table["same"]["ours above it: all questions"] == "+0.00 [+0.00, +0.00]"
    assert set(table) == {"ours", "same", "backwards", CHANCE, BEST_FIXED}


def test_the_table_holds_people_only_where_they_can_be_compared():
    rows = judge(["a b c ann", "a b c ben", "d e h ann"]).table()
    assert [row["system"] for row in rows] == ["ours", CHANCE, MAJORITY_OF_OTHERS, ONE_OTHER, BEST_FIXED]
    assert "all questions" not in rows[2]
    assert rows[2]["questions put to several people"].startswith("1.00")


def planted(people, care, questions=400, tracks=60, random_seed=0):
    """Each question put to some of `people`, who are right with probability `care`; truth is the planted
    space.
    """
    rng = np.random.default_rng(random_seed)
    truth = rng.normal(size=(tracks, 6))
    unit = truth / np.linalg.norm(truth, axis=1, keepdims=True)
    rows = []
    for _ in range(questions):
        anchor, one, other = rng.choice(tracks, 3, replace=False)
        closer, farther = (
            (one, other) if unit[anchor] @ unit[one] > unit[anchor] @ unit[other] else (other, one)
        )
        for person in rng.choice(people, 5, replace=False):
            pair = (closer, farther) if rng.random() < care else (farther, closer)
            rows.append((str(anchor), *map(str, pair), f"person{person}"))
    frame = pd.DataFrame(rows, columns=["anchor_id", "closer_id", "farther_id", "annotator_id"])
    return truth, [str(track) for track in range(tracks)], frame


def test_planted_care_is_found_and_the_true_space_lies_between_the_ceiling_and_the_bound():
    care = 0.8
    truth, ids, frame = planted(people=20, care=care)
    noise = np.random.default_rng(1).normal(size=truth.shape)
    found = triplet_agreement({"truth": truth, "noise": noise}, ids, frame).repeated
    assert found.score(ONE_OTHER).mean == pytest.approx(care**2 + (1 - care) ** 2, abs=0.02)
    assert found.score("truth").mean == pytest.approx(care, abs=0.02)
    assert found.score("noise").low < 0.5 < found.score("noise").high
    right = care**4 + 4 * care**3 * (1 - care)  # three or four of four others
    split = 6 * care**2 * (1 - care) ** 2
    expected = care * (right + split / 2) + (1 - care) * (1 - right - split / 2)
    assert found.score(MAJORITY_OF_OTHERS).mean == pytest.approx(expected, abs=0.02)
    assert found.score(ONE_OTHER).mean < found.score(MAJORITY_OF_OTHERS).mean < found.score("truth").mean
    assert found.score("truth").mean < found.score(BEST_FIXED).mean
    assert found.gain_over(MAJORITY_OF_OTHERS).low > 0


def test_ten_named_annotators_widen_the_intervals_of_what_depends_on_who_is_asked():
    truth, ids, frame = planted(people=12, care=0.9, questions=300)
    careless = frame["annotator_id"].isin([f"person{number}" for number in range(4)]).to_numpy()
    swapped = frame.loc[careless, ["farther_id", "closer_id"]].to_numpy()
    frame.loc[careless, ["closer_id", "farther_id"]] = (
        swapped  # a third of the people answer the other way round
    )
    by_people = triplet_agreement({"truth": truth}, ids, frame).overall.score("truth")
    by_anchors = triplet_agreement({"truth": truth}, ids, frame.drop(columns="annotator_id")).overall.score(
        "truth"
    )
    assert by_people.mean == by_anchors.mean
    assert by_people.high - by_people.low > 3 * (by_anchors.high - by_anchors.low)


def test_few_annotators_are_not_drawn_and_the_notes_say_so():
    notes = " ".join(judge(["a b c ann", "d e h ben"]).notes)
    assert "say nothing about other people" in notes


TRIPLE = st.sampled_from(list(permutations("abcde", 3)))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TRIPLE, st.sampled_from(["ann", "ben", "eve"])), min_size=1, max_size=25))
def test_no_system_passes_the_best_fixed_answer_and_order_does_not_matter(rows):
    lines = [" ".join([*triple, who]) for triple, who in rows]
    found = judge(lines)
    assert found.overall.score("ours").mean <= found.overall.score(BEST_FIXED).mean + 1e-12
    again = judge(lines[::-1])
    for agreement_of, other in ((found.overall, again.overall), (found.repeated, again.repeated)):
        if agreement_of is not None:
            assert [score.mean for score in agreement_of.scores] == pytest.approx(
                [of.mean for of in other.scores]
            )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(TRIPLE, st.sampled_from("pqrs")), min_size=2, max_size=20))
def test_agreement_of_two_people_is_that_of_a_loop_over_pairs(rows):
    questions = {}
    for (anchor, closer, farther), who in rows:
        questions.setdefault((anchor, *sorted((closer, farther))), []).append((closer, who))
    expected = []
    for answers in questions.values():
        shares = []
        for place, (closer, who) in enumerate(answers):
            others = [
                other == closer
                for there, (other, person) in enumerate(answers)
                if there != place and person != who
            ]
            shares += [np.mean(others)] if others else []
        expected += [np.mean(shares)] if shares else []
    repeated = judge([" ".join([*triple, who]) for triple, who in rows]).repeated
    if not expected:
        assert repeated is None
    else:
        assert repeated.score(ONE_OTHER).mean == pytest.approx(np.mean(expected))


def test_a_space_without_judged_differences_scores_at_chance():
    found = judge(["a b c ann", "d e h ann"], {"flat": np.ones((8, 3))})
    assert found.overall.score("flat").mean == 0.5


def test_plain_values_come_out():
    found = judge(["a b c ann", "a b c ben"]).model_dump(mode="json")
    assert found["repeated"]["scores"][0]["system"] == "ours"
