"""Splits: disjoint by artist, unmoved by growth, never empty without need, and near their shares."""

import json
import logging
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.catalog.splits import ASSURED, SplitConfig, SplitRule, group_names, make_split_rule
from soundkin.catalog.table import SPLITS, Catalog, read_catalog
from soundkin.config import validate
from soundkin.errors import ConfigError

Track = tuple[str | None, str | None]  # artist, genre
few = settings(max_examples=20, deadline=None)
tracks = st.tuples(
    st.one_of(st.none(), st.integers(0, 30).map("Artist {}".format)),
    st.sampled_from([None, "rock", "jazz;pop", "pop"]),
)
SPELLINGS = ("{}", "{} feat. Guest", "THE {}", "{}; Guest", "{} & Guest", "{}, The")
seeds = st.integers(0, 5).map(lambda seed: SplitConfig(random_seed=seed))


def catalog(rows: list[Track], **columns: list[str | None]) -> Catalog:
    frame = pd.DataFrame({"track_id": [f"t{row}" for row in range(len(rows))], "path": "a.mp3", **columns})
    frame["artist"] = pd.array([artist for artist, _ in rows], dtype="str")
    frame["genre"] = pd.array([genre for _, genre in rows], dtype="str")
    return Catalog(frame, Path())


def assign_splits(tracks: Catalog, config: SplitConfig) -> list[str]:
    return make_split_rule(tracks, config).assign(tracks)


def artists(genres: int, each: int, tracks_each: int = 3) -> list[Track]:
    return [
        (f"{g}-{a}", f"genre {g}") for g in range(genres) for a in range(each) for _ in range(tracks_each)
    ]


def splits_of_artists(rows: list[Track], splits: list[str]) -> dict[str | None, set[str]]:
    found = defaultdict(set)
    for (artist, _), split in zip(rows, splits, strict=True):
        found[artist].add(split)
    return found


@few
@given(st.lists(tracks, min_size=1, max_size=60), seeds)
def test_no_artist_in_two_splits(rows: list[Track], config: SplitConfig) -> None:
    found = splits_of_artists(rows, assign_splits(catalog(rows), config))
    assert all(len(splits) == 1 for artist, splits in found.items() if artist is not None)


@few
@given(st.lists(tracks, min_size=1, max_size=40), st.lists(tracks, max_size=80), seeds)
def test_under_one_rule_nothing_ever_moves(rows: list[Track], more: list[Track], config: SplitConfig) -> None:
    rule = make_split_rule(catalog(rows), config)
    saved = validate(SplitRule, json.loads(json.dumps(rule.model_dump(mode="json"))))
    assert saved.assign(catalog(rows + more))[: len(rows)] == assign_splits(catalog(rows), config)


@few
@given(st.lists(tracks, min_size=1, max_size=40), st.lists(tracks, max_size=80), seeds)
def test_under_two_rules_only_exceptions_move(
    rows: list[Track], more: list[Track], config: SplitConfig
) -> None:
    small, large = catalog(rows), catalog(rows + more)
    exceptions = {*make_split_rule(small, config).exceptions, *make_split_rule(large, config).exceptions}
    before, after = assign_splits(small, config), assign_splits(large, config)[: len(rows)]
    moved = {
        group for group, old, new in zip(group_names(small, config), before, after, strict=True) if old != new
    }
    assert moved <= exceptions


def test_large_genres_need_no_exceptions_so_artists_stay_under_any_rule() -> None:
    rows, more = artists(4, 250, 1), artists(6, 400, 1)
    config = SplitConfig()
    assert make_split_rule(catalog(rows), config).exceptions == {}
    before = splits_of_artists(rows, assign_splits(catalog(rows), config))
    after = splits_of_artists(more, assign_splits(catalog(more), config))
    assert all(after[artist] == split for artist, split in before.items())


@few
@given(st.permutations(artists(3, 6, 1)), seeds)
def test_row_order_does_not_matter(rows: list[Track], config: SplitConfig) -> None:
    found = splits_of_artists(rows, assign_splits(catalog(rows), config))
    ordered = artists(3, 6, 1)
    assert found == splits_of_artists(ordered, assign_splits(catalog(ordered), config))


