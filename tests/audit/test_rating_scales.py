"""Use of the scale by hand, planted straight-liners, contrary users and drift; plays are said to be plays."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import soundkin.audit.rating_scales as module
from soundkin.audit.rating_scales import USER_COLUMNS, audit_rating_scales, guess_feedback, scale_use

COLUMNS = ["user_id", "track_id", "rating"]


def table(**users: str) -> pd.DataFrame:
    """Each user's ratings of tracks 0, 1, 2 ..., a digit each, `.` where there is none."""
    rows = [
        (name, str(t), float(cell))
        for name, cells in users.items()
        for t, cell in enumerate(cells)
        if cell != "."
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def planted(random_seed: int = 0, users: int = 40, tracks: int = 120) -> pd.DataFrame:
    """Honest users, `flat` who always says 3, `turned` who rates the other way, `falling` whose ratings fall
    by 2.
    """
    rng = np.random.default_rng(random_seed)
    quality = rng.normal(0, 0.8, tracks)
    names = [f"user-{number:02d}" for number in range(users)] + ["flat", "turned", "falling"]
    frames = []
    for name in names:
        rated = rng.permutation(tracks)[:60]
        opinion = quality[rated] + rng.normal(0, 0.5, 60)
        if name == "turned":
            opinion = -opinion
        if name == "falling":
            opinion += np.linspace(1, -1, 60)
        stars = np.clip(np.round(3 + opinion), 1, 5) if name != "flat" else np.full(60, 3.0)
        frames.append(pd.DataFrame({"user_id": name, "track_id": rated.astype(str), "rating": stars}))
        frames[-1]["timestamp"] = pd.to_datetime(np.arange(60) * 3600, unit="s", utc=True)
    return pd.concat(frames, ignore_index=True)


def test_scale_use_by_hand() -> None:
    found = scale_use(table(anna="1155", ben="3333", cleo="12.5")).set_index("user_id")
    assert found["ratings"].tolist() == [4, 4, 3]
    assert found["mean"].tolist() == pytest.approx([3, 3, 8 / 3])
    assert found["spread"].tolist() == pytest.approx([2, 0, np.std([1, 2, 5])])
    assert found["extremes"].tolist() == pytest.approx([1, 0, 2 / 3])
    assert found["distinct"].tolist() == [2, 1, 3]
    assert found["entropy"].tolist() == pytest.approx([1, 0, np.log2(3)])
    assert found["shared"].tolist() == [4, 4, 3]
    others = [2.0, 2.5, 3.0, 4.0]  # of anna: means of ben and cleo
    plain = np.corrcoef([1, 1, 5, 5], others)[0, 1]
    assert found["correlation"]["anna"] == pytest.approx(plain * 4 / 14)
    assert np.isnan(found["correlation"]["ben"]) and found["drift"].isna().all()


def test_tracks_that_nobody_else_rated_do_not_count_for_agreeing() -> None:
    found = scale_use(table(anna="123..", ben="...45")).set_index("user_id")
    assert found["shared"].tolist() == [0, 0] and found["correlation"].isna().all()


def test_planted_users_stand_out_and_nobody_else() -> None:
    found = scale_use(planted()).set_index("user_id")["flags"]
    assert (
        "straight-liner" in found["flat"]
        and "contrary" in found["turned"]
        and "drifts down" in found["falling"]
    )
    others = found.drop(["flat", "turned", "falling"])
    assert others.map(len).sum() == 0


@pytest.mark.slow
def test_of_many_users_who_rate_by_chance_hardly_one_stands_out() -> None:
    flagged = 0
    for seed in range(5):
        table = planted(seed, users=60)
        table["rating"] = np.random.default_rng(seed).integers(1, 6, len(table)).astype(float)
        flagged += int(scale_use(table)["flags"].map(len).sum())
    assert flagged <= 2


def test_drift_is_freed_of_what_others_gave() -> None:
    """Somebody who hears better tracks later rates higher later, and does not drift."""
    rng = np.random.default_rng(0)
    quality = np.repeat([2.0, 4.0], 30)
    frames = []
    for number in range(12):
        stars = np.clip(quality + rng.integers(-1, 2, 60), 1, 5)
        frame = pd.DataFrame(
            {"user_id": f"u{number}", "track_id": np.arange(60).astype(str), "rating": stars}
        )
        frames.append(frame.assign(timestamp=np.arange(60.0)))
    found = scale_use(pd.concat(frames, ignore_index=True))
    assert found["drift"].abs().max() < 1.0 and found["flags"].map(len).sum() == 0
    assert ((found["drift_low"] < found["drift"]) & (found["drift"] < found["drift_high"])).all()


RATINGS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyzw"), st.integers(1, 5)),
    min_size=1,
    max_size=30,
    unique_by=lambda row: row[:2],
)