@few
@given(st.integers(3, 40), st.integers(1, 5), seeds)
def test_no_split_is_empty_from_three_artists_on(count: int, genres: int, config: SplitConfig) -> None:
    rows: list[Track] = [(f"artist {number}", f"genre {number % genres}") for number in range(count)]
    assert set(assign_splits(catalog(rows), config)) == set(SPLITS)


@pytest.mark.parametrize("random_seed", range(20))
def test_every_genre_of_ten_artists_is_in_every_split(random_seed: int) -> None:
    rows = artists(8, 10)
    splits = assign_splits(catalog(rows), SplitConfig(random_seed=random_seed))
    for genre in range(8):
        pairs = zip(rows, splits, strict=True)
        names = {(artist, split) for (artist, label), split in pairs if label == f"genre {genre}"}
        counts = {split: sum(found == split for _, found in names) for split in SPLITS}
        assert counts["train"] >= ASSURED and counts["valid"] >= 1 and counts["test"] >= 2, counts


def test_shares_are_about_right() -> None:
    rows = [(f"artist {number}", f"genre {number % 12}") for number in range(4000)]
    splits = pd.Series(assign_splits(catalog(rows), SplitConfig(train=0.6, valid=0.15, test=0.25)))
    shares = splits.value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.6, abs=0.03)
    assert shares["valid"] == pytest.approx(0.15, abs=0.02)
    assert shares["test"] == pytest.approx(0.25, abs=0.03)


def test_golden_positions() -> None:
    """These names keep these splits for ever: a change here moves everyone's artists."""
    rule = SplitRule(config=SplitConfig(random_seed=1))
    names = ["nina simone", "bach", "björk", "moondog", "can"]
    expected = ["train", "valid", "train", "valid", "test"]
    assert [rule.split_of(f"artist={name}") for name in names] == expected


def test_spelling_of_one_name() -> None:
    rows: list[Track] = [
        ("Sigur Rós", None),
        ("sigur  rós ", None),
        ("Sigur Ro\u0301s;Guest", None),
        ("Other", None),
    ]
    names = group_names(catalog(rows), SplitConfig())
    assert names[:3] == ["artist=sigur ros"] * 3 and names[3] == "artist=other"


def test_groups_are_leads_and_tracks_by_nobody_are_alone() -> None:
    credits = [
        "The Ann",
        "ann feat. Bob",
        "Ann & Bob",
        "Various Artists",
        "VA",
        "[unknown]",
        None,
        "Bob; Ann",
    ]
    names = group_names(catalog([(credit, None) for credit in credits]), SplitConfig())
    assert names[:3] == ["artist=ann"] * 3 and names[7] == "artist=bob"
    assert names[3:7] == ["track_id=t3", "track_id=t4", "track_id=t5", "track_id=t6"]


def test_a_compilation_of_many_is_spread_and_no_group(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert set(assign_splits(catalog([("Various Artists", None)] * 60), SplitConfig())) == set(SPLITS)
    assert "no artist is known" in caplog.text


@few
@given(st.lists(st.tuples(st.sampled_from(SPELLINGS), st.integers(0, 9)), min_size=1, max_size=60), seeds)
def test_no_lead_is_torn_by_spelling_or_guests(credits: list[tuple[str, int]], config: SplitConfig) -> None:
    rows: list[Track] = [(spelling.format(f"Ártist {lead}"), None) for spelling, lead in credits]
    found = defaultdict(set)
    for (_, lead), split in zip(credits, assign_splits(catalog(rows), config), strict=True):
        found[lead].add(split)
    assert all(len(splits) == 1 for splits in found.values())


def earlier_rule(tracks: Catalog, exceptions: dict[str, str]) -> SplitRule:
    """A rule as versions before 0.5 saved it."""
    return validate(SplitRule, {"config": SplitConfig().model_dump(mode="json"), "exceptions": exceptions})


@pytest.mark.parametrize("now", ["Sigur Rós", "SIGUR ROS", "Sigur Rós feat. Ann"])
def test_a_rule_of_an_earlier_version_places_its_exceptions(now: str) -> None:
    tracks = catalog([(now, None), ("Ann", None)])
    for split in SPLITS:
        assert earlier_rule(tracks, {"artist=sigur rós": split}).assign(tracks)[0] == split


def test_under_a_rule_of_an_earlier_version_what_was_trained_on_stays_in_training() -> None:
    names = [f"Ártist {number}" for number in range(60)]
    tracks = catalog([(name, None) for name in names] + [(name.replace("Á", "A"), None) for name in names])
    rule = earlier_rule(tracks, {"artist=ártist 1": "test", "artist=ártist 2": "train"})
    were = [rule.split_of(f"artist={name.casefold()}") for name in tracks.frame["artist"]]
    are = rule.assign(tracks)
    assert all(now == "train" for old, now in zip(were, are, strict=True) if old == "train")
    assert are[:60] == are[60:] and set(are) == set(SPLITS)


def test_a_new_rule_says_that_it_goes_by_keys() -> None:
    rule = make_split_rule(catalog(artists(2, 12)), SplitConfig())
    assert rule.artists_by == "key" and validate(SplitRule, rule.model_dump(mode="json")) == rule


@pytest.mark.parametrize("rows", [[("A", "rock")], [("A", "rock")] * 5, [(None, None)]])
def test_one_group_is_all_for_training_and_said_so(
    rows: list[Track], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert set(assign_splits(catalog(rows), SplitConfig())) == {"train"}
    assert "no track is left for valid and test: there are only 1 groups by artist" in caplog.text


def test_two_artists_are_for_training_and_test() -> None:
    for seed in range(10):
        splits = assign_splits(catalog([("A", None), ("B", None)]), SplitConfig(random_seed=seed))
        assert set(splits) == {"train", "test"}


def test_without_artists_each_track_is_a_group(caplog: pytest.LogCaptureFixture) -> None:
    rows: list[Track] = [(None, "rock")] * 12
    with caplog.at_level(logging.WARNING):
        assert set(assign_splits(catalog(rows), SplitConfig())) == set(SPLITS)
        assert set(assign_splits(catalog(rows), SplitConfig(group="label"))) == set(SPLITS)
    assert "no artist is known" in caplog.text and "no label is known" in caplog.text


def test_the_split_column_goes_first() -> None:
    rows: list[Track] = [("A", None), ("A", None), ("B", None), ("C", None)]
    stated = catalog(rows, split=["test", None, "train", None])
    splits = assign_splits(stated, SplitConfig())
    assert splits[:3] == ["test", "test", "train"], "a track without a cell goes where its artist is"
    assert splits[3] == "valid", "what is stated is not moved to fill a split, the rest is"


def test_a_rule_remembers_the_split_column() -> None:
    rows = artists(2, 12, 1)
    stated = catalog(rows, split=[["test", "train", None][row % 3] for row in range(len(rows))])
    rule = make_split_rule(stated, SplitConfig())
    assert rule.assign(catalog(rows)) == rule.assign(stated)


def test_a_torn_artist_is_obeyed_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    torn = catalog([("A", None), ("A", None)], split=["train", "test"])
    with caplog.at_level(logging.WARNING):
        assert assign_splits(torn, SplitConfig()) == ["train", "test"]
    assert "tears 1 groups apart (artist=a)" in caplog.text


def test_no_share_no_tracks() -> None:
    config = SplitConfig(train=0.8, valid=0.0, test=0.2)
    assert set(assign_splits(catalog(artists(2, 12)), config)) == {"train", "test"}


def test_shares_that_do_not_add_up() -> None:
    with pytest.raises(ConfigError, match=r"add up to 1\.1, expected 1"):
        validate(SplitConfig, {"train": 0.8})
    with pytest.raises(ConfigError, match="train"):
        validate(SplitConfig, {"train": 0.0, "valid": 0.5, "test": 0.5})


def test_splits_of_the_real_music(music: Path) -> None:
    tracks = read_catalog(music / "tracks.csv")
    rows: list[Track] = [(lead, None) for lead in tracks.artists.leads]
    splits = assign_splits(tracks, SplitConfig())
    assert all(len(found) == 1 for lead, found in splits_of_artists(rows, splits).items() if lead)
    assert set(splits) == set(SPLITS)