@given(rows=RATINGS, data=st.data())
@settings(max_examples=8, deadline=None)
def test_order_does_not_matter_and_shares_are_shares(
    rows: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    first = scale_use(pd.DataFrame(rows, columns=COLUMNS).astype({"rating": float}))
    other = pd.DataFrame(data.draw(st.permutations(rows)), columns=COLUMNS).astype({"rating": float})
    pd.testing.assert_frame_equal(scale_use(other), first)
    assert first["extremes"].between(0, 1).all() and (first["entropy"] >= 0).all()
    assert (first["entropy"] <= np.log2(first["distinct"]) + 1e-9).all()
    assert (first["correlation"].dropna().abs() < 1).all()


@pytest.mark.parametrize(
    ("values", "feedback", "reason"),
    [
        ([1, 2, 3, 3, 4, 4, 5], "explicit", "5 different values"),
        ([0.5, 4.5, 4.5, 3], "explicit", "3 different values"),
        ([1, 1, 1], "implicit", "fewer than three"),
        ([1, 0, 1], "implicit", "fewer than three"),
        ([1, 1, 1, 2, 2, 5], "implicit", "lowest value is the most frequent"),
        ([-1, 1, 2, 2], "implicit", "below 0"),
        (list(range(1, 40)), "implicit", "39 different values"),
    ],
)
def test_what_ratings_look_like(values: list[float], feedback: str, reason: str) -> None:
    found = guess_feedback(pd.Series(values, dtype=float))
    assert found[0] == feedback and reason in found[1]


def test_plays_have_no_scale_and_the_section_says_so() -> None:
    plays = table(anna="11129", ben="1311.")
    found = audit_rating_scales(plays)
    assert found.feedback == "implicit" and "scale use has no meaning" in found.verdict
    assert found.table() == [] and found.notes == () and found.agreement is None


def test_no_ratings_at_all() -> None:
    for nothing in (None, pd.DataFrame(columns=COLUMNS)):
        found = audit_rating_scales(nothing)
        assert found.verdict == "No ratings were given." and found.table() == [] and found.notes == ()


def test_a_section_names_who_stands_out_and_how_far_users_agree() -> None:
    found = audit_rating_scales(planted())
    assert "1 straight-liner, 1 contrary, 1 drifts down" in found.verdict
    assert found.table()[0]["user_id"] == "median user"
    assert {row["user_id"] for row in found.table()[1:]} == {"flat", "turned", "falling"}
    assert all(set(row) == set(USER_COLUMNS) for row in found.table())
    assert (
        found.agreement is not None
        and found.agreement.alpha is not None
        and 0.3 < found.agreement.alpha.mean < 0.9
    )
    assert found.sampled is None and type(found).model_validate(found.model_dump()) == found


def test_generous_and_harsh_users_agree_once_their_means_are_taken_off() -> None:
    found = audit_rating_scales(table(anna="1231231", ben="3453453"))
    assert (
        found.agreement is not None and found.agreement.alpha is not None and found.agreement.alpha.mean < 0.2
    )
    assert found.freed_agreement is not None and found.freed_agreement.alpha is not None
    assert found.freed_agreement.alpha.mean == pytest.approx(1.0)


def test_the_last_of_several_ratings_counts_for_agreement() -> None:
    first = table(anna="123455", ben="123455").assign(timestamp=1.0)
    again = table(anna="554321").assign(timestamp=2.0)
    found = audit_rating_scales(pd.concat([again, first], ignore_index=True))
    assert (
        found.agreement is not None and found.agreement.alpha is not None and found.agreement.alpha.mean < 0
    )


def test_agreement_on_many_ratings_is_that_of_a_sample_of_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = planted()
    whole = audit_rating_scales(ratings)
    monkeypatch.setattr(module, "MOST_RATED", 800)
    sampled = audit_rating_scales(ratings)
    assert sampled.sampled is not None and 700 < sampled.sampled <= 800
    assert sampled.agreement is not None and sampled.agreement.alpha is not None
    assert whole.agreement is not None and whole.agreement.alpha is not None
    assert sampled.agreement.alpha.low < whole.agreement.alpha.mean < sampled.agreement.alpha.high
    assert any("a sample of" in note for note in sampled.notes)
    assert audit_rating_scales(ratings) == sampled
